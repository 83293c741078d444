//! [`BLOCKS`]: the decoder of G.726 at 32 kbit/s; and [`G726Encoder`], which goes the other way.

mod encoder;

pub use self::encoder::G726Encoder;
use super::coding::{BlockDecoder, Blocks};

/// G.726 at 32 kbit/s: two code words in a byte, 8000 samples per second.
pub(super) const BLOCKS: Blocks = Blocks { len: 1, samples: 2, rate: 8000, decoder: || Box::new(Decoder::new()) };

/// A decoder of G.726 at 32 kbit/s that is bit-exact. A function that does the work of a block of the recommendation names this block.
///
/// # Source
///
/// ITU-T G.726 (12/1990) §4 and its Annex A, for linear samples.
#[derive(Debug, Clone)]
struct Decoder {
    /// The quantizer's scale, slow and fast, in the logarithmic domain.
    slow_scale: i32,
    fast_scale: i32,
    /// The average size of the code words over a short time and over a long one.
    short_average: i32,
    long_average: i32,
    /// The speed of adaptation: 0 for modem tones, 256 and more for speech.
    speed: i32,
    /// The predictor: two poles, six zeros.
    poles: [i16; 2],
    zeros: [i16; 6],
    /// The past values of the predictor, the latest first.
    signals: [Float; 2],
    differences: [Float; 6],
    partial_signs: [bool; 2],
    is_tone: bool,
}

impl BlockDecoder for Decoder {
    /// # Source
    ///
    /// RFC 3551 §4.5.4: the first code word of a byte is in its low four bits.
    fn decode_block(&mut self, block: &[u8], samples: &mut Vec<i16>) {
        let codes = block.iter().flat_map(|byte| [byte & 0x0f, byte >> 4]);
        samples.extend(codes.map(|code| limited(self.decode(code))));
    }

    fn boxed_clone(&self) -> Box<dyn BlockDecoder> {
        Box::new(self.clone())
    }
}

impl Decoder {
    fn new() -> Self {
        Self {
            slow_scale: 34_816,
            fast_scale: MIN_SCALE,
            short_average: 0,
            long_average: 0,
            speed: 0,
            poles: [0; 2],
            zeros: [0; 6],
            signals: [Float::ZERO; 2],
            differences: [Float::ZERO; 6],
            partial_signs: [false; 2],
            is_tone: false,
        }
    }

    /// Decodes a code word to a signal of 14 bits; a greater one is too loud.
    fn decode(&mut self, code: u8) -> i16 {
        let is_negative = code & 8 != 0;
        let level = usize::from(if is_negative { !code & 7 } else { code & 7 });

        let (of_zeros, estimate) = self.estimates();
        let scale = self.scale();
        let size = size_of(level, scale);
        let difference = if is_negative { -size } else { size };
        let signal = wrapped(i32::from(estimate) + i32::from(difference));
        // ADDC
        let partial = wrapped(i32::from(difference) + i32::from(of_zeros));

        let leaves_tone = self.leaves_tone(size);
        self.adapt_scale(level, scale);
        self.adapt_predictor(size, is_negative, partial, leaves_tone);
        self.adapt_speed(level, scale, leaves_tone);

        self.differences.rotate_right(1);
        self.differences[0] = Float::new(size, is_negative);
        self.signals = [Float::of(signal), self.signals[0]];
        self.partial_signs = [partial < 0, self.partial_signs[0]];
        signal
    }

    /// ACCUM: returns the predictor's estimate of the next signal: the part of the zeros, and the whole.
    fn estimates(&self) -> (i16, i16) {
        let of_zeros = sum(self.zeros.iter().zip(&self.differences));
        let estimate = of_zeros.wrapping_add(sum(self.poles.iter().zip(&self.signals)));
        (of_zeros >> 1, estimate >> 1)
    }

    /// LIMA, MIX: returns the scale, mixed from the slow and the fast one by the speed.
    fn scale(&self) -> i32 {
        let slow = self.slow_scale >> 6;
        let share = (self.speed >> 2).min(64);
        // Rounds toward zero, as the recommendation cuts the magnitude.
        slow + (self.fast_scale - slow) * share / 64
    }

    /// TRANS: returns whether a tone of a modem has ended.
    fn leaves_tone(&self, size: i16) -> bool {
        let (whole, part) = (self.slow_scale >> 15, (self.slow_scale >> 10) & 31);
        let threshold = if whole > 9 { 31 << 10 } else { (32 + part) << whole };
        self.is_tone && i32::from(size) > (threshold + (threshold >> 1)) >> 1
    }

    /// FUNCTW, FILTD, LIMB, FILTE: adapts the scales.
    fn adapt_scale(&mut self, level: usize, scale: i32) {
        let fast = scale + (((SCALE_STEPS[level] << 5) - scale) >> 5);
        self.fast_scale = fast.clamp(MIN_SCALE, MAX_SCALE);
        self.slow_scale += self.fast_scale + (-self.slow_scale >> 6);
    }

    /// FUNCTF, FILTA, FILTB, SUBTC, FILTC, TRIGA: adapts the speed. Runs after the predictor, which detects tones.
    fn adapt_speed(&mut self, level: usize, scale: i32, leaves_tone: bool) {
        self.short_average += ((SPEED_STEPS[level] << 9) - self.short_average) >> 5;
        self.long_average += ((SPEED_STEPS[level] << 11) - self.long_average) >> 7;
        let differ = ((self.short_average << 2) - self.long_average).abs() >= self.long_average >> 3;
        let aim = if scale < 1536 || self.is_tone || differ { 512 } else { 0 };
        self.speed = if leaves_tone { 256 } else { self.speed + ((aim - self.speed) >> 4) };
    }

    /// UPA1, UPA2, LIMC, LIMD, UPB, TONE, TRIGB: adapts the predictor.
    fn adapt_predictor(&mut self, size: i16, is_negative: bool, partial: i16, leaves_tone: bool) {
        if leaves_tone {
            (self.poles, self.zeros, self.is_tone) = ([0; 2], [0; 6], false);
            return;
        }
        let [pole, second] = self.poles.map(i32::from);
        let [differs, differs_from_second] = self.partial_signs.map(|sign| sign != (partial < 0));
        let (mut step, mut second_step) = (0, 0);
        if partial != 0 {
            step = if differs { -192 } else { 192 };
            let pull = pole.clamp(-8191, 8191) << 2;
            let pull = if differs { pull } else { -pull };
            second_step = (pull + if differs_from_second { -16_384 } else { 16_384 }) >> 7;
        }
        let second = (second + second_step - (second >> 7)).clamp(-12_288, 12_288);
        let most = 15_360 - second;
        let pole = (pole + step - (pole >> 8)).clamp(-most, most);
        self.poles = [wrapped(pole), wrapped(second)];
        for (zero, difference) in self.zeros.iter_mut().zip(&self.differences) {
            let step = match (size, difference.is_negative == is_negative) {
                (0, _) => 0,
                (_, true) => 128,
                (_, false) => -128,
            };
            *zero = wrapped(i32::from(*zero) + step - (i32::from(*zero) >> 8));
        }
        self.is_tone = second < -11_776;
    }
}

/// LIMO: limits the signal, and returns it as a sample of 16 bits.
fn limited(signal: i16) -> i16 {
    signal.clamp(-8192, 8191) << 2
}

/// RECONST, ADDA, ANTILOG: returns the difference of the signal from its estimate.
fn size_of(level: usize, scale: i32) -> i16 {
    let log = LEVELS[level] + (scale >> 2);
    if log < 0 {
        return 0;
    }
    let mantissa = (log & 127) + 128;
    wrapped((mantissa << 7) >> (14 - ((log >> 7) & 15)))
}

/// FMULT, ACCUM: returns the sum of the products of each factor with its past value.
fn sum<'a>(terms: impl Iterator<Item = (&'a i16, &'a Float)>) -> i16 {
    terms.fold(0, |sum: i16, (factor, past)| sum.wrapping_add(past.times(*factor)))
}

/// A number of the predictor: sign, exponent, and a mantissa of six bits.
#[derive(Debug, Clone, Copy)]
struct Float {
    is_negative: bool,
    exponent: u32,
    mantissa: i32,
}

impl Float {
    const ZERO: Self = Self { is_negative: false, exponent: 0, mantissa: 32 };

    /// FLOATA: converts a number; zero has a sign, too.
    fn new(magnitude: i16, is_negative: bool) -> Self {
        let magnitude = i32::from(magnitude);
        let exponent = 32 - magnitude.leading_zeros();
        let mantissa = if magnitude == 0 { 32 } else { (magnitude << 6) >> exponent };
        Self { is_negative, exponent, mantissa }
    }

    /// FLOATB: converts a number; the least of all has no magnitude.
    fn of(signal: i16) -> Self {
        Self::new(signal.checked_abs().unwrap_or(0), signal < 0)
    }

    /// FMULT: returns the product of both.
    fn times(self, factor: i16) -> i16 {
        let magnitude = if factor < 0 { -(factor >> 2) & 0x1fff } else { factor >> 2 };
        let factor_as = Self::new(magnitude, factor < 0);
        let exponent = self.exponent + factor_as.exponent;
        let mantissa = ((self.mantissa * factor_as.mantissa + 48) >> 4) << 7;
        let product = if exponent <= 26 { mantissa >> (26 - exponent) } else { (mantissa << (exponent - 26)) & 0x7fff };
        wrapped(if self.is_negative == factor_as.is_negative { product } else { -product })
    }
}

/// Returns the low 16 bits, as additions of the recommendation do.
#[expect(clippy::cast_possible_truncation, reason = "what does not fit is to be cut off")]
const fn wrapped(number: i32) -> i16 {
    number as i16
}

/// The quantized difference for each size of a code word, as a logarithm. Table 6 of the recommendation, for 32 kbit/s; the first stands for
/// no difference at any scale.
const LEVELS: [i32; 8] = [-2048, 4, 135, 213, 273, 323, 373, 425];
/// W(I): the change of the scale for each size of a code word.
const SCALE_STEPS: [i32; 8] = [-12, 18, 41, 64, 112, 198, 355, 1122];
/// F(I): the rough size for each size of a code word.
const SPEED_STEPS: [i32; 8] = [0, 0, 0, 1, 1, 1, 3, 7];
const MIN_SCALE: i32 = 544;
const MAX_SCALE: i32 = 5120;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::ContentDigest;

    fn digest(samples: impl Iterator<Item = i16>) -> String {
        ContentDigest::of(&samples.flat_map(i16::to_le_bytes).collect::<Vec<_>>()).to_string()
    }

    /// The SHA-256 of the output of `g726_decode` of spandsp 0.0.6 for the same bytes, as linear samples packed to the right.
    #[test]
    fn a_recording_sounds_as_another_decoder_says() {
        let codes = include_bytes!("../../examples/recordings/vm03.726");
        let mut samples = Vec::new();
        Decoder::new().decode_block(codes, &mut samples);
        assert_eq!(digest(samples.into_iter()), "5eb9f4ea1c99a6625f39d81a56c46a98f1542f6a54d7d7c5840fea4e3e4963d0");
    }

    /// The same of 40 000 code words of noise, where spandsp cuts off instead of limiting, so that the signal is compared before it is limited.
    #[test]
    fn noise_of_all_code_words_is_what_another_decoder_says() {
        let noise = std::iter::successors(Some(726_u64), |last| Some((last * 1_103_515_245 + 12_345) & 0x7fff_ffff));
        let bytes = noise.skip(1).map(|number| u8::try_from(number >> 16 & 0xff).unwrap()).take(20_000);
        let (mut decoder, mut loudest) = (Decoder::new(), 0);
        let signals: Vec<i16> =
            bytes.flat_map(|byte| [byte & 0x0f, byte >> 4]).map(|code| decoder.decode(code).wrapping_shl(2)).collect();
        assert_eq!(digest(signals.into_iter()), "2ce77a9b8677a6e56318da2236985fa75601815b57d6fdc46759db5274869916");
        for code in [0b0111; 200] {
            loudest = limited(decoder.decode(code)).max(loudest);
        }
        assert_eq!(loudest, 32_764, "limited, not cut off");
    }
}
