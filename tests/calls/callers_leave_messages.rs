//! Callers leave messages: greeting, tone, recording, review.

use std::num::NonZeroU32;
use std::time::Duration;

use voicemail::audio::{Frames, Wav};
use voicemail::call::{CallEndReason, CallScript, CallTimers, IncomingCall, TranscriptEntry, speech};
use voicemail::event::Event;
use voicemail::message::{CallDetails, PartyNumber, Privacy, Urgency};
use voicemail::telephone::{DiversionReason, GreetingKind, Prompt};

use super::support::{mailbox, wav};
use super::{CentralSite, PIN, SECOND, best_correlation, correlation, is_menu, is_play, is_tone, said};

fn samples(audio: &voicemail::message::Audio) -> Vec<i16> {
    Frames::new(audio, NonZeroU32::new(8000).unwrap()).unwrap().flatten().collect()
}

#[tokio::test(start_paused = true)]
async fn a_message_is_what_was_said_without_the_digit() {
    let central = CentralSite::open().await;
    let script = CallScript::new().until_ended(is_tone).speak(SECOND * 5).press("#").until_said(is_menu).press("1");
    let (end, transcript) = central.call(script).await;
    assert_eq!(end.reason, CallEndReason::Over);
    let length = end.message.unwrap().length;
    assert!(length < SECOND * 5 && length > SECOND * 47 / 10, "{length:?}: the last 100 ms are cut");
    let [message] = &central.messages("2001").await[..] else { panic!("one message") };
    let (heard, spoken): (Vec<i16>, Vec<i16>) = (samples(message.audio()), speech(SECOND * 5).collect());
    assert!(correlation(&heard, &spoken) > 0.99, "{}", correlation(&heard, &spoken));
    assert!(said(&transcript, &Prompt::Sent));
    assert_eq!(transcript.entries().last(), Some(&TranscriptEntry::HungUp));
    assert_eq!(central.ports_in_use(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_digit_long_after_the_last_sound_cuts_nothing() {
    let central = CentralSite::open().await;
    let script = CallScript::new().until_ended(is_tone).speak(SECOND * 5).lose(SECOND).press("#").until_said(is_menu).press("1");
    let (end, _) = central.call(script).await;
    assert_eq!(end.message.unwrap().length, SECOND * 5);
}

#[tokio::test(start_paused = true)]
async fn sent_is_said_only_after_the_message_is_kept() {
    let central = CentralSite::open().await;
    let mut events = central.node.events();
    let script = CallScript::new().until_ended(is_tone).speak(SECOND * 2).press("#").until_said(is_menu).press("#");
    let (_, transcript) = central.call(script).await;
    assert!(said(&transcript, &Prompt::Sent));
    let kept = std::iter::from_fn(|| events.try_recv().ok()).any(|occurrence| matches!(occurrence.event, Event::Kept { .. }));
    assert!(kept, "the event comes before the prompt");
}

#[tokio::test(start_paused = true)]
async fn a_hang_up_while_recording_keeps_the_message() {
    let central = CentralSite::open().await;
    let (end, _) = central.call(CallScript::new().until_ended(is_tone).speak(SECOND * 3).hang_up()).await;
    assert_eq!(end.reason, CallEndReason::HungUp);
    assert_eq!(end.message.unwrap().length, SECOND * 3);
    assert_eq!(central.summary("2001").await.new, 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_names_its_call_and_the_number_called() {
    let central = CentralSite::open().await;
    let details = CallDetails::default().call_id("a84b4c76e66710@pc33.example.com".parse().unwrap());
    let given = details.clone().called("+442079460100".parse().unwrap()).diverted_from("2001".parse().unwrap());
    for details in [details.clone(), given.clone()] {
        let call = IncomingCall::to(mailbox("2001")).call_details(details);
        central.call_with(call, CallScript::new().until_ended(is_tone).speak(SECOND * 3).hang_up()).await;
    }
    let messages = central.messages("2001").await;
    let mut found: Vec<_> = messages.iter().map(|message| message.head().call_details.clone()).collect();
    found.sort_by_key(|details| details.diverted_from.is_some());
    assert_eq!(found, [details.called(PartyNumber::from(&mailbox("2001"))), given]);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_keeps_the_message() {
    let central = CentralSite::open().await;
    let script = CallScript::new().until_ended(is_tone).speak(SECOND * 60);
    let call = tokio::time::timeout(SECOND * 10, central.call(script)).await;
    assert!(call.is_err(), "the call is dropped while the caller speaks");
    let central = central.close().await;
    let [message] = &central.messages("2001").await[..] else { panic!("one message") };
    assert!(message.head().length > SECOND * 8, "{:?}", message.head().length);
    assert_eq!(central.ports_in_use(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_recording_without_speech_is_no_message() {
    let central = CentralSite::open().await;
    let mut events = central.node.events();
    let (end, _) = central.call(CallScript::new().until_ended(is_tone).silence(SECOND * 5).hang_up()).await;
    assert_eq!(end.message, None);
    let central = central.close().await;
    assert!(central.messages("2001").await.is_empty());
    let no_speech =
        std::iter::from_fn(|| events.try_recv().ok()).filter(|occurrence| matches!(occurrence.event, Event::NoSpeech { .. }));
    assert_eq!(no_speech.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_hang_up_in_the_greeting_leaves_no_trace() {
    let central = CentralSite::open().await;
    let mut events = central.node.events();
    let (end, _) = central.call(CallScript::new().speak(SECOND / 4).hang_up()).await;
    assert_eq!((end.reason, end.message), (CallEndReason::HungUp, None));
    let central = central.close().await;
    assert_eq!(central.summary("2001").await.new, 0);
    let of_recording = |event: &Event| matches!(event, Event::NoSpeech { .. } | Event::Kept { .. });
    assert!(!std::iter::from_fn(|| events.try_recv().ok()).any(|occurrence| of_recording(&occurrence.event)));
}

#[tokio::test(start_paused = true)]
async fn silence_ends_the_recording_and_is_cut() {
    let central = CentralSite::open().await;
    let script = CallScript::new().until_ended(is_tone).speak(SECOND * 4).silence(SECOND * 30).press("1");
    let (end, transcript) = central.call(script).await;
    // Nobody answers the menu, so the message is sent as it is.
    let length = end.message.unwrap().length;
    assert!(length > SECOND * 4 && length < SECOND * 5, "{length:?}");
    assert!(said(&transcript, &Prompt::Sent));
}

#[tokio::test(start_paused = true)]
async fn a_network_that_dies_ends_the_recording() {
    let central = CentralSite::open().await;
    let (end, _) = central.call(CallScript::new().until_ended(is_tone).speak(SECOND * 4).lose(SECOND * 600)).await;
    assert!(end.message.is_some(), "{end:?}");
    assert_eq!(central.summary("2001").await.new, 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_on_hold_waits() {
    let central = CentralSite::open().await;
    let script = CallScript::new().until_ended(is_tone).speak(SECOND * 2).hold(true).lose(SECOND * 120).hold(false);
    let (end, _) = central.call(script.speak(SECOND * 2).hang_up()).await;
    let length = end.message.unwrap().length;
    assert!(length >= SECOND * 4, "{length:?}: the second part is in the message");
}

#[tokio::test(start_paused = true)]
async fn what_was_recorded_is_heard_and_recorded_again() {
    let central = CentralSite::open().await;
    let script = CallScript::new().until_ended(is_tone).speak(SECOND * 3).press("#").until_said(is_menu).press("2");
    let script = script.until_ended(|prompt| *prompt == Prompt::PlayRecording).press("3").until_ended(is_tone);
    let (end, transcript) = central.call(script.speak(SECOND * 6).press("#").until_said(is_menu).press("1")).await;
    assert!(end.message.unwrap().length > SECOND * 5);
    let heard = transcript.entries().into_iter().any(|entry| match entry {
        TranscriptEntry::Said { prompts, whole } => whole && prompts.contains(&Prompt::PlayRecording),
        _ => false,
    });
    assert!(heard);
    let (played, spoken): (Vec<i16>, Vec<i16>) = (transcript.sound(), speech(SECOND * 2).collect());
    let best = best_correlation(&played, &spoken);
    assert!(best > 0.95, "{best}: the caller's own words are played");
    assert_eq!(central.messages("2001").await.len(), 1);
    assert_eq!(central.ports_in_use(), 0);
}

#[tokio::test(start_paused = true)]
async fn urgent_and_private_are_set_as_chosen() {
    let central = CentralSite::open().await;
    let script = CallScript::new().until_ended(is_tone).speak(SECOND * 3).press("#").until_said(is_menu);
    let script = script.press("4").until_said(|prompt| *prompt == Prompt::MarkedUrgent).press("5");
    central.call(script.until_said(|prompt| *prompt == Prompt::MarkedPrivate).press("1")).await;
    let head = central.messages("2001").await[0].head().clone();
    assert_eq!((head.urgency, head.privacy), (Urgency::Urgent, Privacy::Private));
}

#[tokio::test(start_paused = true)]
async fn zero_connects_to_the_operator_after_the_message() {
    let central = CentralSite::open_with(|driver| driver.operator("100".parse().unwrap())).await;
    let script = CallScript::new().until_ended(is_tone).speak(SECOND * 3).press("0");
    let (end, transcript) = central.call(script).await;
    assert_eq!(end.reason, CallEndReason::Transferred);
    assert_eq!(central.summary("2001").await.new, 1);
    let to = "100".parse().unwrap();
    assert_eq!(transcript.entries().last(), Some(&TranscriptEntry::Transferred { to, succeeded: true }));
}

#[tokio::test(start_paused = true)]
async fn the_longest_message_ends_with_a_warning_before() {
    let central = CentralSite::open().await;
    let (end, transcript) = central.call(CallScript::new().until_ended(is_tone).speak(SECOND * 400)).await;
    assert_eq!(end.message.unwrap().length, SECOND * 300);
    assert!(said(&transcript, &Prompt::LimitWarning) && said(&transcript, &Prompt::MaxLengthReached));
}

#[tokio::test(start_paused = true)]
async fn the_greeting_is_the_one_for_the_call() {
    let central = CentralSite::open().await;
    let sound = |seed| voicemail::message::Audio::new(voicemail::message::AudioType::Wav, wav(500, seed));
    central.node.greet(&mailbox("2001"), GreetingKind::Busy, sound(1)).await.unwrap();
    let busy = IncomingCall::to(mailbox("2001")).reason(DiversionReason::Busy);
    let (_, transcript) = central.call_with(busy, CallScript::new().until_ended(is_tone).hang_up()).await;
    assert!(said(&transcript, &Prompt::Greeting(GreetingKind::Busy)));
    let played = transcript.sound();
    let greeting = wav(500, 1);
    let data = Wav::parse(&greeting).unwrap().data;
    let wanted: Vec<i16> = greeting[data].chunks_exact(2).map(|sample| i16::from_le_bytes([sample[0], sample[1]])).collect();
    assert_eq!(played[..wanted.len()], wanted);
    let (_, transcript) = central.call(CallScript::new().until_ended(is_tone).hang_up()).await;
    let default = Prompt::DefaultGreeting { mailbox: mailbox("2001"), busy: false };
    assert!(said(&transcript, &default), "{:?}", transcript.prompts());
}

#[tokio::test(start_paused = true)]
async fn a_new_source_goes_on_at_once() {
    let central = CentralSite::open().await;
    let script = CallScript::new().until_ended(is_tone).speak(SECOND * 2).change_source().speak(SECOND * 2).hang_up();
    let (end, _) = central.call(script).await;
    assert_eq!(end.message.unwrap().length, SECOND * 4);
}

#[tokio::test(start_paused = true)]
async fn a_lost_second_is_silence_in_its_place() {
    let central = CentralSite::open().await;
    let script = CallScript::new().until_ended(is_tone).speak(SECOND * 2).lose(SECOND).speak(SECOND * 2).hang_up();
    let (end, _) = central.call(script).await;
    assert_eq!(end.message.unwrap().length, SECOND * 5);
    let heard = samples(central.messages("2001").await[0].audio());
    assert!(heard[16_000..24_000].iter().all(|sample| sample.abs() < 16));
}

#[tokio::test(start_paused = true)]
async fn timers_without_an_end_end_nothing() {
    let mut timers = CallTimers::default();
    timers.no_sound = Some(Duration::MAX);
    for timer in [
        &mut timers.after_prompt,
        &mut timers.between_digits,
        &mut timers.pause,
        &mut timers.max_silence,
        &mut timers.limit_warning,
        &mut timers.longest_greeting,
        &mut timers.longest_recording,
        &mut timers.longest_call,
        &mut timers.step,
        &mut timers.answer,
        &mut timers.transfer,
    ] {
        *timer = Duration::MAX;
    }
    let central = CentralSite::open_with(|driver| driver.timers(timers)).await;
    let script = CallScript::new().until_ended(is_tone).speak(SECOND * 3).press("#").until_said(is_menu).silence(SECOND * 300);
    let (end, _) = central.call(script.press("1")).await;
    assert!(end.message.is_some(), "{end:?}");
    let script = CallScript::new().until_said(|prompt| *prompt == Prompt::EnterPin).press(PIN).press("#").until_said(is_menu);
    let script = script.press("1").until_said(is_play).silence(SECOND).press("9").until_said(is_menu).press("*");
    let script = script.until_said(is_menu).press("6").until_said(|prompt| *prompt == Prompt::EnterMailbox).press("2003#");
    let script = script.until_said(|prompt| *prompt == Prompt::EnterNextMailbox).press("#").until_ended(is_tone);
    let script = script.speak(SECOND * 3).hold(true).lose(SECOND).hold(false).press("#").until_said(is_menu);
    let call = tokio::time::timeout(SECOND * 600, central.owner(script.hang_up()));
    let (end, transcript) = call.await.expect("the owner gets through");
    assert_eq!(end.reason, CallEndReason::HungUp, "{:?}", transcript.prompts());
}

#[tokio::test(start_paused = true)]
async fn other_timers_are_obeyed() {
    let mut timers = CallTimers::default();
    timers.max_silence = Duration::from_secs(3);
    let central = CentralSite::open_with(|driver| driver.timers(timers)).await;
    let before = tokio::time::Instant::now();
    let (end, _) = central.call(CallScript::new().until_ended(is_tone).speak(SECOND * 2).silence(SECOND * 100)).await;
    assert!(end.message.is_some() && before.elapsed() < SECOND * 30, "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_hold_is_no_silence_of_the_speaker() {
    let central = CentralSite::open().await;
    let script = CallScript::new().until_ended(is_tone).speak(SECOND * 2).hold(true).lose(SECOND * 15).hold(false);
    let (end, transcript) = central.call(script.speak(SECOND * 2).hang_up()).await;
    assert!(!transcript.prompts().iter().any(is_menu), "the recording goes on");
    assert_eq!(end.message.unwrap().length, SECOND * 4);
}
