//! Samples as numbers: G.711 and linear bytes to 16-bit values and back.

use bytes::Bytes;

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

/// Returns the mu-law byte of a 16-bit sample.
///
/// A negative sample is coded by its one's complement, as in the software of ITU-T G.191: -1 becomes `7f`, the negative zero.
///
/// # Source
///
/// ITU-T G.711, table 2.
pub const fn to_mu_law(sample: i16) -> u8 {
    let magnitude = (magnitude(sample) >> 2) + (MU_LAW_BIAS.unsigned_abs() >> 2);
    let magnitude = if magnitude > MU_LAW_LARGEST { MU_LAW_LARGEST } else { magnitude };
    let exponent = 10 - magnitude.leading_zeros();
    let mantissa = (magnitude >> (exponent + 1)) & 0x0f;
    !(sign(sample) | code(exponent, mantissa))
}

/// Returns the A-law byte of a 16-bit sample.
///
/// # Source
///
/// ITU-T G.711, table 1.
pub const fn to_a_law(sample: i16) -> u8 {
    let magnitude = magnitude(sample) >> 4;
    let exponent = 12_u32.saturating_sub(magnitude.leading_zeros());
    let mantissa = (magnitude >> exponent.saturating_sub(1)) & 0x0f;
    // The sign bit is set in the codes of positive samples.
    (sign(sample) ^ SIGN | code(exponent, mantissa)) ^ A_LAW_MASK
}

/// Encodes samples as the payload of an RTP packet. [`Codec::L16`] has the high byte of a sample first.
///
/// ```
/// use voicemail::audio::{Codec, encode};
///
/// assert_eq!(encode(Codec::Pcmu, &[0, 1000, -1000]), &b"\xff\xce\x4e"[..]);
/// assert_eq!(encode(Codec::L16, &[0x1234]), &b"\x12\x34"[..]);
/// ```
///
/// # Source
///
/// RFC 3551 §4.5.10 (L8), §4.5.11 (L16) and §4.5.14 (PCMA and PCMU).
pub fn encode(codec: Codec, samples: &[i16]) -> Bytes {
    match codec {
        Codec::Pcmu => samples.iter().map(|sample| to_mu_law(*sample)).collect(),
        Codec::Pcma => samples.iter().map(|sample| to_a_law(*sample)).collect(),
        Codec::L16 => samples.iter().flat_map(|sample| sample.to_be_bytes()).collect(),
        Codec::L8 => samples.iter().map(|sample| sample.to_be_bytes()[0] ^ SIGN).collect(),
    }
}

/// Returns the amount of a sample, 0 to 32767; that of a negative one is its one's complement.
const fn magnitude(sample: i16) -> u16 {
    (sample ^ (sample >> 15)).cast_unsigned()
}

/// Returns [`SIGN`] for a negative sample, and 0 for all others.
const fn sign(sample: i16) -> u8 {
    if sample < 0 { SIGN } else { 0 }
}

/// Joins the exponent, 0 to 7, and the mantissa, 0 to 15, of a G.711 code.
#[expect(clippy::cast_possible_truncation, reason = "both are below 16")]
const fn code(exponent: u32, mantissa: u16) -> u8 {
    ((exponent as u8) << 4) | mantissa as u8
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
/// The largest magnitude of mu-law, in 14 bits with the bias.
const MU_LAW_LARGEST: u16 = 0x1fff;
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

    /// The codes of all samples from the lowest up: the SHA-256 of what the software of ITU-T G.191 returns. That of A-law is also the
    /// SHA-256 of the output of `audioop.lin2alaw` of Python 3.11.
    #[test]
    fn every_sample_gets_the_code_that_g_191_gives() {
        let digest = |law: fn(i16) -> u8| {
            let codes: Vec<u8> = (i16::MIN..=i16::MAX).map(law).collect();
            ContentDigest::of(&codes).to_string()
        };
        assert_eq!(digest(to_a_law), "38488f6fd710f4686360edc4d38639f96c491595ef93f8eb8d62d5e07ca6ce7b");
        assert_eq!(digest(to_mu_law), "90c29de505fb68e766118303bd552a16005dcf810873698bee1d8f3b247ce28c");
    }

    #[test]
    fn a_code_keeps_its_value_only_minus_zero_becomes_zero() {
        for code in 0..=u8::MAX {
            assert_eq!(to_a_law(from_a_law(code)), code);
            assert_eq!(to_mu_law(from_mu_law(code)), if code == 0x7f { 0xff } else { code });
        }
    }

    #[test]
    fn samples_are_encoded_as_rtp_carries_them() {
        let samples = [0, -1, 1000, -32768, 32767];
        assert_eq!(encode(Codec::Pcma, &samples), &[0xd5, 0x55, 0xfa, 0x2a, 0xaa][..]);
        assert_eq!(encode(Codec::Pcmu, &samples), &[0xff, 0x7f, 0xce, 0x00, 0x80][..]);
        assert_eq!(encode(Codec::L16, &samples), &[0, 0, 0xff, 0xff, 3, 0xe8, 0x80, 0, 0x7f, 0xff][..]);
        assert_eq!(encode(Codec::L8, &samples), &[0x80, 0x7f, 0x83, 0, 0xff][..]);
    }

    #[test]
    fn silence_is_silent() {
        assert_eq!((from_mu_law(Codec::Pcmu.silence()), from_a_law(Codec::Pcma.silence())), (0, 8));
    }
}
