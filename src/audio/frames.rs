//! [`Frames`]: the samples of a sound for a call, in frames of 20 ms.

use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;

use super::coding::{ByteOrder, Coding};
use super::layout::Layout;
use super::lazy_decoder::LazyDecoder;
use super::{AudioError, Codec, Format, G726Encoder, Wav, pcm};
use crate::message::{Audio, AudioType};

/// An iterator over a sound as 16-bit samples of one channel, in frames of 20 ms, at the sample rate of the call.
///
/// Mu-law, A-law, linear, G.726 and GSM 06.10 sounds are decoded, and two channels are mixed into one. Another rate is reached by linear
/// interpolation, without a filter against aliasing: good enough for speech on a telephone. It needs the memory of the sound; G.726 and
/// GSM are decoded as far as they are played or sought, which makes them up to five and eleven times as large.
///
/// ```
/// use std::time::Duration;
/// use voicemail::audio::Frames;
/// use voicemail::message::{Audio, AudioType};
///
/// let mut frames = Frames::new(&Audio::new(AudioType::Basic, vec![0xff; 8000]), 16_000.try_into()?)?;
/// assert_eq!(frames.by_ref().next().map(|frame| frame.len()), Some(320));
/// frames.seek(Duration::from_millis(970));
/// assert_eq!(frames.count(), 2); // the last one filled up with silence
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Frames {
    sound: Samples,
    rate: NonZeroU32,
    /// How many frames were returned or skipped.
    position: u64,
}

impl Frames {
    /// Returns the frames of `audio` from its beginning, at `rate` samples per second.
    ///
    /// # Errors
    ///
    /// A [`FramesError`] when the sound cannot be decoded.
    pub fn new(audio: &Audio, rate: NonZeroU32) -> Result<Self, FramesError> {
        Ok(Self { sound: Samples::of(audio)?, rate, position: 0 })
    }

    /// Returns the duration of the sound.
    pub fn duration(&self) -> Duration {
        self.sound.duration()
    }

    /// Returns how much of the sound was returned or skipped, in steps of 20 ms.
    pub fn position(&self) -> Duration {
        FRAME.saturating_mul(u32::try_from(self.position).unwrap_or(u32::MAX)).min(self.duration())
    }

    /// Continues at `position`, or at the nearest step of 20 ms before it. Past the end, no frame is left.
    pub fn seek(&mut self, position: Duration) {
        let frame = position.as_nanos() / FRAME.as_nanos();
        self.position = u64::try_from(frame).unwrap_or(u64::MAX).min(self.len());
    }

    /// Returns how many frames the whole sound has.
    fn len(&self) -> u64 {
        u64::try_from(self.duration().as_nanos().div_ceil(FRAME.as_nanos())).unwrap_or(u64::MAX)
    }

    /// Returns the number of the first sample of a frame, at the rate of the call. If 50 is no divisor of the rate, the lengths of frames differ
    /// by one sample.
    fn start_of(&self, frame: u64) -> u64 {
        frame.saturating_mul(u64::from(self.rate.get())) / FRAMES_A_SECOND
    }
}

impl Iterator for Frames {
    type Item = Vec<i16>;

    fn next(&mut self) -> Option<Vec<i16>> {
        if self.position >= self.len() {
            return None;
        }
        let samples = self.start_of(self.position)..self.start_of(self.position + 1);
        self.position += 1;
        Some(samples.map(|number| self.sound.at(number, self.rate)).collect())
    }
}

/// The samples of a sound.
#[derive(Debug, Clone)]
pub(super) struct Samples {
    /// The format of the samples in `data`, or of the decoded ones.
    pub(super) format: Format,
    data: Data,
}

/// The bytes of the samples, in whole frames of their format.
#[derive(Debug, Clone)]
enum Data {
    /// The low byte of a linear sample comes first, as in a WAV.
    LowFirst(Bytes),
    /// The high byte of a linear sample comes first, as in a `.au` file.
    HighFirst(Bytes),
    /// The samples are coded in blocks.
    InBlocks { sound: Box<LazyDecoder>, samples: u64 },
}

impl Samples {
    pub(super) fn of(audio: &Audio) -> Result<Self, FramesError> {
        let bytes = audio.bytes();
        let len = bytes.len() as u64;
        let layout = Layout::of(audio.media(), bytes, len)?;
        let (samples, coding) = (layout.samples(len), layout.coding);
        let place = |place: u64| usize::try_from(place).unwrap_or(bytes.len());
        let in_sound = bytes.slice(place(samples.start)..place(samples.end));
        let samples = coding.samples_in(in_sound.len() as u64);
        let data = match coding {
            Coding::Samples { order: ByteOrder::LowFirst, .. } => Data::LowFirst(in_sound),
            Coding::Samples { order: ByteOrder::HighFirst, .. } => Data::HighFirst(in_sound),
            Coding::Blocks(blocks) => Data::InBlocks { sound: Box::new(LazyDecoder::new(in_sound, blocks)), samples },
        };
        Ok(Self { format: coding.format(), data })
    }

    /// Returns the bytes of the samples, if they are coded as in a WAV of [`format`](Self::format).
    pub(super) fn as_in_a_wav(&self) -> Option<&Bytes> {
        match &self.data {
            Data::LowFirst(bytes) => Some(bytes),
            Data::HighFirst(_) | Data::InBlocks { .. } => None,
        }
    }

    /// Returns how many samples there are in each channel at `rate`.
    pub(super) fn frames_at(&self, rate: u32) -> u64 {
        self.frames().saturating_mul(u64::from(rate)) / u64::from(self.format.rate.max(1))
    }

    /// Returns how many samples there are in each channel.
    fn frames(&self) -> u64 {
        match &self.data {
            Data::LowFirst(bytes) | Data::HighFirst(bytes) => {
                (bytes.len() as u64).checked_div(u64::from(self.format.bytes_per_frame())).unwrap_or(0)
            }
            Data::InBlocks { samples, .. } => *samples,
        }
    }

    fn duration(&self) -> Duration {
        self.format.duration_of(self.frames().saturating_mul(u64::from(self.format.bytes_per_frame())))
    }

    /// Returns the sample `number` of the sound when it is played at `rate`; silence past its end.
    fn at(&mut self, number: u64, rate: NonZeroU32) -> i16 {
        let place = u128::from(number) * u128::from(self.format.rate);
        let (whole, part) = (place / u128::from(rate.get()), place % u128::from(rate.get()));
        let whole = usize::try_from(whole).unwrap_or(usize::MAX);
        let before = self.mixed(whole);
        if part == 0 {
            return before;
        }
        let (before, after) = (i128::from(before), i128::from(self.mixed(whole.saturating_add(1))));
        let between = before + (after - before) * i128::try_from(part).unwrap_or(0) / i128::from(rate.get());
        i16::try_from(between).unwrap_or(0)
    }

    /// Appends the whole sound to `samples`, as 16-bit samples of one channel at `rate`.
    pub(super) fn append_linear(&mut self, rate: u32, samples: &mut Vec<u8>) {
        let Some(rate) = NonZeroU32::new(rate) else { return };
        let len = self.frames_at(rate.get());
        samples.extend((0..len).flat_map(|number| self.at(number, rate).to_le_bytes()));
    }

    /// Returns the sample `number`, with all channels mixed.
    fn mixed(&mut self, number: usize) -> i16 {
        let (width, channels) = (usize::from(self.format.codec.bytes_per_sample()), usize::from(self.format.channels));
        let Some(start) = number.checked_mul(width * channels) else { return 0 };
        let (bytes, is_high_first) = match &mut self.data {
            Data::LowFirst(bytes) => (bytes, false),
            Data::HighFirst(bytes) => (bytes, true),
            Data::InBlocks { sound, .. } => return sound.at(number),
        };
        let one = |channel: usize| {
            let bytes = bytes.get(start.checked_add(channel * width)?..)?;
            match (self.format.codec, is_high_first) {
                (Codec::L16, true) => bytes.first_chunk().map(|bytes| i16::from_be_bytes(*bytes)),
                (codec, _) => pcm::sample(codec, bytes),
            }
        };
        let sum: i32 = (0..channels).filter_map(one).map(i32::from).sum();
        i16::try_from(sum / i32::from(self.format.channels.max(1))).unwrap_or(0)
    }
}

/// Decodes a sound into a 16-bit linear WAV of one channel, at the rate of the sound: for programs that can play no other kind.
///
/// ```
/// use voicemail::audio::{Format, Wav, to_wav};
/// use voicemail::message::{Audio, AudioType};
///
/// let wav = to_wav(&Audio::new(AudioType::Adpcm32, vec![0; 4000]))?;
/// let read = Wav::parse(wav.bytes())?;
/// assert_eq!((read.format, read.duration().as_secs()), (Format::TELEPHONE_L16, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// A [`FramesError`] when the sound cannot be decoded, or is longer than a WAV can be: at 8 kHz, 74 hours.
pub fn to_wav(audio: &Audio) -> Result<Audio, FramesError> {
    let mut sound = Samples::of(audio)?;
    let format = Format { codec: Codec::L16, rate: sound.format.rate, channels: 1 };
    let len = sound.frames_at(format.rate).saturating_mul(u64::from(format.bytes_per_frame()));
    let len = u32::try_from(len).ok().and_then(|len| usize::try_from(len).ok()).ok_or(FramesError::TooLong)?;
    let mut wav = WavInProgress::new(format, len);
    sound.append_linear(format.rate, wav.samples());
    wav.finish()
}

/// Returns how many bytes [`to_wav`] makes of a sound, without decoding it.
#[cfg(feature = "node")]
pub(crate) fn wav_len(audio: &Audio) -> Result<u64, FramesError> {
    let frames = Samples::of(audio)?.frames();
    Ok(frames.saturating_mul(2).saturating_add(Wav::header(Format::TELEPHONE_L16, 0).len() as u64))
}

/// Encodes a sound as `audio/32KADPCM`, at 8 kHz: for other voicemail systems, which must all play it. Such a sound stays as it is.
///
/// ```
/// use voicemail::audio::to_adpcm32;
/// use voicemail::message::{Audio, AudioType};
///
/// let second = Audio::new(AudioType::Basic, vec![0xff; 8000]);
/// let encoded = to_adpcm32(&second)?;
/// assert_eq!((encoded.media(), encoded.bytes().len()), (AudioType::Adpcm32, 4000));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// A [`FramesError`] when the sound cannot be decoded.
///
/// # Source
///
/// RFC 3802; RFC 3801 §4.4.3 asks each system to read it.
pub fn to_adpcm32(audio: &Audio) -> Result<Audio, FramesError> {
    if audio.media() == AudioType::Adpcm32 {
        return Ok(audio.clone());
    }
    let mut linear = Vec::new();
    Samples::of(audio)?.append_linear(Format::TELEPHONE_L16.rate, &mut linear);
    let samples: Vec<_> = linear.as_chunks().0.iter().map(|sample| i16::from_le_bytes(*sample)).collect();
    let (mut encoder, mut bytes) = (G726Encoder::new(), Vec::new());
    encoder.encode(&samples, &mut bytes);
    encoder.finish(&mut bytes);
    Ok(Audio::new(AudioType::Adpcm32, bytes))
}

/// A WAV whose samples are appended to its header, so that they are in memory once.
pub(super) struct WavInProgress {
    format: Format,
    file: Vec<u8>,
}

impl WavInProgress {
    /// A WAV with space for `len` bytes of samples.
    pub(super) fn new(format: Format, len: usize) -> Self {
        let header = Wav::header(format, 0);
        let mut file = Vec::with_capacity(header.len().saturating_add(len).saturating_add(1));
        file.extend(header);
        Self { format, file }
    }

    /// Returns the bytes of the file, to which samples are appended.
    pub(super) fn samples(&mut self) -> &mut Vec<u8> {
        &mut self.file
    }

    /// Returns the WAV with the samples that were appended.
    pub(super) fn finish(self) -> Result<Audio, FramesError> {
        let Self { format, mut file } = self;
        let header_len = Wav::header_len(format.codec);
        let len = u32::try_from(file.len() - header_len).map_err(|_| FramesError::TooLong)?;
        file[..header_len].copy_from_slice(&Wav::header(format, len));
        // A chunk of RIFF has an even length.
        file.resize(file.len().next_multiple_of(2), 0);
        Ok(Audio::new(AudioType::Wav, file))
    }
}

/// The reason why a sound cannot be decoded to samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FramesError {
    /// The sound cannot be read.
    #[error("the sound cannot be read")]
    Unreadable(#[from] AudioError),
    /// The sound is longer than a WAV can be.
    #[error("the sound is longer than a WAV file can be")]
    TooLong,
}

const FRAMES_A_SECOND: u64 = 50;
const FRAME: Duration = Duration::from_millis(20);

#[cfg(test)]
pub(super) mod tests {
    use std::path::{Path, PathBuf};
    use std::process::Command;
    use std::{env, fs, process};

    use proptest::prelude::*;

    use super::super::join;
    use super::*;

    pub(in crate::audio) fn wav(format: Format, samples: &[u8]) -> Audio {
        let mut file = Wav::header(format, u32::try_from(samples.len()).unwrap());
        file.extend_from_slice(samples);
        Audio::new(AudioType::Wav, file)
    }

    fn frames(audio: &Audio, rate: u32) -> Frames {
        Frames::new(audio, NonZeroU32::new(rate).unwrap()).unwrap()
    }

    fn linear(samples: impl IntoIterator<Item = i16>) -> Vec<u8> {
        samples.into_iter().flat_map(i16::to_le_bytes).collect()
    }

    #[cfg(feature = "node")]
    #[test]
    fn the_size_of_a_wav_is_known_before_it_is_made() {
        let two_channels = Format { channels: 2, ..Format::TELEPHONE_L16 };
        let gsm = Audio::new(AudioType::Gsm, [0xd0; 33].repeat(50));
        for audio in [gsm, Audio::new(AudioType::Adpcm32, vec![7; 401]), wav(two_channels, &[1; 400])] {
            assert_eq!(wav_len(&audio), to_wav(&audio).map(|wav| wav.len()), "{audio:?}");
        }
        assert!(wav_len(&Audio::new(AudioType::Wav, &b"RIFF no wav"[..])).is_err());
    }

    #[test]
    fn linear_samples_are_unchanged_the_last_frame_ends_in_silence() {
        let samples: Vec<i16> = (0..200).map(|n| n * 100 - 10_000).collect();
        let all: Vec<i16> = frames(&wav(Format::TELEPHONE_L16, &linear(samples.clone())), 8000).flatten().collect();
        assert_eq!(all.len(), 320);
        assert_eq!(all[..200], samples);
        assert!(all[200..].iter().all(|sample| *sample == 0));
    }

    #[test]
    fn a_straight_line_stays_one_at_another_rate() {
        let line = wav(Format::TELEPHONE_L16, &linear((0..1600).map(|n| n * 20)));
        let doubled: Vec<i16> = frames(&line, 16_000).flatten().collect();
        assert!(doubled[..3198].iter().enumerate().all(|(at, sample)| i32::from(*sample) == 10 * i32::try_from(at).unwrap()));
        let halved: Vec<i16> = frames(&line, 4000).flatten().collect();
        assert!(halved.iter().enumerate().all(|(at, sample)| i32::from(*sample) == 40 * i32::try_from(at).unwrap()));
    }

    #[test]
    fn two_channels_are_mixed() {
        let format = Format { channels: 2, ..Format::TELEPHONE_L16 };
        let stereo = wav(format, &linear((0..160).flat_map(|_| [1000, 3000])));
        assert_eq!(frames(&stereo, 8000).next().unwrap(), [2000; 160]);
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let rate = NonZeroU32::new(8000).unwrap();
        let not = |media, bytes: &'static [u8]| Frames::new(&Audio::new(media, bytes), rate).unwrap_err();
        assert_eq!(not(AudioType::Wav, b"x"), FramesError::Unreadable(AudioError::NotWav));
        assert_eq!(not(AudioType::Basic, b".snd"), FramesError::Unreadable(AudioError::AuHeader));
    }

    #[test]
    fn g726_is_played_sought_and_joined_like_any_other_sound() {
        let sound = Audio::new(AudioType::Adpcm32, &include_bytes!("../../examples/recordings/vm03.726")[..]);
        let mut one = frames(&sound, 8000);
        assert_eq!(Some(one.duration()), super::super::length_of(AudioType::Adpcm32, sound.bytes()));
        let all: Vec<Vec<i16>> = one.clone().collect();
        assert_eq!((all.len(), all[343].len()), (344, 160), "6.861 seconds, the last 20 ms filled up");
        for second in [5, 1, 3] {
            one.seek(Duration::from_secs(second));
            assert_eq!(one.next().as_ref(), Some(&all[usize::try_from(second).unwrap() * 50]));
        }
        let converted = to_wav(&sound).unwrap();
        assert!(frames(&converted, 8000).eq(all.iter().cloned()), "a WAV made of it sounds the same");
        let joined = join(&sound, &sound).unwrap();
        let wav = Wav::parse(joined.bytes()).unwrap();
        assert_eq!((wav.format, wav.data.len()), (Format::TELEPHONE_L16, 2 * (2 * 54_888 + 3200)));
        assert!(frames(&joined, 8000).take(343).eq(all[..343].iter().cloned()));
    }

    /// Decodes a sound with this crate, and returns the samples as bytes.
    pub(in crate::audio) fn linear_of(media: AudioType, bytes: Vec<u8>) -> Vec<u8> {
        let wav = to_wav(&Audio::new(media, bytes)).unwrap();
        let samples = Wav::parse(wav.bytes()).unwrap().data;
        wav.bytes()[samples].to_vec()
    }

    /// Runs sox and returns its output; `None` where sox is not installed.
    pub(in crate::audio) fn run_sox(arguments: &[&str]) -> Option<Vec<u8>> {
        let output = Command::new("sox").args(arguments).output().ok()?;
        assert!(output.status.success(), "sox {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Some(output.stdout)
    }

    /// Compares this crate with sox on the first seconds of every example recording, in each coding that both know.
    #[test]
    fn recordings_sound_as_sox_plays_them() {
        if run_sox(&["--version"]).is_none() {
            eprintln!("skipped: no sox");
            return;
        }
        let folders =
            ["examples/recordings", "../shared/recordings"].map(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder));
        let recordings = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
        let recordings: Vec<PathBuf> = recordings.map(|entry| entry.unwrap().path()).collect();
        let codings: [(AudioType, &[&str], &[&str]); 8] = [
            (AudioType::Gsm, &["-t", "gsm"], &["-t", "gsm"]),
            (AudioType::Wav, &["-e", "gsm-full-rate", "-t", "wav"], &["-t", "wav"]),
            (AudioType::Wav, &["-e", "unsigned-integer", "-b", "8", "-t", "wav"], &["-t", "wav"]),
            (AudioType::Wav, &["-e", "a-law", "-t", "wav"], &["-t", "wav"]),
            (AudioType::Wav, &["-e", "mu-law", "-t", "wav"], &["-t", "wav"]),
            (AudioType::Pcma, &["-t", "al"], &["-t", "al", "-r", "8000"]),
            (AudioType::Basic, &["-t", "ul"], &["-t", "ul", "-r", "8000"]),
            (AudioType::Basic, &["-e", "a-law", "-t", "au"], &["-t", "au"]),
        ];
        let mut compared = 0;
        for path in recordings.iter().filter(|path| path.extension().is_some_and(|ending| ending == "wav")) {
            let path = path.to_str().unwrap();
            for (media, writing, reading) in codings {
                let coded = env::temp_dir().join(format!("voicemail-{}.sound", process::id()));
                let name = coded.to_str().unwrap();
                run_sox(&[&["-R", path, "-r", "8000", "-c", "1"], writing, &[name, "trim", "0", "4"]].concat());
                let expected = run_sox(&[reading, &[name, "-t", "s16", "-L", "-"]].concat()).unwrap();
                let bytes = fs::read(&coded).unwrap();
                fs::remove_file(&coded).unwrap();
                assert!(linear_of(media, bytes) == expected, "{path} as {writing:?}");
                compared += 1;
            }
        }
        assert!(compared >= 64, "{compared} sounds");
    }

    proptest! {
        #[test]
        fn every_sound_has_as_many_samples_as_its_length_and_rate_say(
            len in 0..3000_usize, source in 4000..50_000_u32, rate in 1..50_000_u32, start in 0..5000_u64
        ) {
            let sound = wav(Format { rate: source, ..Format::TELEPHONE_PCMU }, &vec![0x55; len]);
            let mut all = frames(&sound, rate);
            let (duration, count) = (all.duration(), all.len());
            prop_assert_eq!(u128::from(count), duration.as_nanos().div_ceil(20_000_000));
            // A frame is 20 ms long, however many samples it has.
            all.seek(Duration::from_millis(start));
            let left = count.saturating_sub(start / 20).min(2000);
            prop_assert_eq!(all.position(), Duration::from_millis(start / 20 * 20).min(duration));
            prop_assert_eq!(all.take(2000).count() as u64, left);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>(), head in 0..6_usize, rate in 1..u32::MAX) {
            let (media, head) = [
                (AudioType::Wav, Wav::header(Format { rate: 4001, channels: 2, ..Format::TELEPHONE_L16 }, u32::MAX)),
                (AudioType::Wav, include_bytes!("../../tests/sounds/wav49.wav")[..60].to_vec()),
                (AudioType::Gsm, vec![0xd0; 33]),
                (AudioType::Basic, b".snd\0\0\0\x18\xff\xff\xff\xff\0\0\0\x03\0\0\xff\xff\0\0\0\x02".to_vec()),
                (AudioType::Wav, Vec::new()),
                (AudioType::Adpcm32, Vec::new()),
            ][head].clone();
            let audio = Audio::new(media, [head, bytes].concat());
            if let Ok(frames) = Frames::new(&audio, NonZeroU32::new(rate % 100_000 + 1).unwrap()) {
                prop_assert!(frames.take(3).all(|frame| frame.len() <= 2001));
            }
        }
    }
}
