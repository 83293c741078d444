//! The sentences about mailboxes that several owners share: Copied, Transferred.

use super::steps::{deposit, described, expunge, is_no_such_message, list, mailbox, mark, message, status_of, stored};
use crate::message::{AudioType, MessageId, Origin, Status, Urgency};
use crate::store::{Deposit, MessageStore, StoreError};

/// **Copied.** A copy has the sound and all facts of its message, is new, and its status is independent; the same copy again is a duplicate, also
/// after it was removed for good.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn copied(store: &impl MessageStore) {
    let origin = Origin::Peer("london.example".into());
    let original = described(AudioType::Wav, b"for each of them").urgency(Urgency::Urgent).build();
    let id = stored(store, "2041", &origin, &original).await;
    mark(store, id, Status::Old).await;
    let copied = copy(store, id).await;
    assert!(matches!(copied, Ok(Deposit::Stored(_))), "Copied: the first copy was {copied:?}");
    let listed = list(store, "2042").await;
    let [entry] = &listed[..] else { panic!("Copied: the copy is not the only message: {listed:?}") };
    assert_eq!(entry.status, Status::New, "Copied: a copy is new");
    assert_eq!(entry.head.urgency, Urgency::Urgent, "Copied: a copy is as urgent as its message");
    assert_eq!(entry.head.caller, original.head().caller, "Copied: a copy has the caller of its message");
    assert_eq!(entry.head.recorded_at.instant, original.head().recorded_at.instant, "Copied: a copy has the time of its message");
    let read = store.retrieve(&mailbox("2042"), entry.head.id).await;
    assert!(read.is_ok_and(|read| read.audio() == original.audio()), "Copied: a sound came back changed");
    assert_eq!(status_of(store, id).await, Some(Status::Old), "Copied: the message itself has changed");

    let of_copy = entry.head.id;
    assert!(matches!(copy(store, id).await, Ok(Deposit::Duplicate)), "Copied: the same copy again");
    let removed = store.mark(&mailbox("2042"), of_copy, Status::Removed).await;
    assert!(removed.is_ok(), "Copied: a copy was not removed: {removed:?}");
    assert!(store.expunge(&mailbox("2042")).await.is_ok_and(|count| count == 1), "Copied: a copy was not expunged");
    assert!(matches!(copy(store, id).await, Ok(Deposit::Duplicate)), "Copied: after the copy was removed for good");
    let read = store.retrieve(&mailbox("2041"), id).await;
    assert!(read.is_ok_and(|read| read.audio() == original.audio()), "Copied: the message went with its copy");
    mark(store, id, Status::Removed).await;
    expunge(store).await;
    assert!(is_no_such_message(&copy(store, id).await, id), "Copied: a message that is gone was copied");
    let nobody = store.copy(&mailbox("2041"), id, &mailbox("2043")).await;
    assert!(nobody.is_err(), "Copied: into a mailbox that does not exist, the answer was {nobody:?}");
}

/// **Transferred.** After a transfer, the message is in the other mailbox, as new, and not in its own; of several transfers of one message, one
/// succeeds. A sender who repeats its deposit gets the answer that it is a duplicate. Passes for a store that does not support it.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn transferred(store: &impl MessageStore) {
    let transfer = async |id| store.transfer(&mailbox("2041"), id, &mailbox("2042")).await;
    let unknown = transfer(MessageId::from_bytes([0; 16])).await;
    if matches!(unknown, Err(StoreError::Unsupported(_))) {
        return;
    }
    assert!(is_no_such_message(&unknown, MessageId::from_bytes([0; 16])), "Transferred: an unknown message: {unknown:?}");
    let origin = Origin::Peer("london.example".into());
    let sent = message(b"for the first of them", 0).build();
    let id = stored(store, "2041", &origin, &sent).await;
    let (one, other) = futures::future::join(transfer(id), transfer(id)).await;
    let (Ok(Deposit::Stored(new)), Err(lost)) = (if one.is_ok() { (one, other) } else { (other, one) }) else {
        panic!("Transferred: not one of two transfers succeeded")
    };
    assert!(matches!(lost, StoreError::NoSuchMessage(_)), "Transferred: the second transfer failed with {lost:?}");
    assert!(list(store, "2041").await.is_empty(), "Transferred: the message is still in its mailbox");
    let listed = list(store, "2042").await;
    assert!(matches!(&listed[..], [entry] if entry.status == Status::New && entry.head.id == new), "Transferred: {listed:?}");
    let read = store.retrieve(&mailbox("2042"), new).await;
    assert!(read.is_ok_and(|read| read.audio() == sent.audio()), "Transferred: a sound came back changed");
    assert_eq!(deposit(store, "2041", &origin, &sent).await, Deposit::Duplicate, "Transferred: the sender repeats its deposit");

    let removed = stored(store, "2041", &origin, &message(b"not wanted", 1).build()).await;
    mark(store, removed, Status::Removed).await;
    assert!(is_no_such_message(&transfer(removed).await, removed), "Transferred: a removed message was transferred");
}

async fn copy(store: &impl MessageStore, id: MessageId) -> Result<Deposit, StoreError> {
    store.copy(&mailbox("2041"), id, &mailbox("2042")).await
}
