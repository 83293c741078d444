//! [`CallScript`]: what the other end of a call does.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use super::FRAME;
use crate::telephone::{Digit, Prompt};

/// The actions of the other end of a call, step after step.
///
/// ```
/// use std::time::Duration;
/// use voicemail::call::CallScript;
/// use voicemail::telephone::Prompt;
///
/// let script = CallScript::new()
///     .until_ended(|prompt| *prompt == Prompt::Tone)
///     .speak(Duration::from_secs(5))
///     .press("#")
///     .until_said(|prompt| matches!(prompt, Prompt::Menu(_)))
///     .press("1");
/// ```
#[derive(Debug, Default)]
#[must_use]
pub struct CallScript {
    steps: VecDeque<Step>,
}

/// One step of a script.
pub(super) enum Step {
    Speak(Box<dyn Iterator<Item = i16> + Send>),
    Silence(Duration),
    Lose(Duration),
    Press(VecDeque<Digit>),
    UntilSaid(Matcher),
    UntilEnded(Matcher),
    Hold(bool),
    ChangeSource,
    HangUp,
}

/// Whether a prompt is the one that a step waits for.
pub(super) struct Matcher(pub(super) Box<dyn Fn(&Prompt) -> bool + Send>);

impl CallScript {
    /// A script without steps: the other end answers and is silent.
    pub fn new() -> Self {
        Self::default()
    }

    /// Speaks for `length`, at 8000 samples a second: sound that counts as [`speech`].
    pub fn speak(self, length: Duration) -> Self {
        self.then(Step::Speak(Box::new(speech(length))))
    }

    /// Lets these samples be heard, at the rate of the leg.
    pub fn sound(self, samples: impl IntoIterator<Item = i16, IntoIter: Send + 'static>) -> Self {
        self.then(Step::Speak(Box::new(samples.into_iter())))
    }

    /// Is silent for `length`.
    pub fn silence(self, length: Duration) -> Self {
        self.then(Step::Silence(length))
    }

    /// Sends nothing for `length`, as if the network had lost it.
    pub fn lose(self, length: Duration) -> Self {
        self.then(Step::Lose(length))
    }

    /// Presses keys, one every 20 ms. Characters that are no key are skipped.
    pub fn press(self, keys: &str) -> Self {
        self.then(Step::Press(keys.chars().filter_map(Digit::from_char).collect()))
    }

    /// Waits until a prompt is said that `is_meant` accepts, and goes on while it is said.
    ///
    /// A prompt that was said before the step began is not looked at, but one that is said just then is.
    pub fn until_said(self, is_meant: impl Fn(&Prompt) -> bool + Send + 'static) -> Self {
        self.then(Step::UntilSaid(Matcher(Box::new(is_meant))))
    }

    /// Waits until everything was played that came with a prompt which `is_meant` accepts.
    pub fn until_ended(self, is_meant: impl Fn(&Prompt) -> bool + Send + 'static) -> Self {
        self.then(Step::UntilEnded(Matcher(Box::new(is_meant))))
    }

    /// Puts the call on hold, or takes it back.
    pub fn hold(self, held: bool) -> Self {
        self.then(Step::Hold(held))
    }

    /// Goes on as another RTP source, whose timestamps start elsewhere.
    pub fn change_source(self) -> Self {
        self.then(Step::ChangeSource)
    }

    /// Hangs up.
    pub fn hang_up(self) -> Self {
        self.then(Step::HangUp)
    }

    fn then(mut self, step: Step) -> Self {
        self.steps.push_back(step);
        self
    }

    pub(super) fn into_steps(self) -> VecDeque<Step> {
        self.steps
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Speak(_) => f.write_str("Speak(..)"),
            Self::Silence(length) => write!(f, "Silence({length:?})"),
            Self::Lose(length) => write!(f, "Lose({length:?})"),
            Self::Press(digits) => write!(f, "Press({} keys)", digits.len()),
            Self::UntilSaid(_) => f.write_str("UntilSaid(..)"),
            Self::UntilEnded(_) => f.write_str("UntilEnded(..)"),
            Self::Hold(held) => write!(f, "Hold({held})"),
            Self::ChangeSource => f.write_str("ChangeSource"),
            Self::HangUp => f.write_str("HangUp"),
        }
    }
}

/// How far a step is that takes some time.
#[derive(Debug, Default)]
pub(super) struct Progress(Duration);

impl Progress {
    /// Counts a frame; returns whether `length` has passed.
    pub(super) fn advance(&mut self, length: Duration) -> bool {
        self.0 += FRAME;
        self.0 >= length
    }
}

/// Returns samples for `length` at 8000 Hz that count as speech: a voiced sound of changing strength, with short pauses as between words.
///
/// They are the same in each call.
pub fn speech(length: Duration) -> impl Iterator<Item = i16> + Send + use<> {
    let samples = u32::try_from(length.as_millis() * u128::from(RATE) / 1000).unwrap_or(u32::MAX);
    (0..samples).map(|number| {
        let at = f64::from(number) / f64::from(RATE);
        let syllable = (at * SYLLABLES_A_SECOND * std::f64::consts::PI).sin().abs();
        let is_pause = at % WORD_SECONDS > SPOKEN_SECONDS;
        let strength = if is_pause { 0.0 } else { LOUDEST * syllable };
        let voice: f64 =
            (1..=HARMONICS).map(|nth| (at * PITCH_HZ * f64::from(nth) * std::f64::consts::TAU).sin() / f64::from(nth)).sum();
        #[expect(clippy::cast_possible_truncation, reason = "the strength keeps it within an i16")]
        let sample = (strength * voice) as i16;
        sample
    })
}

const RATE: u32 = 8000;
const SYLLABLES_A_SECOND: f64 = 4.0;
const WORD_SECONDS: f64 = 0.6;
const SPOKEN_SECONDS: f64 = 0.45;
const PITCH_HZ: f64 = 140.0;
const HARMONICS: u32 = 5;
const LOUDEST: f64 = 6000.0;
