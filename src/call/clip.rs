//! [`ClipRecorder`]: records a greeting, a name, an introduction or an answer, in memory.

use std::fmt;
use std::time::Duration;

use crate::audio::{Codec, Format, Timeline, Wav};
use crate::message::{Audio, AudioType};
use crate::record::{Progress, WrongFormat};

/// Records a sound that is no message yet, in memory: a greeting, a name, an introduction, an answer.
///
/// It takes the same sound as a [`Recording`](crate::record::Recording) does, and places lost and late packets in the same way. It holds at
/// most the sound of its longest length.
///
/// ```
/// use std::time::Duration;
/// use voicemail::audio::Format;
/// use voicemail::call::ClipRecorder;
///
/// let mut clip = ClipRecorder::new(Format::TELEPHONE_PCMU, Duration::from_secs(60));
/// clip.push_payload(&[0x55; 160], 0);
/// clip.push_payload(&[0x55; 160], 320); // the packet between is lost, and becomes silence
/// assert_eq!(clip.length(), Duration::from_millis(60));
/// clip.truncate(Duration::from_millis(20));
/// assert_eq!(clip.sound().bytes().len(), 58 + 160); // a WAV
/// ```
pub struct ClipRecorder {
    format: Format,
    timeline: Timeline,
    recorded: Vec<u8>,
    /// The largest size, in bytes.
    limit: usize,
}

impl ClipRecorder {
    /// Begins a recording of at most `longest`, and at most 16 MiB.
    pub fn new(format: Format, longest: Duration) -> Self {
        let limit = bytes_in(format, longest).min(MAX_BYTES);
        Self { format, timeline: Timeline::new(format), recorded: Vec::new(), limit }
    }

    /// Returns the length of the sound so far.
    pub fn length(&self) -> Duration {
        self.format.duration_of(self.recorded.len() as u64)
    }

    /// Adds the payload of one RTP packet, in the codec of the format, at its RTP timestamp.
    pub fn push_payload(&mut self, payload: &[u8], rtp_timestamp: u32) -> Progress {
        let room = self.room();
        self.timeline.place(&mut self.recorded, payload, rtp_timestamp, room);
        self.progress()
    }

    /// Adds 16-bit samples; several channels are interleaved. Only whole frames are added.
    ///
    /// # Errors
    ///
    /// [`WrongFormat`] unless the format is linear.
    pub fn push_samples(&mut self, samples: &[i16]) -> Result<Progress, WrongFormat> {
        if self.format.codec != Codec::L16 {
            return Err(WrongFormat { opened_for: self.format.codec });
        }
        let whole = samples.len() - samples.len() % usize::from(self.format.channels.max(1));
        let fitting = &samples[..whole.min(self.room() / 2)];
        self.recorded.extend(fitting.iter().flat_map(|sample| sample.to_le_bytes()));
        Ok(self.progress())
    }

    /// Notes that the next payload comes from another RTP source, whose timestamps start anew. It is placed right after what was recorded.
    pub fn change_source(&mut self) {
        self.timeline.restart_source();
    }

    /// Cuts the end, so that at most `length` is left.
    pub fn truncate(&mut self, length: Duration) {
        self.recorded.truncate(bytes_in(self.format, length));
    }

    /// Returns the sound so far, as a WAV in the codec of the format.
    pub fn sound(&self) -> Audio {
        let len = u32::try_from(self.recorded.len()).unwrap_or(u32::MAX);
        let mut wav = Wav::header(self.format, len);
        wav.extend_from_slice(&self.recorded);
        wav.resize(wav.len() + wav.len() % 2, 0);
        Audio::new(AudioType::Wav, wav)
    }

    fn room(&self) -> usize {
        let frame = self.format.bytes_per_frame().max(1) as usize;
        self.limit.saturating_sub(self.recorded.len()) / frame * frame
    }

    fn progress(&self) -> Progress {
        if self.room() == 0 { Progress::Ended } else { Progress::Recording }
    }
}

impl fmt::Debug for ClipRecorder {
    /// Shows the length, and not the sound, which does not belong in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClipRecorder({}, {:?})", self.format, self.length())
    }
}

/// The size of `length` of sound, in whole frames.
fn bytes_in(format: Format, length: Duration) -> usize {
    let frames = length.as_nanos() * u128::from(format.rate) / 1_000_000_000;
    usize::try_from(frames.saturating_mul(u128::from(format.bytes_per_frame()))).unwrap_or(usize::MAX)
}

const MAX_BYTES: usize = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clip_never_grows_beyond_its_longest_length() {
        let mut clip = ClipRecorder::new(Format::TELEPHONE_PCMU, Duration::from_millis(50));
        assert_eq!(clip.push_payload(&[1; 160], 0), Progress::Recording);
        assert_eq!(clip.push_payload(&[2; 160], 100_000), Progress::Ended, "the gap fills it");
        assert_eq!(clip.length(), Duration::from_millis(50));
        let mut samples = ClipRecorder::new(Format::TELEPHONE_L16, Duration::from_millis(50));
        assert_eq!(samples.push_samples(&[1; 1000]), Ok(Progress::Ended));
        assert_eq!(samples.length(), Duration::from_millis(50));
    }

    #[test]
    fn late_packets_and_another_source_are_placed() {
        let mut clip = ClipRecorder::new(Format::TELEPHONE_PCMA, Duration::from_secs(1));
        clip.push_payload(b"aaaa", 0);
        clip.push_payload(b"cccc", 8);
        clip.push_payload(b"bbbb", 4);
        clip.change_source();
        clip.push_payload(b"dddd", 7_777_777);
        assert!(clip.sound().bytes().ends_with(b"aaaabbbbccccdddd"));
    }

    #[test]
    fn samples_are_for_a_linear_format_only() {
        let mut clip = ClipRecorder::new(Format::TELEPHONE_PCMA, Duration::from_secs(1));
        assert_eq!(clip.push_samples(&[1]), Err(WrongFormat { opened_for: Codec::Pcma }));
    }
}
