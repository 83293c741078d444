//! [`CallRecording`]: one recording of a call, and what is heard in it.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

use super::{ClipRecorder, LegEvent, SpeechPolicy, WithoutSpeech};
use crate::audio::{Codec, Format, Frames, SpeechMeter, encode};
use crate::message::Audio;
use crate::record::{Progress, Recording};
use crate::telephone::Recorded;

/// One recording of a call: the message of a caller, or a clip of an owner. It measures the speech in it.
///
/// Dropped, it is a hang-up: a message with speech is kept if it is long enough, and anything else is discarded.
pub(super) struct CallRecording {
    sound: Option<RecordedSound>,
    format: Format,
    policy: SpeechPolicy,
    meter: SpeechMeter,
    /// The RTP source of the sound.
    source: Option<u32>,
    /// The timestamp of the next payload that has none of its own.
    next_timestamp: u32,
    /// The first samples of a frame of several channels, of which the others have not come yet.
    part: Vec<i16>,
    /// Where the last speech ended, in the recording.
    voiced_until: Duration,
    /// When that was heard.
    voiced_at: Instant,
    /// When sound came last.
    heard_at: Instant,
    /// Whether sound was wanted: before that, a call has nothing to keep.
    has_begun: bool,
}

enum RecordedSound {
    Message(Box<Recording>),
    Clip(Box<ClipRecorder>),
}

/// Why a recording has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordingEnd {
    /// A key has ended it.
    Digit,
    /// Nobody has spoken for the longest silence.
    Silence,
    /// It has its longest length, or the other end is gone.
    Other,
}

impl CallRecording {
    pub(super) fn message(recording: Recording, format: Format, policy: SpeechPolicy) -> Self {
        Self::new(RecordedSound::Message(Box::new(recording)), format, policy)
    }

    pub(super) fn clip(clip: ClipRecorder, format: Format, policy: SpeechPolicy) -> Self {
        Self::new(RecordedSound::Clip(Box::new(clip)), format, policy)
    }

    fn new(sound: RecordedSound, format: Format, policy: SpeechPolicy) -> Self {
        Self {
            sound: Some(sound),
            format,
            policy,
            meter: SpeechMeter::new(format),
            source: None,
            next_timestamp: 0,
            part: Vec::new(),
            voiced_until: Duration::ZERO,
            voiced_at: Instant::now(),
            heard_at: Instant::now(),
            has_begun: false,
        }
    }

    /// Notes that sound is wanted from now on.
    pub(super) fn begin(&mut self) {
        self.has_begun = true;
        self.voiced_at = Instant::now();
    }

    /// The length of the sound so far.
    pub(super) fn length(&self) -> Duration {
        match &self.sound {
            Some(RecordedSound::Message(recording)) => recording.length(),
            Some(RecordedSound::Clip(clip)) => clip.length(),
            None => Duration::ZERO,
        }
    }

    /// How long nobody has spoken at the end of the sound. A jump of the timestamps is no silence, so it is no more than the time that has
    /// passed.
    pub(super) fn silence(&self) -> Duration {
        self.length().saturating_sub(self.voiced_until).min(self.voiced_at.elapsed())
    }

    /// The result as the dialogues take it.
    pub(super) fn recorded(&self) -> Recorded {
        if self.has_speech() { Recorded::new(self.length()) } else { Recorded::without_speech(self.length()) }
    }

    fn has_speech(&self) -> bool {
        self.policy.without_speech == WithoutSpeech::Keep || self.meter.speech().is_some()
    }

    /// Adds the sound of an event.
    pub(super) fn push(&mut self, event: LegEvent) -> Progress {
        match event {
            LegEvent::Payload { payload, timestamp, source } => self.push_payload(&payload, timestamp, source),
            LegEvent::Samples(samples) => self.push_samples(&samples),
            LegEvent::Wav(audio) => self.push_file(&audio),
            _ => Progress::Recording,
        }
    }

    /// Notes that the timestamps before say nothing about those after: the next sound is placed right after the sound so far.
    pub(super) fn interrupt(&mut self) {
        match &mut self.sound {
            Some(RecordedSound::Message(recording)) => recording.change_source(),
            Some(RecordedSound::Clip(clip)) => clip.change_source(),
            None => {}
        }
    }

    fn push_payload(&mut self, payload: &[u8], timestamp: u32, source: u32) -> Progress {
        if self.source.replace(source).is_some_and(|before| before != source) {
            self.interrupt();
        }
        let frames = payload.len() / self.format.bytes_per_frame().max(1) as usize;
        self.next_timestamp = timestamp.wrapping_add(u32::try_from(frames).unwrap_or(u32::MAX));
        self.meter.push_payload(payload);
        let progress = match &mut self.sound {
            Some(RecordedSound::Message(recording)) => recording.push_payload(payload, timestamp),
            Some(RecordedSound::Clip(clip)) => clip.push_payload(payload, timestamp),
            None => Progress::Ended,
        };
        self.measure();
        progress
    }

    fn push_samples(&mut self, samples: &[i16]) -> Progress {
        if self.format.codec != Codec::L16 {
            // The leg breaks its contract; its sound is not lost for that.
            let payload = encode(self.format.codec, samples);
            return self.push_payload(&payload, self.next_timestamp, self.source.unwrap_or(0));
        }
        let mut samples = [std::mem::take(&mut self.part), samples.to_vec()].concat();
        self.part = samples.split_off(samples.len() - samples.len() % usize::from(self.format.channels.max(1)));
        let samples = &samples[..];
        self.meter.push_samples(samples);
        let pushed = match &mut self.sound {
            Some(RecordedSound::Message(recording)) => recording.push_samples(samples),
            Some(RecordedSound::Clip(clip)) => clip.push_samples(samples),
            None => Ok(Progress::Ended),
        };
        self.measure();
        pushed.unwrap_or(Progress::Recording)
    }

    /// Adds a file that the leg has recorded, in the format of the call.
    fn push_file(&mut self, audio: &Audio) -> Progress {
        let frames = NonZeroU32::new(self.format.rate).and_then(|rate| Frames::new(audio, rate).ok());
        let Some(frames) = frames else {
            tracing::warn!("a leg has recorded a file that cannot be read; the recording is empty");
            return Progress::Ended;
        };
        for frame in frames {
            let channels = usize::from(self.format.channels.max(1));
            let samples: Vec<i16> = frame.iter().flat_map(|sample| std::iter::repeat_n(*sample, channels)).collect();
            if self.push_samples(&samples) == Progress::Ended {
                break;
            }
        }
        Progress::Ended
    }

    fn measure(&mut self) {
        self.heard_at = Instant::now();
        let (length, silence) = (self.length(), self.meter.silence());
        if self.meter.speech().is_some() && silence <= RECENT {
            self.voiced_until = length.saturating_sub(silence);
            self.voiced_at = self.heard_at;
        }
    }

    /// Cuts what does not belong to the sound from its end.
    pub(super) fn end(&mut self, ending: RecordingEnd) {
        let length = match ending {
            RecordingEnd::Digit => {
                self.length().saturating_sub(self.policy.cut_before_digit.saturating_sub(self.heard_at.elapsed()))
            }
            // All of it is silence, and the policy may keep that.
            RecordingEnd::Silence if self.meter.speech().is_none() => self.length(),
            RecordingEnd::Silence => self.length().min(self.voiced_until.saturating_add(self.policy.silence_at_end)),
            RecordingEnd::Other => self.length(),
        };
        match &mut self.sound {
            Some(RecordedSound::Message(recording)) => recording.truncate(length),
            Some(RecordedSound::Clip(clip)) => clip.truncate(length),
            None => {}
        }
    }

    /// Returns the sound so far, to be heard by the speaker; `None` if it cannot be read.
    pub(super) async fn sound(&self) -> Option<Audio> {
        match &self.sound {
            Some(RecordedSound::Message(recording)) => {
                let sound = recording.sound().await;
                sound
                    .inspect_err(|error| tracing::warn!(error = error as &dyn std::error::Error, "a recording cannot be heard"))
                    .ok()
            }
            Some(RecordedSound::Clip(clip)) => Some(clip.sound()),
            None => None,
        }
    }

    /// Returns the recording of a message, whose speech is settled by the caller of this.
    pub(super) fn into_recording(mut self) -> Option<Recording> {
        match self.sound.take() {
            Some(RecordedSound::Message(recording)) => Some(*recording),
            other => {
                self.sound = other;
                None
            }
        }
    }

    /// Discards the sound at once.
    pub(super) fn discard(mut self) {
        if let Some(RecordedSound::Message(recording)) = self.sound.take() {
            recording.discard_later();
        }
    }

    /// Returns the sound if somebody spoke in it, and discards it otherwise.
    pub(super) fn with_speech(self) -> Option<Self> {
        (self.has_begun && self.has_speech()).then_some(self)
    }
}

impl Drop for CallRecording {
    fn drop(&mut self) {
        let Some(RecordedSound::Message(recording)) = self.sound.take() else { return };
        if !self.has_begun {
            recording.discard_later();
        } else if self.has_speech() {
            // The caller hung up, and the node keeps the recording.
            drop(recording);
        } else {
            recording.discard_without_speech();
        }
    }
}

/// As long as the last voiced moment is not further away, somebody speaks.
const RECENT: Duration = Duration::from_millis(100);
