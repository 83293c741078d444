//! The sentences of stores whose mailboxes can be copied: Listed, Ordered, The same key.

use super::steps::{deposit, expunge, ids, import, list, mailbox, mark, message, stored};
use crate::message::{MessageId, Origin, Status};
use crate::store::{CopyableStore, DeduplicationKey, Deposit, ImportOutcome, ImportedMessage, StoreError, StoredKey};

/// **Listed**, **Ordered.** `keys` lists messages that are there and those that were deleted, once each, in order, whatever the size of a page.
///
/// # Panics
///
/// When a sentence is broken.
pub async fn keys_listed(store: &impl CopyableStore) {
    assert_eq!(all_keys(store, 3).await, [], "Listed: an empty mailbox has no keys");
    let mut expected = Vec::new();
    for (at, status) in [Status::New, Status::Old, Status::Removed, Status::New, Status::Old].into_iter().enumerate() {
        let message = message(format!("kept {at}").as_bytes(), 0).build();
        let id = stored(store, "2041", &Origin::Here, &message).await;
        mark(store, id, Status::Removed).await;
        if at < 2 {
            expunge(store).await;
        } else {
            mark(store, id, status).await;
        }
        expected.push((DeduplicationKey::of_message(&Origin::Here, &message), (at >= 2).then_some((id, status))));
    }
    expected.sort_unstable_by_key(|(key, _)| *key);
    for page in [1, 2, 5, 100] {
        let keys = all_keys(store, page).await;
        let listed: Vec<_> = keys.iter().map(|stored| (stored.key, stored.message)).collect();
        assert_eq!(listed, expected, "Listed, Ordered: in pages of {page}");
    }
    let nobody = store.keys(&mailbox("2043"), None, 1).await;
    assert!(matches!(nobody, Err(StoreError::NoSuchMailbox(_))), "Listed: a mailbox that does not exist: {nobody:?}");
}

/// **Ordered.** `mailboxes` lists the mailboxes in order, beginning behind any name; and `create` creates those that may exist.
///
/// # Panics
///
/// When a sentence is broken.
pub async fn mailboxes_listed(store: &impl CopyableStore) {
    for number in ["2042", "2041", "2041"] {
        let created = store.create(&mailbox(number)).await;
        created.unwrap_or_else(|error| panic!("create: mailbox {number} was refused: {error:?}"));
        // A store may create a mailbox when it is first used.
        list(store, number).await;
    }
    for (after, limit, expected) in [
        (None, 9, &["2041", "2042"][..]),
        (None, 1, &["2041"]),
        (Some("2041"), 9, &["2042"]),
        (Some("20411"), 9, &["2042"]),
        (Some("2042"), 9, &[]),
    ] {
        let listed = store.mailboxes(after.map(mailbox).as_ref(), limit).await;
        let listed = listed.unwrap_or_else(|error| panic!("mailboxes: they were not listed: {error:?}"));
        assert_eq!(listed, expected.iter().map(|number| mailbox(number)).collect::<Vec<_>>(), "Ordered: behind {after:?}");
    }
}

/// `delete` deletes one message, whatever its status, and its key is remembered until `forget`.
///
/// # Panics
///
/// When it does not.
pub async fn deleted_and_forgotten(store: &impl CopyableStore) {
    let messages: Vec<_> = (0..4).map(|at| message(format!("deleted {at}").as_bytes(), at).build()).collect();
    for (message, status) in messages.iter().zip([Status::New, Status::Old, Status::Removed, Status::Removed]) {
        stored(store, "2041", &Origin::Here, message).await;
        mark(store, message.id(), status).await;
    }
    for gone in &messages[..3] {
        let deleted = store.delete(&mailbox("2041"), gone.id()).await;
        deleted.unwrap_or_else(|error| panic!("delete: a message that is there was not deleted: {error:?}"));
        let again = store.delete(&mailbox("2041"), gone.id()).await;
        assert!(matches!(again, Err(StoreError::NoSuchMessage(_))), "delete: for the second time, the answer was {again:?}");
        assert_eq!(deposit(store, "2041", &Origin::Here, gone).await, Deposit::Duplicate, "Once: after it was deleted");
    }
    assert_eq!(ids(store).await, [messages[3].id()], "delete: another message is gone");

    for (message, outcome) in [(&messages[0], None), (&messages[3], Some(ImportOutcome::Duplicate))] {
        let key = DeduplicationKey::of_message(&Origin::Here, message);
        let forgotten = store.forget(&mailbox("2041"), key).await;
        forgotten.unwrap_or_else(|error| panic!("forget: a key was not forgotten: {error:?}"));
        let imported = import(store, &ImportedMessage::new(key, message.clone(), Status::Old)).await;
        let expected = outcome.unwrap_or(ImportOutcome::Stored(message.id()));
        assert_eq!(imported, expected, "forget: an import after it");
    }
    let mut there: Vec<MessageId> = ids(store).await;
    there.sort_unstable();
    let mut expected = vec![messages[0].id(), messages[3].id()];
    expected.sort_unstable();
    assert_eq!(there, expected, "forget: the messages after it");
}

/// All keys, in pages of `limit`.
async fn all_keys(store: &impl CopyableStore, limit: usize) -> Vec<StoredKey> {
    let mut keys: Vec<StoredKey> = Vec::new();
    loop {
        let after = keys.last().map(|stored| stored.key);
        let page = store.keys(&mailbox("2041"), after, limit).await;
        let page = page.unwrap_or_else(|error| panic!("keys: a mailbox was not listed: {error:?}"));
        let is_last = page.len() < limit;
        keys.extend(page);
        if is_last {
            return keys;
        }
    }
}
