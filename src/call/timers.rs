//! [`CallTimers`]: how long a call waits for what, and [`SpeechPolicy`]: what counts as a message.

use std::time::Duration;

use tokio::time::Instant;

/// How long a call waits for what.
///
/// No timer runs while a prompt is played, except [`longest_call`](Self::longest_call) and [`no_sound`](Self::no_sound). While the other
/// end has put the call on hold, only `longest_call` runs.
///
/// ```
/// use std::time::Duration;
/// use voicemail::call::CallTimers;
///
/// let mut timers = CallTimers::default();
/// timers.max_silence = Duration::from_secs(5);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallTimers {
    /// How long a caller or an owner may do nothing after a prompt; 6 seconds, as in Asterisk's voicemail. After that, the prompt is
    /// repeated, or the dialogue decides.
    pub after_prompt: Duration,
    /// How long the next digit of a number or of a key sequence may take; 3 seconds, between the 2 of Asterisk and the 10 of `FreeSWITCH`.
    pub between_digits: Duration,
    /// How long an owner may pause a message before it counts as doing nothing; 20 seconds.
    pub pause: Duration,
    /// How long a silence ends a recording; 10 seconds, as in Asterisk's sample configuration. It counts for sound without speech, and for
    /// a time in which no packet of sound arrives.
    pub max_silence: Duration,
    /// How long before the longest length of a recording a short tone warns the speaker; 10 seconds. Zero for no warning.
    /// A recording whose longest length is at most twice as long has no warning.
    pub limit_warning: Duration,
    /// How long nothing at all may arrive from the other end before the call ends, for example because its network is gone; 60 seconds,
    /// less than the 300 of `FreeSWITCH`, because a port is held. `None` for no limit.
    pub no_sound: Option<Duration>,
    /// The longest greeting and the longest recorded name; 60 seconds, as in Asterisk's sample configuration.
    pub longest_greeting: Duration,
    /// The longest introduction, answer or message that an owner records; 180 seconds, as for messages in Asterisk's sample configuration.
    pub longest_recording: Duration,
    /// The longest call; one hour. A call that lasts longer ends as if the other end had hung up.
    pub longest_call: Duration,
    /// How far an owner goes back or forward in a message with one key; 3 seconds, as in Asterisk.
    pub step: Duration,
    /// How long the store, the directory or a disk may take to answer before an owner or a caller hears that it failed; 20 seconds.
    pub answer: Duration,
    /// How long a transfer may take before it counts as failed; 30 seconds, a usual ringing time.
    pub transfer: Duration,
}

impl Default for CallTimers {
    fn default() -> Self {
        Self {
            after_prompt: Duration::from_secs(6),
            between_digits: Duration::from_secs(3),
            pause: Duration::from_secs(20),
            max_silence: Duration::from_secs(10),
            limit_warning: Duration::from_secs(10),
            no_sound: Some(Duration::from_secs(60)),
            longest_greeting: Duration::from_secs(60),
            longest_recording: Duration::from_secs(180),
            longest_call: Duration::from_secs(3600),
            step: Duration::from_secs(3),
            answer: Duration::from_secs(20),
            transfer: Duration::from_secs(30),
        }
    }
}

/// Returns the time after `wait`; one in thirty years for a wait without an end.
pub(super) fn after(from: Instant, wait: Duration) -> Instant {
    from.checked_add(wait).unwrap_or(from + FOREVER)
}

/// Which recordings count as messages, and how much is cut from their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpeechPolicy {
    /// Whether a recording in which nobody speaks is kept; it is discarded by default.
    pub without_speech: WithoutSpeech,
    /// How much is cut from the end of a recording that a key has ended, because the tone of the key is audible in it; 100 ms.
    /// Sound that came longer ago than that before the key is not cut.
    pub cut_before_digit: Duration,
    /// How much silence stays at the end of a recording that silence has ended; 500 ms.
    pub silence_at_end: Duration,
}

/// Whether a recording in which nobody speaks is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum WithoutSpeech {
    /// It is no message: it is discarded, and an event reports it.
    #[default]
    Discard,
    /// It is a message like any other.
    Keep,
}

/// Longer than a call.
const FOREVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

impl Default for SpeechPolicy {
    fn default() -> Self {
        Self {
            without_speech: WithoutSpeech::Discard,
            cut_before_digit: Duration::from_millis(100),
            silence_at_end: Duration::from_millis(500),
        }
    }
}
