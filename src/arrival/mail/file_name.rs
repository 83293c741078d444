//! The name of the sound's file in a mail.

use crate::message::mail_text::minutes;
use crate::message::{AudioType, Head, Stamp};

/// Returns a name that a person can read and every file system can keep: `2026-03-25 2359 +493023125014 0-42.wav`. The time is that of the recording
/// in the owner's zone.
pub(super) fn file_name(head: &Head, recorded_at: &Stamp, media: AudioType) -> String {
    let caller = head.caller.number.as_ref().map_or("unknown", |number| number.as_str());
    let length = minutes(head.length).replace(':', "-");
    let time = recorded_at.local().format("%Y-%m-%d %H%M");
    format!("{time} {caller} {length}.{}", media.extension())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::message::{Caller, ClockQuality, ClockSource, RecordedAt};

    #[test]
    fn a_name_has_time_caller_and_length() {
        let instant = "2026-03-25T22:59:00Z".parse().unwrap();
        let quality = ClockQuality::unknown(ClockSource::Manual);
        let mut head = Head::new(RecordedAt::new(instant, chrono_tz::UTC, quality));
        head.length = Duration::from_millis(41_200);
        let stamp = Stamp::new(instant, chrono_tz::Europe::Berlin);
        assert_eq!(file_name(&head, &stamp, AudioType::Wav), "2026-03-25 2359 unknown 0-42.wav");
        head.caller = Caller::new("+493023125014".parse().ok(), None);
        head.length = Duration::from_secs(3600);
        assert_eq!(file_name(&head, &stamp, AudioType::Gsm), "2026-03-25 2359 +493023125014 1-00-00.gsm");
    }
}
