//! [`ScriptedLeg`]: a leg whose other end follows a script, to test a PBX's own wiring without a telephone.

mod script;
mod transcript;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep_until};

pub use self::script::{CallScript, speech};
use self::script::{Progress, Step};
use self::transcript::Recorder;
pub use self::transcript::{CallTranscript, TranscriptEntry};
use super::{CallLeg, CallRefusal, LegClosed, LegEvent, Playback, TransferError, TransferTarget};
use crate::audio::{Codec, Format, encode};
use crate::lock::Lock;

/// A leg whose other end follows a [`CallScript`], in the time of the tokio runtime.
///
/// In a test whose time is paused, a call of minutes takes milliseconds. The leg plays and hears a frame every 20 ms, and writes down what
/// the driver does in a [`CallTranscript`]. When the script is over, the other end is silent and waits for the end of the call.
///
/// ```
/// use std::time::Duration;
/// use voicemail::audio::Format;
/// use voicemail::call::{CallLeg, LegEvent, Playback, PlaybackId, CallScript, ScriptedLeg, TranscriptEntry};
/// use voicemail::telephone::{Digit, Prompt};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let script = CallScript::new().until_said(|prompt| *prompt == Prompt::Goodbye).press("#").hang_up();
/// let (mut leg, transcript) = ScriptedLeg::new(Format::TELEPHONE_PCMU, script);
/// leg.answer().await.unwrap();
/// leg.play(Playback::new(PlaybackId::new(1), vec![Prompt::Goodbye], std::iter::repeat(vec![0; 160])));
/// assert!(matches!(leg.next().await, LegEvent::Digit(Digit::Pound)));
/// leg.stop();
/// assert!(matches!(leg.next().await, LegEvent::HungUp));
/// let said = TranscriptEntry::Said { prompts: vec![Prompt::Goodbye], whole: false };
/// assert_eq!(transcript.entries(), [TranscriptEntry::Answered, said]);
/// # }
/// ```
#[derive(Debug)]
pub struct ScriptedLeg {
    format: Format,
    script: VecDeque<Step>,
    /// Steps that the remote end was given later.
    added: Arc<Lock<VecDeque<Step>>>,
    /// How far the first step is.
    progress: Progress,
    events: VecDeque<LegEvent>,
    playback: Option<Playback>,
    recorder: Recorder,
    next_frame: Instant,
    timestamp: u32,
    source: u32,
    wants_sound: bool,
    ended: bool,
    transfers: bool,
}

impl ScriptedLeg {
    /// Returns a leg with sound in `format`, and the transcript of its call. A leg with linear samples reports
    /// [`LegEvent::Samples`], any other [`LegEvent::Payload`].
    pub fn new(format: Format, script: CallScript) -> (Self, CallTranscript) {
        let (recorder, transcript) = Recorder::new();
        let leg = Self {
            format,
            script: script.into_steps(),
            added: Arc::default(),
            progress: Progress::default(),
            events: VecDeque::new(),
            playback: None,
            recorder,
            next_frame: Instant::now() + FRAME,
            timestamp: FIRST_TIMESTAMP,
            source: FIRST_SOURCE,
            wants_sound: false,
            ended: false,
            transfers: true,
        };
        (leg, transcript)
    }

    /// Returns the other end of the call, which can be given more to do while the call goes on.
    pub fn remote_end(&self) -> RemoteEnd {
        RemoteEnd { added: Arc::clone(&self.added) }
    }

    /// Lets every transfer fail. By default, transfers succeed.
    #[must_use]
    pub fn without_transfers(self) -> Self {
        Self { transfers: false, ..self }
    }

    /// Does what is due every 20 ms: the next frame is played, and the script goes on.
    fn tick(&mut self) {
        self.next_frame += FRAME;
        if let Some(playback) = &mut self.playback {
            if let Some(frame) = playback.next() {
                self.recorder.handle_frame(&frame);
            } else {
                self.events.push_back(LegEvent::Ended(playback.id()));
                self.playback = None;
                self.recorder.handle_end(true);
            }
        }
        self.script.append(&mut self.added.lock());
        let frame_len = usize::try_from(self.format.rate / FRAMES_A_SECOND).unwrap_or(0);
        let mut frame = Some(vec![0; frame_len]);
        while let Some(step) = self.script.front_mut() {
            // Whether the step is over, and whether it has used this frame.
            let (is_over, has_used_frame) = match step {
                Step::Speak(voice) => {
                    let samples: Vec<i16> = voice.by_ref().take(frame_len).collect();
                    if let Some(frame) = &mut frame {
                        frame[..samples.len()].copy_from_slice(&samples);
                    }
                    (samples.len() < frame_len, !samples.is_empty())
                }
                Step::Silence(length) => (self.progress.advance(*length), true),
                Step::Lose(length) => {
                    frame = None;
                    (self.progress.advance(*length), true)
                }
                Step::Press(digits) => {
                    self.events.extend(digits.pop_front().map(LegEvent::Digit));
                    (digits.is_empty(), true)
                }
                Step::UntilSaid(is_meant) => (self.recorder.has_begun(|prompt| is_meant.0(prompt)), false),
                Step::UntilEnded(is_meant) => (self.recorder.has_ended(|prompt| is_meant.0(prompt)), false),
                Step::Hold(held) => {
                    self.events.push_back(LegEvent::Held(*held));
                    (true, false)
                }
                Step::ChangeSource => {
                    self.source = self.source.wrapping_add(1);
                    self.timestamp = self.timestamp.wrapping_add(SOURCE_JUMP);
                    (true, false)
                }
                Step::HangUp => {
                    self.end();
                    return;
                }
            };
            if is_over {
                self.progress = Progress::default();
                self.script.pop_front();
            }
            if !is_over || has_used_frame {
                break;
            }
        }
        self.hear(frame);
    }

    fn hear(&mut self, frame: Option<Vec<i16>>) {
        let timestamp = self.timestamp;
        self.timestamp = timestamp.wrapping_add(self.format.rate / FRAMES_A_SECOND);
        let Some(frame) = frame.filter(|_| self.wants_sound) else { return };
        self.events.push_back(match self.format.codec {
            Codec::L16 => LegEvent::Samples(frame),
            codec => LegEvent::Payload { payload: encode(codec, &frame), timestamp, source: self.source },
        });
    }

    fn end(&mut self) {
        self.ended = true;
        if self.playback.take().is_some() {
            self.recorder.handle_end(false);
        }
    }
}

#[async_trait]
impl CallLeg for ScriptedLeg {
    fn format(&self) -> Format {
        self.format
    }

    async fn answer(&mut self) -> Result<(), LegClosed> {
        if self.ended {
            return Err(LegClosed);
        }
        self.next_frame = Instant::now() + FRAME;
        self.recorder.push(TranscriptEntry::Answered);
        Ok(())
    }

    async fn refuse(&mut self, refusal: CallRefusal) {
        self.recorder.push(TranscriptEntry::Refused(refusal));
        self.end();
    }

    async fn next(&mut self) -> LegEvent {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            if self.ended {
                return LegEvent::HungUp;
            }
            sleep_until(self.next_frame).await;
            self.tick();
        }
    }

    fn play(&mut self, playback: Playback) {
        if self.ended {
            return;
        }
        self.recorder.handle_begin(playback.prompts(), self.playback.is_some());
        self.playback = Some(playback);
    }

    fn stop(&mut self) {
        if self.playback.take().is_some() {
            self.recorder.handle_end(false);
        }
    }

    fn listen(&mut self, on: bool) {
        self.wants_sound = on;
    }

    async fn hang_up(&mut self) {
        if !self.ended {
            self.end();
            self.recorder.push(TranscriptEntry::HungUp);
        }
    }

    async fn transfer(&mut self, to: &TransferTarget) -> Result<(), TransferError> {
        if self.ended {
            return Err(TransferError::NotConnected);
        }
        self.recorder.push(TranscriptEntry::Transferred { to: to.clone(), succeeded: self.transfers });
        if !self.transfers {
            return Err(TransferError::NotConnected);
        }
        self.end();
        Ok(())
    }
}

/// The other end of a [`ScriptedLeg`], for a test that decides during the call what it does next.
#[derive(Debug, Clone)]
pub struct RemoteEnd {
    added: Arc<Lock<VecDeque<Step>>>,
}

impl RemoteEnd {
    /// Adds `script` to everything that the other end is to do.
    pub fn perform(&self, script: CallScript) {
        self.added.lock().extend(script.into_steps());
    }
}

const FRAME: Duration = Duration::from_millis(20);
const FRAMES_A_SECOND: u32 = 50;
/// The timestamps wrap in the first second, as they may in any call.
const FIRST_TIMESTAMP: u32 = u32::MAX - 1000;
const FIRST_SOURCE: u32 = 0x1234_5678;
/// How far the timestamps of a new source are from those of the one before.
const SOURCE_JUMP: u32 = 100_000;
