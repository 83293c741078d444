//! The sentence about what a mailbox holds: Used.

use std::time::Duration;

use super::steps::{list, mailbox, mark, message, stored};
use crate::message::{Origin, Status};
use crate::store::{MailboxUsage, MessageStore, StoreError};

/// **Used.** The usage of a mailbox counts the new and old messages that are listed, and their lengths. A mailbox that takes messages is not full by it.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn used(store: &impl MessageStore) {
    let mut ids = Vec::new();
    for (age, seconds) in [(0, 5), (1, 70), (2, 900)] {
        let message = message(b"RIFF.. used", age).length(Duration::from_secs(seconds)).build();
        ids.push(stored(store, "2041", &Origin::Here, &message).await);
    }
    assert_used(store, 3, 975).await;
    mark(store, ids[0], Status::Old).await;
    assert_used(store, 3, 975).await;
    mark(store, ids[1], Status::Removed).await;
    assert_used(store, 2, 905).await;
    let usage = read(store, "2042").await;
    assert_eq!((usage.messages, usage.length), (0, Duration::ZERO), "Used: an empty mailbox holds something");
    let nobody = store.usage(&mailbox("2043")).await;
    assert!(matches!(nobody, Err(StoreError::NoSuchMailbox(_))), "Used: a mailbox that does not exist: {nobody:?}");
}

async fn assert_used(store: &impl MessageStore, messages: usize, seconds: u64) {
    let usage = read(store, "2041").await;
    assert_eq!(usage.messages, messages, "Used: the number of messages");
    assert_eq!(usage.length, Duration::from_secs(seconds), "Used: the length of the messages");
    let listed = list(store, "2041").await;
    let held = listed.iter().filter(|entry| entry.status != Status::Removed).count();
    assert_eq!(held, messages, "Used: the list shows another number of messages");
    let takes = store.check(&mailbox("2041"), 1).await.is_ok();
    assert!(!takes || usage.percent().is_none_or(|percent| percent < 100), "Used: a mailbox that takes messages is full");
}

async fn read(store: &impl MessageStore, number: &str) -> MailboxUsage {
    let usage = store.usage(&mailbox(number)).await;
    usage.unwrap_or_else(|error| panic!("usage: that of mailbox {number} was not read: {error:?}"))
}
