//! The sentence about the age of messages: Retained.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::steps::{list, mailbox, message, stored};
use crate::directory::{Directory, DirectoryError, Owner, Retention};
use crate::lock::Lock;
use crate::message::{MailboxId, MessageId, Origin, SiteId, Status};
use crate::store::MessageStore;

/// **Retained.** A step of housekeeping removes messages when the retention says so that their owner has at that time, and none before; nor any while the
/// directory does not answer.
///
/// `make` makes a store that has no retention itself, with the mailboxes `2041` and `2042` and this directory.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn retained<S: MessageStore>(make: impl AsyncFn(Arc<dyn Directory>) -> S) {
    let owners = Arc::new(Owners::default());
    let store = make(Arc::<Owners>::clone(&owners)).await;
    let mut ids = Vec::new();
    for (age, number) in (0..).zip(["2041", "2041", "2042", "2042"]) {
        ids.push(stored(&store, number, &Origin::Here, &message(b"long ago", age).build()).await);
    }
    for (number, id) in [("2041", ids[1]), ("2042", ids[3])] {
        let marked = store.mark(&mailbox(number), id, Status::Old).await;
        assert!(marked.is_ok(), "mark: a message that is there was not marked: {marked:?}");
    }
    assert_eq!(housekept(&store).await, [], "Retained: messages expired that stay for ever");
    owners.answer(Some([Retention::default().old_for(DAY), Retention::default().new_for(A_CENTURY).old_for(A_CENTURY)]));
    assert_eq!(housekept(&store).await, [], "Retained: new messages expired that stay for ever");
    let at = async || [statuses(&store, "2041").await, statuses(&store, "2042").await];
    let expected = [[Status::New, Status::Removed], [Status::New, Status::Old]];
    assert_eq!(at().await, expected, "Retained: the retention of one mailbox was not applied, or to the other");

    owners.answer(None);
    assert_eq!(housekept(&store).await, [], "Retained: messages expired whose owner is not known");

    owners.answer(Some([Retention::default(), Retention::default().new_for(DAY)]));
    assert_eq!(at().await, expected, "Retained: messages were removed whose owner was not known");
    assert_eq!(housekept(&store).await, [(mailbox("2042"), ids[2])], "Retained: an unheard message was not reported once");
    let expected = [[Status::New, Status::Removed], [Status::Removed, Status::Old]];
    assert_eq!(at().await, expected, "Retained: another retention is not in force");
}

/// Does some steps of housekeeping, of which some may fail; answers the messages that expired.
async fn housekept(store: &impl MessageStore) -> Vec<(MailboxId, MessageId)> {
    let mut expired = Vec::new();
    for _ in 0..4 {
        expired.extend(store.housekeep().await.map(|done| done.expired).unwrap_or_default());
    }
    expired
}

async fn statuses(store: &impl MessageStore, number: &str) -> Vec<Status> {
    list(store, number).await.iter().map(|entry| entry.status).collect()
}

/// The owners of `2041` and `2042`. Their retention changes.
#[derive(Debug)]
struct Owners {
    /// `None` if the directory does not answer.
    retention: Lock<Option<[Retention; 2]>>,
}

impl Default for Owners {
    fn default() -> Self {
        Self { retention: Lock::new(Some(<[Retention; 2]>::default())) }
    }
}

impl Owners {
    fn answer(&self, retention: Option<[Retention; 2]>) {
        *self.retention.lock() = retention;
    }
}

#[async_trait]
impl Directory for Owners {
    async fn find(&self, mailbox: &MailboxId) -> Result<Option<Owner>, DirectoryError> {
        let retention = *self.retention.lock();
        let [first, second] = retention.ok_or_else(|| DirectoryError::Unavailable("the directory is away".into()))?;
        let retention = match mailbox.as_str() {
            "2041" => first,
            "2042" => second,
            _ => return Ok(None),
        };
        let home: SiteId = "london".parse().expect("the site of the tests has a valid id");
        Ok(Some(Owner { retention, ..Owner::new(home, chrono_tz::Europe::London) }))
    }
}

const DAY: Duration = Duration::from_secs(86_400);
const A_CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);
