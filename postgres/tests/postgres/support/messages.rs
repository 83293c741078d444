//! Messages for tests.

use chrono::{DateTime, TimeDelta, Utc};
use voicemail::message::{Audio, AudioType, ClockQuality, ClockSource, Message, RecordedAt};

/// A message with this sound, recorded `secs` seconds after a fixed moment.
pub(crate) fn message(sound: &[u8], secs: i64) -> Message {
    let start: DateTime<Utc> = "2026-03-29T00:59:40Z".parse().unwrap();
    recorded_at(sound, start + TimeDelta::seconds(secs))
}

/// A message with this sound, recorded at `instant`.
pub(crate) fn recorded_at(sound: &[u8], instant: DateTime<Utc>) -> Message {
    let quality = ClockQuality::unknown(ClockSource::Manual);
    let recorded_at = RecordedAt::new(instant, chrono_tz::Europe::London, quality);
    Message::builder(Audio::new(AudioType::Wav, sound.to_vec()), recorded_at).build()
}
