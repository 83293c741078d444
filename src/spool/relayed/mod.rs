//! Relayed messages: a mail server has accepted them to send them on, and the receipt of the node that stores them has not come yet.
//!
//! ```text
//! SPOOL/relayed/DESTINATION/TIME-ID-MAILBOX.vm   the message, as it was in the queue; TIME is when it was relayed first
//! SPOOL/relayed/DESTINATION/ID.said              what a mail server wrote about it last, if that proved nothing; see `said`
//! SPOOL/relayed/checked.txt                      when the waits were looked at last
//! ```
//!
//! ```text
//!           250 of a relay                  receipt
//!  queued ────────────────▶ relayed ───────────────────────▶ removed   Event::Confirmed
//!     ▲                      │   │  refusal, or 30 days
//!     └──────────────────────┘   └─────────────────────────▶ parked    Event::Parked
//!       each 6 days, a copy of the name: Event::OfferedAgain
//! ```
//!
//! Nothing is in memory but the times at which messages were relayed, rounded to at most an hour, and how many messages have each. A message keeps its
//! first time when it is offered again: its name here stays until it is settled. Due steps are found by comparing these times with the time of the
//! last look, which is one small file for all messages.
//!
//! A clock that is set while the node runs ends no wait: the messages that were relayed before get the times that the clock would have shown.
//!
//! A refusal parks a message only if it is about the last sending, by the day in its return path: a relay often gives up the first sending in the days in
//! which the second one is on its way. A message that is parked is shown to an operator, and a copy of it may go to the mailbox for
//! [undeliverable](crate::network::Network::undeliverable) ones, both for nothing if the second sending arrives. If that is refused too, its own report parks it.
//! While the message is being sent just now, a report has to come again.
//!
//! A power cut leaves a message queued, relayed, or both. If it is queued, it is sent again, and the receiver stores it once.

mod clock_watch;
mod entry;
mod files;
mod said;
mod schedule;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};

pub(super) use self::clock_watch::ClockWatch;
use self::entry::RelayedEntry;
pub(crate) use self::files::Settled;
pub(super) use self::said::clean_said;
use super::{RELAYED, Spool, SpoolError};
use crate::disk::{self, Disk};
use crate::error_chain as chain;
use crate::event::ReturnPathState;
use crate::message::{ContentDigest, MailboxId, MessageId};
use crate::retry::now;

/// A message that a relay has accepted, and that nobody has confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RelayedMessage {
    /// The id of the message.
    pub id: MessageId,
    /// The mailbox that it is for.
    pub mailbox: MailboxId,
    /// The node that it is for.
    pub destination: String,
    /// When the relay accepted it first, rounded down to at most an hour.
    pub relayed_at: DateTime<Utc>,
}

/// The times at which messages for one destination were relayed, and how many messages have each.
#[derive(Debug, Default)]
pub(super) struct RelayedTimes(BTreeMap<DateTime<Utc>, usize>);

impl RelayedTimes {
    pub(super) fn add(&mut self, relayed_at: DateTime<Utc>) {
        *self.0.entry(relayed_at).or_default() += 1;
    }

    fn remove(&mut self, relayed_at: DateTime<Utc>) {
        if let Some(count) = self.0.get_mut(&relayed_at) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&relayed_at);
            }
        }
    }

    /// Returns how many messages there are.
    pub(super) fn len(&self) -> usize {
        self.0.values().sum()
    }

    /// Returns the times, the latest first: a receipt comes soon, as a rule.
    fn times(&self) -> Vec<DateTime<Utc>> {
        self.0.keys().rev().copied().collect()
    }
}

/// Reads the times at which messages were relayed, for each destination, and removes reports about messages that are gone. Blocks.
pub(super) fn read_relayed(disk: &dyn Disk, root: &Path) -> io::Result<Vec<(String, Vec<DateTime<Utc>>)>> {
    let folder = root.join(RELAYED);
    let destinations = match disk.list(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        destinations => destinations?,
    };
    let mut all = Vec::new();
    for destination in destinations {
        match disk.list(&folder.join(&destination)) {
            // Not every name is that of a folder.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotADirectory | io::ErrorKind::NotFound) => {}
            names => {
                let names = names?;
                let entries = || names.iter().filter_map(|name| name.parse::<RelayedEntry>().ok());
                clean_said(disk, &folder.join(&destination), &names, entries().map(|entry| entry.id));
                let times = entries().map(|entry| entry.relayed_at).collect();
                all.push((destination, times));
            }
        }
    }
    Ok(all)
}

/// # Behind a relay
impl Spool {
    /// Returns all messages that a relay has accepted and that nobody has confirmed, grouped by destination, in the order of their times.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Disk`] when the folder cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    pub async fn relayed(&self) -> Result<Vec<RelayedMessage>, SpoolError> {
        let destinations: Vec<_> = self.destinations().values().cloned().collect();
        let shared = Arc::clone(&self.shared);
        let listed = disk::blocking(move || {
            let mut all = Vec::new();
            for destination in destinations {
                let names = match shared.disk.list(&shared.root.join(RELAYED).join(&*destination.name)) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    names => names?,
                };
                let mut entries: Vec<RelayedEntry> = names.iter().filter_map(|name| name.parse().ok()).collect();
                entries.sort_by_key(|entry| entry.relayed_at);
                all.extend(entries.into_iter().map(|RelayedEntry { relayed_at, id, mailbox }| RelayedMessage {
                    id,
                    mailbox,
                    destination: destination.name.to_string(),
                    relayed_at,
                }));
            }
            Ok(all)
        });
        listed.await.map_err(|error| self.error(error))
    }

    /// Removes a message that the node that keeps `mailbox` has stored with this sound, as its receipt proves.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has removed the message or will do so. The same call again returns [`Settled::Unknown`] then.
    pub(crate) async fn confirm(&self, id: MessageId, mailbox: &MailboxId, digest: ContentDigest) -> Result<Settled, SpoolError> {
        let (spool, mailbox) = (self.clone(), mailbox.clone());
        disk::blocking(move || spool.confirm_files(id, &mailbox, digest)).await.map_err(|error| self.error(error))
    }

    /// Parks a relayed message that was refused on its way, as a report to a return path says that was signed so many days ago.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has parked the message or will do so. The same call again returns [`Settled::Unknown`] then.
    pub(crate) async fn refuse(
        &self,
        id: MessageId,
        mailbox: &MailboxId,
        days_ago: u16,
        reason: &str,
    ) -> Result<Settled, SpoolError> {
        let (spool, mailbox, reason) = (self.clone(), mailbox.clone(), reason.to_owned());
        disk::blocking(move || spool.refuse_files(id, &mailbox, days_ago, &reason)).await.map_err(|error| self.error(error))
    }

    /// Sets whether receipts come back from `destination`; returns whether that has changed.
    pub(crate) fn set_return_path(&self, destination: &str, state: ReturnPathState) -> bool {
        let destination = self.destination(destination);
        let before = std::mem::replace(&mut *destination.return_path.lock(), state);
        before != state
    }

    /// Notes that a probe shows soon whether receipts come back from `destination`, if nothing is known of it.
    pub(crate) fn note_probe(&self, destination: &str) {
        let destination = self.destination(destination);
        let mut state = destination.return_path.lock();
        if *state == ReturnPathState::Unknown {
            *state = ReturnPathState::Probing;
        }
    }

    /// Waits until a message is relayed, if none was since the last call. One caller waits at a time.
    pub(crate) async fn relayed_more(&self) {
        self.shared.relayed.notified().await;
    }

    /// Waits until a receipt is overdue, if none was since the last call. One caller waits at a time.
    pub(crate) async fn unconfirmed_more(&self) {
        self.shared.unconfirmed.notified().await;
    }

    /// Does what becomes due for relayed messages, until `stop`.
    pub(crate) async fn watch_relayed(&self, stop: impl Future<Output = ()> + Send) {
        let watch = async {
            loop {
                self.look_at_relayed().await;
                tokio::time::sleep(schedule::resolution(&self.shared.retry)).await;
            }
        };
        tokio::select! {
            () = watch => {}
            () = stop => {}
        }
    }

    /// Does what has become due for relayed messages since the last look.
    pub(super) async fn look_at_relayed(&self) {
        let spool = self.clone();
        let monotonic = now();
        if let Err(error) = disk::blocking(move || spool.look_at_files(monotonic)).await {
            tracing::warn!(error = chain(&error), "relayed messages could not be looked at; this is tried again");
        }
    }
}
