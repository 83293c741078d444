//! [`Coding`]: how the bytes of a sound become samples.

use std::fmt::Debug;
use std::time::Duration;

use super::{Codec, Format};

/// How the bytes of a sound become samples.
#[derive(Debug, Clone, Copy)]
pub(super) enum Coding {
    /// Each sample has its own bytes.
    Samples { format: Format, order: ByteOrder },
    /// The samples of one channel come in blocks, and depend on all samples before them.
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

/// A decoder that decodes one block after the other.
pub(super) trait BlockDecoder: Debug + Send + Sync {
    /// Decodes the next block, and adds its samples to `samples`.
    fn decode_block(&mut self, block: &[u8], samples: &mut Vec<i16>);

    /// Returns a copy, which goes on at the same block.
    fn boxed_clone(&self) -> Box<dyn BlockDecoder>;
}

impl Coding {
    /// Returns the coding of samples as in a WAV file.
    pub(super) const fn low_first(format: Format) -> Self {
        Self::Samples { format, order: ByteOrder::LowFirst }
    }

    /// Returns the format of the decoded samples.
    pub(super) const fn format(self) -> Format {
        match self {
            Self::Samples { format, .. } => format,
            Self::Blocks(Blocks { rate, .. }) => Format { codec: Codec::L16, rate, channels: 1 },
        }
    }

    /// Returns the size in bytes of the smallest unit: one sample of each channel, or one block.
    pub(super) const fn block_len(self) -> u64 {
        match self {
            Self::Samples { format, .. } => format.bytes_per_frame() as u64,
            Self::Blocks(Blocks { len, .. }) => len as u64,
        }
    }

    /// Returns how many samples of each channel are in `bytes`, in whole blocks; zero for a format without channels.
    pub(super) const fn samples_in(self, bytes: u64) -> u64 {
        let Some(blocks) = bytes.checked_div(self.block_len()) else { return 0 };
        match self {
            Self::Samples { .. } => blocks,
            Self::Blocks(Blocks { samples, .. }) => blocks.saturating_mul(samples as u64),
        }
    }

    /// Returns the duration of `bytes`, in whole blocks.
    pub(super) const fn duration_of(self, bytes: u64) -> Duration {
        let format = self.format();
        format.duration_of(self.samples_in(bytes).saturating_mul(format.bytes_per_frame() as u64))
    }
}
