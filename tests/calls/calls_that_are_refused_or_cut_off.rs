//! Calls that are refused, or end before anything is said.

use std::time::Duration;

use async_trait::async_trait;
use voicemail::audio::Format;
use voicemail::call::{
    BusyAnswer, CallDriver, CallEndReason, CallLeg, CallRefusal, CallScript, IncomingCall, LegClosed, LegEvent, Playback,
    ScriptedLeg, TranscriptEntry,
};
use voicemail::forward::MemoryForwarder;
use voicemail::message::{Audio, AudioType};
use voicemail::record::CallFacts;
use voicemail::store::MemoryStore;
use voicemail::telephone::Prompt;
use voicemail::voice::Voices;

use super::support::{CENTRAL, HIMALAYA, mailbox, node, site, wav};
use super::{Beeps, CentralSite, SECOND, is_tone, said};

#[tokio::test(start_paused = true)]
async fn an_unknown_mailbox_is_404_and_never_answered() {
    let central = CentralSite::open().await;
    let (end, transcript) = central.call_with(IncomingCall::to(mailbox("9999")), CallScript::new()).await;
    assert_eq!(end.reason, CallEndReason::Refused(CallRefusal::NoSuchMailbox));
    assert_eq!(transcript.entries(), [TranscriptEntry::Refused(CallRefusal::NoSuchMailbox)]);
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_free_port_is_busy() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(HIMALAYA, folder.path()).forwarder(MemoryForwarder::new()).open().await.unwrap();
    let facts = CallFacts::to(mailbox("2001"));
    let _first = node.record(&site("tokyo"), facts, Format::TELEPHONE_PCMU).await.unwrap();
    for (busy, status) in [(BusyAnswer::Line, 486), (BusyAnswer::Trunk, 503)] {
        let calls = CallDriver::builder(node.clone(), Voices::new("en".parse().unwrap(), Beeps)).busy(busy).build();
        let (leg, _) = ScriptedLeg::new(Format::TELEPHONE_PCMU, CallScript::new());
        let end = calls.answer_caller(&site("tokyo"), leg, IncomingCall::to(mailbox("2001"))).await;
        let CallEndReason::Refused(refusal) = end.reason else { panic!("{end:?}") };
        assert_eq!(refusal.status_code(), status);
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_mailbox_is_answered_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let store = MemoryStore::new([mailbox("2001")]).max_messages(0);
    let node = node(CENTRAL, folder.path()).store(store).open().await.unwrap();
    let calls = CallDriver::builder(node.clone(), Voices::new("en".parse().unwrap(), Beeps)).build();
    let (leg, transcript) = ScriptedLeg::new(Format::TELEPHONE_PCMU, CallScript::new());
    let end = calls.answer_caller(&site("london"), leg, IncomingCall::to(mailbox("2001"))).await;
    assert_eq!(end.reason, CallEndReason::Over);
    assert!(said(&transcript, &Prompt::MailboxFull));
    assert!(!said(&transcript, &Prompt::Tone), "nobody is asked to speak");
}

#[tokio::test(start_paused = true)]
async fn an_owner_at_a_distributed_node_is_transferred() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(HIMALAYA, folder.path()).forwarder(MemoryForwarder::new()).open().await.unwrap();
    let voices = Voices::new("en".parse().unwrap(), Beeps);
    let calls = CallDriver::builder(node.clone(), voices).mailbox_access("*98".parse().unwrap()).build();
    let (leg, transcript) = ScriptedLeg::new(Format::TELEPHONE_PCMU, CallScript::new().silence(SECOND / 10).press("*"));
    let end = calls.answer_caller(&site("tokyo"), leg, IncomingCall::to(mailbox("2001"))).await;
    assert_eq!(end.reason, CallEndReason::Transferred);
    let to = "*98".parse().unwrap();
    assert_eq!(transcript.entries().last(), Some(&TranscriptEntry::Transferred { to, succeeded: true }));
    assert_eq!(node.ports(&site("tokyo")).unwrap().in_use, 0);
}

#[tokio::test(start_paused = true)]
async fn a_transfer_that_fails_is_said_and_the_call_goes_on() {
    let central = CentralSite::open_with(|driver| driver.operator("100".parse().unwrap())).await;
    let script = CallScript::new().silence(SECOND / 10).press("0").until_ended(is_tone).speak(SECOND * 3).hang_up();
    let (leg, transcript) = ScriptedLeg::new(Format::TELEPHONE_PCMU, script);
    let leg = leg.without_transfers();
    let end = central.calls.answer_caller(&site("london"), leg, IncomingCall::to(mailbox("2001"))).await;
    assert!(said(&transcript, &Prompt::NotConnected));
    assert!(end.message.is_some(), "{end:?} {:?}", transcript.prompts());
}

#[tokio::test(start_paused = true)]
async fn a_telephone_that_falls_silent_does_not_hold_the_port() {
    let central = CentralSite::open().await;
    let greeting = Audio::new(AudioType::Wav, wav(120_000, 1));
    central.node.greet(&mailbox("2001"), voicemail::greeting::GreetingKind::Normal, greeting).await.unwrap();
    let before = tokio::time::Instant::now();
    let (end, _) = central.call(CallScript::new().lose(SECOND * 3600)).await;
    assert_eq!(end.reason, CallEndReason::NoSound);
    assert!(before.elapsed() < Duration::from_secs(70), "{:?}", before.elapsed());
    assert_eq!(central.ports_in_use(), 0);
}

/// A leg whose `answer` never returns.
struct NeverAnswered;

#[async_trait]
impl CallLeg for NeverAnswered {
    fn format(&self) -> Format {
        Format::TELEPHONE_PCMU
    }

    async fn answer(&mut self) -> Result<(), LegClosed> {
        std::future::pending().await
    }

    async fn refuse(&mut self, _: CallRefusal) {}

    async fn next(&mut self) -> LegEvent {
        std::future::pending().await
    }

    fn play(&mut self, _: Playback) {}

    fn stop(&mut self) {}

    fn listen(&mut self, _: bool) {}

    async fn hang_up(&mut self) {}
}

#[tokio::test(start_paused = true)]
async fn a_leg_that_never_answers_holds_no_port() {
    let central = CentralSite::open().await;
    let (london, call) = (site("london"), IncomingCall::to(mailbox("2001")));
    let call = central.calls.answer_caller(&london, NeverAnswered, call);
    let end = tokio::time::timeout(SECOND * 60, call).await.unwrap();
    assert_eq!((end.reason, end.message), (CallEndReason::HungUp, None));
    assert_eq!(central.ports_in_use(), 0);
}
