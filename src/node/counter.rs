//! [`Counter`]: counts the messages of mailboxes and gives each count a version.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, MutexGuard};

use chrono::{DateTime, Utc};

use super::changes::Changes;
use super::versions::Versions;
use crate::clock::Clock;
use crate::directory::Directory;
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
///
/// # Groups
///
/// A member of groups has the sum of its own messages and those of the groups. Such a sum gets its version here, even if the store has versions.
/// A sum of the store's versions, or the highest of them, would put no order to it: the mailboxes are read one after the other, so two nodes can
/// read one change each, and come to the same number for different sums. Here, the counts are in order as above, with versions above those that the
/// store gave the mailbox; of several nodes, only the one with the [lease](crate::mwi::LampLease) shows its counts. A mailbox that was a member once
/// keeps getting versions here, so that they never go back.
#[derive(Debug)]
pub(super) struct Counter {
    store: Arc<dyn MessageStore>,
    directory: Arc<dyn Directory>,
    changes: Arc<Changes>,
    clock: Arc<dyn Clock>,
    versions: Arc<Versions>,
    pending: Lock<HashMap<MailboxId, PendingCount>>,
    /// The mailboxes that were members of groups.
    members: Lock<HashSet<MailboxId>>,
}

/// A count of a mailbox.
#[derive(Debug)]
pub(super) struct Counted {
    /// The state to show, with the messages of the mailbox's groups.
    pub(super) state: MwiState,
    /// The messages of the mailbox itself.
    pub(super) own: Summary,
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
    pub(super) fn new(
        store: Arc<dyn MessageStore>,
        directory: Arc<dyn Directory>,
        changes: Arc<Changes>,
        clock: Arc<dyn Clock>,
        versions: Arc<Versions>,
    ) -> Self {
        Self { store, directory, changes, clock, versions, pending: Lock::default(), members: Lock::default() }
    }

    /// Counts the messages of `mailbox` and of its groups, after the call began.
    ///
    /// # Errors
    ///
    /// The errors of the store; [`StoreError::Unavailable`] if the directory does not answer.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has no visible effect.
    pub(super) async fn count(&self, mailbox: &MailboxId) -> Result<Counted, StoreError> {
        let request = CountRequest::new(self, mailbox);
        let counted = loop {
            let begun = request.turn();
            let groups = self.groups_of(mailbox).await?;
            let as_of = self.clock.now().instant;
            let MailboxState { summary: own, version, .. } = self.store.state(mailbox).await?;
            if let Some(version) = version
                && groups.is_empty()
                && !self.members.lock().contains(mailbox)
            {
                // The store has put its states in order itself, for all its nodes.
                return Ok(Counted { state: MwiState { mailbox: mailbox.clone(), summary: own, version, as_of }, own });
            }
            let summary = self.with_groups(own, &groups).await?;
            if let Some(state) = request.finish(begun, summary, as_of, version) {
                break Counted { state, own };
            }
        };
        self.versions.persist(counted.state.version).await;
        Ok(counted)
    }

    /// Returns whether new messages wait in `mailbox` or in one of its groups.
    ///
    /// # Errors
    ///
    /// As for [`count`](Self::count).
    ///
    /// # Cancel safety
    ///
    /// A dropped call has no effect.
    pub(super) async fn has_new(&self, mailbox: &MailboxId) -> Result<bool, StoreError> {
        let own = self.store.summary(mailbox).await?;
        Ok(own.waiting() || self.with_groups(own, &self.groups_of(mailbox).await?).await?.waiting())
    }

    async fn groups_of(&self, mailbox: &MailboxId) -> Result<Vec<MailboxId>, StoreError> {
        let groups = self.directory.groups_of(mailbox).await.map_err(|error| StoreError::Unavailable(error.into()))?;
        if !groups.is_empty() {
            self.members.lock().insert(mailbox.clone());
        }
        Ok(groups)
    }

    async fn with_groups(&self, mut summary: Summary, groups: &[MailboxId]) -> Result<Summary, StoreError> {
        for group in groups {
            summary = summary.plus(self.changes.group_counts().for_member(group, &*self.store).await?);
        }
        Ok(summary)
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
    /// The version is above `stored`, the one that the store gave the mailbox.
    fn finish(&self, begun: u64, summary: Summary, as_of: DateTime<Utc>, stored: Option<u64>) -> Option<MwiState> {
        let mut pending = self.counter.pending();
        let entry = pending.entry(self.mailbox.clone()).or_default();
        if entry.turn != begun {
            return entry.newest.as_ref().filter(|(begun, _)| *begun > self.began_at).map(|(_, newest)| newest.clone());
        }
        let above_stored = stored.map_or(0, |version| i64::try_from(version.saturating_add(1)).unwrap_or(i64::MAX));
        let version = self.counter.versions.next(as_of.timestamp_micros().max(above_stored));
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
    use crate::directory::{Group, StaticDirectory};
    use crate::disk::PowerCutDisk;
    use crate::message::{MessageId, Status};
    use crate::store::{DeduplicationKey, ImportedMessage, MemoryStore};

    fn counter(store: MemoryStore, directory: impl Directory) -> Counter {
        let clock = ManualClock::at("2026-11-29T00:00:00Z".parse().unwrap());
        let versions = Arc::new(Versions::new(Arc::new(PowerCutDisk::new()), "spool".into()));
        Counter::new(Arc::new(store), Arc::new(directory), Arc::default(), Arc::new(clock), versions)
    }

    fn message() -> crate::message::Message {
        let recorded_at = crate::message::RecordedAt {
            instant: DateTime::UNIX_EPOCH,
            zone: chrono_tz::UTC,
            quality: crate::message::ClockQuality::unknown(crate::message::ClockSource::Manual),
        };
        let audio = crate::message::Audio::new(crate::message::AudioType::Wav, &b"RIFF.."[..]);
        crate::message::Message::builder(audio, recorded_at).id(MessageId::from_bytes([1; 16])).build()
    }

    #[tokio::test]
    async fn the_version_of_the_store_counts_where_it_has_one() {
        let mailbox: MailboxId = "2041".parse().unwrap();
        let own = counter(MemoryStore::new([mailbox.clone()]), StaticDirectory::default());
        let first = own.count(&mailbox).await.unwrap().state.version;
        assert!(own.count(&mailbox).await.unwrap().state.version > first, "each count has its version");

        let of_store = counter(MemoryStore::new([mailbox.clone()]).versions_from(7), StaticDirectory::default());
        assert_eq!(of_store.count(&mailbox).await.unwrap().state.version, 7);
        assert_eq!(of_store.count(&mailbox).await.unwrap().state.version, 7, "the same state");
        let imported = ImportedMessage::new(DeduplicationKey::from_bytes([1; 16]), message(), Status::New);
        of_store.store.import(&mailbox, &imported).await.unwrap();
        let state = of_store.count(&mailbox).await.unwrap().state;
        assert_eq!((state.version, state.summary.new), (8, 1));
    }

    #[tokio::test]
    async fn a_member_has_the_messages_of_its_groups_in_order() {
        let (member, sales): (MailboxId, MailboxId) = ("2041".parse().unwrap(), "sales".parse().unwrap());
        let far_ahead = 9_000_000_000_000_000;
        let store = MemoryStore::new([member.clone(), sales.clone()]).versions_from(far_ahead);
        let counter = counter(store, StaticDirectory::default().with_group(sales.clone(), Group::new([member.clone()])));
        let first = counter.count(&member).await.unwrap().state;
        assert!(first.version > far_ahead, "above the version of the store");
        counter.store.deposit(&sales, &crate::message::Origin::Here, &message()).await.unwrap();
        counter.changes.note(sales.clone());
        let second = counter.count(&member).await.unwrap();
        assert_eq!((second.state.summary.new, second.own.new), (1, 0));
        assert!(second.state.version > first.version);
        assert_eq!(counter.count(&sales).await.unwrap().state.version, far_ahead + 1, "a group has the version of the store");
        assert!(counter.has_new(&member).await.unwrap());
    }
}
