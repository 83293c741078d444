//! The sentence about changes that others make: Noticed.

use std::time::Duration;

use tokio::time::timeout;

use super::steps::{expunge, mailbox, mark, message, stored};
use crate::message::{Origin, Status};
use crate::store::MessageStore;

/// **Noticed.** When another store deposits, marks or expunges a message in mailbox `2041`, the store names it within `limit`, which is the
/// time that the store states.
///
/// `other` is another store for the same mailboxes, in another process if the store is shared by several. Only for stores that others
/// can change. Tokio's clock may be paused.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn noticed(store: &impl MessageStore, other: &impl MessageStore, limit: Duration) {
    // The first answers may name any mailbox.
    listen(store, 2 * limit).await;
    let (first, again) = (message(b"noticed", 0).build(), message(b"noticed again", 1).build());
    let id = stored(other, "2041", &Origin::Here, &first).await;
    named(store, limit, "came").await;
    mark(other, id, Status::Old).await;
    named(store, limit, "was heard").await;
    mark(other, id, Status::Removed).await;
    named(store, limit, "was removed").await;
    expunge(other).await;
    named(store, limit, "was deleted").await;
    // A call that was dropped has lost nothing.
    listen(store, Duration::ZERO).await;
    stored(other, "2041", &Origin::Here, &again).await;
    named(store, limit, "came after a dropped call").await;
}

async fn named(store: &impl MessageStore, limit: Duration, what: &str) {
    let named = timeout(limit, async { while !store.external_changes().await.contains(&mailbox("2041")) {} }).await;
    assert!(named.is_ok(), "Noticed: no mailbox was named when a message {what}");
    // One change may be named several times.
    listen(store, limit).await;
}

/// Takes all answers for so long.
async fn listen(store: &impl MessageStore, time: Duration) {
    let all = async {
        loop {
            store.external_changes().await;
        }
    };
    // It ends when the time is over, and never before.
    let _: Result<(), _> = timeout(time, all).await;
}
