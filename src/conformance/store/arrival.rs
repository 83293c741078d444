//! The sentences about a message that comes in: Whole, Once, Apart, Foretold, Kept.

use std::future::Future;
use std::task::{Context, Poll, Waker};

use futures::future::{join, join_all};

use super::steps::{deposit, described, expunge, ids, list, mailbox, mark, message, retrieve, state, status_of, stored};
use crate::message::{AudioType, Origin, Status, Urgency};
use crate::store::{Deposit, Entry, MessageStore};

/// **Whole.** The audio is byte for byte what was deposited, and so is the head.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn whole(store: &impl MessageStore) {
    let every_byte: Vec<u8> = (0..=255).collect();
    for sound in [vec![0], b"\r\n.\r\n".to_vec(), every_byte.clone(), every_byte.repeat(400)] {
        for media in AudioType::ALL {
            let message = described(media, &sound).build();
            let id = stored(store, "2041", &Origin::Here, &message).await;
            let retrieved = retrieve(store, id).await;
            assert!(retrieved.audio() == message.audio(), "Whole: {media} of {} bytes came back changed", sound.len());
            assert_eq!(retrieved.head(), message.head(), "Whole: the head of a message came back changed");
            mark(store, id, Status::Removed).await;
            expunge(store).await;
        }
    }
}

/// **Whole.** A reader sees a message complete or not at all, also while it is being deposited.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn whole_while_others_read(store: &impl MessageStore) {
    let messages: Vec<_> = (0..8).map(|n| message(&vec![n; 50_000], i64::from(n)).build()).collect();
    let write = join_all(messages.iter().map(|message| stored(store, "2041", &Origin::Here, message)));
    let read = async {
        for _ in 0..64 {
            for Entry { head, .. } in list(store, "2041").await {
                let seen = retrieve(store, head.id).await;
                let original = messages.iter().find(|message| message.id() == head.id);
                assert!(
                    original.is_some_and(|original| original.audio() == seen.audio()),
                    "Whole: a reader saw part of a message"
                );
            }
        }
    };
    join(write, read).await;
}

/// **Once.** A second deposit of the same message answers `Duplicate` and changes nothing; and the same message means same
/// mailbox, origin, id and digest, so that all others are kept.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn once(store: &impl MessageStore) {
    let first = message(b"first", 0).build();
    let id = stored(store, "2041", &Origin::Unproven, &first).await;
    mark(store, id, Status::Old).await;
    let before = list(store, "2041").await;
    assert_eq!(deposit(store, "2041", &Origin::Unproven, &first).await, Deposit::Duplicate, "Once: the same message again");
    assert_eq!(list(store, "2041").await, before, "Once: a duplicate changed the mailbox");

    let peer = Origin::Peer("london.example".into());
    let other_sound = message(b"second", 0).id(first.id()).build();
    stored(store, "2042", &Origin::Unproven, &first).await;
    stored(store, "2041", &peer, &first).await;
    stored(store, "2041", &Origin::Peer("paris.example".into()), &first).await;
    stored(store, "2041", &Origin::Unproven, &other_sound).await;
    stored(store, "2041", &Origin::Unproven, &message(b"first", 0).build()).await;
    assert_eq!(list(store, "2041").await.len(), 5, "Once: other mailbox, origin, id or sound makes another message");
    assert_eq!(deposit(store, "2041", &peer, &first).await, Deposit::Duplicate, "Once: each origin's own again");
    assert_eq!(deposit(store, "2041", &Origin::Unproven, &other_sound).await, Deposit::Duplicate, "Once: each sound again");
}

/// **Once.** A second deposit answers `Duplicate` also after the message's owner removed it.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn once_after_removal(store: &impl MessageStore) {
    let message = message(b"heard and removed", 0).build();
    let id = stored(store, "2041", &Origin::Here, &message).await;
    mark(store, id, Status::Removed).await;
    assert_eq!(deposit(store, "2041", &Origin::Here, &message).await, Deposit::Duplicate, "Once: after it was removed");
    assert_eq!(status_of(store, id).await, Some(Status::Removed), "Once: a duplicate restored what its owner removed");
    expunge(store).await;
    assert_eq!(deposit(store, "2041", &Origin::Here, &message).await, Deposit::Duplicate, "Once: after it was expunged");
    assert!(list(store, "2041").await.is_empty(), "Once: a duplicate brought back what its owner removed");
}

/// **Once.** Of many deposits of one message at the same time, one stores it.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn once_among_many(store: &impl MessageStore) {
    let message = message(b"eight at once", 0).build();
    let answers = join_all((0..8).map(|_| deposit(store, "2041", &Origin::Here, &message))).await;
    let stored = answers.iter().filter(|answer| matches!(answer, Deposit::Stored(_))).count();
    assert_eq!(stored, 1, "Once: of eight deposits at once, one stores");
    assert_eq!(list(store, "2041").await.len(), 1, "Once: eight deposits at once leave one message");
}

/// **Foretold.** A message that `check` refuses would be refused by `deposit`; and `check` refuses none that would be taken.
///
/// A store with a limit is tested for it if 64 small messages reach it.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn foretold(store: &impl MessageStore) {
    for n in 0..64 {
        let message = message(&[n; 100], i64::from(n)).build();
        let check = store.check(&mailbox("2041"), 100).await;
        let answer = store.deposit(&mailbox("2041"), &Origin::Here, &message).await;
        match (check, answer) {
            (Ok(()), Ok(Deposit::Stored(_))) => {}
            (Err(foretold), Err(refused)) => {
                let alike = std::mem::discriminant(&foretold) == std::mem::discriminant(&refused);
                assert!(alike, "Foretold: check said {foretold}, and deposit {refused}");
                return;
            }
            // A store may learn it only when it tries.
            (Ok(()), Err(_)) => return,
            (check, answer) => panic!("Foretold: check said {check:?}, and deposit {answer:?}"),
        }
    }
}

/// A dropped deposit has stored the whole message or nothing, and the same call again settles it.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn once_after_a_dropped_call(store: &impl MessageStore) {
    for polls in 0..4 {
        let message = message(&[polls; 1000], i64::from(polls)).build();
        let (number, origin) = (mailbox("2041"), Origin::Here);
        let mut call = store.deposit(&number, &origin, &message);
        for _ in 0..polls {
            if let Poll::Ready(answer) = call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                assert!(answer.is_ok(), "deposit: a message was refused: {answer:?}");
                break;
            }
        }
        drop(call);
        deposit(store, "2041", &origin, &message).await;
        let copies = list(store, "2041").await.iter().filter(|entry| entry.head.id == message.id()).count();
        assert_eq!(copies, 1, "Cancel safety: a deposit dropped after {polls} polls, and repeated, leaves one message");
        assert!(retrieve(store, message.id()).await.audio() == message.audio(), "Cancel safety: a dropped deposit left a part");
    }
}

/// **Apart.** A message whose id another message in the mailbox has already is kept under a different id.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn apart(store: &impl MessageStore) {
    let first = message(b"the first of this id", 0).build();
    let second = message(b"the second", 1).id(first.id()).build();
    let first_id = stored(store, "2041", &Origin::Here, &first).await;
    let second_id = stored(store, "2041", &Origin::Unproven, &second).await;
    assert_eq!(first_id, first.id(), "Apart: a message whose id is free keeps it");
    assert_ne!(second_id, first_id, "Apart: two messages of one id are told apart");
    for (id, message) in [(first_id, &first), (second_id, &second)] {
        let retrieved = retrieve(store, id).await;
        assert!(retrieved.audio() == message.audio(), "Apart: an id leads to the wrong message");
        assert_eq!(retrieved.id(), id, "Apart: a message is retrieved under the id it is kept under");
    }
    assert_eq!(ids(store).await, [first_id, second_id], "Apart: each is listed under its own id");
    assert_eq!(deposit(store, "2041", &Origin::Unproven, &second).await, Deposit::Duplicate, "Once: what is kept apart, again");
}

/// **Kept.** After `Ok` the message is in the mailbox, and in no other.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn kept(store: &impl MessageStore) {
    let message = described(AudioType::Wav, b"kept").urgency(Urgency::Urgent).build();
    let id = stored(store, "2041", &Origin::Here, &message).await;
    let expected = Entry::new(message.head().clone(), Status::New);
    assert_eq!(list(store, "2041").await, [expected], "Kept: what was deposited is listed, as new");
    assert_eq!(id, message.id(), "Kept: under its own id");
    assert!(list(store, "2042").await.is_empty(), "Kept: in its own mailbox only");
}

/// **Kept.** Messages, their statuses, and the knowledge of what has arrived survive a restart. **Versioned.** A restart sets no version back.
///
/// `restart` drops the store and opens it again. For stores that are durable; [`run_all`](super::run_all) leaves this one out.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn kept_over_a_restart<S, F>(store: S, restart: impl FnOnce(S) -> F + Send)
where
    S: MessageStore,
    F: Future<Output = S> + Send,
{
    let messages: Vec<_> = (0..4).map(|n| message(&[n; 100], i64::from(n)).build()).collect();
    for (message, status) in messages.iter().zip([Status::New, Status::Old, Status::Removed, Status::Removed]) {
        let id = stored(&store, "2041", &Origin::Here, message).await;
        mark(&store, id, status).await;
        if message.id() == messages[2].id() {
            expunge(&store).await;
        }
    }
    let (before, version) = (list(&store, "2041").await, state(&store).await.version);
    let store = restart(store).await;
    assert_eq!(list(&store, "2041").await, before, "Kept: a restart changed a mailbox");
    assert!(state(&store).await.version >= version, "Versioned: a restart set a version back");
    for message in &messages {
        let again = deposit(&store, "2041", &Origin::Here, message).await;
        assert_eq!(again, Deposit::Duplicate, "Once: a restart made the store forget what had arrived");
        if message.id() != messages[2].id() {
            assert!(retrieve(&store, message.id()).await.audio() == message.audio(), "Whole: a restart changed a message");
        }
    }
}
