//! [`Timetable`]: the hours of a week in which a mail may be sent.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::TimeSpan;
use crate::message::Stamp;

/// The hours of a week in which a mail may be sent. A timetable without any is always open.
///
/// Hours are those of the clock on the owner's wall: on a day on which the clocks change, the same hour may come twice or not at all, and
/// hours that begin in a skipped hour begin when it is over.
///
/// ```
/// use voicemail::chrono::{DateTime, Utc};
/// use voicemail::rules::Timetable;
///
/// let office: Timetable = ["mon-fri 08:00-18:00".parse()?].into_iter().collect();
/// let saturday: DateTime<Utc> = "2026-11-28T12:00:00Z".parse().unwrap();
/// let monday: DateTime<Utc> = "2026-11-30T07:00:00Z".parse().unwrap();
/// assert_eq!(office.opens_at(saturday, chrono_tz::Europe::Berlin), monday);
/// # Ok::<(), voicemail::rules::InvalidTimeSpan>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Timetable(Vec<TimeSpan>);

impl Timetable {
    /// Returns the hours, in the order in which they were given.
    pub fn spans(&self) -> &[TimeSpan] {
        &self.0
    }

    /// Returns whether the timetable is open at `now`, for an owner in `zone`.
    pub fn is_open(&self, now: DateTime<Utc>, zone: Tz) -> bool {
        let local = Stamp::new(now, zone).local().naive_local();
        self.0.is_empty() || self.0.iter().any(|span| span.contains(local))
    }

    /// Returns the first moment from `now` on at which the timetable is open, for an owner in `zone`: `now` if it is open.
    pub fn opens_at(&self, now: DateTime<Utc>, zone: Tz) -> DateTime<Utc> {
        if self.is_open(now, zone) {
            return now;
        }
        let today = Stamp::new(now, zone).local().date_naive();
        // Two weeks, because hours may begin in an hour that is skipped, and a zone may skip a whole day.
        let days = today.iter_days().take(15);
        let openings = days.flat_map(|day| self.0.iter().map(move |span| day.and_time(span.from())));
        let moments = openings.flat_map(|opening| moments_of(opening.and_utc(), zone));
        let open = moments.filter(|moment| *moment > now && self.is_open(*moment, zone));
        open.min().unwrap_or(now)
    }
}

impl FromIterator<TimeSpan> for Timetable {
    fn from_iter<I: IntoIterator<Item = TimeSpan>>(spans: I) -> Self {
        Self(spans.into_iter().collect())
    }
}

/// Returns the moments at which hours that begin at this time on the wall may begin. `wall` is the time as if it were in UTC.
fn moments_of(wall: DateTime<Utc>, zone: Tz) -> Vec<DateTime<Utc>> {
    let (mut before, mut after) = (wall - A_DAY, wall + A_DAY);
    let (earlier, later) = (offset_at(before, zone), offset_at(after, zone));
    if earlier == later {
        return vec![wall - earlier];
    }
    // The clocks change near this time: they may skip it, or show it twice, or change in the middle of the hours.
    while after - before > TimeDelta::seconds(1) {
        let middle = before + (after - before) / 2;
        if offset_at(middle, zone) == earlier {
            before = middle;
        } else {
            after = middle;
        }
    }
    let change = DateTime::from_timestamp(after.timestamp(), 0).unwrap_or(after);
    vec![wall - earlier, wall - later, change]
}

fn offset_at(moment: DateTime<Utc>, zone: Tz) -> TimeDelta {
    TimeDelta::seconds(Stamp::new(moment, zone).local().offset().local_minus_utc().into())
}

const A_DAY: TimeDelta = TimeDelta::days(1);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn opens_at(spans: &[&str], now: &str, zone: Tz) -> String {
        let table: Timetable = spans.iter().map(|span| span.parse().unwrap()).collect();
        table.opens_at(now.parse().unwrap(), zone).to_rfc3339()
    }

    #[test]
    fn an_hour_that_is_skipped_begins_when_it_is_over() {
        // The clocks of Berlin go from 02:00 to 03:00 on Sunday, 29 March 2026.
        let zone = chrono_tz::Europe::Berlin;
        let at = |span| opens_at(&[span], "2026-03-28T22:00:00Z", zone);
        assert_eq!(at("sun 02:30-04:00"), "2026-03-29T01:00:00+00:00", "at three by the summer clock");
        assert_eq!(at("sun 02:00-03:00"), "2026-04-05T00:00:00+00:00", "a week later: this Sunday has no such hour");
    }

    #[test]
    fn an_hour_that_comes_twice_is_open_twice() {
        // The clocks of Berlin go back from 03:00 to 02:00 on Sunday, 25 October 2026.
        let zone = chrono_tz::Europe::Berlin;
        let at = |now| opens_at(&["sun 02:15-02:45"], now, zone);
        assert_eq!(at("2026-10-24T22:00:00Z"), "2026-10-25T00:15:00+00:00");
        assert_eq!(at("2026-10-25T00:50:00Z"), "2026-10-25T01:15:00+00:00");
    }

    #[test]
    fn a_timetable_without_hours_is_always_open() {
        assert_eq!(opens_at(&[], "2026-10-25T00:50:00Z", chrono_tz::Asia::Kathmandu), "2026-10-25T00:50:00+00:00");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_opening_is_the_first_open_minute(
            minute in 0..2_000_000_i64,
            zone in prop::sample::select(vec![
                chrono_tz::Europe::Berlin, chrono_tz::Australia::Lord_Howe, chrono_tz::Pacific::Apia, chrono_tz::America::Sao_Paulo,
            ]),
            spans in prop::collection::vec(("(mon|tue|sat-sun|sun|daily)", 0..24_u32, 0..4_u32, 1..600_u32), 1..4),
        ) {
            // From 2010 on, so that Samoa skips 30 December 2011.
            let now = DateTime::from_timestamp(1_262_304_000 + minute * 60, 0).unwrap();
            let table: Timetable = spans.iter().map(|(days, hour, quarter, length)| {
                let from = hour * 60 + quarter * 15;
                let until = (from + length) % (24 * 60);
                format!("{days} {:02}:{:02}-{:02}:{:02}", from / 60, from % 60, until / 60, until % 60).parse().unwrap()
            }).collect();
            let mut expected = now;
            while !table.is_open(expected, zone) {
                expected += TimeDelta::minutes(1);
            }
            prop_assert_eq!(table.opens_at(now, zone), expected);
        }
    }
}
