//! [`Coding`]: how the bytes of a sound become samples.

use std::time::Duration;

use super::Format;

/// How the bytes of a sound become samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// Each sample has bytes of its own.
    Samples { format: Format, order: ByteOrder },
    /// G.726 at 32 kbit/s: two samples in a byte, each after all before it.
    Adpcm32,
    /// GSM 06.10: 160 samples in a frame, each after all before it.
    Gsm { packing: GsmPacking, rate: u32 },
}

/// Which byte of a linear sample of 16 bits comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByteOrder {
    LowFirst,
    HighFirst,
}

/// How frames of GSM 06.10 lie in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GsmPacking {
    /// One frame in 33 bytes, after four bits that mark it; the high bits first. RFC 3551 §4.5.8.1.
    Rtp,
    /// Two frames in 65 bytes, the low bits first: as in a WAV file, and Asterisk's `wav49`.
    Wav49,
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
            Self::Adpcm32 => Format::TELEPHONE_L16,
            Self::Gsm { rate, .. } => Format { rate, ..Format::TELEPHONE_L16 },
        }
    }

    /// How many bytes cannot be divided.
    pub(super) const fn block_len(self) -> u64 {
        match self {
            Self::Samples { format, .. } => format.bytes_per_frame() as u64,
            Self::Adpcm32 => 1,
            Self::Gsm { packing, .. } => packing.block_len() as u64,
        }
    }

    /// How many samples of each channel a block holds.
    const fn samples_per_block(self) -> u64 {
        match self {
            Self::Samples { .. } => 1,
            Self::Adpcm32 => 2,
            Self::Gsm { packing: GsmPacking::Rtp, .. } => 160,
            Self::Gsm { packing: GsmPacking::Wav49, .. } => 320,
        }
    }

    /// How many samples of each channel so many bytes hold, in whole blocks; none for a format without channels.
    pub(super) const fn samples_in(self, bytes: u64) -> u64 {
        match self.block_len() {
            0 => 0,
            block_len => (bytes / block_len).saturating_mul(self.samples_per_block()),
        }
    }

    /// How long so many bytes last, in whole blocks.
    pub(super) const fn duration_of(self, bytes: u64) -> Duration {
        let format = self.format();
        format.duration_of(self.samples_in(bytes).saturating_mul(format.bytes_per_frame() as u64))
    }
}

impl GsmPacking {
    /// How many bytes cannot be divided.
    pub(super) const fn block_len(self) -> usize {
        match self {
            Self::Rtp => 33,
            Self::Wav49 => 65,
        }
    }
}
