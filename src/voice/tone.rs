//! [`tone`]: the prompts that are tones.

use std::time::Duration;

use crate::audio;
use crate::message::Audio;
use crate::telephone::Prompt;

/// Returns the sound of [`Prompt::Tone`] and of [`Prompt::LimitWarning`], which no language changes; `None` for all other prompts.
///
/// The tone is 1000 Hz for 640 ms, and the warning 440 Hz for 200 ms, so that nobody takes one for the other.
pub fn tone(prompt: &Prompt) -> Option<Audio> {
    match prompt {
        Prompt::Tone => Some(audio::tone(1000, Duration::from_millis(640), RATE)),
        Prompt::LimitWarning => Some(audio::tone(440, Duration::from_millis(200), RATE)),
        _ => None,
    }
}

/// Samples per second, those of a telephone.
const RATE: u32 = 8000;
