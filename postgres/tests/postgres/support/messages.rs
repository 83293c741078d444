//! Messages for tests.

use std::io::{Cursor, Read};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use voicemail::message::{Audio, AudioSource, AudioType, ClockQuality, ClockSource, ContentDigest, Message, RecordedAt};

/// A message with this sound, recorded `secs` seconds after a fixed moment.
pub(crate) fn message(sound: &[u8], secs: i64) -> Message {
    let start: DateTime<Utc> = "2026-03-29T00:59:40Z".parse().unwrap();
    recorded_at(sound, start + TimeDelta::seconds(secs))
}

/// A message with this sound, recorded at `instant`.
pub(crate) fn recorded_at(sound: &[u8], instant: DateTime<Utc>) -> Message {
    with_audio(Audio::new(AudioType::Wav, sound.to_vec()), instant)
}

/// A message whose sound is not in memory, as far as the store can see.
pub(crate) fn from_source(media: AudioType, sound: Vec<u8>) -> Message {
    let digest = ContentDigest::of(&sound);
    with_audio(Audio::from_source(media, External(sound), digest), Utc::now())
}

fn with_audio(audio: Audio, instant: DateTime<Utc>) -> Message {
    let quality = ClockQuality::unknown(ClockSource::Manual);
    let recorded_at = RecordedAt::new(instant, chrono_tz::Europe::London, quality);
    Message::builder(audio, recorded_at).build()
}

#[derive(Debug)]
struct External(Vec<u8>);

impl AudioSource for External {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn reader(self: Arc<Self>) -> Box<dyn Read + Send> {
        Box::new(Cursor::new(self.0.clone()))
    }
}
