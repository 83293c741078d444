//! [`tone`]: the prompts that are tones.

use std::f64::consts::TAU;

use crate::audio::{Format, Wav};
use crate::message::{Audio, AudioType};
use crate::telephone::Prompt;

/// Returns the sound of [`Prompt::Tone`] and of [`Prompt::LimitWarning`], which no language changes; `None` for all other prompts.
///
/// The tone is 1000 Hz for 640 ms, and the warning 440 Hz for 200 ms, so that nobody takes one for the other.
pub fn tone(prompt: &Prompt) -> Option<Audio> {
    match prompt {
        Prompt::Tone => Some(sine(1000, 640)),
        Prompt::LimitWarning => Some(sine(440, 200)),
        _ => None,
    }
}

/// A sine of -13 dBov, as a WAV.
#[expect(clippy::cast_possible_truncation, reason = "the amplitude is far below the largest sample")]
fn sine(frequency_hz: u32, millis: u32) -> Audio {
    let sample = |number: u32| (f64::from(number * frequency_hz) / 8000.0 * TAU).sin() * 7300.0;
    let samples: Vec<u8> = (0..8 * millis).flat_map(|number| (sample(number) as i16).to_le_bytes()).collect();
    let mut wav = Wav::header(Format::TELEPHONE_L16, 16 * millis);
    wav.extend(samples);
    Audio::new(AudioType::Wav, wav)
}
