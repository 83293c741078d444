//! Samples as numbers: G.711 and linear bytes to 16-bit values and back.

use super::Codec;

/// Returns the value of one mu-law byte.
///
/// # Source
///
/// ITU-T G.711, table 2: 14-bit values, here scaled to 16 bits.
pub const fn from_mu_law(byte: u8) -> i16 {
    let byte = !byte;
    let (exponent, mantissa) = ((byte >> 4) & 7, (byte & 0x0f) as i16);
    let magnitude = (((mantissa << 3) + MU_LAW_BIAS) << exponent) - MU_LAW_BIAS;
    if byte & SIGN == 0 { magnitude } else { -magnitude }
}

/// Returns the value of one A-law byte.
///
/// # Source
///
/// ITU-T G.711, table 1: 13-bit values, here scaled to 16 bits.
pub const fn from_a_law(byte: u8) -> i16 {
    let byte = byte ^ A_LAW_MASK;
    let (exponent, mantissa) = ((byte >> 4) & 7, (byte & 0x0f) as i16);
    let magnitude = match exponent {
        0 => (mantissa << 4) + 8,
        _ => ((mantissa << 4) + 0x108) << (exponent - 1),
    };
    if byte & SIGN == 0 { -magnitude } else { magnitude }
}

/// Reads one sample from its bytes; `None` when there are too few. Linear samples have their low byte first, as in a WAV.
pub(super) fn sample(codec: Codec, bytes: &[u8]) -> Option<i16> {
    match codec {
        Codec::Pcmu => bytes.first().map(|byte| from_mu_law(*byte)),
        Codec::Pcma => bytes.first().map(|byte| from_a_law(*byte)),
        Codec::L16 => bytes.first_chunk().map(|bytes| i16::from_le_bytes(*bytes)),
        Codec::L8 => bytes.first().map(|byte| (i16::from(*byte) - 128) << 8),
    }
}

const SIGN: u8 = 0x80;
const MU_LAW_BIAS: i16 = 0x84;
const A_LAW_MASK: u8 = 0x55;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::ContentDigest;

    /// All 256 values of each law as low-byte-first samples: the SHA-256 of the output of the `audioop` module of Python 3.11
    /// (`ulaw2lin` and `alaw2lin` of `bytes(range(256))`, width 2).
    #[test]
    fn every_value_of_both_laws_is_what_another_decoder_says() {
        let digest = |law: fn(u8) -> i16| {
            let samples: Vec<u8> = (0..=255).flat_map(|byte| law(byte).to_le_bytes()).collect();
            ContentDigest::of(&samples).to_string()
        };
        assert_eq!(digest(from_mu_law), "3dab54339e520bb2c924826e3b72a917a2b612e9fd12fc867500f1d983a75827");
        assert_eq!(digest(from_a_law), "e04788d110e58ff8c70c93b8480190d973e3b67876b6119abbaec766cc75c174");
    }

    #[test]
    fn silence_is_silent() {
        assert_eq!((from_mu_law(Codec::Pcmu.silence()), from_a_law(Codec::Pcma.silence())), (0, 8));
    }
}
