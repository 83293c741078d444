//! [`Coding`]: how the bytes of a sound become samples.

use std::fmt::Debug;
use std::time::Duration;

use super::{Codec, Format};

/// How the bytes of a sound become samples.
#[derive(Debug, Clone, Copy)]
pub(super) enum Coding {
    /// Each sample has bytes of its own.
    Samples { format: Format, order: ByteOrder },
    /// Samples come in blocks of one channel, and depend on all before them.
    Blocks(Blocks),
}

/// Which byte of a linear sample of 16 bits comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByteOrder {
    LowFirst,
    HighFirst,
}

/// A coding of blocks: their sizes, and the decoder that they need.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blocks {
    /// Bytes in a block.
    pub(super) len: u16,
    /// Samples in a block.
    pub(super) samples: u16,
    /// Samples a second.
    pub(super) rate: u32,
    /// Makes a decoder for the first block.
    pub(super) decoder: fn() -> Box<dyn BlockDecoder>,
}

/// Decodes one block after the other.
pub(super) trait BlockDecoder: Debug + Send + Sync {
    /// Decodes the next block, and adds its samples to `samples`.
    fn decode_block(&mut self, block: &[u8], samples: &mut Vec<i16>);

    /// A decoder for the same next block.
    fn boxed_clone(&self) -> Box<dyn BlockDecoder>;
}

impl Coding {
    /// Samples that lie as in a WAV file.
    pub(super) const fn low_first(format: Format) -> Self {
        Self::Samples { format, order: ByteOrder::LowFirst }
    }

    /// What the samples are once they are decoded.
    pub(super) const fn format(self) -> Format {
        match self {
            Self::Samples { format, .. } => format,
            Self::Blocks(Blocks { rate, .. }) => Format { codec: Codec::L16, rate, channels: 1 },
        }
    }

    /// How many bytes cannot be divided.
    pub(super) const fn block_len(self) -> u64 {
        match self {
            Self::Samples { format, .. } => format.bytes_per_frame() as u64,
            Self::Blocks(Blocks { len, .. }) => len as u64,
        }
    }

    /// How many samples of each channel so many bytes hold, in whole blocks; none for a format without channels.
    pub(super) const fn samples_in(self, bytes: u64) -> u64 {
        let Some(blocks) = bytes.checked_div(self.block_len()) else { return 0 };
        match self {
            Self::Samples { .. } => blocks,
            Self::Blocks(Blocks { samples, .. }) => blocks.saturating_mul(samples as u64),
        }
    }

    /// How long so many bytes last, in whole blocks.
    pub(super) const fn duration_of(self, bytes: u64) -> Duration {
        let format = self.format();
        format.duration_of(self.samples_in(bytes).saturating_mul(format.bytes_per_frame() as u64))
    }
}
