//! The sentences about messages that come from another store: Imported.

use super::steps::{
    deposit, described, expunge, import, imports, list, mailbox, mark, message, retrieve, status_of, stored, summary,
};
use crate::message::{AudioType, Message, MessageId, Origin, Status, Urgency};
use crate::store::{DeduplicationKey, Deposit, Entry, ImportOutcome, ImportedMessage, MessageStore};

/// **Imported.** `import` stores a message whole, with its status. Passes for a store that does not support it.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn imported_with_its_status(store: &impl MessageStore) {
    if !imports(store).await {
        return;
    }
    for status in [Status::New, Status::Old, Status::Removed] {
        let message = described(AudioType::Wav, format!("{status:?}").as_bytes()).urgency(Urgency::Urgent).build();
        let id = imported(store, &ImportedMessage::from_origin(&Origin::Unproven, message.clone(), status)).await;
        assert_eq!(id, message.id(), "Imported: under its own id");
        let listed = list(store, "2041").await;
        let expected = Entry::new(message.head().clone(), status);
        assert!(listed.contains(&expected), "Imported: {expected:?} is not in {listed:?}");
        assert!(retrieve(store, id).await.audio() == message.audio(), "Imported: a sound came back changed");
    }
    assert_eq!(summary(store).await.to_string(), "1/1 (1/1)", "Imported: what is imported is counted");
    assert_eq!(expunge(store).await, 1, "Imported: a message that was imported as removed is expunged");
    assert!(list(store, "2042").await.is_empty(), "Imported: into its own mailbox only");
    let nobody = store.import(&mailbox("2043"), &imported_message(b"to nobody", Status::New)).await;
    assert!(nobody.is_err(), "Imported: into a mailbox that does not exist, the answer was {nobody:?}");
}

/// **Imported.** After an import, a deposit and another import of the same key are duplicates that change nothing; and so is an import after a
/// deposit. Passes for a store that does not support `import`.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn imported_once(store: &impl MessageStore) {
    if !imports(store).await {
        return;
    }
    let origin = Origin::Peer("london.example".into());
    let (first, second) = (message(b"imported, then deposited", 0).build(), message(b"deposited, then imported", 1).build());
    let import_of = |message: &Message, status| ImportedMessage::from_origin(&origin, message.clone(), status);
    let id = imported(store, &import_of(&first, Status::Old)).await;
    assert_eq!(import(store, &import_of(&first, Status::New)).await, ImportOutcome::Duplicate, "Imported: the same import again");
    assert_eq!(deposit(store, "2041", &origin, &first).await, Deposit::Duplicate, "Imported: a deposit after the import");
    assert_eq!(status_of(store, id).await, Some(Status::Old), "Imported: a duplicate changed the status");

    let id = stored(store, "2041", &origin, &second).await;
    assert_eq!(
        import(store, &import_of(&second, Status::Removed)).await,
        ImportOutcome::Duplicate,
        "Imported: after the deposit"
    );
    assert_eq!(status_of(store, id).await, Some(Status::New), "Imported: a duplicate changed the status");
    mark(store, id, Status::Removed).await;
    expunge(store).await;
    assert_eq!(
        import(store, &import_of(&second, Status::New)).await,
        ImportOutcome::Duplicate,
        "Imported: after it was expunged"
    );
    assert_eq!(list(store, "2041").await.len(), 1, "Imported: a duplicate brought back what its owner removed");
    // The mailbox is part of what makes messages the same.
    assert!(matches!(deposit(store, "2042", &origin, &first).await, Deposit::Stored(_)), "Imported: another mailbox");
}

/// **Imported.** An imported key without a message makes duplicates of all deposits and imports of this message. Passes for a store that does
/// not support `import`.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn imported_key(store: &impl MessageStore) {
    if !imports(store).await {
        return;
    }
    let late = message(b"deleted in the other store", 0).build();
    let key = DeduplicationKey::of_message(&Origin::Here, &late);
    let deleted = ImportedMessage::deleted(key, late.head().recorded_at.instant);
    assert_eq!(import(store, &deleted).await, ImportOutcome::KeyStored, "Imported: a key that was not known");
    assert_eq!(import(store, &deleted).await, ImportOutcome::Duplicate, "Imported: the same key again");
    assert_eq!(deposit(store, "2041", &Origin::Here, &late).await, Deposit::Duplicate, "Imported: a deposit after its key");
    let whole = ImportedMessage::new(key, late, Status::New);
    assert_eq!(import(store, &whole).await, ImportOutcome::Duplicate, "Imported: a message after its key");
    assert!(list(store, "2041").await.is_empty(), "Imported: a key brought a message back");

    let there = message(b"still there", 1).build();
    stored(store, "2041", &Origin::Here, &there).await;
    let key = DeduplicationKey::of_message(&Origin::Here, &there);
    let deleted = ImportedMessage::deleted(key, there.head().recorded_at.instant);
    assert_eq!(import(store, &deleted).await, ImportOutcome::Duplicate, "Imported: the key of a message that is there");
    assert_eq!(list(store, "2041").await.len(), 1, "Imported: a key deleted its message");
}

/// **Apart.** An imported message whose id another message in the mailbox has already gets a different id. Passes for a store that does not
/// support `import`.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn imported_apart(store: &impl MessageStore) {
    if !imports(store).await {
        return;
    }
    let first = message(b"the first of this id", 0).build();
    let second = message(b"the second", 1).id(first.id()).build();
    let first_id = stored(store, "2041", &Origin::Here, &first).await;
    let second_id = imported(store, &ImportedMessage::from_origin(&Origin::Here, second.clone(), Status::Old)).await;
    assert_ne!(first_id, second_id, "Apart: two messages got one id");
    assert!(retrieve(store, second_id).await.audio() == second.audio(), "Apart: an id leads to the wrong message");
    assert!(retrieve(store, first_id).await.audio() == first.audio(), "Apart: an id leads to the wrong message");
}

fn imported_message(sound: &[u8], status: Status) -> ImportedMessage {
    ImportedMessage::from_origin(&Origin::Here, message(sound, 0).build(), status)
}

/// Imports a message that has not arrived before; answers its id.
async fn imported(store: &impl MessageStore, message: &ImportedMessage) -> MessageId {
    match import(store, message).await {
        ImportOutcome::Stored(id) => id,
        other => panic!("Imported: a message that had never arrived was not stored: {other:?}"),
    }
}
