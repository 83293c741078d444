//! The decoder of GSM 06.10 full rate, for both packings of its frames.

use super::coding::{BlockDecoder, Blocks};

/// One frame in 33 bytes: four bits as a mark, then the codes, the high bits first. RFC 3551 §4.5.8.1.
pub(super) const FRAMES: Blocks = Blocks { len: 33, samples: 160, rate: 8000, decoder: || Box::new(Decoder::new(Packing::Rtp)) };

/// Two frames in 65 bytes, the low bits first, at `rate` samples a second: as in a WAV file, and Asterisk's `wav49`.
pub(super) const fn in_wav(rate: u32) -> Blocks {
    Blocks { len: 65, samples: 320, rate, decoder: || Box::new(Decoder::new(Packing::Wav)) }
}

/// Returns whether `bytes` begin with a complete frame of 33 bytes.
pub(super) fn is_at(bytes: &[u8]) -> bool {
    bytes.len() >= 33 && bytes[0] >> 4 == 0b1101
}

/// The packing of frames in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Rtp,
    Wav,
}

/// A decoder of GSM 06.10 full rate that is bit-exact. A function that does the work of a section of the recommendation names this section.
///
/// # Source
///
/// ETSI EN 300 961 (GSM 06.10) §5.3, and §5.1 for its arithmetic.
#[derive(Debug, Clone)]
struct Decoder {
    packing: Packing,
    /// The excitation of the last 120 samples, with room behind it for the next 40.
    excitation: [i16; HISTORY + SUBFRAME],
    /// The last long-term lag that was valid.
    lag: i16,
    /// The log area ratios of the frame before.
    ratios: [i16; 8],
    /// The state of the short-term filter.
    filter: [i16; 9],
    /// The last sample before it was scaled up.
    deemphasized: i16,
}

impl BlockDecoder for Decoder {
    fn decode_block(&mut self, block: &[u8], samples: &mut Vec<i16>) {
        let mut bits = Bits { bytes: block, at: 0, packing: self.packing };
        let frames = match self.packing {
            Packing::Rtp => {
                bits.take(4); // the mark
                1
            }
            Packing::Wav => 2,
        };
        for _ in 0..frames {
            self.decode(&Frame::read(&mut bits), samples);
        }
    }

    fn boxed_clone(&self) -> Box<dyn BlockDecoder> {
        Box::new(self.clone())
    }
}

impl Decoder {
    fn new(packing: Packing) -> Self {
        Self { packing, excitation: [0; HISTORY + SUBFRAME], lag: 40, ratios: [0; 8], filter: [0; 9], deemphasized: 0 }
    }

    fn decode(&mut self, frame: &Frame, samples: &mut Vec<i16>) {
        let mut residual = [0; 4 * SUBFRAME];
        for (subframe, residual) in frame.subframes.iter().zip(residual.chunks_exact_mut(SUBFRAME)) {
            self.long_term(subframe, residual);
        }
        let ratios = decoded_ratios(&frame.ratios);
        for (part, samples) in PARTS {
            let coefficients = std::array::from_fn(|i| reflection(part.between(self.ratios[i], ratios[i])));
            for sample in &mut residual[samples] {
                *sample = self.short_term(&coefficients, *sample);
            }
        }
        self.ratios = ratios;
        samples.extend(residual.map(|sample| self.deemphasize(sample)));
    }

    /// §5.3.2: adds the long-term prediction to the excitation of a subframe.
    fn long_term(&mut self, subframe: &Subframe, residual: &mut [i16]) {
        if (40..=120).contains(&subframe.lag) {
            self.lag = subframe.lag;
        }
        let coded = subframe.excitation();
        let gain = GAINS[subframe.gain];
        let lag = usize::from(self.lag.unsigned_abs());
        for (at, coded) in (HISTORY..).zip(coded) {
            self.excitation[at] = coded.saturating_add(times(gain, self.excitation[at - lag]));
        }
        residual.copy_from_slice(&self.excitation[HISTORY..]);
        self.excitation.copy_within(SUBFRAME.., 0);
    }

    /// §5.3.4: the short-term synthesis filter.
    fn short_term(&mut self, coefficients: &[i16; 8], residual: i16) -> i16 {
        let mut sample = residual;
        for i in (0..8).rev() {
            sample = sample.saturating_sub(times(coefficients[i], self.filter[i]));
            self.filter[i + 1] = self.filter[i].saturating_add(times(coefficients[i], sample));
        }
        self.filter[0] = sample;
        sample
    }

    /// §5.3.5 to 5.3.7: deemphasis, upscaling, and the cut to 13 bits.
    fn deemphasize(&mut self, sample: i16) -> i16 {
        self.deemphasized = sample.saturating_add(times(self.deemphasized, 28_180));
        self.deemphasized.saturating_add(self.deemphasized) & !7
    }
}

/// The codes of 160 samples.
struct Frame {
    ratios: [i16; 8],
    subframes: [Subframe; 4],
}

/// The codes of 40 samples: four times the long-term predictor and the excitation on a grid.
struct Subframe {
    lag: i16,
    gain: usize,
    grid: usize,
    maximum: i16,
    pulses: [i16; 13],
}

impl Frame {
    /// # Source
    ///
    /// EN 300 961 §1.7, table 1.1: the codes and their widths in bits.
    fn read(bits: &mut Bits<'_>) -> Self {
        let ratios = [6, 6, 5, 5, 4, 4, 3, 3].map(|width| bits.take(width));
        let subframes = std::array::from_fn(|_| Subframe {
            lag: bits.take(7),
            gain: usize::from(bits.take(2).unsigned_abs()),
            grid: usize::from(bits.take(2).unsigned_abs()),
            maximum: bits.take(6),
            pulses: [3; 13].map(|width| bits.take(width)),
        });
        Self { ratios, subframes }
    }
}

impl Subframe {
    /// §5.3.1: returns the excitation: each pulse at its place, with its height.
    fn excitation(&self) -> [i16; SUBFRAME] {
        let (exponent, mantissa) = split(self.maximum);
        let shift = 6 - exponent;
        let half = if shift == 0 { 0 } else { 1 << (shift - 1) };
        let mut excitation = [0; SUBFRAME];
        for (place, pulse) in excitation[self.grid..].iter_mut().step_by(3).zip(self.pulses) {
            let height = times(STEPS[mantissa], ((pulse << 1) - 7) << 12);
            *place = height.saturating_add(half) >> shift;
        }
        excitation
    }
}

/// §5.2.15: returns the exponent and the mantissa of a block's maximum.
fn split(maximum: i16) -> (i16, usize) {
    let mut exponent = if maximum > 15 { (maximum >> 3) - 1 } else { 0 };
    let mut mantissa = maximum - (exponent << 3);
    if mantissa == 0 {
        return (-4, 7);
    }
    while mantissa <= 7 {
        mantissa = mantissa << 1 | 1;
        exponent -= 1;
    }
    (exponent, usize::from(mantissa.unsigned_abs()) - 8)
}

/// §5.2.8: decodes the log area ratios of a frame.
fn decoded_ratios(codes: &[i16; 8]) -> [i16; 8] {
    std::array::from_fn(|i| {
        let (least, offset, inverse) = RATIOS[i];
        let ratio = ((codes[i] + least) << 10).saturating_sub(offset << 1);
        let ratio = times(inverse, ratio);
        ratio.saturating_add(ratio)
    })
}

/// §5.2.9.2: returns the reflection coefficient of a log area ratio.
fn reflection(ratio: i16) -> i16 {
    let magnitude = ratio.checked_abs().unwrap_or(i16::MAX);
    let coefficient = match magnitude {
        ..11_059 => magnitude << 1,
        11_059..20_070 => magnitude + 11_059,
        _ => (magnitude >> 2).saturating_add(26_112),
    };
    if ratio < 0 { -coefficient } else { coefficient }
}

/// §5.2.9.1: a part of a frame. In the first three, the log area ratios change from those of the frame before.
#[derive(Clone, Copy)]
enum Part {
    First,
    Second,
    Third,
    Rest,
}

impl Part {
    fn between(self, before: i16, now: i16) -> i16 {
        match self {
            Self::First => (before >> 2).saturating_add(now >> 2).saturating_add(before >> 1),
            Self::Second => (before >> 1).saturating_add(now >> 1),
            Self::Third => (before >> 2).saturating_add(now >> 2).saturating_add(now >> 1),
            Self::Rest => now,
        }
    }
}

/// The bits of a block, in the order of its packing.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    packing: Packing,
}

impl Bits<'_> {
    /// Reads the next code of `width` bits; zeros past the end.
    fn take(&mut self, width: usize) -> i16 {
        let mut code = 0;
        for place in 0..width {
            let byte = self.bytes.get(self.at / 8).copied().unwrap_or_default();
            match self.packing {
                Packing::Rtp => code = code << 1 | i16::from(byte >> (7 - self.at % 8) & 1),
                Packing::Wav => code |= i16::from(byte >> (self.at % 8) & 1) << place,
            }
            self.at += 1;
        }
        code
    }
}

/// `mult_r`: returns the product of two fractions, rounded.
fn times(one: i16, other: i16) -> i16 {
    let product = (i32::from(one) * i32::from(other) + 0x4000) >> 15;
    i16::try_from(product).unwrap_or(i16::MAX) // only of -1 and -1
}

/// How far back the long-term predictor looks, in samples.
const HISTORY: usize = 120;
/// Samples in a subframe.
const SUBFRAME: usize = 40;

/// For each log area ratio: its least code, B, and the inverse of A. Table 5.1 of the recommendation.
const RATIOS: [(i16, i16, i16); 8] = [
    (-32, 0, 13_107),
    (-32, 0, 13_107),
    (-16, 2048, 13_107),
    (-16, -2560, 13_107),
    (-8, 94, 19_223),
    (-8, -1792, 17_476),
    (-4, -341, 31_454),
    (-4, -1144, 29_708),
];
/// QLB: the gains of the long-term predictor. Table 5.3b.
const GAINS: [i16; 4] = [3277, 11_469, 21_299, 32_767];
/// FAC: the mantissa of a maximum. Table 5.6.
const STEPS: [i16; 8] = [18_431, 20_479, 22_527, 24_575, 26_623, 28_671, 30_719, 32_767];
/// The samples of each part of a frame.
const PARTS: [(Part, std::ops::Range<usize>); 4] =
    [(Part::First, 0..13), (Part::Second, 13..27), (Part::Third, 27..40), (Part::Rest, 40..160)];

#[cfg(test)]
mod tests {
    use std::{env, fs, process};

    use crate::audio::frames::tests::{linear_of, run_sox};
    use crate::message::{AudioType, ContentDigest};

    /// Speech in both packings: the SHA-256 of what sox 14.4.2 with libgsm makes of the same bytes.
    #[test]
    fn known_frames_give_the_samples_of_another_decoder() {
        for (media, bytes, digest) in [
            (
                AudioType::Gsm,
                &include_bytes!("../../tests/sounds/frames.gsm")[..],
                "5a49114d0b7399bde3a071aeeaecd542bd565ce4b564b474c6c2f8dd5488b660",
            ),
            (
                AudioType::Wav,
                &include_bytes!("../../tests/sounds/wav49.wav")[..],
                "b5e40f8765101b451805b75c8e1bcb25787add04fb276aed5a90a90747db0926",
            ),
        ] {
            assert_eq!(ContentDigest::of(&linear_of(media, bytes.to_vec())).to_string(), digest, "{media}");
        }
    }

    #[test]
    fn noise_of_all_codes_sounds_as_sox_plays_it() {
        let noise = std::iter::successors(Some(610_u64), |last| Some((last * 1_103_515_245 + 12_345) & 0x7fff_ffff));
        let mut bytes: Vec<u8> = noise.skip(1).map(|number| u8::try_from(number >> 16 & 0xff).unwrap()).take(33 * 500).collect();
        for frame in bytes.chunks_mut(33) {
            frame[0] = 0xd0 | frame[0] & 0x0f;
        }
        let coded = env::temp_dir().join(format!("voicemail-noise-{}.gsm", process::id()));
        fs::write(&coded, &bytes).unwrap();
        let expected = run_sox(&[coded.to_str().unwrap(), "-t", "s16", "-L", "-"]);
        fs::remove_file(&coded).unwrap();
        let decoded = linear_of(AudioType::Gsm, bytes);
        assert_eq!(ContentDigest::of(&decoded).to_string(), NOISE);
        match expected {
            Some(expected) => assert!(decoded == expected),
            None => eprintln!("skipped: no sox"),
        }
    }

    /// The SHA-256 of what sox 14.4.2 makes of the noise.
    const NOISE: &str = "e09450e568588bc9368c512c3e664c2441a7ed70a5f4f9c68eef566130268c1d";
}
