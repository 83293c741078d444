//! [`GroupCounts`]: the counts of groups, which the counts of all members have in common.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;

use crate::lock::Lock;
use crate::message::{MailboxId, Summary};
use crate::retry::now;
use crate::store::{MessageStore, StoreError};

/// The counts of groups: a group is counted once for all of its members, and again after it may have changed.
///
/// A count is used for a second at most. So a change that nobody has reported yet is missed for no longer than that, also on a node that does not run.
#[derive(Debug, Default)]
pub(super) struct GroupCounts(Lock<HashMap<MailboxId, GroupCount>>);

#[derive(Debug, Default)]
struct GroupCount {
    /// The count that is in use, with the time at which it was begun.
    current: Option<(Instant, Arc<OnceCell<Summary>>)>,
    /// The counts that members were given since the last comparison.
    given: Given,
}

/// The counts of a group that its members were given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Given {
    #[default]
    Nothing,
    /// All of them were this one.
    One(Summary),
    Several,
}

impl GroupCounts {
    /// Forgets the count of a mailbox that may have changed, if it is a group.
    pub(super) fn forget(&self, mailbox: &MailboxId) {
        if let Some(count) = self.counts().get_mut(mailbox) {
            count.current = None;
        }
    }

    /// Counts the messages of `group` for one of its members, after the last change that was reported. A group that the store does not have has no
    /// messages.
    ///
    /// # Errors
    ///
    /// The errors of the store.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has no effect: another member that waits for the same count makes it.
    pub(super) async fn for_member(&self, group: &MailboxId, store: &dyn MessageStore) -> Result<Summary, StoreError> {
        let cell = self.current(group);
        let count = async {
            match store.summary(group).await {
                Err(StoreError::NoSuchMailbox(_)) => Ok(Summary::default()),
                counted => counted,
            }
        };
        let summary = *cell.get_or_try_init(|| count).await?;
        let mut counts = self.counts();
        let given = &mut counts.entry(group.clone()).or_default().given;
        *given = match *given {
            Given::Nothing => Given::One(summary),
            Given::One(same) if same == summary => *given,
            Given::One(_) | Given::Several => Given::Several,
        };
        Ok(summary)
    }

    /// Returns whether members of `group` were given other counts than `counted`, so that they must be counted again.
    pub(super) fn differs(&self, group: &MailboxId, counted: Summary) -> bool {
        let given = self.counts().get(group).map(|count| count.given).unwrap_or_default();
        given != Given::Nothing && given != Given::One(counted)
    }

    /// Notes that all members of `group` are counted again, after the group had these messages.
    pub(super) fn handle_noted(&self, group: &MailboxId, counted: Summary) {
        self.counts().entry(group.clone()).or_default().given = Given::One(counted);
    }

    fn current(&self, group: &MailboxId) -> Arc<OnceCell<Summary>> {
        let mut counts = self.counts();
        let current = &mut counts.entry(group.clone()).or_default().current;
        if let Some((begun, cell)) = current
            && now().saturating_duration_since(*begun) < LONGEST_USE
        {
            return Arc::clone(cell);
        }
        Arc::clone(&current.insert((now(), Arc::default())).1)
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<MailboxId, GroupCount>> {
        self.0.lock()
    }
}

/// How long a count of a group is used.
const LONGEST_USE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;

    use super::*;
    use crate::store::{MemoryStore, StoreWrapper};

    /// Answers how often it was asked as the number of new messages.
    #[derive(Debug)]
    struct CountsCalls(MemoryStore, AtomicUsize);

    #[async_trait]
    impl StoreWrapper for CountsCalls {
        type Inner = MemoryStore;

        fn inner(&self) -> &MemoryStore {
            &self.0
        }

        async fn summary(&self, mailbox: &MailboxId) -> Result<Summary, StoreError> {
            self.0.summary(mailbox).await?;
            tokio::task::yield_now().await;
            Ok(Summary::new(u32::try_from(self.1.fetch_add(1, Ordering::SeqCst)).unwrap(), 0))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn members_share_a_count_until_the_group_changes() {
        let (sales, gone): (MailboxId, MailboxId) = ("sales".parse().unwrap(), "gone".parse().unwrap());
        let store = CountsCalls(MemoryStore::new([sales.clone()]), AtomicUsize::new(0));
        let counts = GroupCounts::default();
        let new = async || counts.for_member(&sales, &store).await.unwrap().new;
        assert!(!counts.differs(&sales, Summary::new(7, 0)), "no member knows a count yet");
        assert_eq!(futures::future::join_all((0..200).map(|_| new())).await, [0; 200]);
        assert!(!counts.differs(&sales, Summary::new(0, 0)));
        counts.forget(&sales);
        assert_eq!(new().await, 1);
        assert!(counts.differs(&sales, Summary::new(1, 0)), "other members were given 0");
        counts.handle_noted(&sales, Summary::new(1, 0));
        assert!(!counts.differs(&sales, Summary::new(1, 0)));
        tokio::time::advance(LONGEST_USE).await;
        assert_eq!(new().await, 2);
        assert_eq!(counts.for_member(&gone, &store).await.unwrap(), Summary::default());
    }
}
