//! A call whose future is dropped after any number of polls: nothing that was said to be done is undone, and no port is kept.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use voicemail::audio::Format;
use voicemail::call::{CallEnd, CallScript, CallTranscript, IncomingCall, OwnerCall, ScriptedLeg};
use voicemail::telephone::Prompt;

use super::support::{mailbox, site};
use super::{CentralSite, PIN, SECOND, is_menu, is_play, is_tone, said};

/// Polls `call` at most so many times, and drops it then; returns its result if it came to its end before.
async fn dropped_after<T>(polls: usize, call: impl Future<Output = T>) -> Option<T> {
    let (mut call, mut left) = (pin!(call), polls);
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        let polled = call.as_mut().poll(context).map(Some);
        if polled.is_pending() && left == 0 { Poll::Ready(None) } else { polled }
    })
    .await
}

/// The numbers of polls: each of the first ones, and then every few.
fn polls() -> impl Iterator<Item = usize> {
    (0..40).chain((40..).step_by(7))
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_is_dropped_anywhere_leaves_one_message_or_none() {
    let central = CentralSite::open_with(|driver| driver.operator("100".parse().unwrap())).await;
    let mut before = 0;
    for polls in polls() {
        let script = CallScript::new().until_ended(is_tone).speak(SECOND * 2).press("#").until_said(is_menu).press("3");
        let script = script.until_ended(is_tone).speak(SECOND * 2).press("#").until_said(is_menu).press("0");
        let (leg, transcript) = ScriptedLeg::new(Format::TELEPHONE_PCMU, script);
        let london = site("london");
        let call = central.calls.answer_caller(&london, leg, IncomingCall::to(mailbox("2001")));
        let end: Option<CallEnd> = dropped_after(polls, call).await;
        assert_eq!(central.ports_in_use(), 0, "after {polls} polls");
        // The node keeps or discards a recording by itself after a hang-up.
        tokio::time::sleep(SECOND * 5).await;
        let now = central.summary("2001").await.new;
        let left = now - before;
        assert!(left <= 1, "after {polls} polls: {left} messages");
        let is_sent = end.is_some_and(|end| end.message.is_some()) || said(&transcript, &Prompt::Sent);
        assert!(!is_sent || left == 1, "after {polls} polls: sent, but {left} messages");
        before = now;
        if end.is_some() {
            assert!(left == 1 && before > 5 && polls > 200, "{before} messages after {polls} polls");
            break;
        }
    }
    let central = central.close().await;
    assert_eq!(central.summary("2001").await.new, before);
}

fn count(transcript: &CallTranscript, prompt: &Prompt) -> usize {
    transcript.prompts().iter().filter(|said| *said == prompt).count()
}

#[tokio::test(start_paused = true)]
async fn an_owner_who_is_dropped_anywhere_has_what_was_said() {
    let central = CentralSite::open().await;
    central.deposit().await;
    let (mut new, mut sent_before) = (1, 0);
    for polls in polls() {
        let script = CallScript::new().until_said(|prompt| *prompt == Prompt::EnterPin).press(PIN).press("#").until_said(is_menu);
        let script = script.press("1").until_said(is_play).press("3").until_said(is_menu).silence(SECOND / 10).press("6");
        let script = script.until_said(|prompt| *prompt == Prompt::EnterMailbox).press("2003#");
        let script = script.until_said(|prompt| *prompt == Prompt::EnterNextMailbox).press("#").until_ended(is_tone);
        let script = script.speak(SECOND * 2).press("#").until_said(is_menu).press("1").until_said(is_menu).press("*");
        let (leg, transcript) = ScriptedLeg::new(Format::TELEPHONE_PCMU, script);
        let london = site("london");
        let call = central.calls.answer_owner(&london, leg, OwnerCall::from_own_telephone(mailbox("2001")));
        let end = dropped_after(polls, call).await;
        let (left, sent) = (central.summary("2001").await.new, central.summary("2003").await.new);
        let removed = usize::try_from(new - left).unwrap();
        assert!(count(&transcript, &Prompt::Removed) <= removed && removed <= 1, "after {polls} polls: {removed} removed");
        let delivered = usize::try_from(sent - sent_before).unwrap();
        assert!(count(&transcript, &Prompt::Sent) <= delivered && delivered <= 1, "after {polls} polls: {delivered} sent");
        if end.is_some() {
            assert!(delivered == 1 && polls > 100, "after {polls} polls: {delivered} sent");
            break;
        }
        if removed == 1 {
            central.deposit().await;
        }
        (new, sent_before) = (1, sent);
    }
}
