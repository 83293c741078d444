//! [`Au`]: the header of a `.au` file, which a sound of type `audio/basic` may have.

use super::{Codec, Format};

/// What a `.au` header says.
pub(super) struct Au {
    pub(super) format: Format,
    /// Where the samples begin, in bytes.
    pub(super) start: u64,
    /// How many bytes of samples there are by the header's account, if it says so.
    pub(super) announced: Option<u64>,
}

impl Au {
    /// Whether `bytes` begin as a `.au` file does.
    pub(super) fn is_at(bytes: &[u8]) -> bool {
        bytes.starts_with(b".snd")
    }

    /// Reads the header; `None` when it is cut short, or names a codec or layout not known here.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| bytes.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
        let codec = match word(12)? {
            1 => Codec::Pcmu,
            3 => Codec::L16,
            27 => Codec::Pcma,
            _ => return None,
        };
        let (rate, channels) = (word(16)?, u16::try_from(word(20)?).ok()?);
        let known = rate > 0 && (1..=2).contains(&channels);
        let announced = word(8).filter(|len| *len != u32::MAX).map(u64::from);
        known.then_some(Self { format: Format { codec, rate, channels }, start: u64::from(word(4)?), announced })
    }
}
