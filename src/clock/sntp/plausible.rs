//! The check whether the time of a server can be right at all.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::SntpError;

/// Refuses the `time` of `server` when it cannot be right, while this machine's clock says `now`.
///
/// A time before the year of the zone data of `chrono-tz` is in the past. A time that is off by a multiple of 1024 weeks, within a day, comes
/// from a GPS receiver that counts weeks in 10 bits: the server is 19.6 years behind, or that far ahead because its correction is
/// wrong. The time is compared with this machine's clock, unless that one is before the year of the zone data itself.
///
/// # Source
///
/// IS-GPS-200 §20.3.3.3.1.1: the week number is counted modulo 1024.
pub(super) fn check(server: &str, time: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), SntpError> {
    let server = || server.to_owned();
    if is_past(time) {
        return Err(SntpError::BeforeRelease { server: server(), time });
    }
    let off = time - now;
    // Rounded to the nearest.
    let rollovers = (off.num_seconds() + ROLLOVER.num_seconds() / 2).div_euclid(ROLLOVER.num_seconds());
    let rest = off - TimeDelta::seconds(rollovers * ROLLOVER.num_seconds());
    if rollovers != 0 && rest.abs() <= TimeDelta::days(1) && !is_past(now) {
        return Err(SntpError::WeekRollover { server: server(), time, weeks: rollovers * WEEKS });
    }
    Ok(())
}

/// Returns whether `time` is before the year in which the zone data of `chrono-tz` was published.
fn is_past(time: DateTime<Utc>) -> bool {
    // `2025b`, say.
    let year = chrono_tz::IANA_TZDB_VERSION.get(..4).and_then(|year| year.parse().ok()).unwrap_or(0);
    NaiveDate::from_ymd_opt(year, 1, 1).is_some_and(|published| time.date_naive() < published)
}

const WEEKS: i64 = 1024;
const ROLLOVER: TimeDelta = TimeDelta::weeks(WEEKS);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-28T21:00:00Z".parse().unwrap()
    }

    fn is_rollover(found: &Result<(), SntpError>, expected: i64) -> bool {
        matches!(found, Err(SntpError::WeekRollover { weeks, .. }) if *weeks == expected)
    }

    #[test]
    fn a_server_1024_weeks_behind_is_in_the_past() {
        let behind = check("ntp.example:123", now() - ROLLOVER, now());
        let text = behind.unwrap_err().to_string();
        assert_eq!(
            text,
            "the time server ntp.example:123 says 2007-04-14 21:00:00 UTC, which is before this program was built; it is not followed"
        );
    }

    #[test]
    fn a_server_1024_or_2048_weeks_ahead_is_not_followed() {
        for times in [1, 2] {
            let ahead = now() + ROLLOVER * times + TimeDelta::hours(20);
            assert!(is_rollover(&check("ntp.example:123", ahead, now()), i64::from(times) * 1024));
        }
        // In twenty years, one that is behind is no longer before the zone data.
        let later = now() + ROLLOVER * 2;
        assert!(is_rollover(&check("ntp.example:123", later - ROLLOVER, later), -1024));
    }

    #[test]
    fn a_machine_that_starts_in_the_past_follows_a_server() {
        for machine in [DateTime::UNIX_EPOCH, now() - ROLLOVER, "1980-01-06T00:00:00Z".parse().unwrap()] {
            assert!(check("ntp.example:123", now(), machine).is_ok(), "{machine}");
        }
    }

    proptest! {
        #[test]
        fn a_machine_off_by_anything_else_follows_a_server(secs in -300_000_000..600_000_000_i64) {
            let machine = now() + TimeDelta::seconds(secs);
            prop_assert!(check("ntp.example:123", now(), machine).is_ok());
        }
    }
}
