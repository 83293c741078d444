//! An owner opens the mailbox with the initial PIN for the first time, and sets it up.

use std::sync::Arc;

use async_trait::async_trait;
use voicemail::MailboxId;
use voicemail::audio::{Format, tone};
use voicemail::call::{CallDriver, CallEndReason, CallScript, CallTranscript, OwnerCall, ScriptedLeg, speech};
use voicemail::greeting::GreetingKind;
use voicemail::message::Audio;
use voicemail::telephone::{MemoryPins, PinHash, Prompt, RecordingKind};
use voicemail::voice::{Names, Voice, VoiceError, Voices};

use super::support::{mailbox, site};
use super::{CentralSite, PIN, SECOND, best_correlation, is_menu, is_tone, said};

const INITIAL_PIN: &str = "553201";
const NEW_PIN: &str = "719305";

/// A voice that says the recorded names, and everything else with a short tone.
#[derive(Debug)]
struct SaysNames;

#[async_trait]
impl Voice for SaysNames {
    async fn say(&self, prompt: &Prompt, names: &Names) -> Result<Vec<Audio>, VoiceError> {
        let mentioned: Option<&MailboxId> = match prompt {
            Prompt::DefaultGreeting { mailbox, .. } | Prompt::Addressee(mailbox) => Some(mailbox),
            _ => None,
        };
        let name = mentioned.and_then(|mailbox| names.get(mailbox)).cloned();
        Ok(vec![name.unwrap_or_else(|| tone(500, SECOND / 10, 8000))])
    }
}

/// A central site where mailbox 2001 waits for its first use, and 2002 is in use.
async fn open() -> (CentralSite, Arc<MemoryPins>) {
    let mut central = CentralSite::open().await;
    let pins = Arc::new(MemoryPins::default());
    pins.set_initial(mailbox("2001"), PinHash::new(&INITIAL_PIN.parse().unwrap()));
    pins.set(mailbox("2002"), PinHash::new(&PIN.parse().unwrap()));
    let voices = Voices::new("en".parse().unwrap(), SaysNames);
    central.calls = CallDriver::builder(central.node.clone(), voices).pins(Arc::clone(&pins)).build();
    (central, pins)
}

fn enters(pin: &str) -> CallScript {
    CallScript::new().until_said(|prompt| *prompt == Prompt::EnterPin).press(pin).press("#")
}

/// Records what is asked for after the tone, and accepts it.
fn records(script: CallScript, seconds: u32) -> CallScript {
    script.until_ended(is_tone).speak(SECOND * seconds).press("#").until_said(is_menu).press("1")
}

/// Enters the new PIN twice, up to the main menu.
fn enters_new_pin(script: CallScript) -> CallScript {
    let script = script.until_said(|prompt| *prompt == Prompt::EnterNewPin).press(NEW_PIN).press("#");
    let script = script.until_said(|prompt| *prompt == Prompt::RepeatNewPin).press(NEW_PIN).press("#");
    script.until_said(|prompt| *prompt == Prompt::PinChanged)
}

/// Whether these seconds of speech were heard, without what a key cuts off.
fn heard_speech(transcript: &CallTranscript, seconds: u32) -> bool {
    let spoken: Vec<i16> = speech(SECOND * seconds * 9 / 10).collect();
    best_correlation(&transcript.sound(), &spoken) > 0.95
}

#[tokio::test(start_paused = true)]
async fn a_first_use_sets_name_greeting_and_pin() {
    let (central, _) = open().await;
    let script = enters_new_pin(records(records(enters(INITIAL_PIN), 2), 4)).silence(SECOND).press("*");
    let (end, transcript) = central.owner(script).await;
    assert_eq!(end.reason, CallEndReason::Over);
    let said: Vec<Prompt> = transcript.prompts().into_iter().filter(|prompt| !is_menu(prompt) && !is_tone(prompt)).collect();
    let counts = Prompt::MessageCounts { new: 0, urgent: 0, old: 0 };
    let name = Prompt::RecordNow(RecordingKind::Greeting(GreetingKind::Name));
    let greeting = Prompt::RecordNow(RecordingKind::Greeting(GreetingKind::Normal));
    let (entry, first) = ([Prompt::EnterPin, Prompt::FirstUse, name], [Prompt::NameSaved, greeting, Prompt::GreetingSaved]);
    let last = [Prompt::EnterNewPin, Prompt::RepeatNewPin, Prompt::PinChanged, counts, Prompt::Goodbye];
    assert_eq!(said, [&entry[..], &first[..], &last[..]].concat());
    let greetings = central.node.greetings(&mailbox("2001")).await;
    assert!(greetings.name && greetings.normal, "{greetings:?}");

    let (_, transcript) = central.call(CallScript::new().until_ended(is_tone).hang_up()).await;
    assert!(super::said(&transcript, &Prompt::Greeting(GreetingKind::Normal)) && heard_speech(&transcript, 4));
    let (_, transcript) = central.owner(enters(INITIAL_PIN).until_said(|prompt| *prompt == Prompt::WrongPin).hang_up()).await;
    assert!(super::said(&transcript, &Prompt::WrongPin), "the initial PIN opens nothing any more");
    let (_, transcript) = central.owner(enters(NEW_PIN).until_said(is_menu).hang_up()).await;
    assert!(transcript.prompts().iter().any(is_menu) && !super::said(&transcript, &Prompt::FirstUse));
}

#[tokio::test(start_paused = true)]
async fn a_recorded_name_is_heard_by_callers_and_other_owners() {
    let (central, _) = open().await;
    // The greeting is left out, so callers hear the usual one, with the name.
    let script = records(enters(INITIAL_PIN), 2).until_said(is_tone).press("#");
    let (_, transcript) = central.owner(enters_new_pin(script).hang_up()).await;
    assert!(said(&transcript, &Prompt::PinChanged), "{:?}", transcript.prompts());

    let (_, transcript) = central.call(CallScript::new().until_ended(is_tone).hang_up()).await;
    assert!(said(&transcript, &Prompt::DefaultGreeting { mailbox: mailbox("2001"), busy: false }));
    assert!(heard_speech(&transcript, 2), "a caller hears the name");

    let script = enters(PIN).until_said(is_menu).press("6").until_said(|prompt| *prompt == Prompt::EnterMailbox).press("2001#");
    let script = script.until_ended(|prompt| *prompt == Prompt::Addressee(mailbox("2001"))).hang_up();
    let (leg, transcript) = ScriptedLeg::new(Format::TELEPHONE_PCMU, script);
    central.calls.answer_owner(&site("london"), leg, OwnerCall::from_own_telephone(mailbox("2002"))).await;
    assert!(heard_speech(&transcript, 2), "another owner hears the name: {:?}", transcript.prompts());
}

#[tokio::test(start_paused = true)]
async fn a_first_use_that_is_cut_off_begins_again() {
    let (central, _) = open().await;
    let name = || records(enters(INITIAL_PIN), 2).until_said(|prompt| *prompt == Prompt::NameSaved);
    let new_pin = || records(records(enters(INITIAL_PIN), 2), 4).until_said(|prompt| *prompt == Prompt::EnterNewPin);
    let once = || new_pin().press(NEW_PIN).press("#").until_said(|prompt| *prompt == Prompt::RepeatNewPin);
    let while_recording = || enters(INITIAL_PIN).until_ended(is_tone).speak(SECOND * 2);
    for cut_off in [while_recording(), name(), new_pin(), once()] {
        let (end, transcript) = central.owner(cut_off.hang_up()).await;
        assert_eq!(end.reason, CallEndReason::HungUp);
        assert!(said(&transcript, &Prompt::FirstUse), "{:?}", transcript.prompts());
        assert!(!said(&transcript, &Prompt::PinChanged));
        // A mailbox that is not set up takes messages already.
        central.deposit().await;
    }
    let (_, transcript) = central.owner(enters_new_pin(records(records(enters(INITIAL_PIN), 2), 4)).hang_up()).await;
    assert!(said(&transcript, &Prompt::FirstUse) && said(&transcript, &Prompt::PinChanged));
    assert!(said(&transcript, &Prompt::MessageCounts { new: 4, urgent: 0, old: 0 }), "{:?}", transcript.prompts());
}
