//! [`G726Encoder`].

use super::Decoder;

/// An encoder of G.726 at 32 kbit/s, as in sounds of the type `audio/32KADPCM`. Its code words are bit-exact.
///
/// Samples are linear, 16 bits, 8000 a second, of one channel. A byte holds two code words, the first in its low four bits.
///
/// ```
/// use voicemail::audio::G726Encoder;
///
/// let (mut encoder, mut bytes) = (G726Encoder::new(), Vec::new());
/// encoder.encode(&[0, 800, -800], &mut bytes);
/// assert_eq!(bytes.len(), 1, "the third sample waits for the fourth");
/// encoder.finish(&mut bytes);
/// assert_eq!(bytes.len(), 2, "silence was added");
/// ```
///
/// # Source
///
/// ITU-T G.726 (12/1990) §3 for linear samples; RFC 3551 §4.5.4 and RFC 3802 §3 for the order of the code words.
#[derive(Debug, Clone)]
pub struct G726Encoder {
    /// The decoder at the other end, which hears the same code words.
    decoder: Decoder,
    /// A code word that waits for the second one of its byte.
    waiting: Option<u8>,
}

impl G726Encoder {
    /// Returns an encoder for the beginning of a sound.
    pub fn new() -> Self {
        Self { decoder: Decoder::new(), waiting: None }
    }

    /// Encodes the next samples, and adds their bytes to `bytes`. Of an odd number of samples, the last one waits for the next.
    pub fn encode(&mut self, samples: &[i16], bytes: &mut Vec<u8>) {
        bytes.reserve(samples.len() / 2 + 1);
        for sample in samples {
            let code = self.code_of(*sample);
            match self.waiting.take() {
                Some(first) => bytes.push(first | code << 4),
                None => self.waiting = Some(code),
            }
        }
    }

    /// Ends the sound: adds a sample of silence if one waits, so that the last byte is whole.
    pub fn finish(mut self, bytes: &mut Vec<u8>) {
        if self.waiting.is_some() {
            self.encode(&[0], bytes);
        }
    }

    /// SUBTA: returns the code word of a sample. The decoder hears it at once.
    fn code_of(&mut self, sample: i16) -> u8 {
        let (_, estimate) = self.decoder.estimates();
        let difference = i32::from(sample >> 2) - i32::from(estimate);
        let level = level_of(difference, self.decoder.scale());
        let code = if level == 0 || difference < 0 { !level & 15 } else { level };
        self.decoder.decode(code);
        code
    }
}

impl Default for G726Encoder {
    fn default() -> Self {
        Self::new()
    }
}

/// LOG, SUBTB, QUAN: returns the size of the code word for a difference, 0 to 7.
fn level_of(difference: i32, scale: i32) -> u8 {
    let magnitude = difference.unsigned_abs();
    let exponent = magnitude.checked_ilog2().unwrap_or(0);
    let mantissa = (magnitude << 7 >> exponent) & 127;
    let log = (exponent << 7 | mantissa).cast_signed() - (scale >> 2);
    THRESHOLDS.iter().map(|threshold| u8::from(*threshold <= log)).sum()
}

/// The least difference for each size of a code word but the first, as a logarithm. Table 4 of the recommendation, for 32 kbit/s.
const THRESHOLDS: [i32; 7] = [-124, 80, 178, 246, 300, 349, 400];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::audio::{pcm, to_adpcm32};
    use crate::message::{Audio, AudioType, ContentDigest};

    fn encoded(pieces: &[&[i16]]) -> Vec<u8> {
        let (mut encoder, mut bytes) = (G726Encoder::new(), Vec::new());
        for piece in pieces {
            encoder.encode(piece, &mut bytes);
        }
        encoder.finish(&mut bytes);
        bytes
    }

    /// The digest is that of an encoder whose 36 864 code words agreed with the ITU's test sequences.
    #[test]
    fn a_recording_becomes_the_code_words_of_the_itu() {
        let wav: &[u8] = include_bytes!("../../../examples/recordings/vm01.wav");
        let encoded = to_adpcm32(&Audio::new(AudioType::Wav, wav)).unwrap();
        let bytes = encoded.bytes();
        assert_eq!(bytes[..6], [0x2e, 0x45, 0xd2, 0x22, 0xe1, 0xbb]);
        assert_eq!(ContentDigest::of(bytes).to_string(), "58d138a93ecfa9a2035eee82f313a284006445990e82461e1b493cf33d37c7a0");
    }

    /// As above, for noise that is louder than any voice.
    #[test]
    fn noise_becomes_the_code_words_of_the_itu() {
        let noise = std::iter::successors(Some(1_i64), |last| Some((last * 1_103_515_245 + 12_345) & 0x7fff_ffff));
        let samples: Vec<i16> =
            noise.skip(1).take(16_000).map(|number| i16::try_from(((number >> 16) & 0x3fff) - 8192).unwrap() << 2).collect();
        let bytes = encoded(&[&samples]);
        assert_eq!(ContentDigest::of(&bytes).to_string(), "bb9d18af8d0b400458c3134c0488a9fbe2c8debc5c05de9eab97a1bf9c8d018f");
    }

    /// The sequences of the ITU-T's software tools (G.191, `src/g726/test_data`) may not come with this crate. `VOICEMAIL_ITU_G726` names a folder with
    /// them: words of 16 bits, the low byte first, with one byte of a law or one code word each.
    #[test]
    fn the_sequences_of_the_itu_are_encoded_bit_by_bit() {
        let Some(folder) = std::env::var_os("VOICEMAIL_ITU_G726") else {
            eprintln!("skipped: VOICEMAIL_ITU_G726 names no folder with the ITU's test sequences of G.726");
            return;
        };
        let words = |name: &str| {
            let bytes = std::fs::read(std::path::Path::new(&folder).join(name)).unwrap();
            bytes.chunks_exact(2).map(|word| u8::try_from(u16::from_le_bytes([word[0], word[1]])).unwrap()).collect::<Vec<u8>>()
        };
        let check = |expand: fn(u8) -> i16, input: &str, output: &str, len: usize| {
            let samples: Vec<i16> = words(input).into_iter().map(expand).collect();
            let codes: Vec<u8> = encoded(&[&samples]).iter().flat_map(|byte| [byte & 15, byte >> 4]).collect();
            assert_eq!(codes.len(), len, "{input}");
            assert!(codes == words(output), "{input} does not become {output}");
        };
        check(pcm::from_a_law, "nrm.a", "rn32fa.i", 16_384);
        check(pcm::from_a_law, "ovr.a", "rv32fa.i", 2048);
        check(pcm::from_mu_law, "nrm.m", "rn32fm.i", 16_384);
        check(pcm::from_mu_law, "ovr.m", "rv32fm.i", 2048);
    }

    proptest! {
        #[test]
        fn any_pieces_give_the_bytes_of_the_whole(samples in proptest::collection::vec(any::<i16>(), 0..200), cut in 0..200_usize) {
            let (first, second) = samples.split_at(cut.min(samples.len()));
            let bytes = encoded(&[first, second]);
            prop_assert_eq!(&bytes, &encoded(&[&samples]));
            prop_assert_eq!(bytes.len(), samples.len().div_ceil(2));
            prop_assert!(bytes.iter().all(|byte| byte & 15 != 0 && byte >> 4 != 0), "a code word of zeros is never sent");
        }
    }
}
