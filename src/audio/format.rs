//! [`Format`]: codec, sample rate and channels of a stream of samples.

use std::fmt;
use std::time::Duration;

/// The coding of one sample as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// G.711 mu-law, one byte a sample. WAV format tag 7, RTP name `PCMU`.
    Pcmu,
    /// G.711 A-law, one byte a sample. WAV format tag 6, RTP name `PCMA`.
    Pcma,
    /// Linear, signed, two bytes a sample: the low byte first in a WAV, last in RTP. WAV format tag 1, RTP name `L16`.
    L16,
    /// Linear, unsigned, one byte a sample, 128 for silence. WAV format tag 1 with 8 bits, RTP name `L8`.
    L8,
}

impl Codec {
    /// Returns the name that RTP and SDP use, RFC 3551 §6.
    pub const fn rtp_name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::L16 => "L16",
            Self::L8 => "L8",
        }
    }

    /// Returns the format tag in the `fmt ` chunk of a WAV.
    pub const fn wav_tag(self) -> u16 {
        match self {
            Self::Pcmu => 7,
            Self::Pcma => 6,
            Self::L16 | Self::L8 => 1,
        }
    }

    /// Returns the codec of a WAV format tag, if linear samples have 16 bits.
    pub const fn from_wav_tag(tag: u16) -> Option<Self> {
        match tag {
            7 => Some(Self::Pcmu),
            6 => Some(Self::Pcma),
            1 => Some(Self::L16),
            _ => None,
        }
    }

    /// Returns the bytes in one sample of one channel.
    pub const fn bytes_per_sample(self) -> u16 {
        match self {
            Self::Pcmu | Self::Pcma | Self::L8 => 1,
            Self::L16 => 2,
        }
    }

    /// Returns the byte that silence is made of.
    pub const fn silence(self) -> u8 {
        match self {
            Self::Pcmu => 0xff,
            Self::Pcma => 0xd5,
            Self::L16 => 0x00,
            Self::L8 => 0x80,
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rtp_name())
    }
}

/// A codec at a rate, for one or more channels.
///
/// ```
/// use std::time::Duration;
/// use voicemail::audio::Format;
///
/// assert_eq!(Format::TELEPHONE_PCMU.duration_of(160), Duration::from_millis(20));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Format {
    /// The coding of one sample.
    pub codec: Codec,
    /// The sample rate in Hz: samples per second in each channel.
    pub rate: u32,
    /// The number of channels.
    pub channels: u16,
}

impl Format {
    /// Returns the format of `codec` at `rate` samples per second in each of `channels` channels.
    pub const fn new(codec: Codec, rate: u32, channels: u16) -> Self {
        Self { codec, rate, channels }
    }

    /// Mu-law as in telephone calls: 8 kHz, mono.
    pub const TELEPHONE_PCMU: Self = Self { codec: Codec::Pcmu, rate: 8000, channels: 1 };
    /// A-law as in telephone calls: 8 kHz, mono.
    pub const TELEPHONE_PCMA: Self = Self { codec: Codec::Pcma, rate: 8000, channels: 1 };
    /// Linear 16-bit samples at the rate of telephone calls: 8 kHz, mono.
    pub const TELEPHONE_L16: Self = Self { codec: Codec::L16, rate: 8000, channels: 1 };

    /// Returns the bytes in one frame, which is one sample of every channel.
    pub const fn bytes_per_frame(self) -> u32 {
        self.codec.bytes_per_sample() as u32 * self.channels as u32
    }

    /// Returns the bytes in one second.
    pub const fn bytes_per_second(self) -> u64 {
        self.bytes_per_frame() as u64 * self.rate as u64
    }

    /// Returns the duration of `bytes` bytes in whole frames, cut to the nanosecond; zero for a format without rate or channels.
    pub const fn duration_of(self, bytes: u64) -> Duration {
        if self.bytes_per_second() == 0 {
            return Duration::ZERO;
        }
        let frames = bytes / self.bytes_per_frame() as u64;
        let rate = self.rate as u64;
        // The remainder is below 2^32, so the product stays below 2^62.
        Duration::from_secs(frames / rate).saturating_add(Duration::from_nanos(frames % rate * NANOS_PER_SECOND / rate))
    }
}

impl fmt::Display for Format {
    /// `PCMU/8000/1`, as SDP writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.codec, self.rate, self.channels)
    }
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_exact_at_every_telephone_rate() {
        let wideband_stereo = Format { codec: Codec::L16, rate: 16_000, channels: 2 };
        for (format, bytes, nanos) in [
            (Format::TELEPHONE_PCMU, 1, 125_000),
            (Format::TELEPHONE_PCMA, 8_001, 1_000_125_000),
            (Format::TELEPHONE_L16, 3, 125_000), // the third byte is half a sample
            (wideband_stereo, 64_004, 1_000_062_500),
        ] {
            assert_eq!(format.duration_of(bytes), Duration::from_nanos(nanos), "{format}");
        }
    }

    #[test]
    fn no_format_and_no_number_of_bytes_overflows() {
        let formats = [u32::MIN, 1, 8000, u32::MAX]
            .into_iter()
            .flat_map(|rate| [u16::MIN, 1, u16::MAX].map(|channels| Format { codec: Codec::L16, rate, channels }));
        for format in formats {
            let longest = format.duration_of(u64::MAX);
            assert_eq!(longest.is_zero(), format.rate == 0 || format.channels == 0, "{format}");
        }
    }
}
