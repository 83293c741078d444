//! Mailboxes, PINs and greetings move from a Maildir store into the database and back, with a sender all the while, and stopped at any poll.

use std::path::Path;
use std::pin::pin;
use std::sync::OnceLock;
use std::task::Poll;

use voicemail::disk::OsDisk;
use voicemail::greeting::{GreetingFolder, GreetingId, GreetingKind, GreetingStore as _, GreetingStoreExt as _, copy_greetings};
use voicemail::message::{Audio, AudioType, Message, Origin, Status, Transcript};
use voicemail::store::{
    ClosableStore, Compared, CopyableStore, Deposit, MaildirStore, MessageStore, MessageStoreExt as _, Migration,
};
use voicemail::telephone::{CopyablePins as _, PinFolder, PinHash, PinVerdict, copy_pins};
use voicemail_postgres::{Database, PostgresGreetings, PostgresPins, PostgresStore};

use super::support::messages::message;
use super::support::server::Server;
use super::support::{database, mailbox};

async fn maildir(root: &Path) -> MaildirStore {
    MaildirStore::builder(root).open().await.unwrap()
}

/// A Maildir store with messages of each status, and one that was deleted, which is answered.
async fn filled(root: &Path) -> (MaildirStore, Message) {
    let store = maildir(root).await;
    let number = mailbox("2041");
    store.create_mailbox(&number).await.unwrap();
    let gone = message(b"gone", 0);
    store.deposit(&number, &Origin::Here, &gone).await.unwrap();
    store.remove(&number, gone.id()).await.unwrap();
    store.expunge(&number).await.unwrap();
    for (at, status) in (1..).zip([Status::New, Status::Old, Status::Removed, Status::Old]) {
        // One is longer than the database keeps with its row.
        let message = message(&vec![7; if at == 4 { 100_000 } else { 900 }], at);
        store.deposit(&number, &Origin::Here, &message).await.unwrap();
        store.mark(&number, message.id(), status).await.unwrap();
        if at == 2 {
            store.set_transcript(&number, message.id(), &words()).await.unwrap();
        }
    }
    (store, gone)
}

fn words() -> Transcript {
    Transcript::new("Call me.", "x").with_language("fr-CA".parse().unwrap())
}

/// The transcripts of the messages in mailbox 2041.
async fn transcripts(store: &dyn MessageStore) -> Vec<Transcript> {
    let number = mailbox("2041");
    let mut found = Vec::new();
    for entry in store.list(&number).await.unwrap() {
        found.extend(store.transcript(&number, entry.head.id).await.unwrap());
    }
    found
}

async fn compared(source: &dyn CopyableStore, target: &dyn CopyableStore) -> u64 {
    let compared = Migration::new(source, target).compare(Compared::Contents).await.unwrap();
    assert!(compared.is_clean(), "{compared:?}");
    compared.unchanged
}

#[tokio::test(flavor = "multi_thread")]
async fn there_and_back_with_a_sender_nothing_is_lost_or_doubled() {
    let Some(database) = database().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let number = mailbox("2041");
    let (source, gone) = filled(&folder.path().join("old")).await;
    let source = ClosableStore::new(source);
    let target = ClosableStore::new(PostgresStore::builder(&database).build());
    let back = maildir(&folder.path().join("new")).await;
    // Which store the sender's messages come to.
    let (moved, moved_back) = (OnceLock::new(), OnceLock::new());
    let sent: Vec<Message> = (0..300).map(|at| message(b"sent meanwhile", 100 + at)).collect();
    let sender = async {
        for message in &sent {
            // Each is sent until it is taken, and then once more.
            let mut taken = 0;
            while taken < 2 {
                let store: &dyn MessageStore = match (moved.get(), moved_back.get()) {
                    (_, Some(())) => &back,
                    (Some(()), None) => &target,
                    (None, None) => &source,
                };
                match store.deposit(&number, &Origin::Here, message).await {
                    Ok(_) => taken += 1,
                    Err(error) => assert!(error.is_transient(), "{error:?}"),
                }
                tokio::task::yield_now().await;
            }
        }
    };
    let operator = async {
        let mut there = Migration::new(source.get_ref(), target.get_ref());
        there.copy().await.unwrap();
        source.close().await;
        there.copy().await.unwrap();
        compared(source.get_ref(), target.get_ref()).await;
        moved.set(()).unwrap();

        let mut and_back = Migration::new(target.get_ref(), &back);
        and_back.copy().await.unwrap();
        target.close().await;
        and_back.copy().await.unwrap();
        compared(target.get_ref(), &back).await;
        moved_back.set(()).unwrap();
    };
    tokio::join!(sender, operator);
    let listed = back.list(&number).await.unwrap();
    assert_eq!(listed.len(), 4 + sent.len());
    for message in &sent {
        assert_eq!(listed.iter().filter(|entry| entry.head.id == message.id()).count(), 1);
        assert!(back.retrieve(&number, message.id()).await.unwrap().audio() == message.audio());
    }
    assert_eq!(back.deposit(&number, &Origin::Here, &gone).await.unwrap(), Deposit::Duplicate);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_after_the_first_copy_are_copied_both_ways() {
    let Some(database) = database().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let number = mailbox("2041");
    let (source, _) = filled(folder.path()).await;
    let target = PostgresStore::builder(&database).build();
    Migration::new(&source, &target).copy().await.unwrap();
    assert_eq!(compared(&source, &target).await, 5);
    assert_eq!(transcripts(&target).await, [words()]);
    // The database is in use now, and then its mailboxes go back into the same Maildirs.
    let new = target.list(&number).await.unwrap().into_iter().find(|entry| entry.status == Status::New).unwrap();
    target.mark(&number, new.head.id, Status::Old).await.unwrap();
    assert_eq!(target.expunge(&number).await.unwrap(), 1);
    let late = message(b"late", 50);
    target.deposit(&number, &Origin::Here, &late).await.unwrap();
    let mut back = Migration::new(&target, &source);
    back.copy().await.unwrap();
    let report = back.report();
    assert_eq!((report.messages_copied, report.statuses_set, report.messages_deleted, report.unchanged), (1, 1, 1, 3));
    assert_eq!(compared(&target, &source).await, 6);
    assert_eq!(source.summary(&number).await.unwrap(), target.summary(&number).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_dropped_at_any_poll_goes_on() {
    let Some(server) = Server::common() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (source, _) = filled(&folder.path().join("old")).await;
    for polls in 0.. {
        let database = Database::connect(&server.create_database().await).await.unwrap();
        let target = PostgresStore::builder(&database).build();
        let back = maildir(&folder.path().join(polls.to_string())).await;
        let mut there = Migration::new(&source, &target);
        let done = dropped_after(polls, there.copy()).await.is_some();
        there.copy().await.unwrap();
        assert_eq!(compared(&source, &target).await, 5, "dropped after {polls} polls");
        let mut and_back = Migration::new(&target, &back);
        let done_back = dropped_after(polls, and_back.copy()).await.is_some();
        and_back.copy().await.unwrap();
        assert_eq!(compared(&source, &back).await, 5, "dropped after {polls} polls, on the way back");
        if done && done_back {
            assert!(polls > 10);
            break;
        }
    }
}

/// Polls `call` up to `polls` times, each time when it is woken; `None` if it was not done by then.
async fn dropped_after<T>(polls: usize, call: impl Future<Output = T>) -> Option<T> {
    let (mut call, mut left) = (pin!(call), polls);
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        call.as_mut().poll(context).map(Some)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn pins_move_with_their_lockouts() {
    let Some(database) = database().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let now = "2026-11-22T18:00:00Z".parse().unwrap();
    let hash = |pin: &str| PinHash::new(&pin.parse().unwrap());
    let source = PinFolder::open(OsDisk, folder.path().join("old")).await.unwrap();
    source.set(mailbox("2041"), hash("480913")).await.unwrap();
    source.set_initial(mailbox("2042"), hash("553201")).await.unwrap();
    let thief = "4420".parse().unwrap();
    for _ in 0..5 {
        assert_eq!(source.check(&mailbox("2041"), Some(&thief), "0000", now).await, PinVerdict::Wrong);
    }
    let target = PostgresPins::new(&database);
    target.set_hash(&mailbox("2043"), &hash("719305")).await.unwrap();
    let copied = copy_pins(&source, &target).await.unwrap();
    // Two PINs that the target does not have, and one that the source does not have.
    assert_eq!((copied.pins, copied.telephones, copied.unchanged), (3, 1, 0));
    let copied = copy_pins(&source, &target).await.unwrap();
    assert_eq!((copied.pins, copied.telephones, copied.unchanged), (0, 0, 3));

    let back = PinFolder::open(OsDisk, folder.path().join("new")).await.unwrap();
    copy_pins(&target, &back).await.unwrap();
    assert_eq!(back.pins(None, 9).await.unwrap(), source.pins(None, 9).await.unwrap());
    assert_eq!(back.telephones(None, 9).await.unwrap(), source.telephones(None, 9).await.unwrap());
    assert!(matches!(back.check(&mailbox("2041"), None, "480913", now).await, PinVerdict::Locked(_)));
    assert!(matches!(back.check(&mailbox("2042"), Some(&thief), "553201", now).await, PinVerdict::Locked(_)));
    assert_eq!(back.check(&mailbox("2042"), None, "553201", now).await, PinVerdict::Initial);
    assert_eq!(back.check(&mailbox("2043"), None, "719305", now).await, PinVerdict::NoPin);
}

#[tokio::test(flavor = "multi_thread")]
async fn greetings_move_with_their_removals() {
    let Some(database) = database().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let now = "2026-11-22T18:00:00Z".parse().unwrap();
    let source = GreetingFolder::open(OsDisk, folder.path().join("old")).await.unwrap();
    let of = |kind| GreetingId::new(mailbox("2041"), kind);
    let sound = |text: &str| Some(Audio::new(AudioType::Wav, text.as_bytes().to_vec()));
    source.record(of(GreetingKind::Normal), sound("hello"), None, now).await.unwrap();
    source.record(of(GreetingKind::Busy), sound("busy"), None, now).await.unwrap();
    source.record(of(GreetingKind::Busy), None, None, now).await.unwrap();
    let target = PostgresGreetings::new(&database);
    let copied = copy_greetings(&source, &target).await.unwrap();
    assert_eq!((copied.copied, copied.unchanged), (2, 0));
    assert_eq!(copy_greetings(&source, &target).await.unwrap().unchanged, 2);
    let back = GreetingFolder::open(OsDisk, folder.path().join("new")).await.unwrap();
    copy_greetings(&target, &back).await.unwrap();
    for kind in [GreetingKind::Normal, GreetingKind::Busy] {
        assert_eq!(back.read(&of(kind)).await.unwrap(), source.read(&of(kind)).await.unwrap());
    }
}
