//! Legs with other rates, channels and frames, and legs that record to files.

use std::collections::VecDeque;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;
use voicemail::audio::{Codec, Format, Frames, Wav};
use voicemail::call::{
    CallEndReason, CallLeg, CallRefusal, CallScript, CallTimers, CallTranscript, IncomingCall, LegClosed, LegEvent, OwnerCall,
    Playback, ScriptedLeg, SpeechPolicy, TranscriptEntry, WithoutSpeech, speech,
};
use voicemail::greeting::GreetingKind;
use voicemail::message::{Audio, AudioType};
use voicemail::telephone::Prompt;

use super::support::{mailbox, site};
use super::{CentralSite, PIN, SECOND, best_correlation, correlation, is_menu, is_play, is_tone, said};

/// A leg around a [`ScriptedLeg`] of 8 kHz and one channel, which hears something else.
struct Other {
    leg: ScriptedLeg,
    hearing: Hearing,
    events: VecDeque<LegEvent>,
}

/// How a leg reports the samples that it hears.
enum Hearing {
    /// It repeats each sample, and reports so many at once.
    Live { format: Format, repeat: usize, frame: usize, heard: Vec<i16> },
    /// It records to a file, and ends the recording by itself after so long.
    File { recording: Option<Vec<i16>>, longest: Duration },
}

impl Other {
    fn new(script: CallScript, hearing: Hearing) -> (Self, CallTranscript) {
        let (leg, transcript) = ScriptedLeg::new(Format::TELEPHONE_L16, script);
        (Self { leg, hearing, events: VecDeque::new() }, transcript)
    }

    /// A leg with samples at this rate, of so many channels, in events of so many samples.
    fn live(script: CallScript, rate: u32, channels: u16, frame: usize) -> (Self, CallTranscript) {
        let repeat = usize::try_from(rate / 8000).unwrap() * usize::from(channels);
        let format = Format::new(Codec::L16, rate, channels);
        Self::new(script, Hearing::Live { format, repeat, frame, heard: Vec::new() })
    }

    fn to_file(script: CallScript, longest: Duration) -> (Self, CallTranscript) {
        Self::new(script, Hearing::File { recording: None, longest })
    }

    fn hear(&mut self, samples: &[i16]) {
        match &mut self.hearing {
            Hearing::Live { repeat, frame, heard, .. } => {
                heard.extend(samples.iter().flat_map(|sample| std::iter::repeat_n(*sample, *repeat)));
                while heard.len() >= *frame {
                    self.events.push_back(LegEvent::Samples(heard.drain(..*frame).collect()));
                }
            }
            Hearing::File { recording: Some(recording), longest } => {
                recording.extend(samples);
                if Format::TELEPHONE_L16.duration_of(recording.len() as u64 * 2) >= *longest {
                    self.end_file();
                }
            }
            Hearing::File { recording: None, .. } => {}
        }
    }

    fn end_file(&mut self) {
        if let Hearing::File { recording, .. } = &mut self.hearing
            && let Some(samples) = recording.take()
        {
            let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            let mut wav = Wav::header(Format::TELEPHONE_L16, u32::try_from(bytes.len()).unwrap());
            wav.extend(bytes);
            self.events.push_back(LegEvent::Wav(Audio::new(AudioType::Wav, wav)));
        }
    }
}

#[async_trait]
impl CallLeg for Other {
    fn format(&self) -> Format {
        match &self.hearing {
            Hearing::Live { format, .. } => *format,
            Hearing::File { .. } => self.leg.format(),
        }
    }

    fn hears_live(&self) -> bool {
        matches!(self.hearing, Hearing::Live { .. })
    }

    async fn answer(&mut self) -> Result<(), LegClosed> {
        self.leg.listen(true);
        self.leg.answer().await
    }

    async fn refuse(&mut self, refusal: CallRefusal) {
        self.leg.refuse(refusal).await;
    }

    async fn next(&mut self) -> LegEvent {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            match self.leg.next().await {
                LegEvent::Samples(samples) => self.hear(&samples),
                LegEvent::HungUp => {
                    self.end_file();
                    self.events.push_back(LegEvent::HungUp);
                }
                other => return other,
            }
        }
    }

    fn play(&mut self, playback: Playback) {
        self.leg.play(playback);
    }

    fn stop(&mut self) {
        self.leg.stop();
    }

    fn listen(&mut self, on: bool) {
        match &mut self.hearing {
            Hearing::Live { .. } => {}
            Hearing::File { recording, .. } if on => *recording = Some(Vec::new()),
            Hearing::File { .. } => self.end_file(),
        }
    }

    async fn hang_up(&mut self) {
        self.leg.hang_up().await;
    }
}

fn leaves_a_message(seconds: u32) -> CallScript {
    CallScript::new().until_ended(is_tone).speak(SECOND * seconds).press("#").until_said(is_menu).press("1")
}

fn logged_in() -> CallScript {
    CallScript::new().until_said(|prompt| *prompt == Prompt::EnterPin).press(PIN).press("#").until_said(is_menu)
}

async fn call(central: &CentralSite, leg: impl CallLeg) -> voicemail::call::CallEnd {
    central.calls.answer_caller(&site("london"), leg, IncomingCall::to(mailbox("2001"))).await
}

fn samples(audio: &Audio) -> Vec<i16> {
    Frames::new(audio, std::num::NonZeroU32::new(8000).unwrap()).unwrap().flatten().collect()
}

#[tokio::test(start_paused = true)]
async fn legs_of_other_rates_channels_and_frames_are_recorded() {
    for (rate, channels, frame) in
        [(16_000, 1, 320), (48_000, 2, 1920), (8000, 1, 1), (8000, 1, 77), (16_000, 2, 1001), (8000, 2, 99)]
    {
        let at = format!("{rate} Hz, {channels} channels, {frame} samples at once");
        let central = CentralSite::open().await;
        let (leg, transcript) = Other::live(leaves_a_message(4), rate, channels, frame);
        let end = call(&central, leg).await;
        let length = end.message.expect(&at).length;
        assert!(length > SECOND * 37 / 10 && length < SECOND * 4, "{at}: {length:?}");
        assert!(said(&transcript, &Prompt::Sent), "{at}");
        let message = central.messages("2001").await.remove(0);
        let wav = Wav::parse(message.audio().bytes()).unwrap();
        assert_eq!((wav.format.rate, wav.format.channels), (rate, channels), "{at}");
        assert_eq!(wav.data.len() % wav.format.bytes_per_frame() as usize, 0, "{at}: whole frames");
        let (heard, spoken): (Vec<i16>, Vec<i16>) = (samples(message.audio()), speech(SECOND * 4).collect());
        // An event may begin a little before the speech.
        let best = (0..200).map(|skipped| correlation(&heard[skipped..], &spoken)).fold(0.0, f64::max);
        assert!(best > 0.95, "{at}: {best}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_leg_of_a_format_that_cannot_be_recorded_is_refused() {
    let central = CentralSite::open().await;
    for (rate, channels) in [(0, 1), (4000, 1), (96_000, 2), (8000, 0), (8000, 6), (u32::MAX, u16::MAX)] {
        let format = Format::new(Codec::L16, rate, channels);
        let hearing = || Hearing::Live { format, repeat: 1, frame: 160, heard: Vec::new() };
        let (leg, transcript) = Other::new(CallScript::new(), hearing());
        let refused = CallEndReason::Refused(CallRefusal::FormatNotUsable);
        assert_eq!(call(&central, leg).await.reason, refused, "{format:?}");
        assert_eq!(transcript.entries(), [TranscriptEntry::Refused(CallRefusal::FormatNotUsable)]);
        let (leg, transcript) = Other::new(CallScript::new(), hearing());
        let owner = OwnerCall::from_own_telephone(mailbox("2001"));
        assert_eq!(central.calls.answer_owner(&site("london"), leg, owner).await.reason, refused, "{format:?}, an owner");
        assert_eq!(transcript.entries(), [TranscriptEntry::Refused(CallRefusal::FormatNotUsable)]);
    }
    assert_eq!(central.ports_in_use(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_leg_that_records_to_files_leaves_a_message() {
    let spoken: Vec<i16> = speech(SECOND * 3).collect();
    let hang_up = CallScript::new().until_ended(is_tone).speak(SECOND * 3).hang_up();
    let by_itself = CallScript::new().until_ended(is_tone).speak(SECOND * 3).until_said(is_menu).press("1");
    for (script, longest) in [(leaves_a_message(3), SECOND * 60), (hang_up, SECOND * 60), (by_itself, SECOND * 3)] {
        let central = CentralSite::open().await;
        let (leg, _) = Other::to_file(script, longest);
        let before = Instant::now();
        let end = call(&central, leg).await;
        assert!(end.message.is_some(), "{end:?}, {longest:?}");
        assert!(before.elapsed() < SECOND * 6, "{:?}: nobody waits for a second file", before.elapsed());
        let [message] = &central.messages("2001").await[..] else { panic!("one message") };
        assert!(correlation(&samples(message.audio()), &spoken) > 0.99);
        assert_eq!(central.ports_in_use(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn the_longest_call_keeps_what_a_leg_records_to_a_file() {
    let mut timers = CallTimers::default();
    timers.longest_call = SECOND * 8;
    let central = CentralSite::open_with(|driver| driver.timers(timers)).await;
    let (leg, _) = Other::to_file(CallScript::new().until_ended(is_tone).speak(SECOND * 60), SECOND * 60);
    let end = call(&central, leg).await;
    assert_eq!(end.reason, CallEndReason::TooLong);
    assert!(end.message.is_some_and(|kept| kept.length > SECOND * 7), "{end:?}");
}

#[tokio::test(start_paused = true)]
async fn a_leg_that_records_to_files_records_clips() {
    let central = CentralSite::open().await;
    central.deposit().await;
    let script = logged_in().press("4").until_said(is_menu).press("1").until_said(is_menu).press("2").until_ended(is_tone);
    let script = script.speak(SECOND * 4).press("#").until_said(is_menu).press("1");
    let script = script.until_said(|prompt| *prompt == Prompt::GreetingSaved).until_ended(is_menu).press("*").until_said(is_menu);
    let script = script.press("*").until_said(is_menu).press("1").until_ended(is_play).until_said(is_menu).press("8");
    let script = script.until_said(|prompt| *prompt == Prompt::EnterMailbox).press("2003#");
    let script = script.until_said(|prompt| *prompt == Prompt::EnterNextMailbox).press("#").until_ended(is_tone);
    let script = script.speak(SECOND * 2).press("#").until_said(is_menu).press("1");
    let (leg, transcript) = Other::to_file(script.until_said(|prompt| *prompt == Prompt::Sent).hang_up(), SECOND * 60);
    let before = Instant::now();
    central.calls.answer_owner(&site("london"), leg, OwnerCall::from_own_telephone(mailbox("2001"))).await;
    assert!(said(&transcript, &Prompt::Sent), "{:?}", transcript.prompts());
    assert!(before.elapsed() < SECOND * 20, "{:?}", before.elapsed());
    let greeting = central.node.greeting(&mailbox("2001"), GreetingKind::Normal).await.unwrap().unwrap();
    assert!(correlation(&samples(&greeting), &speech(SECOND * 4).collect::<Vec<_>>()) > 0.99);
    let passed_on = central.messages("2003").await.remove(0);
    let heard = samples(passed_on.audio());
    assert!(best_correlation(&heard, &speech(SECOND * 19 / 10).collect::<Vec<_>>()) > 0.95, "the introduction is heard");
    assert!(heard.len() > 8000 * 9 / 2, "{} samples: introduction and message", heard.len());
}

#[tokio::test(start_paused = true)]
async fn a_recording_without_speech_is_kept_if_the_policy_says_so() {
    let mut policy = SpeechPolicy::default();
    policy.without_speech = WithoutSpeech::Keep;
    let mut timers = CallTimers::default();
    timers.max_silence = SECOND * 4;
    let central = CentralSite::open_with(|driver| driver.speech(policy).timers(timers)).await;
    let (end, transcript) = central.call(CallScript::new().until_ended(is_tone).silence(SECOND * 60)).await;
    assert!(end.message.is_some(), "{:?}", transcript.prompts());
    assert!(said(&transcript, &Prompt::Sent) && !said(&transcript, &Prompt::TooShort));
}
