//! [`tone`]: a sine, as a signal to the caller.

use std::f64::consts::TAU;
use std::time::Duration;

use super::{Codec, Format, Wav};
use crate::message::{Audio, AudioType};

/// Returns a WAV of a sine of this frequency and length, at `rate` samples per second: -12 dB below the largest amplitude, and faded in and
/// out over 5 ms so that it does not click. At most a minute is made.
///
/// ```
/// use std::time::Duration;
/// use voicemail::audio::{length_of, tone};
///
/// let beep = tone(1000, Duration::from_millis(400), 8000);
/// assert_eq!(length_of(beep.media(), beep.bytes()), Some(Duration::from_millis(400)));
/// ```
pub fn tone(frequency_hz: u32, length: Duration, rate: u32) -> Audio {
    let rate = rate.max(1);
    let samples = length.min(MAX_LENGTH).as_millis() * u128::from(rate) / 1000;
    let samples = u32::try_from(samples).unwrap_or(u32::MAX);
    let fade = f64::from(rate) * FADE_SECS;
    let mut data = Vec::with_capacity(samples as usize * 2);
    for at in 0..samples {
        let from_edge = f64::from(at.min(samples - 1 - at)) / fade;
        let phase = TAU * f64::from(frequency_hz) * f64::from(at) / f64::from(rate);
        #[expect(clippy::cast_possible_truncation, reason = "the amplitude is a quarter of the largest")]
        let sample = (phase.sin() * AMPLITUDE * from_edge.min(1.0)).round() as i16;
        data.extend(sample.to_le_bytes());
    }
    Audio::new(AudioType::Wav, Wav::file(Format { codec: Codec::L16, rate, channels: 1 }, &data))
}

const AMPLITUDE: f64 = 8192.0;
const FADE_SECS: f64 = 0.005;
const MAX_LENGTH: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::Frames;

    #[test]
    fn a_tone_has_its_frequency_and_no_step_at_its_ends() {
        let audio = tone(1000, Duration::from_millis(640), 8000);
        let samples: Vec<i16> = Frames::new(&audio, 8000.try_into().unwrap()).unwrap().flatten().collect();
        assert_eq!(samples.len(), 5120);
        let rising = samples.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
        assert!((638..=641).contains(&rising), "{rising} periods");
        assert!(samples[0].unsigned_abs() < 400 && samples[5119].unsigned_abs() < 400);
        assert!(samples.iter().any(|sample| *sample > 7500));
    }

    #[test]
    fn an_empty_or_endless_tone_is_bounded() {
        assert_eq!(tone(440, Duration::ZERO, 8000).len(), 44);
        assert_eq!(tone(440, Duration::MAX, 8000).len(), 44 + 60 * 16_000);
        assert_eq!(tone(440, Duration::from_secs(1), 0).len(), 44 + 2);
    }
}
