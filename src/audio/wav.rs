//! [`Wav`]: where a WAV file keeps its samples, and what they are.

use std::ops::Range;
use std::time::Duration;

use super::{Codec, Format, WavError};

/// A WAV file, understood: the format of its samples, and where they are.
///
/// ```
/// use voicemail::audio::{Format, Wav};
///
/// let mut file = Wav::header(Format::TELEPHONE_PCMU, 8000);
/// file.resize(file.len() + 8000, 0xff);
/// let wav = Wav::parse(&file)?;
/// assert_eq!((wav.format, wav.duration().as_secs()), (Format::TELEPHONE_PCMU, 1));
/// # Ok::<(), voicemail::audio::WavError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wav {
    /// What the samples are.
    pub format: Format,
    /// Where in the file the samples are, in whole frames.
    pub data: Range<usize>,
}

impl Wav {
    /// Reads the chunks of a WAV file up to its samples.
    ///
    /// What recorders leave behind is taken as it is meant: a data length of zero, of 4294967295, or beyond the end of the file
    /// means that the samples go on to the end of the file, as after a crash or from a stream.
    ///
    /// # Errors
    ///
    /// A [`WavError`] that names what was found, when the samples are of no accepted kind or cannot be found.
    pub fn parse(bytes: &[u8]) -> Result<Self, WavError> {
        let layout = Layout::parse(bytes)?;
        let present = bytes.len() - layout.start;
        let len = match layout.announced {
            0 => present,
            announced => usize::try_from(announced).unwrap_or(usize::MAX).min(present),
        };
        let whole_frames = len - len % layout.format.bytes_per_frame() as usize;
        Ok(Self { format: layout.format, data: layout.start..layout.start + whole_frames })
    }

    /// How long the samples last.
    pub fn duration(&self) -> Duration {
        self.format.duration_of(self.data.len() as u64)
    }

    /// The header of a WAV with `data_len` bytes of samples after it, as this crate's recorder writes it: 44 bytes for linear samples,
    /// 58 for G.711, which needs a longer `fmt ` chunk and a `fact` chunk.
    ///
    /// Its length depends on the codec only, so a header written before the recording can be written over at its end. After an odd
    /// number of bytes of samples there is one zero byte, which the header counts but not as a sample.
    pub fn header(format: Format, data_len: u32) -> Vec<u8> {
        let len = Self::header_len(format.codec);
        let mut header = Vec::with_capacity(len);
        let after_riff =
            u32::try_from(len - CHUNK_HEAD).unwrap_or(u32::MAX).saturating_add(data_len).saturating_add(data_len % 2);
        header.extend(b"RIFF");
        header.extend(after_riff.to_le_bytes());
        header.extend(b"WAVE");
        header.extend(b"fmt ");
        match format.codec {
            Codec::L16 => {
                header.extend(16_u32.to_le_bytes());
                header.extend(format_fields(format));
            }
            Codec::Pcmu | Codec::Pcma => {
                header.extend(18_u32.to_le_bytes());
                header.extend(format_fields(format));
                header.extend(0_u16.to_le_bytes()); // no extension
                header.extend(b"fact");
                header.extend(4_u32.to_le_bytes());
                header.extend((data_len / format.bytes_per_frame().max(1)).to_le_bytes());
            }
        }
        header.extend(b"data");
        header.extend(data_len.to_le_bytes());
        debug_assert_eq!(header.len(), len);
        header
    }

    /// How many bytes [`header`](Self::header) gives for a codec.
    pub const fn header_len(codec: Codec) -> usize {
        match codec {
            Codec::L16 => 44,
            Codec::Pcmu | Codec::Pcma => 58,
        }
    }
}

/// What the chunks before the samples say.
pub(super) struct Layout {
    pub(super) format: Format,
    /// Where the samples begin; not beyond the end of the bytes given.
    pub(super) start: usize,
    /// How many bytes of samples there are by the header's account, which may be wrong.
    pub(super) announced: u32,
}

impl Layout {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, WavError> {
        if bytes.get(..4) != Some(b"RIFF") || bytes.get(8..12) != Some(b"WAVE") {
            return Err(WavError::NotWav);
        }
        let mut format = None;
        let mut at = 12;
        while let Some((name, len)) = chunk_head(bytes, at) {
            let body = at + CHUNK_HEAD;
            let end = body.saturating_add(usize::try_from(len).unwrap_or(usize::MAX));
            match name {
                b"fmt " => format = Some(read_format(bytes.get(body..end).ok_or(WavError::NoFormat)?)?),
                b"data" => return Ok(Self { format: format.ok_or(WavError::NoFormat)?, start: body, announced: len }),
                _ => {}
            }
            at = end.saturating_add(end % 2); // all chunks begin at even places
        }
        Err(if format.is_some() { WavError::NoData } else { WavError::NoFormat })
    }
}

fn chunk_head(bytes: &[u8], at: usize) -> Option<(&[u8; 4], u32)> {
    let (name, rest) = bytes.get(at..)?.split_first_chunk()?;
    let (len, _) = rest.split_first_chunk()?;
    Some((name, u32::from_le_bytes(*len)))
}

/// Reads the body of a `fmt ` chunk of 16, 18 or 40 bytes.
fn read_format(chunk: &[u8]) -> Result<Format, WavError> {
    let word = |at: usize| match chunk.get(at..).and_then(|rest| rest.first_chunk()) {
        Some(bytes) => Ok(u16::from_le_bytes(*bytes)),
        None => Err(WavError::NoFormat),
    };
    let mut tag = word(0)?;
    let channels = word(2)?;
    let rate = u32::from(word(4)?) | u32::from(word(6)?) << 16;
    let bits = word(14)?;
    if tag == EXTENSIBLE && chunk.get(26..40) == Some(&SUBFORMAT_TAIL) {
        tag = word(24)?;
    }
    let codec = Codec::from_wav_tag(tag).ok_or(WavError::Codec(tag))?;
    // The width of G.711 samples goes without saying, and some writers say it wrongly.
    if codec == Codec::L16 && bits != 16 {
        return Err(WavError::SampleWidth(bits));
    }
    if !(1..=2).contains(&channels) {
        return Err(WavError::Channels(channels));
    }
    if rate == 0 {
        return Err(WavError::NoRate);
    }
    Ok(Format { codec, rate, channels })
}

/// The 16 bytes that every `fmt ` chunk begins with.
fn format_fields(format: Format) -> [u8; 16] {
    let mut fields = [0; 16];
    let bytes_per_frame = u16::try_from(format.bytes_per_frame()).unwrap_or(u16::MAX);
    let bytes_per_second = u32::try_from(format.bytes_per_second()).unwrap_or(u32::MAX);
    fields[0..2].copy_from_slice(&format.codec.wav_tag().to_le_bytes());
    fields[2..4].copy_from_slice(&format.channels.to_le_bytes());
    fields[4..8].copy_from_slice(&format.rate.to_le_bytes());
    fields[8..12].copy_from_slice(&bytes_per_second.to_le_bytes());
    fields[12..14].copy_from_slice(&bytes_per_frame.to_le_bytes());
    fields[14..16].copy_from_slice(&(format.codec.bytes_per_sample() * 8).to_le_bytes());
    fields
}

/// A chunk's name and length.
const CHUNK_HEAD: usize = 8;

/// The format tag that puts the real one into a GUID further on.
const EXTENSIBLE: u16 = 0xfffe;

/// What follows the format tag in the GUID of a codec that has one.
const SUBFORMAT_TAIL: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A WAV of these chunks.
    fn riff(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut file = b"RIFF\0\0\0\0WAVE".to_vec();
        for (name, body) in chunks {
            file.extend(*name);
            file.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
            file.extend(*body);
            file.extend(&[0][..body.len() % 2]);
        }
        file
    }

    fn fmt(tag: u16, channels: u16, rate: u32, bits: u16) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend(tag.to_le_bytes());
        body.extend(channels.to_le_bytes());
        body.extend(rate.to_le_bytes());
        body.extend([0; 6]); // bytes a second, bytes a frame: not needed
        body.extend(bits.to_le_bytes());
        body
    }

    fn extensible(tag: u16, channels: u16, rate: u32, bits: u16) -> Vec<u8> {
        let mut body = fmt(EXTENSIBLE, channels, rate, bits);
        body.extend([22, 0, 16, 0, 0, 0, 0, 0]); // extension length, valid bits, channel mask
        body.extend(tag.to_le_bytes());
        body.extend(SUBFORMAT_TAIL);
        body
    }

    #[test]
    fn chunks_of_other_kinds_and_odd_lengths_are_passed_over() {
        let file = riff(&[
            (b"LIST", b"abc"),
            (b"fmt ", &fmt(7, 1, 8000, 8)),
            (b"fact", &[0; 4]),
            (b"data", &[0xff; 161]),
            (b"LIST", b"x"),
        ]);
        let wav = Wav::parse(&file).unwrap();
        assert_eq!(wav.format, Format::TELEPHONE_PCMU);
        assert_eq!(&file[wav.data.clone()], [0xff; 161]);
        assert_eq!(wav.duration(), Duration::from_micros(20_125));
    }

    #[test]
    fn every_accepted_codec_is_known_in_each_form_of_its_format_chunk() {
        for (tag, bits, codec) in [(1, 16, Codec::L16), (6, 8, Codec::Pcma), (7, 8, Codec::Pcmu)] {
            let mut with_extension_length = fmt(tag, 2, 16_000, bits);
            with_extension_length.extend([0, 0]);
            for body in [fmt(tag, 2, 16_000, bits), with_extension_length, extensible(tag, 2, 16_000, bits)] {
                let wav = Wav::parse(&riff(&[(b"fmt ", &body), (b"data", &[0; 64])])).unwrap();
                assert_eq!(wav.format, Format { codec, rate: 16_000, channels: 2 }, "{} bytes of fmt", body.len());
            }
        }
    }

    #[test]
    fn a_length_left_unwritten_means_to_the_end_of_the_file_in_whole_frames() {
        for announced in [0, 1000, u32::MAX] {
            let mut file = riff(&[(b"fmt ", &fmt(1, 2, 8000, 16)), (b"data", &[1; 407])]);
            file.pop(); // the pad byte
            let length_at = file.len() - 407 - 4;
            file[length_at..length_at + 4].copy_from_slice(&u32::to_le_bytes(announced));
            let wav = Wav::parse(&file).unwrap();
            assert_eq!((wav.data.start, wav.data.len()), (length_at + 4, 404), "announced {announced}");
        }
    }

    #[test]
    fn what_is_not_accepted_is_named() {
        let with_format = |body: &[u8]| Wav::parse(&riff(&[(b"fmt ", body), (b"data", &[0; 8])]));
        for (result, error) in [
            (Wav::parse(b""), WavError::NotWav),
            (Wav::parse(b"RIFF\0\0\0\0AVI "), WavError::NotWav),
            (Wav::parse(&riff(&[])), WavError::NoFormat),
            (Wav::parse(&riff(&[(b"data", &[0; 8])])), WavError::NoFormat),
            (Wav::parse(&riff(&[(b"fmt ", &fmt(1, 1, 8000, 16))])), WavError::NoData),
            (with_format(&[1, 0]), WavError::NoFormat),
            (with_format(&fmt(0x31, 1, 8000, 0)), WavError::Codec(0x31)),
            (with_format(&extensible(3, 1, 8000, 32)), WavError::Codec(3)),
            (with_format(&fmt(1, 1, 8000, 24)), WavError::SampleWidth(24)),
            (with_format(&fmt(1, 6, 8000, 16)), WavError::Channels(6)),
            (with_format(&fmt(7, 0, 8000, 8)), WavError::Channels(0)),
            (with_format(&fmt(7, 1, 0, 8)), WavError::NoRate),
        ] {
            assert_eq!(result, Err(error));
        }
    }

    proptest! {
        #[test]
        fn our_own_header_reads_back_and_is_as_long_as_its_codec_says(
            codec in prop_oneof![Just(Codec::L16), Just(Codec::Pcma), Just(Codec::Pcmu)],
            rate in 1..=u32::MAX,
            channels in 1..=2_u16,
            frames in 1..400_u16,
        ) {
            let format = Format { codec, rate, channels };
            let data_len = u32::from(frames) * format.bytes_per_frame();
            let mut file = Wav::header(format, data_len);
            prop_assert_eq!(file.len(), Wav::header_len(codec));
            prop_assert_eq!(Wav::header(format, u32::MAX).len(), file.len());
            let data = file.len()..file.len() + data_len as usize;
            file.resize(data.end, codec.silence());
            file.resize(data.end.next_multiple_of(2), 0);
            prop_assert_eq!(u32::from_le_bytes(file[4..8].try_into().unwrap()) as usize, file.len() - 8);
            prop_assert_eq!(Wav::parse(&file), Ok(Wav { format, data }));
        }

        #[test]
        fn hostile_bytes_never_panic_and_never_point_outside(
            mut file in Just(riff(&[(b"LIST", b"abc"), (b"fmt ", &extensible(7, 1, 8000, 8)), (b"data", &[7; 9]), (b"LIST", b"x")])),
            damage in proptest::collection::vec((0..110_usize, any::<u8>()), 0..6),
            cut in 0..120_usize,
        ) {
            for (at, byte) in damage {
                if let Some(place) = file.get_mut(at) {
                    *place = byte;
                }
            }
            file.truncate(cut);
            if let Ok(wav) = Wav::parse(&file) {
                prop_assert!(file.get(wav.data.clone()).is_some());
                prop_assert_eq!(wav.data.len() % wav.format.bytes_per_frame() as usize, 0);
            }
        }
    }
}
