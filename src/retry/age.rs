//! [`credible_age`]: how long something has been tried, by a clock that may have been set meanwhile.

use std::time::Duration;

use chrono::TimeDelta;

use super::Backoff;

/// Returns how long something has been tried: `by_clock`, if the tries that have failed allow that.
///
/// A machine without a battery for its clock starts in some past year, until a time server sets it: what waits is then half a century old, after one try. So
/// an age of a whole `lifetime` or more counts only when the waits between the tries that have failed, `by_tries`, are a tenth of that lifetime. Until then, and
/// while the clock says that less than no time has passed, the age is `by_tries`.
pub(crate) fn credible_age(by_clock: TimeDelta, by_tries: Duration, lifetime: Duration) -> Duration {
    match by_clock.to_std() {
        Ok(age) if age < lifetime || by_tries >= lifetime / 10 => age,
        // `Err` is an age below zero: the clock was set back.
        Ok(_) | Err(_) => by_tries,
    }
}

/// Returns whether something was tried for its whole `lifetime`, after `failures` that had the waits of `backoff` between them.
pub(crate) fn is_over(by_clock: TimeDelta, failures: u32, backoff: &Backoff, lifetime: Duration) -> bool {
    credible_age(by_clock, backoff.least_sum(failures), lifetime) >= lifetime
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::RetryPolicy;

    const DAY: Duration = Duration::from_secs(86_400);

    fn years(years: i64) -> TimeDelta {
        TimeDelta::days(years * 365)
    }

    #[test]
    fn an_age_below_the_lifetime_is_that_of_the_clock() {
        for by_tries in [Duration::ZERO, DAY, 9 * DAY] {
            assert_eq!(credible_age(TimeDelta::days(2), by_tries, 5 * DAY), 2 * DAY);
        }
    }

    #[test]
    fn a_clock_set_ahead_ends_nothing_before_a_tenth_of_its_tries() {
        let (first, almost, enough) = (Duration::ZERO, Duration::from_secs(43_199), DAY / 2);
        assert_eq!(credible_age(years(56), first, 5 * DAY), first);
        assert_eq!(credible_age(years(56), almost, 5 * DAY), almost);
        assert!(credible_age(years(56), enough, 5 * DAY) > 5 * DAY);
        assert_eq!(credible_age(TimeDelta::MAX, first, 5 * DAY), first);
    }

    #[test]
    fn a_clock_set_back_leaves_the_age_to_the_tries() {
        for by_clock in [years(-56), TimeDelta::milliseconds(-1), TimeDelta::MIN] {
            assert_eq!(credible_age(by_clock, 3 * DAY, 5 * DAY), 3 * DAY);
        }
    }

    #[test]
    fn whatever_the_clock_says_tries_end_within_the_lifetime() {
        let policy = RetryPolicy::default();
        for (backoff, lifetime) in [(policy.mail_deferred, policy.mail_lifetime), (policy.step_failed, policy.step_lifetime)] {
            let tries_at = |by_clock| (0..1000).find(|failures| is_over(by_clock, *failures, &backoff, lifetime)).unwrap();
            let (ahead, back) = (tries_at(years(56)), tries_at(years(-56)));
            let longest = |failures: u32| (0..failures).map(|failure| backoff.wait(failure, 0.0)).sum::<Duration>();
            assert!((lifetime / 10..lifetime / 7).contains(&longest(ahead)), "{ahead} tries, {:?}", longest(ahead));
            assert!((lifetime..lifetime * 27 / 20).contains(&longest(back)), "{back} tries, {:?}", longest(back));
        }
    }

    #[test]
    fn a_lifetime_of_zero_ends_with_the_first_try() {
        let backoff = RetryPolicy::default().step_failed;
        assert!(is_over(TimeDelta::zero(), 0, &backoff, Duration::ZERO) && is_over(years(-1), 0, &backoff, Duration::ZERO));
        assert!(is_over(years(-1), u32::MAX, &backoff, DAY) && !is_over(years(1), 0, &backoff, Duration::MAX));
    }
}
