//! The reader of the chunks of a WAV file, with the usual faults of recorders.

use super::coding::Coding;
use super::layout::Layout;
use super::{AudioError, Codec, Format, gsm};

/// Returns whether `bytes` begin as a WAV file does.
pub(super) fn is_at(bytes: &[u8]) -> bool {
    matches!(bytes.get(..4), Some(b"RIFF" | b"RF64" | b"BW64")) && bytes.get(8..12) == Some(b"WAVE")
}

/// Reads the chunks of a WAV file of `len` bytes up to its samples; `bytes` holds at least all before them.
///
/// The usual faults of recorders are accepted. A data length of zero, or of 4294967295 without a `ds64` chunk, means that the samples go on to
/// the end of the file, as after a crash or from a stream. But if complete chunks follow a length of zero up to the end of the file, there
/// are no samples, or they are in a later `data` chunk.
///
/// # Source
///
/// The Multimedia Programming Interface and Data Specifications 1.0; EBU Tech 3306 and ITU-R BS.2088 for `RF64`, `BW64` and `ds64`.
pub(super) fn layout(bytes: &[u8], len: u64) -> Result<Layout, AudioError> {
    if !is_at(bytes) {
        return Err(AudioError::NotWav);
    }
    let (mut coding, mut long_size) = (None, None);
    let mut at = 12;
    while let Some(chunk) = Chunk::at(bytes, at) {
        match &chunk.name {
            b"fmt " => coding = Some(read_coding(chunk.body(bytes).ok_or(AudioError::NoFormat)?)?),
            b"ds64" => long_size = chunk.body(bytes).and_then(long_size_in),
            b"data" => {
                let (start, announced) = samples(bytes, &chunk, long_size, len);
                return Ok(Layout { coding: coding.ok_or(AudioError::NoFormat)?, start, announced });
            }
            _ => {}
        }
        at = chunk.next(bytes);
    }
    Err(if coding.is_some() { AudioError::NoData } else { AudioError::NoFormat })
}

/// Reads the length of the samples from the body of a `ds64` chunk.
fn long_size_in(body: &[u8]) -> Option<u64> {
    body.get(8..)?.first_chunk().map(|size| u64::from_le_bytes(*size))
}

/// Returns the position of the samples of a `data` chunk, and how many bytes of them there are.
fn samples(bytes: &[u8], data: &Chunk, long_size: Option<u64>, len: u64) -> (u64, Option<u64>) {
    let start = data.start as u64;
    match (data.len, long_size) {
        (u32::MAX, Some(size)) if size > 0 => (start, Some(size)),
        (u32::MAX, _) => (start, None),
        (0, _) => samples_behind(bytes, data.start, len).map_or((start, None), |(start, size)| (start, Some(size))),
        (size, _) => (start, Some(u64::from(size))),
    }
}

/// Returns the position of the samples of a later `data` chunk, and how many bytes of them there are, if complete chunks follow from `at` to
/// the end of the file; `None` if not.
fn samples_behind(bytes: &[u8], mut at: usize, len: u64) -> Option<(u64, u64)> {
    let mut are_chunks = false;
    while let Some(chunk) = Chunk::at(bytes, at).filter(|chunk| is_known(chunk.name)) {
        if chunk.name == *b"data" && chunk.len > 0 {
            return Some((chunk.start as u64, u64::from(chunk.len)));
        }
        at = chunk.next(bytes);
        are_chunks = true;
    }
    (are_chunks && at as u64 >= len).then_some((len, 0))
}

/// A chunk: its name, the length that it announces, and the position of its body.
struct Chunk {
    name: [u8; 4],
    len: u32,
    start: usize,
}

impl Chunk {
    fn at(bytes: &[u8], at: usize) -> Option<Self> {
        let (name, rest) = bytes.get(at..)?.split_first_chunk()?;
        let (len, _) = rest.split_first_chunk()?;
        Some(Self { name: *name, len: u32::from_le_bytes(*len), start: at + HEAD_LEN })
    }

    /// Returns the complete body, if it is there.
    fn body<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        bytes.get(self.start..self.end())
    }

    fn end(&self) -> usize {
        self.start.saturating_add(usize::try_from(self.len).unwrap_or(usize::MAX))
    }

    /// Returns the position of the next chunk: after one pad byte if the length is odd, which some writers forget.
    fn next(&self, bytes: &[u8]) -> usize {
        let end = self.end();
        if self.len.is_multiple_of(2) {
            return end;
        }
        let is_known_at = |at: usize| Chunk::at(bytes, at).is_some_and(|chunk| is_known(chunk.name));
        let padded = end.saturating_add(1);
        if is_known_at(end) && !is_known_at(padded) { end } else { padded }
    }
}

/// Returns whether WAV files have chunks of this name.
fn is_known(name: [u8; 4]) -> bool {
    KNOWN.contains(&&name)
}

/// Reads the body of a `fmt ` chunk of 16, 18, 20 or 40 bytes.
fn read_coding(chunk: &[u8]) -> Result<Coding, AudioError> {
    let word = |at: usize| match chunk.get(at..).and_then(|rest| rest.first_chunk()) {
        Some(bytes) => Ok(u16::from_le_bytes(*bytes)),
        None => Err(AudioError::NoFormat),
    };
    let mut tag = word(0)?;
    let channels = word(2)?;
    let rate = u32::from(word(4)?) | u32::from(word(6)?) << 16;
    let bits = word(14)?;
    if tag == EXTENSIBLE && chunk.get(26..40) == Some(&SUBFORMAT_TAIL) {
        tag = word(24)?;
    }
    if tag == GSM {
        return match (channels, word(12)?) {
            (1, 65) => Ok(Coding::Blocks(gsm::in_wav(rate))),
            (1, block) => Err(AudioError::GsmBlock(block)),
            (channels, _) => Err(AudioError::Channels(channels)),
        };
    }
    // The width of G.711 samples is always 8 bits, and some writers give a wrong one.
    let codec = match (tag, bits) {
        (LINEAR, 8) => Codec::L8,
        (LINEAR, 16) => Codec::L16,
        (LINEAR, bits) => return Err(AudioError::SampleWidth(bits)),
        (tag, _) => Codec::from_wav_tag(tag).ok_or(AudioError::Codec(tag))?,
    };
    if !(1..=2).contains(&channels) {
        return Err(AudioError::Channels(channels));
    }
    Ok(Coding::low_first(Format { codec, rate, channels }))
}

/// The bytes of a chunk's name and length.
const HEAD_LEN: usize = 8;

/// The names of chunks in WAV files.
const KNOWN: [&[u8; 4]; 12] =
    [b"fmt ", b"fact", b"data", b"LIST", b"JUNK", b"bext", b"cue ", b"id3 ", b"ID3 ", b"PEAK", b"smpl", b"ds64"];

/// The format tag of linear samples.
const LINEAR: u16 = 1;

/// The format tag of GSM 06.10, RFC 2361 A.19.
const GSM: u16 = 0x31;

/// The format tag which says that the real one is in a GUID further on.
const EXTENSIBLE: u16 = 0xfffe;

/// The bytes after the format tag in the GUID of a codec that has a tag.
const SUBFORMAT_TAIL: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::audio::{Wav, length_of};
    use crate::message::AudioType;

    /// Returns a WAV of these chunks.
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

    fn gsm(channels: u16, rate: u32, block: u16) -> Vec<u8> {
        let mut body = fmt(GSM, channels, rate, 0);
        body[12..14].copy_from_slice(&block.to_le_bytes());
        body.extend([2, 0, 0x40, 1]);
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
    fn every_codec_is_known_in_each_form_of_its_format_chunk() {
        for (tag, bits, codec) in [(1, 16, Codec::L16), (1, 8, Codec::L8), (6, 8, Codec::Pcma), (7, 8, Codec::Pcmu)] {
            let mut with_extension_length = fmt(tag, 2, 16_000, bits);
            with_extension_length.extend([0, 0]);
            for body in [fmt(tag, 2, 16_000, bits), with_extension_length, extensible(tag, 2, 16_000, bits)] {
                let wav = Wav::parse(&riff(&[(b"fmt ", &body), (b"data", &[0; 64])])).unwrap();
                assert_eq!(wav.format, Format { codec, rate: 16_000, channels: 2 }, "{} bytes of fmt", body.len());
            }
        }
    }

    #[test]
    fn a_missing_length_means_to_the_end_in_whole_frames() {
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
            (Wav::parse(b""), AudioError::NotWav),
            (Wav::parse(b"RIFF\0\0\0\0AVI "), AudioError::NotWav),
            (Wav::parse(&riff(&[])), AudioError::NoFormat),
            (Wav::parse(&riff(&[(b"data", &[0; 8])])), AudioError::NoFormat),
            (Wav::parse(&riff(&[(b"fmt ", &fmt(1, 1, 8000, 16))])), AudioError::NoData),
            (with_format(&[1, 0]), AudioError::NoFormat),
            (with_format(&fmt(0x55, 1, 8000, 0)), AudioError::Codec(0x55)),
            (with_format(&gsm(2, 8000, 65)), AudioError::Channels(2)),
            (with_format(&gsm(1, 8000, 33)), AudioError::GsmBlock(33)),
            (with_format(&gsm(1, 8000, 65)), AudioError::Compressed),
            (with_format(&extensible(3, 1, 8000, 32)), AudioError::Codec(3)),
            (with_format(&fmt(1, 1, 8000, 24)), AudioError::SampleWidth(24)),
            (with_format(&fmt(1, 6, 8000, 16)), AudioError::Channels(6)),
            (with_format(&fmt(7, 0, 8000, 8)), AudioError::Channels(0)),
            (with_format(&fmt(7, 1, 0, 8)), AudioError::Rate(0)),
            (with_format(&fmt(7, 1, 1, 8)), AudioError::Rate(1)),
            (with_format(&fmt(7, 1, 3999, 8)), AudioError::Rate(3999)),
            (with_format(&fmt(1, 1, 192_001, 16)), AudioError::Rate(192_001)),
            (with_format(&gsm(1, 2000, 65)), AudioError::Rate(2000)),
        ] {
            assert_eq!(result, Err(error));
        }
    }

    /// Returns a WAV as `riff` does, but with these bytes as chunks.
    fn raw(chunks: &[&[u8]]) -> Vec<u8> {
        [&b"RIFF\0\0\0\0WAVE"[..], &riff(&[(b"fmt ", &fmt(1, 1, 8000, 16))])[12..]]
            .into_iter()
            .chain(chunks.iter().copied())
            .collect::<Vec<_>>()
            .concat()
    }

    #[test]
    fn a_pad_byte_may_be_missing() {
        for chunks in [
            [&b"LIST\x03\0\0\0abc"[..], b"data\x04\0\0\0\x01\x01\x02\x02"],
            [b"LIST\x03\0\0\0abc\0", b"data\x04\0\0\0\x01\x01\x02\x02"],
            [b"LIST\x03\0\0\0abcx", b"data\x04\0\0\0\x01\x01\x02\x02"],
            [b"odd?\x03\0\0\0abcLIST\x01\0\0\0x", b"data\x04\0\0\0\x01\x01\x02\x02"],
        ] {
            let file = raw(&chunks);
            let wav = Wav::parse(&file).unwrap();
            assert_eq!(&file[wav.data], b"\x01\x01\x02\x02", "{chunks:?}");
        }
    }

    #[test]
    fn a_data_chunk_of_no_size_before_other_chunks_has_no_samples() {
        for (chunks, samples) in [
            (&[&b"data\0\0\0\0"[..], b"LIST\x04\0\0\0abcd"][..], 0),
            (&[b"data\0\0\0\0", b"LIST\x03\0\0\0abc"], 0),
            (&[b"data\0\0\0\0", b"LIST\x04\0\0\0abcd", b"data\x04\0\0\0\x01\x01\x02\x02"], 4),
            (&[b"data\0\0\0\0", b"LIST\x04\0\0\0abcd", b"and samples of a recorder that crashed"], 50),
            (&[b"data\0\0\0\0", b"data\0\0\0\0"], 0),
            (&[b"data\0\0\0\0", b"\x01\x01\x02\x02\x03\x03\x04\x04"], 8),
            (&[b"data\0\0\0\0"], 0),
        ] {
            assert_eq!(Wav::parse(&raw(chunks)).unwrap().data.len(), samples, "{chunks:?}");
        }
    }

    #[test]
    fn a_long_size_counts_where_the_short_one_cannot() {
        let file = |magic: &[u8; 4], long: u64, short: u32| {
            let ds64 = [0_u64, long, 0].map(u64::to_le_bytes).concat();
            let mut file = riff(&[(b"ds64", &ds64), (b"fmt ", &fmt(7, 1, 8000, 8)), (b"data", &[1; 1600])]);
            file[..4].copy_from_slice(magic);
            let size_at = file.len() - 1604;
            file[size_at..size_at + 4].copy_from_slice(&short.to_le_bytes());
            file
        };
        for (magic, long, short, millis) in [
            (b"RF64", 800, u32::MAX, 100),
            (b"BW64", 800, u32::MAX, 100),
            (b"RF64", 800, 400, 50),
            (b"RF64", u64::MAX, u32::MAX, 200),
            (b"RF64", 0, u32::MAX, 200),
        ] {
            let file = file(magic, long, short);
            assert_eq!(length_of(AudioType::Wav, &file), Some(Duration::from_millis(millis)), "{long} {short}");
        }
    }

    proptest! {
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
