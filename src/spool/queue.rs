//! [`Queue`]: which message is sent to one destination next, and when. It decides, and does nothing itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::name::EntryName;
pub(super) use super::probes::Failure;
use super::probes::Probes;
use crate::retry::{Backoff, RetryPolicy};

/// The messages that wait for one destination.
///
/// Urgent messages go first, then the oldest. A message that the destination cannot take now, as when its mailbox is full, waits alone and
/// longer each time. When the destination cannot be reached, or answers that it takes none, all messages wait. Meanwhile the first one is sent every
/// few seconds as a probe, also when the probe before has no answer yet; the first one that gets through ends the outage for all. The others follow a
/// few at a time at first, and more with each answer, so that a destination is not overrun at its return. Now and then, when the first message
/// has failed, another one is sent as a probe too: a message that begins an outage again and again, though others get through, is then
/// held back alone.
#[derive(Debug)]
pub(crate) struct Queue {
    ready: BTreeSet<EntryName>,
    later: BTreeSet<(Instant, EntryName)>,
    /// The messages under way, each with the number of outages that had ended when it was sent.
    under_way: BTreeMap<EntryName, u64>,
    /// Messages under way that were put into the queue once more.
    again: BTreeSet<EntryName>,
    batches_under_way: usize,
    max_under_way: usize,
    /// How many batches may be under way now: after an outage, fewer at first.
    window: usize,
    retries: BTreeMap<EntryName, RetryState>,
    /// The outage and its probes, while there is one.
    outage: Option<Probes>,
    /// How many outages have ended.
    recoveries: u64,
    policy: RetryPolicy,
}

/// The failures of one message so far. There may be one for each of 100 000 messages, so it is small.
#[derive(Debug, Default)]
struct RetryState {
    attempts: u32,
    /// How many outages began with this message while others could be sent.
    blame: u32,
    /// How many failures in a row were the message's own: each doubles the wait until the next attempt.
    own_failures: u32,
}

impl RetryState {
    /// Counts a failure of the message's own; returns when the next attempt is due.
    fn handle_own_failure(&mut self, waits: Backoff, now: Instant, jitter: f64) -> Instant {
        let wait = waits.wait(self.own_failures, jitter);
        self.own_failures = self.own_failures.saturating_add(1);
        now + wait
    }
}

impl Queue {
    /// An empty queue that has at most `max_under_way` batches under way at once.
    pub(crate) fn new(max_under_way: usize, retry: &RetryPolicy) -> Self {
        Self {
            ready: BTreeSet::new(),
            later: BTreeSet::new(),
            under_way: BTreeMap::new(),
            again: BTreeSet::new(),
            batches_under_way: 0,
            max_under_way,
            window: max_under_way,
            retries: BTreeMap::new(),
            outage: None,
            recoveries: 0,
            policy: retry.clone(),
        }
    }

    /// Adds a message. One that is under way waits again as soon as it is settled.
    pub(crate) fn insert(&mut self, name: EntryName) {
        if self.under_way.contains_key(&name) {
            self.again.insert(name);
        } else {
            self.ready.insert(name);
        }
    }

    /// Removes a waiting message; returns false if it is under way, or does not wait here.
    pub(crate) fn remove(&mut self, name: &EntryName) -> bool {
        let before = self.ready.len() + self.later.len();
        self.ready.remove(name);
        self.later.retain(|(_, waiting)| waiting != name);
        let removed = self.ready.len() + self.later.len() < before;
        if removed {
            self.retries.remove(name);
        }
        removed
    }

    /// Removes and returns all messages that wait; those under way stay.
    pub(crate) fn take_waiting(&mut self) -> Vec<EntryName> {
        let later = std::mem::take(&mut self.later).into_iter().map(|(_, name)| name);
        let waiting: Vec<_> = std::mem::take(&mut self.ready).into_iter().chain(later).collect();
        for name in &waiting {
            self.retries.remove(name);
        }
        waiting
    }

    /// Returns the next message to send, once for each of its mailboxes; it is under way from now on.
    pub(crate) fn poll_send(&mut self, now: Instant) -> Option<Vec<EntryName>> {
        self.wake(now);
        if self.batches_under_way >= self.window {
            return None;
        }
        let first = match &mut self.outage {
            None => self.ready.first()?.clone(),
            Some(outage) => outage.poll_probe(&self.ready, now)?,
        };
        let batch: Vec<_> =
            self.ready.range(first.clone()..).take_while(|name| name.id() == first.id()).take(MAX_BATCH).cloned().collect();
        for name in &batch {
            self.ready.remove(name);
            self.under_way.insert(name.clone(), self.recoveries);
        }
        self.batches_under_way += 1;
        Some(batch)
    }

    /// Notes that a batch has come back. The other calls, after this one, say what became of each of its messages.
    pub(crate) fn handle_returned(&mut self) {
        self.batches_under_way = self.batches_under_way.saturating_sub(1);
    }

    /// Notes that the destination has answered for a message, whatever the answer was: an outage is over.
    pub(crate) fn handle_reached(&mut self) {
        let Some(outage) = self.outage.take() else {
            self.window = (self.window + 1).min(self.max_under_way);
            return;
        };
        self.recoveries += 1;
        self.window = AFTER_OUTAGE.min(self.max_under_way);
        for name in outage.causes {
            let Some(retry) = self.retries.get_mut(&name) else { continue };
            if !outage.all_fail {
                retry.blame += 1; // others could be sent all the time
                continue;
            }
            retry.blame = 0;
            retry.own_failures = 0;
            let waited = self.later.len();
            self.later.retain(|(_, waiting)| *waiting != name);
            if self.later.len() < waited {
                self.ready.insert(name);
            }
        }
    }

    /// Notes that a batch was not tried, for a reason of this node: that says nothing about the destination.
    pub(crate) fn handle_not_tried(&mut self, batch: &[EntryName], now: Instant) {
        if let Some(outage) = &mut self.outage
            && outage.take_back(batch).is_some()
        {
            outage.retry_now(now);
        }
    }

    /// Notes that a message is settled: delivered or parked. Returns how many attempts it took.
    pub(crate) fn handle_settled(&mut self, name: &EntryName) -> u32 {
        self.under_way.remove(name);
        if self.again.remove(name) {
            self.ready.insert(name.clone());
        }
        self.retries.remove(name).map_or(0, |retry| retry.attempts) + 1
    }

    /// Notes that the destination cannot take this message now. Returns how many attempts there were, and when the next is due.
    pub(crate) fn handle_deferred(&mut self, name: &EntryName, now: Instant, jitter: f64) -> (u32, Instant) {
        self.under_way.remove(name);
        self.again.remove(name);
        let retry = self.retries.entry(name.clone()).or_default();
        retry.attempts += 1;
        let due = retry.handle_own_failure(self.policy.message_deferred, now, jitter);
        let attempts = retry.attempts;
        self.later.insert((due, name.clone()));
        (attempts, due)
    }

    /// Notes that the destination failed as a whole when this batch was sent. Returns when it is tried again.
    pub(crate) fn handle_failure(&mut self, failure: Failure, batch: &[EntryName], now: Instant, jitter: f64) -> Instant {
        let probe = self.outage.as_mut().and_then(|outage| outage.take_back(batch));
        let mut due = now;
        let mut is_old = false;
        for name in batch {
            // A batch that was sent before the last outage ended says how things were then.
            is_old |= self.under_way.remove(name).is_some_and(|recovery| recovery < self.recoveries);
            self.again.remove(name);
            let retry = self.retries.entry(name.clone()).or_default();
            retry.attempts += 1;
            if retry.blame >= SUSPECT_BLAME && probe.is_none() {
                due = retry.handle_own_failure(self.policy.message_deferred, now, jitter);
                self.later.insert((due, name.clone()));
            } else {
                self.ready.insert(name.clone());
            }
        }
        match (&mut self.outage, batch.first(), probe) {
            (Some(outage), Some(first), Some(probe)) => outage.handle_failure(failure, probe, first, now, jitter),
            (Some(outage), ..) => outage.causes.extend(batch.iter().cloned()),
            (None, Some(first), _) if !is_old => {
                self.outage = Some(Probes::new(&self.policy, failure, first, batch, now, jitter));
            }
            (None, ..) => {}
        }
        self.outage.as_ref().map_or(due, |outage| outage.probe_at().max(due))
    }

    /// Makes all messages that wait due now; during an outage, a probe.
    pub(crate) fn retry_now(&mut self, now: Instant) {
        let later = std::mem::take(&mut self.later);
        self.ready.extend(later.into_iter().map(|(_, name)| name));
        if let Some(outage) = &mut self.outage {
            outage.retry_now(now);
        }
    }

    /// When to poll again, if nothing else happens before.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let later = self.later.first().map(|(due, _)| *due);
        let has_place = !self.ready.is_empty() && self.batches_under_way < self.window;
        let probe = self.outage.as_ref().filter(|_| has_place).and_then(Probes::poll_timeout);
        match (later, probe) {
            (Some(later), Some(probe)) => Some(later.min(probe)),
            (one, other) => one.or(other),
        }
    }

    /// When the next attempt is due; `None` when one is under way or due already, or when nothing waits.
    pub(crate) fn next_try(&self) -> Option<Instant> {
        let due_already = !self.ready.is_empty() && self.outage.is_none();
        if due_already || !self.under_way.is_empty() { None } else { self.poll_timeout() }
    }

    /// How many attempts of a message have failed.
    pub(crate) fn attempts(&self, name: &EntryName) -> u32 {
        self.retries.get(name).map_or(0, |retry| retry.attempts)
    }

    /// How many messages wait or are under way.
    pub(crate) fn len(&self) -> usize {
        self.ready.len() + self.later.len() + self.under_way.len()
    }

    /// All messages that wait or are under way, with the number of failed attempts of each and the time of the next one, if it is not due.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&EntryName, u32, Option<Instant>)> {
        let closed_until = self.outage.as_ref().map(Probes::probe_at);
        let under_way = self.under_way.keys().map(|name| (name, None));
        let ready = self.ready.iter().map(move |name| (name, closed_until));
        let later = self.later.iter().map(|(due, name)| (name, Some(*due)));
        under_way.chain(ready).chain(later).map(|(name, next)| (name, self.attempts(name), next))
    }

    /// The message that was recorded first, of all that wait or are under way.
    pub(crate) fn oldest(&self) -> Option<&EntryName> {
        let later = self.later.iter().map(|(_, name)| name);
        self.ready.iter().chain(self.under_way.keys()).chain(later).min_by_key(|name| name.recorded_at())
    }

    /// Makes the messages ready whose wait is over.
    fn wake(&mut self, now: Instant) {
        while self.later.first().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, name)) = self.later.pop_first() {
                self.ready.insert(name);
            }
        }
    }
}

/// How many mailboxes of one message are sent to together.
const MAX_BATCH: usize = 50;
/// How many batches may be under way at once right after an outage.
const AFTER_OUTAGE: usize = 4;
/// A message that began this many outages alone is held back.
const SUSPECT_BLAME: u32 = 3;

#[cfg(test)]
mod tests;
