//! [`TimeSpan`]: hours of some days of the week.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike as _, NaiveDateTime, NaiveTime, Timelike as _, Weekday};

/// The same hours of some days of the week, by the clock on the owner's wall: `mon-fri 08:00-18:00`, `sat,sun 22:00-02:00`, `daily 00:00-24:00`.
///
/// The hours begin at the first time and end before the second. If the second is not later, they end on the day after.
///
/// ```
/// use voicemail::rules::TimeSpan;
///
/// let night: TimeSpan = "fri-sun 22:00-06:30".parse()?;
/// assert_eq!(night.to_string(), "fri-sun 22:00-06:30");
/// let error = "mon-fri 8-18".parse::<TimeSpan>().unwrap_err();
/// assert_eq!(error.to_string(), "hours are days and two times, such as mon-fri 08:00-18:00 or sat,sun 22:00-02:00");
/// # Ok::<(), voicemail::rules::InvalidTimeSpan>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeSpan {
    /// The days on which the hours begin: bit 0 is Monday.
    days: u8,
    /// Minutes after midnight, below 1440.
    from: u32,
    /// Minutes after midnight, above `from`; more than 1440 if the hours end on the day after.
    until: u32,
}

impl TimeSpan {
    /// Returns whether the hours begin on this day of the week.
    pub fn begins_on(&self, day: Weekday) -> bool {
        self.days & 1 << day.num_days_from_monday() != 0
    }

    /// Returns whether the clock shows one of the hours.
    pub(super) fn contains(&self, local: NaiveDateTime) -> bool {
        let minute = local.hour() * 60 + local.minute();
        let today = self.begins_on(local.weekday()) && (self.from..self.until).contains(&minute);
        let since_yesterday = self.begins_on(local.weekday().pred()) && minute + DAY < self.until;
        today || since_yesterday
    }

    /// Returns the time at which the hours begin.
    pub(super) fn from(&self) -> NaiveTime {
        NaiveTime::from_num_seconds_from_midnight_opt(self.from * 60, 0).unwrap_or_default()
    }
}

impl FromStr for TimeSpan {
    type Err = InvalidTimeSpan;

    fn from_str(text: &str) -> Result<Self, InvalidTimeSpan> {
        let (days, hours) = text.split_once(' ').ok_or(InvalidTimeSpan)?;
        let (from, until) = hours.split_once('-').ok_or(InvalidTimeSpan)?;
        let (from, until) = (minutes(from)?, minutes(until)?);
        if from >= DAY || from == until {
            return Err(InvalidTimeSpan);
        }
        let until = if until < from { until + DAY } else { until };
        Ok(Self { days: read_days(days)?, from, until })
    }
}

/// Reads days: `daily`, or days and ranges of days with commas between them.
fn read_days(text: &str) -> Result<u8, InvalidTimeSpan> {
    if text == DAILY {
        return Ok(ALL_DAYS);
    }
    let mut days = 0;
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        let count = (last + 7 - first) % 7;
        days |= (0..=count).fold(0, |days, more| days | 1 << ((first + more) % 7));
    }
    Ok(days)
}

fn day(text: &str) -> Result<usize, InvalidTimeSpan> {
    DAYS.iter().position(|day| *day == text).ok_or(InvalidTimeSpan)
}

/// Reads a time from `00:00` to `24:00`.
fn minutes(text: &str) -> Result<u32, InvalidTimeSpan> {
    let (hours, minutes) = text.split_once(':').ok_or(InvalidTimeSpan)?;
    let two_digits = |text: &str| {
        let valid = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u32>().ok().filter(|_| valid).ok_or(InvalidTimeSpan)
    };
    let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
    let total = hours * 60 + minutes;
    if minutes < 60 && total <= DAY { Ok(total) } else { Err(InvalidTimeSpan) }
}

impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days == ALL_DAYS {
            f.write_str(DAILY)?;
        } else {
            let has = |day: usize| self.days & 1 << (day % 7) != 0;
            // A run begins on a day whose day before is not one of them.
            let runs = (0..7).filter(|first| has(*first) && !has(first + 6));
            let shown = runs.map(|first| {
                let last = (first..first + 7).take_while(|day| has(*day)).last().unwrap_or(first) % 7;
                if first == last { DAYS[first].to_owned() } else { format!("{}-{}", DAYS[first], DAYS[last]) }
            });
            f.write_str(&shown.collect::<Vec<_>>().join(","))?;
        }
        let until = if self.until > DAY { self.until - DAY } else { self.until };
        write!(f, " {:02}:{:02}-{:02}:{:02}", self.from / 60, self.from % 60, until / 60, until % 60)
    }
}

/// A text that is no [`TimeSpan`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("hours are days and two times, such as mon-fri 08:00-18:00 or sat,sun 22:00-02:00")]
#[non_exhaustive]
pub struct InvalidTimeSpan;

/// The minutes of a day.
const DAY: u32 = 24 * 60;
const ALL_DAYS: u8 = 0b111_1111;
const DAILY: &str = "daily";
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_that_are_no_hours_are_refused() {
        for text in [
            "",
            "mon",
            "mon 08:00",
            "mon 8:00-18:00",
            "mon 08:00-08:00",
            "mon 24:00-02:00",
            "mon 08:00-24:01",
            "mon 08:60-18:00",
            "mon,mo 08:00-18:00",
            "mon- 08:00-18:00",
            "Mon 08:00-18:00",
            " mon 08:00-18:00",
            "mon  08:00-18:00",
            "mon 08:00-18:00\n",
            "mon +8:00-18:00",
        ] {
            assert_eq!(text.parse::<TimeSpan>(), Err(InvalidTimeSpan), "{text:?}");
        }
    }

    #[test]
    fn days_are_written_as_runs() {
        for (text, written) in [
            ("mon,tue,wed 08:00-18:00", "mon-wed 08:00-18:00"),
            ("sun,mon 00:00-24:00", "sun-mon 00:00-24:00"),
            ("mon-sun 00:00-00:30", "daily 00:00-00:30"),
            ("sat-tue,thu 23:30-00:00", "thu,sat-tue 23:30-24:00"),
        ] {
            assert_eq!(text.parse::<TimeSpan>().unwrap().to_string(), written);
        }
    }

    #[test]
    fn hours_over_midnight_belong_to_the_day_they_begin() {
        let span: TimeSpan = "sat 22:00-02:00".parse().unwrap();
        for (local, inside) in [
            ("2026-11-28T21:59:59", false), // a Saturday
            ("2026-11-28T22:00:00", true),
            ("2026-11-29T01:59:59", true),
            ("2026-11-29T02:00:00", false),
            ("2026-11-28T01:00:00", false),
        ] {
            assert_eq!(span.contains(local.parse().unwrap()), inside, "{local}");
        }
    }

    proptest! {
        #[test]
        fn hours_are_read_as_they_are_written(days in 1..=ALL_DAYS, from in 0..DAY, length in 1..=DAY) {
            prop_assume!(length < DAY || from == 0);
            let span = TimeSpan { days, from, until: from + length };
            prop_assert_eq!(span.to_string().parse(), Ok(span));
        }
    }
}
