//! Decides which days a sweep looks at, and which sounds of a day may be deleted if no message refers to them.

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use object_store::ObjectMeta;

use super::SoundName;

/// Returns the last day whose sounds are all old enough at the moment `now`: the day before yesterday. Its youngest sound is 24 h old.
pub(super) fn last_due(now: DateTime<Utc>) -> NaiveDate {
    now.date_naive().checked_sub_days(Days::new(2)).unwrap_or(NaiveDate::MIN)
}

/// Returns the day to sweep next, if one of those that `exist` is due: the first after `swept`, which is the last that was swept.
pub(super) fn next_day(
    exist: impl IntoIterator<Item = NaiveDate>,
    swept: Option<NaiveDate>,
    now: DateTime<Utc>,
) -> Option<NaiveDate> {
    let last = last_due(now);
    exist.into_iter().filter(|day| *day <= last && swept.is_none_or(|swept| *day > swept)).min()
}

/// Returns the name of a sound that may be deleted at the moment `now` if no message refers to it: one of this `day` that is older than 24 h also by
/// the clock of the object store. An object with another name is no sound, and is left alone.
pub(super) fn candidate(object: &ObjectMeta, day: NaiveDate, now: DateTime<Utc>) -> Option<SoundName> {
    let name: SoundName = object.location.as_ref().parse().ok()?;
    let old = now.signed_duration_since(object.last_modified) >= MIN_AGE;
    (old && name.day() == day).then_some(name)
}

const MIN_AGE: TimeDelta = TimeDelta::hours(24);

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn each_day_is_swept_once_oldest_first_when_it_is_old_enough() {
        let days = ["2026-11-29", "2026-11-26", "2026-11-27", "2026-11-28", "2027-01-01"].map(day);
        let now = moment("2026-11-29T00:00:00Z");
        assert_eq!(next_day(days, None, now), Some(day("2026-11-26")));
        assert_eq!(next_day(days, Some(day("2026-11-26")), now), Some(day("2026-11-27")));
        assert_eq!(next_day(days, Some(day("2026-11-27")), now), None, "yesterday's may be younger than 24 h");
        assert_eq!(next_day(days, Some(day("2026-11-27")), moment("2026-11-30T00:00:00Z")), Some(day("2026-11-28")));
        assert_eq!(next_day([], None, now), None);
    }

    #[test]
    fn only_a_sound_of_the_day_and_older_than_24_h_is_a_candidate() {
        let of = |location: &str, modified: &str| ObjectMeta {
            location: location.into(),
            last_modified: moment(modified),
            size: 1,
            e_tag: None,
            version: None,
        };
        let name = format!("2026-11-27/{}", "0f".repeat(16));
        let now = moment("2026-11-29T12:00:00Z");
        let is_candidate = |object: &ObjectMeta| candidate(object, day("2026-11-27"), now).is_some();
        assert!(is_candidate(&of(&name, "2026-11-28T12:00:00Z")));
        assert!(!is_candidate(&of(&name, "2026-11-28T12:00:01Z")), "a name with a wrong day");
        assert!(!is_candidate(&of(&name, "2026-11-30T00:00:00Z")), "a clock that differs");
        assert!(!is_candidate(&of("2026-11-27/letter.txt", "2026-11-01T00:00:00Z")));
        assert!(!is_candidate(&of(&name.replace("27", "26"), "2026-11-01T00:00:00Z")));
    }
}
