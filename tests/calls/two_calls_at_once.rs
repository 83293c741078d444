//! Two calls on one mailbox at the same time.

use voicemail::audio::Format;
use voicemail::call::{CallEnd, CallScript, CallTranscript, IncomingCall, OwnerCall, ScriptedLeg};
use voicemail::store::MemoryStore;
use voicemail::telephone::Prompt;

use super::support::{mailbox, site};
use super::{CentralSite, PIN, SECOND, is_menu, is_play, is_tone, said};

fn logged_in() -> CallScript {
    CallScript::new().until_said(|prompt| *prompt == Prompt::EnterPin).press(PIN).press("#").until_said(is_menu)
}

async fn owner(central: &CentralSite, script: CallScript) -> CallTranscript {
    let (leg, transcript) = ScriptedLeg::new(Format::TELEPHONE_PCMU, script);
    central.calls.answer_owner(&site("london"), leg, OwnerCall::from_own_telephone(mailbox("2001"))).await;
    transcript
}

#[tokio::test(start_paused = true)]
async fn a_message_that_another_call_removes_is_said_to_be_so() {
    let central = CentralSite::open().await;
    for _ in 0..2 {
        central.deposit().await;
    }
    // One hears both messages, while the other removes them.
    let hears = logged_in().press("1").until_ended(is_play).until_said(is_menu).silence(SECOND).press("2");
    let hears = hears.until_ended(is_play).until_said(is_menu).silence(SECOND).press("72").until_said(is_menu).hang_up();
    let removes = logged_in().press("1").until_said(is_play).press("3").until_said(is_play).press("3").until_said(is_menu);
    let (hearing, removing) = tokio::join!(owner(&central, hears), owner(&central, removes.hang_up()));
    assert_eq!(removing.prompts().iter().filter(|prompt| **prompt == Prompt::Removed).count(), 2);
    let summary = central.summary("2001").await;
    // A message that the one has kept after the other has removed it is kept, and said to be.
    let kept = hearing.prompts().iter().filter(|prompt| matches!(prompt, Prompt::Kept | Prompt::KeptAsNew)).count();
    assert_eq!(usize::try_from(summary.new + summary.old).unwrap(), kept, "{:?}", hearing.prompts());
}

#[tokio::test(start_paused = true)]
async fn a_removed_message_stays_so_though_another_call_plays_it() {
    let central = CentralSite::open().await;
    central.deposit().await;
    let hears = logged_in().press("1").until_ended(is_play).until_said(is_menu).hang_up();
    let removes = logged_in().press("1").until_said(is_play).press("3").until_said(is_menu).hang_up();
    let (hearing, removing) = tokio::join!(owner(&central, hears), owner(&central, removes));
    assert!(said(&removing, &Prompt::Removed) && hearing.prompts().iter().any(is_play));
    let summary = central.summary("2001").await;
    assert_eq!((summary.new, summary.old), (0, 0), "playing it to its end restores nothing");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_gone_is_said_to_be_gone() {
    let central = CentralSite::open().await;
    central.deposit().await;
    let id = central.messages("2001").await[0].id();
    let script = logged_in().press("1").until_ended(is_play).until_said(is_menu).silence(SECOND * 5).press("3");
    let expunge = async {
        tokio::time::sleep(SECOND * 6).await;
        let store = central.node.store().unwrap();
        store.mark(&mailbox("2001"), id, voicemail::message::Status::Removed).await.unwrap();
        store.expunge(&mailbox("2001")).await.unwrap();
    };
    let (transcript, ()) = tokio::join!(owner(&central, script.until_said(is_menu).hang_up()), expunge);
    assert!(said(&transcript, &Prompt::MessageGone) && !said(&transcript, &Prompt::Removed), "{:?}", transcript.prompts());
}

async fn caller(central: &CentralSite, seconds: u32) -> (CallEnd, CallTranscript) {
    let script = CallScript::new().until_ended(is_tone).speak(SECOND * seconds).press("#").until_said(is_menu).press("1");
    let (leg, transcript) = ScriptedLeg::new(Format::TELEPHONE_PCMU, script);
    (central.calls.answer_caller(&site("london"), leg, IncomingCall::to(mailbox("2001"))).await, transcript)
}

#[tokio::test(start_paused = true)]
async fn two_callers_with_room_for_one_lose_no_message() {
    let store = MemoryStore::new([mailbox("2001")]).max_messages(1);
    let central = CentralSite::open_in(store, |driver| driver).await;
    let ((one, said_one), (other, said_other)) = tokio::join!(caller(&central, 3), caller(&central, 4));
    assert!(one.message.is_some() && other.message.is_some(), "{one:?} {other:?}");
    assert!(said(&said_one, &Prompt::Sent) && said(&said_other, &Prompt::Sent));
    assert_eq!(central.messages("2001").await.len(), 1);
    let waiting = central.node.spool().waiting().len() + central.node.spool().parked().await.unwrap().len();
    assert_eq!(waiting, 1, "the second message waits for room");
    let (_, third) = caller(&central, 3).await;
    assert!(said(&third, &Prompt::MailboxFull));
    assert_eq!(central.ports_in_use(), 0);
}
