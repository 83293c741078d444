//! Owners and callers press keys before the result of an action is there.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use voicemail::MailboxId;
use voicemail::call::{CallEndReason, CallScript, TranscriptEntry};
use voicemail::disk::{FaultyDisk, InjectedFault, OsDisk};
use voicemail::message::{Message, MessageId, Origin, Status};
use voicemail::store::{Deposit, MemoryStore, MessageStore as _, StoreError, StoreWrapper};
use voicemail::telephone::Prompt;

use super::support::{CENTRAL, mailbox, node};
use super::{CentralSite, PIN, SECOND, is_menu, is_play, is_tone, said};

/// A store that takes half a second for each change, and fails so many of them.
#[derive(Debug)]
struct Slow {
    inner: MemoryStore,
    failures: AtomicU32,
}

impl Slow {
    fn new(failures: u32) -> Self {
        let inner = MemoryStore::new((2001..=2009).map(|number| mailbox(&number.to_string())));
        Self { inner, failures: AtomicU32::new(failures) }
    }

    async fn change(&self) -> Result<(), StoreError> {
        tokio::time::sleep(SECOND / 2).await;
        let fail = |failures: u32| failures.checked_sub(1);
        match self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fail) {
            Ok(_) => Err(StoreError::Unavailable("as the test wants".into())),
            Err(_) => Ok(()),
        }
    }
}

#[async_trait]
impl StoreWrapper for Slow {
    type Inner = MemoryStore;

    fn inner(&self) -> &MemoryStore {
        &self.inner
    }

    async fn deposit(&self, mailbox: &MailboxId, origin: &Origin, message: &Message) -> Result<Deposit, StoreError> {
        if mailbox.as_str() != "2001" {
            self.change().await?;
        }
        self.inner.deposit(mailbox, origin, message).await
    }

    async fn mark(&self, mailbox: &MailboxId, id: MessageId, status: Status) -> Result<(), StoreError> {
        self.change().await?;
        self.inner.mark(mailbox, id, status).await
    }
}

fn logged_in() -> CallScript {
    CallScript::new().until_said(|prompt| *prompt == Prompt::EnterPin).press(PIN).press("#").until_said(is_menu)
}

/// Records a message to 2003, up to the review.
fn composed() -> CallScript {
    let script = logged_in().press("6").until_said(|prompt| *prompt == Prompt::EnterMailbox).press("2003#");
    let script = script.until_said(|prompt| *prompt == Prompt::EnterNextMailbox).press("#").until_ended(is_tone);
    script.speak(SECOND * 3).press("#").until_said(is_menu)
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_said_although_keys_were_typed_ahead() {
    let central = CentralSite::open_in(Slow::new(1), |driver| driver).await;
    // In the review that follows a failure, `*` discards the message.
    let script = composed().press("1*").until_said(|prompt| *prompt == Prompt::NotSent).silence(SECOND).press("1");
    let (_, transcript) = central.owner(script.until_said(|prompt| *prompt == Prompt::Sent).hang_up()).await;
    assert!(said(&transcript, &Prompt::NotSent) && said(&transcript, &Prompt::Sent), "{:?}", transcript.prompts());
    assert!(!said(&transcript, &Prompt::RecordingDiscarded));
    assert_eq!(central.summary("2003").await.new, 1);
}

#[tokio::test(start_paused = true)]
async fn keys_typed_ahead_of_a_success_go_on_after_it() {
    let central = CentralSite::open_in(Slow::new(0), |driver| driver).await;
    // Sends, and leaves at the main menu.
    let (_, transcript) = central.owner(composed().press("1*")).await;
    assert!(said(&transcript, &Prompt::Goodbye), "{:?}", transcript.prompts());
    assert_eq!(central.summary("2003").await.new, 1);
}

#[tokio::test(start_paused = true)]
async fn keys_typed_ahead_of_a_failed_removal_remove_nothing_else() {
    let central = CentralSite::open_in(Slow::new(1), |driver| driver).await;
    for _ in 0..2 {
        central.deposit().await;
    }
    // Removes the first message and goes to the next, which would then be removed too.
    let script = logged_in().press("1").until_said(is_play).press("363");
    let (_, transcript) = central.owner(script.until_said(|prompt| *prompt == Prompt::ChangeFailed).hang_up()).await;
    assert!(said(&transcript, &Prompt::ChangeFailed), "{:?}", transcript.prompts());
    assert_eq!(central.summary("2001").await.new, 2);
}

/// A store that fails after half a second, with the disk of the node.
#[derive(Debug)]
struct FailsWithTheDisk {
    inner: MemoryStore,
    disk: FaultyDisk,
}

#[async_trait]
impl StoreWrapper for FailsWithTheDisk {
    type Inner = MemoryStore;

    fn inner(&self) -> &MemoryStore {
        &self.inner
    }

    async fn deposit(&self, _: &MailboxId, _: &Origin, _: &Message) -> Result<Deposit, StoreError> {
        tokio::time::sleep(SECOND / 2).await;
        self.disk.fail(InjectedFault::after(0, std::io::ErrorKind::Other).lasting());
        Err(StoreError::Unavailable("as the test wants".into()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_hears_a_failure_although_a_key_was_pressed_twice() {
    let disk = FaultyDisk::new(OsDisk);
    let store = FailsWithTheDisk { inner: MemoryStore::new([mailbox("2001")]), disk: disk.clone() };
    let describe = |folder: &Path| node(CENTRAL, folder).store(store).disk(disk.clone());
    let central = CentralSite::open_node(describe, |driver| driver).await;
    let script = CallScript::new().until_ended(is_tone).speak(SECOND * 3).press("#").until_said(is_menu).press("11");
    let (end, transcript) = central.call(script).await;
    disk.mend();
    assert_eq!((end.reason, end.message), (CallEndReason::Over, None));
    let whole = transcript.entries().into_iter().any(|entry| match entry {
        TranscriptEntry::Said { prompts, whole } => whole && prompts.contains(&Prompt::NotSent),
        _ => false,
    });
    assert!(whole, "{:?}", transcript.prompts());
}
