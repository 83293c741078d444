//! [`LampLeases`]: which PBXs' lamps this node may update, and when it renews that right. A state machine without I/O.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::message::SiteId;
use crate::mwi::LampPermit;

/// The leases of the lamps that this node holds.
///
/// A lease counts from before the node asked for it, for its term less a second: that is for clocks that do not run alike, and for messages that are on
/// their way. An answer that comes later than that gives nothing.
#[derive(Debug)]
pub(super) struct LampLeases {
    permits: HashMap<SiteId, LampPermit>,
    term: Duration,
    /// When to renew next; `None` while a renewal is in progress.
    renew_at: Option<Instant>,
}

impl LampLeases {
    /// Returns leases that last for `term`, none of which is held; the first renewal is due at `now`.
    pub(super) fn new(term: Duration, now: Instant) -> Self {
        Self { permits: HashMap::new(), term, renew_at: Some(now) }
    }

    /// Returns whether to renew the leases now; a renewal is in progress from then on.
    pub(super) fn poll_renewal(&mut self, now: Instant) -> bool {
        let due = self.renew_at.is_some_and(|renew_at| renew_at <= now);
        if due {
            self.renew_at = None;
        }
        due
    }

    /// Returns when to poll again; `None` while a renewal is in progress.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.renew_at
    }

    /// Handles the answer to a renewal that began at `asked_at`: this node holds the leases of `sites`, and no other. Returns those that it has
    /// gained: all states of their mailboxes are to be shown.
    pub(super) fn handle_renewed(&mut self, sites: Vec<SiteId>, asked_at: Instant, now: Instant) -> Vec<SiteId> {
        self.renew_at = Some(asked_at + INTERVAL);
        let end = asked_at + self.term.saturating_sub(MARGIN);
        let held: HashMap<SiteId, LampPermit> = std::mem::take(&mut self.permits);
        let mut gained = Vec::new();
        for site in sites {
            let kept = held.get(&site).filter(|permit| permit.extend(end, now)).cloned();
            let permit = match kept {
                Some(permit) => permit,
                None if end > now => {
                    gained.push(site.clone());
                    LampPermit::until(end)
                }
                None => continue,
            };
            self.permits.insert(site, permit);
        }
        for (_, permit) in held.iter().filter(|(site, _)| !self.permits.contains_key(*site)) {
            permit.end(now);
        }
        gained
    }

    /// Handles a renewal, begun at `asked_at`, that failed. The leases run out unless a later one succeeds in time.
    pub(super) fn handle_failure(&mut self, asked_at: Instant, now: Instant) {
        self.renew_at = Some(now.max(asked_at + INTERVAL));
    }

    /// Returns the permit to show states of telephones of the PBX `site`.
    pub(super) fn permit(&self, site: &SiteId) -> LampPermit {
        self.permits.get(site).cloned().unwrap_or(LampPermit::ended())
    }

    /// Ends all permits, as when this node is no longer a central one.
    pub(super) fn handle_released(&mut self, now: Instant) {
        self.permits.drain().for_each(|(_, permit)| permit.end(now));
    }
}

/// The time from the beginning of one renewal to the next.
const INTERVAL: Duration = Duration::from_millis(500);
/// How long before the end of its term a lease counts as lost.
const MARGIN: Duration = Duration::from_secs(1);
