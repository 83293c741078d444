//! [`SpeechMeter`]: where in a recording somebody speaks.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use super::pcm::{from_a_law, from_mu_law};
use super::{Codec, Format};

/// Finds the speech in a recording while it grows, by the level of the sound.
///
/// A frame of 20 ms is loud when its level is three times that of the quietest frame of the last 3 seconds, but at least -54 dBov and at
/// most -26 dBov. Three loud frames in a row are speech if their level varies by a factor of 1.5 or more; a tone or a noise is steady, and is
/// no speech. For 300 ms after speech, steady frames count as well, because a word may end in a long vowel.
///
/// The times are those of the sound that was pushed. It has less than the recording when packets were lost or not sent, so compare them
/// from the end: [`silence`](Self::silence) is right for the recording, too.
///
/// ```
/// use std::time::Duration;
/// use voicemail::audio::{Format, SpeechMeter};
///
/// let mut meter = SpeechMeter::new(Format::TELEPHONE_PCMU);
/// meter.push_payload(&[0xff; 8000]);
/// assert_eq!((meter.speech(), meter.silence()), (None, Duration::from_secs(1)));
/// ```
///
/// The cost is about 20 microseconds for a second of sound at 8 kHz, the size half a kilobyte and one frame.
#[derive(Debug, Clone)]
pub struct SpeechMeter {
    format: Format,
    frame: FrameLevel,
    /// How many frames of 20 ms are complete.
    frames: u64,
    quietest: QuietestLevel,
    /// The loud frames at the end of the sound.
    run: Option<LoudRun>,
    /// The frames from the first to the last one in which somebody speaks.
    speech: Option<Range<u64>>,
    /// Up to which frame steady sound counts as speech.
    grace_until: u64,
}

impl SpeechMeter {
    /// Returns a meter that has heard nothing yet.
    pub fn new(format: Format) -> Self {
        let samples =
            u64::from(format.rate.max(FRAMES_A_SECOND)) / u64::from(FRAMES_A_SECOND) * u64::from(format.channels.max(1));
        Self {
            format,
            frame: FrameLevel::new(usize::try_from(samples).unwrap_or(usize::MAX)),
            frames: 0,
            quietest: QuietestLevel::default(),
            run: None,
            speech: None,
            grace_until: 0,
        }
    }

    /// Adds samples; several channels are interleaved.
    pub fn push_samples(&mut self, samples: &[i16]) {
        for sample in samples {
            self.push(*sample);
        }
    }

    /// Adds the payload of one RTP packet, in the codec of the format.
    pub fn push_payload(&mut self, payload: &[u8]) {
        match self.format.codec {
            Codec::Pcmu => payload.iter().for_each(|byte| self.push(MU_LAW[usize::from(*byte)])),
            Codec::Pcma => payload.iter().for_each(|byte| self.push(A_LAW[usize::from(*byte)])),
            Codec::L8 => payload.iter().for_each(|byte| self.push((i16::from(*byte) - 128) << 8)),
            // RFC 3551 §4.5.11: the high byte comes first.
            Codec::L16 => payload.chunks_exact(2).for_each(|pair| self.push(i16::from_be_bytes([pair[0], pair[1]]))),
        }
    }

    /// Returns the time from the first to the last moment in which somebody speaks; `None` if nobody does.
    pub fn speech(&self) -> Option<Range<Duration>> {
        let Range { start, end } = self.speech.clone()?;
        Some(frames_to_time(start)..frames_to_time(end))
    }

    /// Returns how much sound has come since somebody spoke: all of it, if nobody did.
    pub fn silence(&self) -> Duration {
        frames_to_time(self.frames - self.speech.as_ref().map_or(0, |speech| speech.end))
    }

    fn push(&mut self, sample: i16) {
        if let Some(level) = self.frame.push(sample) {
            self.handle_level(level);
        }
    }

    /// Handles the level of the next frame.
    fn handle_level(&mut self, level: u32) {
        let at = self.frames;
        self.frames += 1;
        let quietest = self.quietest.push(at, level);
        if level < (quietest.saturating_mul(LOUDER)).clamp(LOUD_FROM, LOUD_UNTIL) {
            // A short word may be too short to vary between its first and its last frame.
            if let Some(run) = self.run.take()
                && (MIN_LOUD_FRAMES..SHORT_FRAMES).contains(&run.len)
                && varies(run.all)
            {
                self.note_speech(run.start, at);
            }
            return;
        }
        let run = self.run.get_or_insert_with(|| LoudRun::new(at));
        run.push(level);
        if run.len < MIN_LOUD_FRAMES {
            return;
        }
        let begun = run.start;
        if run.inner.is_some_and(varies) {
            self.grace_until = at + 1 + GRACE_FRAMES;
        } else if at >= self.grace_until {
            return;
        }
        self.note_speech(begun, at + 1);
    }

    /// Notes that somebody speaks in the frames from `start` to `end`.
    fn note_speech(&mut self, start: u64, end: u64) {
        let start = self.speech.as_ref().map_or(start, |speech| speech.start);
        self.speech = Some(start..end);
    }
}

/// Adds up one frame, and returns its level.
#[derive(Debug, Clone)]
struct FrameLevel {
    samples: Vec<i16>,
    len: usize,
}

impl FrameLevel {
    fn new(len: usize) -> Self {
        Self { samples: Vec::with_capacity(len), len }
    }

    /// Returns the mean distance of the samples from their mean, when the frame is complete.
    fn push(&mut self, sample: i16) -> Option<u32> {
        self.samples.push(sample);
        if self.samples.len() < self.len {
            return None;
        }
        let len = i64::try_from(self.len).unwrap_or(i64::MAX);
        let mean = self.samples.iter().map(|sample| i64::from(*sample)).sum::<i64>() / len;
        let sum: u64 = self.samples.iter().map(|sample| (i64::from(*sample) - mean).unsigned_abs()).sum();
        self.samples.clear();
        u32::try_from(sum / len.unsigned_abs()).ok()
    }
}

/// The smallest level of the last 3 seconds.
///
/// It remembers the levels that have no smaller one after them, so the first is the smallest.
#[derive(Debug, Clone, Default)]
struct QuietestLevel {
    levels: VecDeque<(u64, u32)>,
}

impl QuietestLevel {
    fn push(&mut self, at: u64, level: u32) -> u32 {
        while self.levels.back().is_some_and(|(_, last)| *last >= level) {
            self.levels.pop_back();
        }
        self.levels.push_back((at, level));
        while self.levels.front().is_some_and(|(first, _)| first + QUIETEST_OF <= at) {
            self.levels.pop_front();
        }
        self.levels.front().map_or(level, |(_, quietest)| *quietest)
    }
}

/// Loud frames in a row.
#[derive(Debug, Clone)]
struct LoudRun {
    start: u64,
    len: u64,
    last: u32,
    /// The smallest and the largest level.
    all: (u32, u32),
    /// The smallest and the largest level between the first frame and the last one, which sound fills only in part.
    inner: Option<(u32, u32)>,
}

impl LoudRun {
    fn new(start: u64) -> Self {
        Self { start, len: 0, last: 0, all: (u32::MAX, 0), inner: None }
    }

    fn push(&mut self, level: u32) {
        if self.len >= 2 {
            let (min, max) = self.inner.unwrap_or((self.last, self.last));
            self.inner = Some((min.min(self.last), max.max(self.last)));
        }
        self.all = (self.all.0.min(level), self.all.1.max(level));
        self.last = level;
        self.len += 1;
    }
}

/// Returns whether these smallest and largest levels are those of speech.
fn varies((min, max): (u32, u32)) -> bool {
    max.saturating_mul(2) >= min.saturating_mul(VARIES_BY_HALVES)
}

fn frames_to_time(frames: u64) -> Duration {
    Duration::from_millis(frames.saturating_mul(1000 / u64::from(FRAMES_A_SECOND)))
}

const FRAMES_A_SECOND: u32 = 50;
/// The quietest frame is sought in this many.
const QUIETEST_OF: u64 = 150;
/// A loud frame has this many times the level of the quietest one.
const LOUDER: u32 = 3;
/// A frame below this level, -54 dBov, is never loud.
const LOUD_FROM: u32 = 60;
/// A frame above this level, -26 dBov, is always loud.
const LOUD_UNTIL: u32 = 1500;
/// Fewer loud frames in a row are a click.
const MIN_LOUD_FRAMES: u64 = 3;
/// The level of speech varies by this factor, in halves. That of a tone varies by 1.14, that of noise by less than 1.4.
const VARIES_BY_HALVES: u32 = 3;
/// A run of fewer loud frames is shorter than the tones of a telephone, which last 200 ms or more.
const SHORT_FRAMES: u64 = 8;
/// How many steady frames after speech belong to it.
const GRACE_FRAMES: u64 = 15;

/// The value of each mu-law byte.
const MU_LAW: [i16; 256] = table(true);
/// The value of each A-law byte.
const A_LAW: [i16; 256] = table(false);

const fn table(mu_law: bool) -> [i16; 256] {
    let mut values = [0; 256];
    let mut byte = 0_u8;
    loop {
        values[byte as usize] = if mu_law { from_mu_law(byte) } else { from_a_law(byte) };
        if byte == u8::MAX {
            return values;
        }
        byte += 1;
    }
}

#[cfg(test)]
mod tests;
