//! The header of a `.au` file, which a sound of type `audio/basic` may have.

use super::coding::{ByteOrder, Coding};
use super::layout::Layout;
use super::{AudioError, Codec, Format};

/// Returns whether `bytes` begin as a `.au` file does.
pub(super) fn is_at(bytes: &[u8]) -> bool {
    bytes.starts_with(b".snd")
}

/// Reads the header of a file of `len` bytes.
pub(super) fn layout(bytes: &[u8], len: u64) -> Result<Layout, AudioError> {
    let word = |at: usize| {
        let word = bytes.get(at..).and_then(|rest| rest.first_chunk());
        word.map(|bytes| u32::from_be_bytes(*bytes)).ok_or(AudioError::AuHeader)
    };
    let codec = match word(12)? {
        1 => Codec::Pcmu,
        3 => Codec::L16,
        27 => Codec::Pcma,
        _ => return Err(AudioError::AuHeader),
    };
    let (rate, channels) = (word(16)?, u16::try_from(word(20)?).unwrap_or(u16::MAX));
    if !(1..=2).contains(&channels) {
        return Err(AudioError::Channels(channels));
    }
    let start = u64::from(word(4)?);
    if start > len {
        return Err(AudioError::AuHeader);
    }
    let coding = Coding::Samples { format: Format { codec, rate, channels }, order: ByteOrder::HighFirst };
    let announced = Some(word(8)?).filter(|len| *len != u32::MAX).map(u64::from);
    Ok(Layout { coding, start, announced })
}
