//! Owners listen to their messages, answer them, and change what callers hear.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use voicemail::audio::Format;
use voicemail::call::{CallDriver, CallEndReason, CallScript, OwnerCall, ScriptedLeg, TranscriptEntry};
use voicemail::greeting::GreetingKind;
use voicemail::message::{Audio, MailboxId, Message, MessageId, Origin, Status, Summary, Urgency};
use voicemail::store::{Deposit, Entry, MemoryStore, MessageStore, StoreError};
use voicemail::telephone::{MemoryPins, PinHash, Prompt};
use voicemail::voice::{Names, Voice, VoiceError, Voices};

use super::support::{mailbox, site};
use super::{CentralSite, PIN, SECOND, is_menu, is_play, is_tone, said};

/// Enters the PIN, up to the main menu.
fn logged_in() -> CallScript {
    CallScript::new().until_said(|prompt| *prompt == Prompt::EnterPin).press(PIN).press("#").until_said(is_menu)
}

#[tokio::test(start_paused = true)]
async fn a_message_is_heard_and_becomes_old() {
    let central = CentralSite::open().await;
    central.deposit().await;
    let (end, transcript) = central.owner(logged_in().press("1").until_ended(is_play).until_said(is_menu).hang_up()).await;
    assert_eq!(end.reason, CallEndReason::HungUp);
    assert!(said(&transcript, &Prompt::MessageCounts { new: 1, urgent: 0, old: 0 }), "{:?}", transcript.prompts());
    let summary = central.summary("2001").await;
    assert_eq!((summary.new, summary.old), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_wrong_pin_opens_nothing() {
    let central = CentralSite::open().await;
    central.deposit().await;
    let enter = |script: CallScript| script.until_said(|prompt| *prompt == Prompt::EnterPin).press("0000#");
    let (end, transcript) = central.owner(enter(enter(enter(CallScript::new())))).await;
    assert_eq!(end.reason, CallEndReason::Over);
    assert_eq!(transcript.prompts().iter().filter(|prompt| **prompt == Prompt::WrongPin).count(), 3);
    assert!(!transcript.prompts().iter().any(|prompt| is_menu(prompt) || is_play(prompt)));
}

#[tokio::test(start_paused = true)]
async fn any_telephone_logs_in_with_the_number() {
    let central = CentralSite::open().await;
    let script = CallScript::new().until_said(|prompt| *prompt == Prompt::EnterOwnMailbox).press("2001#");
    let script = script.until_said(|prompt| *prompt == Prompt::EnterPin).press(PIN).press("#").until_said(is_menu).press("*");
    let (leg, transcript) = ScriptedLeg::new(Format::TELEPHONE_L16, script);
    let end = central.calls.answer_owner(&site("london"), leg, OwnerCall::from_any_telephone()).await;
    assert_eq!(end.reason, CallEndReason::Over);
    assert!(said(&transcript, &Prompt::Goodbye));
}

#[tokio::test(start_paused = true)]
async fn removed_is_said_after_the_store_has_removed() {
    let central = CentralSite::open().await;
    central.deposit().await;
    let script = logged_in().press("1").until_said(is_play).press("3");
    let (_, transcript) = central.owner(script.until_said(|prompt| *prompt == Prompt::Removed).hang_up()).await;
    assert!(said(&transcript, &Prompt::Removed));
    let summary = central.summary("2001").await;
    assert_eq!((summary.new, summary.old), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_message_is_paused_and_goes_on() {
    let central = CentralSite::open().await;
    central.deposit().await;
    let script = logged_in().press("1").until_said(is_play).silence(SECOND * 2).press("8").silence(SECOND * 10).press("8");
    let (_, transcript) = central.owner(script.until_said(is_menu).hang_up()).await;
    assert!(!said(&transcript, &Prompt::NotUnderstood));
    assert_eq!(central.summary("2001").await.old, 1, "it was played to its end");
}

#[tokio::test(start_paused = true)]
async fn a_recorded_greeting_is_heard_by_the_next_caller() {
    let central = CentralSite::open().await;
    let script = logged_in().press("4").until_said(is_menu).press("1").until_said(is_menu).press("2").until_ended(is_tone);
    let script = script.speak(SECOND * 4).press("#").until_said(is_menu).press("1");
    let (_, transcript) = central.owner(script.until_said(|prompt| *prompt == Prompt::GreetingSaved).hang_up()).await;
    assert!(said(&transcript, &Prompt::GreetingSaved), "{:?}", transcript.prompts());
    assert!(central.node.greetings(&mailbox("2001")).await.normal);
    let (_, transcript) = central.call(CallScript::new().until_ended(is_tone).hang_up()).await;
    assert!(said(&transcript, &Prompt::Greeting(GreetingKind::Normal)));
    assert!(transcript.sound().len() > 8000 * 4);
}

#[tokio::test(start_paused = true)]
async fn an_answer_reaches_the_sender() {
    let central = CentralSite::open().await;
    central.deposit().await;
    let script = logged_in().press("1").until_ended(is_play).until_said(is_menu).press("9").until_ended(is_tone);
    let script = script.speak(SECOND * 3).press("#").until_said(is_menu).press("1");
    let (_, transcript) = central.owner(script.until_said(|prompt| *prompt == Prompt::Sent).hang_up()).await;
    assert!(said(&transcript, &Prompt::Sent), "{:?}", transcript.prompts());
    assert_eq!(central.summary("2002").await.new, 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_is_composed_for_two() {
    let central = CentralSite::open().await;
    let script = logged_in().press("6").until_said(|prompt| *prompt == Prompt::EnterMailbox).press("2003#");
    let script = script.until_said(|prompt| *prompt == Prompt::EnterNextMailbox).press("2004#");
    let script = script.until_said(|prompt| *prompt == Prompt::EnterNextMailbox).press("#").until_ended(is_tone);
    let script = script.speak(SECOND * 3).press("#").until_said(is_menu).press("1");
    let (_, transcript) = central.owner(script.until_said(|prompt| *prompt == Prompt::Sent).hang_up()).await;
    assert!(said(&transcript, &Prompt::Sent), "{:?}", transcript.prompts());
    assert_eq!((central.summary("2003").await.new, central.summary("2004").await.new), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_sender_is_called_back() {
    let central = CentralSite::open().await;
    central.deposit().await;
    let script = logged_in().press("1").until_ended(is_play).until_said(is_menu).press("79");
    let (end, transcript) = central.owner(script).await;
    assert_eq!(end.reason, CallEndReason::Transferred);
    let to = "2002".parse().unwrap();
    assert_eq!(transcript.entries().last(), Some(&TranscriptEntry::Transferred { to, succeeded: true }));
}

#[tokio::test(start_paused = true)]
async fn a_caller_becomes_an_owner_and_the_port_is_free() {
    let central = CentralSite::open().await;
    let script = CallScript::new().silence(SECOND / 10).press("*").until_said(|prompt| *prompt == Prompt::EnterPin);
    let (_, transcript) = central.call(script.press(PIN).press("#").until_said(is_menu).press("*")).await;
    assert!(said(&transcript, &Prompt::Goodbye), "{:?}", transcript.prompts());
    assert_eq!(central.ports_in_use(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_owner_who_does_nothing_hears_goodbye() {
    let central = CentralSite::open().await;
    let (end, transcript) = central.owner(logged_in()).await;
    assert_eq!(end.reason, CallEndReason::Over);
    assert!(said(&transcript, &Prompt::Goodbye));
}

/// A voice that never answers.
#[derive(Debug)]
struct Hanging;

#[async_trait]
impl Voice for Hanging {
    async fn say(&self, _: &Prompt, _: &Names) -> Result<Vec<Audio>, VoiceError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_even_if_the_voice_hangs() {
    let central = CentralSite::open().await;
    let pins = MemoryPins::default();
    pins.set(mailbox("2001"), PinHash::new(&PIN.parse().unwrap()));
    let voices = Voices::new("en".parse().unwrap(), Hanging);
    let calls = CallDriver::builder(central.node.clone(), voices).pins(pins).build();
    let script =
        CallScript::new().silence(SECOND).press(PIN).press("#").silence(SECOND * 60).press("4").silence(SECOND * 60).press("1");
    let (leg, _) = ScriptedLeg::new(Format::TELEPHONE_PCMU, script);
    let before = tokio::time::Instant::now();
    let end = calls.answer_owner(&site("london"), leg, OwnerCall::from_own_telephone(mailbox("2001"))).await;
    assert_eq!(end.reason, CallEndReason::Over);
    assert!(before.elapsed() < SECOND * 900, "{:?}", before.elapsed());
}

/// A store that fails the first message to 2002.
#[derive(Debug)]
struct FailsOnce {
    store: MemoryStore,
    fails: AtomicBool,
}

#[async_trait]
impl MessageStore for FailsOnce {
    async fn deposit(&self, mailbox: &MailboxId, origin: &Origin, message: &Message) -> Result<Deposit, StoreError> {
        if mailbox.as_str() == "2002" && self.fails.swap(false, Ordering::SeqCst) {
            return Err(StoreError::Unavailable("the disk failed".into()));
        }
        self.store.deposit(mailbox, origin, message).await
    }

    async fn list(&self, mailbox: &MailboxId) -> Result<Vec<Entry>, StoreError> {
        self.store.list(mailbox).await
    }

    async fn retrieve(&self, mailbox: &MailboxId, id: MessageId) -> Result<Message, StoreError> {
        self.store.retrieve(mailbox, id).await
    }

    async fn mark(&self, mailbox: &MailboxId, id: MessageId, status: Status) -> Result<(), StoreError> {
        self.store.mark(mailbox, id, status).await
    }

    async fn expunge(&self, mailbox: &MailboxId) -> Result<usize, StoreError> {
        self.store.expunge(mailbox).await
    }

    async fn summary(&self, mailbox: &MailboxId) -> Result<Summary, StoreError> {
        self.store.summary(mailbox).await
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_marked_urgent_after_a_failure_is_urgent() {
    let store = MemoryStore::new((2001..=2002).map(|number| mailbox(&number.to_string())));
    let central = CentralSite::open_in(FailsOnce { store, fails: AtomicBool::new(true) }, |driver| driver).await;
    central.deposit().await;
    let script = logged_in().press("1").until_ended(is_play).until_said(is_menu).press("9").until_ended(is_tone);
    let script = script.speak(SECOND * 3).press("#").until_said(is_menu).press("1");
    let script = script.until_said(|prompt| *prompt == Prompt::NotSent).press("4");
    let script = script.until_said(|prompt| *prompt == Prompt::MarkedUrgent).press("1");
    let (_, transcript) = central.owner(script.until_said(|prompt| *prompt == Prompt::Sent).hang_up()).await;
    assert!(said(&transcript, &Prompt::Sent), "{:?}", transcript.prompts());
    assert_eq!(central.messages("2002").await[0].head().urgency, Urgency::Urgent);
}
