//! [`Counter`]: counts the messages of mailboxes and gives each count a version.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard};

use chrono::{DateTime, Utc};

use super::versions::Versions;
use crate::clock::Clock;
use crate::lock::Lock;
use crate::message::{MailboxId, Summary};
use crate::mwi::MwiState;
use crate::store::{MailboxState, MessageStore, StoreError};

/// Counts the messages of mailboxes, for the lamps and for subscribers: of two states of a mailbox, the one with the higher version was
/// counted later, also when different callers asked for them.
///
/// Counts of one mailbox may overlap, and the one that began first may end last. So a count gets a version only if no other count got one
/// since it began. Otherwise the other count is returned, if it began after the call, or the mailbox is counted once more; two counts
/// are always enough.
#[derive(Debug)]
pub(super) struct Counter {
    store: Arc<dyn MessageStore>,
    clock: Arc<dyn Clock>,
    versions: Arc<Versions>,
    pending: Lock<HashMap<MailboxId, PendingCount>>,
}

/// A mailbox that is being counted.
#[derive(Debug, Default)]
struct PendingCount {
    callers: usize,
    /// The number of counts that got a version since the first of the callers came.
    turn: u64,
    /// The last of these counts, with the turn at which it began.
    newest: Option<(u64, MwiState)>,
}

impl Counter {
    pub(super) fn new(store: Arc<dyn MessageStore>, clock: Arc<dyn Clock>, versions: Arc<Versions>) -> Self {
        Self { store, clock, versions, pending: Lock::default() }
    }

    /// Counts the messages of `mailbox`, after the call began.
    ///
    /// # Errors
    ///
    /// The errors of the store.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has no visible effect.
    pub(super) async fn count(&self, mailbox: &MailboxId) -> Result<MwiState, StoreError> {
        let request = CountRequest::new(self, mailbox);
        let state = loop {
            let begun = request.turn();
            let as_of = self.clock.now().instant;
            let MailboxState { summary, version, .. } = self.store.state(mailbox).await?;
            if let Some(version) = version {
                // The store has put its states in order itself, for all its nodes.
                return Ok(MwiState { mailbox: mailbox.clone(), summary, version, as_of });
            }
            if let Some(state) = request.finish(begun, summary, as_of) {
                break state;
            }
        };
        self.versions.persist(state.version).await;
        Ok(state)
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<MailboxId, PendingCount>> {
        self.pending.lock()
    }
}

/// A call of [`Counter::count`].
struct CountRequest<'a> {
    counter: &'a Counter,
    mailbox: &'a MailboxId,
    began_at: u64,
}

impl<'a> CountRequest<'a> {
    fn new(counter: &'a Counter, mailbox: &'a MailboxId) -> Self {
        let mut pending = counter.pending();
        let entry = pending.entry(mailbox.clone()).or_default();
        entry.callers += 1;
        Self { counter, mailbox, began_at: entry.turn }
    }

    fn turn(&self) -> u64 {
        self.counter.pending().get(self.mailbox).map_or(0, |entry| entry.turn)
    }

    /// Returns the state for a count that began at the turn `begun`; `None` when the count is too old for a version.
    fn finish(&self, begun: u64, summary: Summary, as_of: DateTime<Utc>) -> Option<MwiState> {
        let mut pending = self.counter.pending();
        let entry = pending.entry(self.mailbox.clone()).or_default();
        if entry.turn != begun {
            return entry.newest.as_ref().filter(|(begun, _)| *begun > self.began_at).map(|(_, newest)| newest.clone());
        }
        let version = self.counter.versions.next(as_of.timestamp_micros());
        let state = MwiState { mailbox: self.mailbox.clone(), summary, version, as_of };
        entry.turn += 1;
        entry.newest = Some((begun, state.clone()));
        Some(state)
    }
}

impl Drop for CountRequest<'_> {
    fn drop(&mut self) {
        let mut pending = self.counter.pending();
        if let Some(entry) = pending.get_mut(self.mailbox) {
            entry.callers -= 1;
            if entry.callers == 0 {
                pending.remove(self.mailbox);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::disk::PowerCutDisk;
    use crate::message::{MessageId, Status};
    use crate::store::{DeduplicationKey, ImportedMessage, MemoryStore};

    fn counter(store: MemoryStore) -> Counter {
        let clock = ManualClock::at("2026-11-29T00:00:00Z".parse().unwrap());
        let versions = Arc::new(Versions::new(Arc::new(PowerCutDisk::new()), "spool".into()));
        Counter::new(Arc::new(store), Arc::new(clock), versions)
    }

    #[tokio::test]
    async fn the_version_of_the_store_counts_where_it_has_one() {
        let mailbox: MailboxId = "2041".parse().unwrap();
        let own = counter(MemoryStore::new([mailbox.clone()]));
        let first = own.count(&mailbox).await.unwrap().version;
        assert!(own.count(&mailbox).await.unwrap().version > first, "each count has its version");

        let of_store = counter(MemoryStore::new([mailbox.clone()]).versions_from(7));
        assert_eq!(of_store.count(&mailbox).await.unwrap().version, 7);
        assert_eq!(of_store.count(&mailbox).await.unwrap().version, 7, "the same state");
        let recorded_at = crate::message::RecordedAt {
            instant: DateTime::UNIX_EPOCH,
            zone: chrono_tz::UTC,
            quality: crate::message::ClockQuality::unknown(crate::message::ClockSource::Manual),
        };
        let audio = crate::message::Audio::new(crate::message::AudioType::Wav, &b"RIFF.."[..]);
        let message = crate::message::Message::builder(audio, recorded_at).id(MessageId::from_bytes([1; 16])).build();
        let imported = ImportedMessage::new(DeduplicationKey::from_bytes([1; 16]), message, Status::New);
        of_store.store.import(&mailbox, &imported).await.unwrap();
        let state = of_store.count(&mailbox).await.unwrap();
        assert_eq!((state.version, state.summary.new), (8, 1));
    }
}
