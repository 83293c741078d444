//! Migrations between Maildir and memory: whole, stopped at every call, with damaged sounds, and with a sender all the while.

#![allow(
    clippy::unwrap_used,
    clippy::future_not_send,
    reason = "clippy does not see that these are tests, because their module needs features, too"
)]

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use tokio::sync::Notify;

use super::*;
use crate::message::{Audio, AudioType, ClockQuality, ClockSource, Origin, RecordedAt, Status, Transcript};
use crate::store::{
    ClosableStore, DeduplicationKey, Deposit, MaildirStore, MemoryStore, MessageStore, MessageStoreExt as _, StoreWrapper,
};

fn mailbox(number: &str) -> MailboxId {
    number.parse().unwrap()
}

fn message(sound: &str) -> Message {
    let quality = ClockQuality::unknown(ClockSource::Manual);
    let instant = "2025-03-30T00:59:40Z".parse().unwrap();
    let recorded_at = RecordedAt { instant, zone: chrono_tz::Europe::London, quality };
    Message::builder(Audio::new(AudioType::Wav, sound.as_bytes().to_vec()), recorded_at).build()
}

async fn deposit(store: &impl MessageStore, number: &str, message: &Message) -> Deposit {
    store.deposit(&mailbox(number), &Origin::Here, message).await.unwrap()
}

async fn maildir(root: &Path) -> MaildirStore {
    MaildirStore::builder(root).open().await.unwrap()
}

/// A Maildir store with messages of each status in two mailboxes, and one message that was deleted, which is answered.
async fn filled(root: &Path) -> (MaildirStore, Message) {
    let store = maildir(root).await;
    let gone = message("gone");
    for number in ["2041", "2042"] {
        store.create_mailbox(&mailbox(number)).await.unwrap();
        deposit(&store, number, &gone).await;
        store.remove(&mailbox(number), gone.id()).await.unwrap();
        store.expunge(&mailbox(number)).await.unwrap();
        for status in [Status::New, Status::Old, Status::Removed] {
            let message = message(&format!("{status:?} in {number}"));
            deposit(&store, number, &message).await;
            store.mark(&mailbox(number), message.id(), status).await.unwrap();
        }
    }
    (store, gone)
}

/// A store that counts the sounds that are read, and fails or waits for ever at the call `stops_at`.
#[derive(Debug)]
struct Observed<S> {
    inner: S,
    reads: AtomicUsize,
    calls: AtomicUsize,
    stops_at: usize,
    hangs: bool,
    hung: Notify,
}

impl<S> Observed<S> {
    fn new(inner: S, stops_at: usize, hangs: bool) -> Self {
        Self { inner, reads: AtomicUsize::new(0), calls: AtomicUsize::new(0), stops_at, hangs, hung: Notify::new() }
    }

    async fn call(&self) -> Result<(), StoreError> {
        if self.calls.fetch_add(1, Ordering::SeqCst) != self.stops_at {
            return Ok(());
        }
        if self.hangs {
            self.hung.notify_one();
            std::future::pending::<()>().await;
        }
        Err(StoreError::Unavailable("it is away".into()))
    }
}

#[async_trait]
impl<S: MessageStore> StoreWrapper for Observed<S> {
    type Inner = S;

    fn inner(&self) -> &S {
        &self.inner
    }

    async fn retrieve(&self, mailbox: &MailboxId, id: MessageId) -> Result<Message, StoreError> {
        self.call().await?;
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.inner.retrieve(mailbox, id).await
    }

    async fn mark(&self, mailbox: &MailboxId, id: MessageId, status: Status) -> Result<(), StoreError> {
        self.call().await?;
        self.inner.mark(mailbox, id, status).await
    }

    async fn import(&self, mailbox: &MailboxId, message: &ImportedMessage) -> Result<ImportOutcome, StoreError> {
        self.call().await?;
        let done = self.inner.import(mailbox, message).await;
        // Also an answer can be lost.
        self.call().await?;
        done
    }
}

#[async_trait]
impl<S: CopyableStore> CopyableStore for Observed<S> {
    async fn mailboxes(&self, after: Option<&MailboxId>, limit: usize) -> Result<Vec<MailboxId>, StoreError> {
        self.call().await?;
        self.inner.mailboxes(after, limit).await
    }

    async fn create(&self, mailbox: &MailboxId) -> Result<(), StoreError> {
        self.call().await?;
        self.inner.create(mailbox).await
    }

    async fn keys(
        &self,
        mailbox: &MailboxId,
        after: Option<DeduplicationKey>,
        limit: usize,
    ) -> Result<Vec<StoredKey>, StoreError> {
        self.call().await?;
        self.inner.keys(mailbox, after, limit).await
    }

    async fn delete(&self, mailbox: &MailboxId, id: MessageId) -> Result<(), StoreError> {
        self.call().await?;
        self.inner.delete(mailbox, id).await
    }

    async fn forget(&self, mailbox: &MailboxId, key: DeduplicationKey) -> Result<(), StoreError> {
        self.call().await?;
        self.inner.forget(mailbox, key).await
    }
}

#[tokio::test]
async fn a_copy_is_the_same_and_removed_messages_stay_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (source, gone) = filled(&folder.path().join("source")).await;
    let (between, back) = (MemoryStore::new([]), maildir(&folder.path().join("back")).await);
    let mut there = Migration::new(&source, &between);
    there.copy().await.unwrap();
    assert_eq!(
        there.report().to_string(),
        "2 mailboxes: 6 messages copied, 0 transcripts copied, 2 keys of deleted messages copied, 0 statuses set, 0 messages deleted, 0 unchanged, 0 faults"
    );
    assert!(there.compare(Compared::Contents).await.unwrap().is_clean());
    Migration::new(&between, &back).copy().await.unwrap();
    let round = Migration::new(&source, &back);
    let compared = round.compare(Compared::Contents).await.unwrap();
    assert!(compared.is_clean() && compared.unchanged == 8, "{compared:?}");
    for store in [&between as &dyn CopyableStore, &back] {
        let again = store.deposit(&mailbox("2041"), &Origin::Here, &gone).await.unwrap();
        assert_eq!(again, Deposit::Duplicate, "{store:?}");
    }
}

#[tokio::test]
async fn a_request_for_a_receipt_moves_with_its_message() {
    let folder = tempfile::tempdir().unwrap();
    let (source, back) = (maildir(&folder.path().join("source")).await, maildir(&folder.path().join("back")).await);
    let number = mailbox("2041");
    source.create_mailbox(&number).await.unwrap();
    let mail = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/asterisk.eml"));
    let mail = format!("From: Anna <anna@far.example>\r\nDisposition-Notification-To: anna@far.example\r\n{mail}");
    let message = crate::wire::decode(&mail.into()).unwrap();
    deposit(&source, "2041", &message).await;
    let between = MemoryStore::new([number.clone()]);
    // A store that keeps no mail.
    let kept = Message::new(message.head().clone(), message.audio().clone());
    between.import(&number, &ImportedMessage::from_origin(&Origin::Here, kept, Status::New)).await.unwrap();
    Migration::new(&between, &back).copy().await.unwrap();
    let compared = Migration::new(&source, &back).compare(Compared::Contents).await.unwrap();
    assert!(compared.is_clean() && compared.unchanged == 1, "{compared:?}");
    let request = back.retrieve(&number, message.id()).await.unwrap().head().receipt.clone().unwrap();
    assert_eq!(request.to().as_str(), "anna@far.example");
    assert_eq!(request.original(), Some("<Asterisk-1-1310405980-2001-5628@remote1.example>"));
}

#[tokio::test]
async fn what_has_changed_since_is_copied_without_reading_sounds() {
    let folder = tempfile::tempdir().unwrap();
    let (source, _) = filled(folder.path()).await;
    let (source, target) = (Observed::new(source, usize::MAX, false), MemoryStore::new([]));
    let mut migration = Migration::new(&source, &target);
    migration.copy().await.unwrap();
    let read_before = source.reads.load(Ordering::SeqCst);
    let number = mailbox("2041");
    let old = source.inner.list(&number).await.unwrap().into_iter().find(|entry| entry.status == Status::Old).unwrap();
    source.inner.mark(&number, old.head.id, Status::New).await.unwrap();
    source.inner.expunge(&number).await.unwrap();
    migration.copy().await.unwrap();
    let report = migration.report();
    assert_eq!((report.statuses_set, report.messages_deleted, report.messages_copied, report.unchanged), (1, 1, 0, 6));
    assert!(migration.compare(Compared::Keys).await.unwrap().is_clean());
    assert_eq!(source.reads.load(Ordering::SeqCst), read_before);
}

#[tokio::test]
async fn a_copy_that_stops_at_any_call_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (source, _) = filled(folder.path()).await;
    let source = Arc::new(source);
    for (hangs, side) in [(false, Side::Source), (false, Side::Target), (true, Side::Source), (true, Side::Target)] {
        for stops_at in 0.. {
            let at = |store| if side == store { stops_at } else { usize::MAX };
            let watched = Observed::new(Arc::clone(&source), at(Side::Source), hangs);
            let target = Observed::new(MemoryStore::new([]), at(Side::Target), hangs);
            let mut migration = Migration::new(&watched, &target);
            let copied = tokio::select! {
                copied = migration.copy() => copied.is_ok(),
                () = watched.hung.notified() => false,
                () = target.hung.notified() => false,
            };
            if copied {
                assert!(stops_at > 9, "each call was one to stop at");
                break;
            }
            migration.copy().await.unwrap();
            let compared = migration.compare(Compared::Contents).await.unwrap();
            assert!(compared.is_clean() && compared.unchanged == 8, "stopped at call {stops_at} of the {side}: {compared:?}");
        }
    }
}

#[tokio::test]
async fn a_damaged_sound_is_reported_and_the_rest_is_copied() {
    let folder = tempfile::tempdir().unwrap();
    let (source, _) = filled(folder.path()).await;
    let number = mailbox("2041");
    let new = fs::read_dir(folder.path().join("mail/2041/new")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read_to_string(&new).unwrap();
    let end = bytes.rfind("--").map(|end| bytes[..end].trim_end().rfind("--").unwrap()).unwrap();
    let sound = bytes[..end].trim_end().rfind('\n').unwrap() + 1;
    let letter = if bytes.as_bytes()[sound] == b'A' { "B" } else { "A" };
    bytes.replace_range(sound..=sound, letter);
    fs::write(&new, bytes).unwrap();
    let target = MemoryStore::new([]);
    let mut migration = Migration::new(&source, &target);
    migration.copy().await.unwrap();
    let report = migration.report();
    assert_eq!((report.messages_copied, report.fault_count), (5, 1), "{report:?}");
    let fault = &report.faults[0];
    let damaged = source.list(&number).await.unwrap().into_iter().find(|entry| entry.status == Status::New).unwrap();
    assert!(fault.mailbox == number && fault.message == Some(damaged.head.id), "{fault:?}");
    assert!(matches!(&fault.reason, FaultReason::Unreadable(StoreError::Damaged { .. })), "{fault:?}");
    let compared = migration.compare(Compared::Keys).await.unwrap();
    assert!(compared.faults.iter().any(|fault| matches!(fault.reason, FaultReason::Missing)), "{compared:?}");
    assert!(compared.faults.iter().any(|fault| matches!(fault.reason, FaultReason::CountsDiffer)), "{compared:?}");
}

#[tokio::test]
async fn a_sender_during_the_copy_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (source, _) = filled(folder.path()).await;
    let (source, target) = (ClosableStore::new(source), MemoryStore::new([]));
    // Set once the nodes serve the target: the sender's messages are taken into it then.
    let moved: OnceLock<&MemoryStore> = OnceLock::new();
    let sent: Vec<Message> = (0..60).map(|at| message(&format!("sent {at}"))).collect();
    let sender = async {
        for message in &sent {
            loop {
                let store: &dyn MessageStore = moved.get().map_or(&source, |target| *target);
                match store.deposit(&mailbox("2041"), &Origin::Here, message).await {
                    Ok(_) => break,
                    Err(error) => assert!(error.is_transient(), "{error:?}"),
                }
                tokio::task::yield_now().await;
            }
        }
    };
    let operator = async {
        let mut migration = Migration::new(source.get_ref(), &target);
        migration.copy().await.unwrap();
        source.close().await;
        migration.copy().await.unwrap();
        let compared = migration.compare(Compared::Contents).await.unwrap();
        assert!(compared.is_clean(), "{compared:?}");
        moved.set(&target).unwrap();
    };
    tokio::join!(sender, operator);
    let listed = target.list(&mailbox("2041")).await.unwrap();
    let times = |message: &Message| listed.iter().filter(|entry| entry.head.id == message.id()).count();
    assert!(sent.iter().all(|message| times(message) == 1));
    assert_eq!(listed.len(), 3 + sent.len());
}

#[tokio::test]
async fn a_message_that_only_the_target_has_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let (source, _) = filled(folder.path()).await;
    let target = MemoryStore::new([mailbox("2041")]);
    let stranger = message("a stranger");
    deposit(&target, "2041", &stranger).await;
    let mut migration = Migration::new(&source, &target);
    migration.copy().await.unwrap();
    let report = migration.report();
    assert_eq!((report.messages_copied, report.fault_count), (6, 1));
    assert!(matches!(report.faults[0].reason, FaultReason::OnlyInTarget) && report.faults[0].message == Some(stranger.id()));
    assert_eq!(target.retrieve(&mailbox("2041"), stranger.id()).await.unwrap(), stranger);
}

#[tokio::test]
async fn a_message_deleted_in_the_target_comes_back_from_the_source() {
    let folder = tempfile::tempdir().unwrap();
    let (source, gone) = filled(folder.path()).await;
    let number = mailbox("2041");
    let target = MemoryStore::new([number.clone()]);
    let kept = source.list(&number).await.unwrap().into_iter().find(|entry| entry.status == Status::Old).unwrap().head.id;
    let kept = source.retrieve(&number, kept).await.unwrap();
    deposit(&target, "2041", &kept).await;
    target.delete(&number, kept.id()).await.unwrap();
    Migration::new(&source, &target).copy().await.unwrap();
    assert!(target.retrieve(&number, kept.id()).await.is_ok());
    assert_eq!(deposit(&target, "2041", &gone).await, Deposit::Duplicate);
}

#[tokio::test]
async fn a_mail_of_another_program_is_copied_once() {
    let folder = tempfile::tempdir().unwrap();
    let source = maildir(folder.path()).await;
    source.create_mailbox(&mailbox("2041")).await.unwrap();
    deposit(&source, "2041", &message("from a program")).await;
    let new = folder.path().join("mail/2041/new");
    let file = fs::read_dir(&new).unwrap().next().unwrap().unwrap().path();
    fs::rename(&file, new.join("1743296380.M1P2.other")).unwrap();
    fs::remove_dir_all(folder.path().join("arrivals/2041")).unwrap();
    let (target, source) = (MemoryStore::new([]), maildir(folder.path()).await);
    let mut migration = Migration::new(&source, &target);
    migration.copy().await.unwrap();
    assert_eq!(migration.report().messages_copied, 1);
    let id = source.list(&mailbox("2041")).await.unwrap()[0].head.id;
    source.mark_old(&mailbox("2041"), id).await.unwrap();
    migration.copy().await.unwrap();
    assert_eq!((migration.report().messages_copied, migration.report().statuses_set), (0, 1));
    assert!(migration.compare(Compared::Contents).await.unwrap().is_clean());
}

#[tokio::test]
async fn transcripts_are_copied_also_those_that_come_later() {
    let (source, target) = (MemoryStore::new([mailbox("2041")]), MemoryStore::new([]));
    let messages = [message("one"), message("two")];
    for message in &messages {
        deposit(&source, "2041", message).await;
    }
    let words = |number: usize| Transcript::new(&format!("message {number}"), "x");
    for (number, message) in messages.iter().enumerate() {
        source.set_transcript(&mailbox("2041"), message.id(), &words(number)).await.unwrap();
        let mut migration = Migration::new(&source, &target);
        migration.copy().await.unwrap();
        assert_eq!((migration.report().transcripts_copied, migration.report().is_clean()), (1, true));
        let copied = target.transcript(&mailbox("2041"), message.id()).await.unwrap();
        assert_eq!(copied, Some(words(number)));
    }
    let mut migration = Migration::new(&source, &target);
    migration.copy().await.unwrap();
    assert_eq!(migration.report().transcripts_copied, 0);
}
