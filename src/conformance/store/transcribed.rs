//! The sentence of stores that keep transcripts: Transcribed.

use super::steps::{expunge, is_no_such_message, list, mailbox, mark, message, retrieve, state, stored};
use crate::message::{MessageId, Origin, Status, Transcript};
use crate::store::{Deposit, MessageStore, StoreError};

/// **Transcribed.** A transcript is read back as it was set, changes nothing of the message, and goes with it. A store that keeps none says so.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn transcribed(store: &impl MessageStore) {
    let id = stored(store, "2041", &Origin::Here, &message(b"RIFF.. one", 0).build()).await;
    let other = stored(store, "2041", &Origin::Here, &message(b"RIFF.. two", 1).build()).await;
    let first = Transcript::new("Call me back.\nThank you. – Élodie", "test 1");
    let first = first.with_language("fr-CA".parse().expect("a tag")).with_confidence(0.25);
    let set = async |id, transcript: &Transcript| store.set_transcript(&mailbox("2041"), id, transcript).await;
    let get = async |id| {
        let transcript = store.transcript(&mailbox("2041"), id).await;
        transcript.unwrap_or_else(|error| panic!("Transcribed: the transcript of a message was not read: {error:?}"))
    };
    assert_eq!(get(id).await, None, "Transcribed: a new message has no transcript");
    let (before, listed, counted) = (retrieve(store, id).await, list(store, "2041").await, state(store).await);
    match set(id, &first).await {
        Err(StoreError::Unsupported(_)) => return,
        answer => answer.unwrap_or_else(|error| panic!("Transcribed: a transcript was refused: {error:?}")),
    }
    assert_eq!(get(id).await.as_ref(), Some(&first), "Transcribed: it is read back as it was set");
    assert_eq!(get(other).await, None, "Transcribed: another message has none");
    assert_eq!(retrieve(store, id).await, before, "Transcribed: the message is as before");
    assert_eq!(list(store, "2041").await, listed, "Transcribed: the list is as before");
    assert_eq!(state(store).await.summary, counted.summary, "Transcribed: the counts are as before");

    let empty = Transcript::new("", "test 2");
    set(id, &empty).await.unwrap_or_else(|error| panic!("Transcribed: a second transcript was refused: {error:?}"));
    assert_eq!(get(id).await, Some(empty.clone()), "Transcribed: the last one counts, also an empty one");
    mark(store, id, Status::Removed).await;
    assert_eq!(get(id).await, Some(empty), "Transcribed: a removed message keeps it");
    expunge(store).await;
    let gone = store.transcript(&mailbox("2041"), id).await;
    assert!(is_no_such_message(&gone, id), "Transcribed: it goes with its message: {gone:?}");
    let unknown = MessageId::from_bytes([0xee; 16]);
    assert!(is_no_such_message(&set(unknown, &first).await, unknown), "Transcribed: a transcript of no message");
    let nobody = store.set_transcript(&mailbox("2043"), id, &first).await;
    assert!(matches!(nobody, Err(StoreError::NoSuchMailbox(_))), "Transcribed: a mailbox that does not exist: {nobody:?}");
}

/// **Transcribed.** A copy has the transcript of its message, and a transferred message keeps its own. Passes for a store that keeps none.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn transcribed_in_both_mailboxes(store: &impl MessageStore) {
    let (first, second) = (mailbox("2041"), mailbox("2042"));
    let words = Transcript::new("Call me back.", "test 1").with_confidence(0.5);
    let copied = stored(store, "2041", &Origin::Here, &message(b"for each of them", 0).build()).await;
    if matches!(store.set_transcript(&first, copied, &words).await, Err(StoreError::Unsupported(_))) {
        return;
    }
    let plain = stored(store, "2041", &Origin::Here, &message(b"without words", 1).build()).await;
    let moved = stored(store, "2041", &Origin::Here, &message(b"for one of them", 2).build()).await;
    let set = store.set_transcript(&first, moved, &words).await;
    set.unwrap_or_else(|error| panic!("Transcribed: a transcript was refused: {error:?}"));
    for (id, is_copy, expected) in [(copied, true, Some(&words)), (plain, true, None), (moved, false, Some(&words))] {
        let answer = if is_copy { store.copy(&first, id, &second).await } else { store.transfer(&first, id, &second).await };
        let new = match answer {
            Ok(Deposit::Stored(new)) => new,
            Err(StoreError::Unsupported(_)) => return,
            answer => panic!("Transcribed: a copy or transfer was answered {answer:?}"),
        };
        let there = store.transcript(&second, new).await;
        assert!(matches!(&there, Ok(found) if found.as_ref() == expected), "Transcribed: in the other mailbox, it is {there:?}");
    }
    let own = store.transcript(&first, copied).await;
    assert!(matches!(&own, Ok(Some(own)) if *own == words), "Transcribed: after a copy, the message itself has {own:?}");
    let left = store.transcript(&first, moved).await;
    assert!(is_no_such_message(&left, moved), "Transcribed: after a transfer, the first mailbox has {left:?}");
}
