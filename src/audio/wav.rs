//! [`Wav`]: the format and the position of the samples in a WAV file.

use std::ops::Range;
use std::time::Duration;

use super::coding::Coding;
use super::layout::Layout;
use super::{AudioError, Codec, Format};
use crate::message::AudioType;

/// The format and the position of the samples in a WAV file.
///
/// ```
/// use voicemail::audio::{Format, Wav};
///
/// let mut file = Wav::header(Format::TELEPHONE_PCMU, 8000);
/// file.resize(file.len() + 8000, 0xff);
/// let wav = Wav::parse(&file)?;
/// assert_eq!((wav.format, wav.duration().as_secs()), (Format::TELEPHONE_PCMU, 1));
/// # Ok::<(), voicemail::audio::AudioError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wav {
    /// The format of the samples.
    pub format: Format,
    /// The positions of the samples in the file, in whole frames.
    pub data: Range<usize>,
}

impl Wav {
    /// Reads the chunks of a WAV file up to its samples.
    ///
    /// Files of recorders are accepted with their usual faults: a data length of zero, of 4294967295, or beyond the end of the file means that
    /// the samples go on to the end of the file, as after a crash or from a stream. A header of RF64 or BW64 is read too, and the pad byte
    /// after a chunk of odd length may be missing.
    ///
    /// # Errors
    ///
    /// An [`AudioError`] that says what was found, when the samples are of no accepted kind or cannot be found;
    /// [`Compressed`](AudioError::Compressed) for GSM 06.10, which [`Frames`](super::Frames) and [`to_wav`](super::to_wav) decode.
    pub fn parse(bytes: &[u8]) -> Result<Self, AudioError> {
        let len = bytes.len() as u64;
        let layout = Layout::of(AudioType::Wav, bytes, len)?;
        let Coding::Samples { format, .. } = layout.coding else { return Err(AudioError::Compressed) };
        let samples = layout.samples(len);
        let place = |place: u64| usize::try_from(place).unwrap_or(bytes.len());
        Ok(Self { format, data: place(samples.start)..place(samples.end) })
    }

    /// Returns the duration of the samples.
    pub fn duration(&self) -> Duration {
        self.format.duration_of(self.data.len() as u64)
    }

    /// Returns the header of a WAV with `data_len` bytes of samples after it, as this crate records it: 44 bytes for linear samples,
    /// 58 for G.711, which needs a longer `fmt ` chunk and a `fact` chunk.
    ///
    /// Its length depends on the codec only, so that a header written before the recording can be overwritten at its end. An odd number of
    /// bytes of samples is followed by one zero byte, which the length of the file includes, but not the length of the samples.
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
            Codec::L8 | Codec::L16 => {
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

    /// Returns a WAV file of `samples`.
    pub(crate) fn file(format: Format, samples: &[u8]) -> Vec<u8> {
        let mut file = Self::header(format, u32::try_from(samples.len()).unwrap_or(u32::MAX));
        file.extend_from_slice(samples);
        file.resize(file.len().next_multiple_of(2), 0);
        file
    }

    /// Returns the length of the [`header`](Self::header) for a codec.
    pub const fn header_len(codec: Codec) -> usize {
        match codec {
            Codec::L8 | Codec::L16 => 44,
            Codec::Pcmu | Codec::Pcma => 58,
        }
    }
}

/// Returns the 16 bytes that every `fmt ` chunk begins with.
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

/// The bytes of a chunk's name and length.
const CHUNK_HEAD: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn our_own_header_reads_back_and_is_as_long_as_its_codec_says(
            codec in prop_oneof![Just(Codec::L16), Just(Codec::L8), Just(Codec::Pcma), Just(Codec::Pcmu)],
            rate in 4000..=192_000_u32,
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
    }
}
