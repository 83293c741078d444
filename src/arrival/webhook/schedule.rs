//! [`wait_at_age`]: when a request that failed is tried again.

use std::time::Duration;

#[cfg(feature = "http-client")]
use chrono::TimeDelta;

use crate::jobs::JobKey;
#[cfg(feature = "http-client")]
use crate::retry::credible_age;

/// Returns how long a request waits that has failed at this age, counted from its first try; `None` after 75.6 hours, when it is given up.
///
/// Requests are tried at the age of 5 s, 5 min, 35 min, 2.6 h, 7.6 h, 17.6 h, 31.6 h, 51.6 h and 75.6 h. Each of these is up to a tenth later, depending on the key,
/// so that the requests of one outage do not come back at once. Only the age counts, which a restart of the node does not change. A clock that was set does: a
/// request is not given up before it has failed six times, and the next wait of one that is too old or too young for that is the one after so many tries.
///
/// ```
/// use std::time::Duration;
/// use voicemail::arrival::webhook::wait_at_age;
/// use voicemail::jobs::JobKey;
///
/// let key = JobKey::from_bytes([0; 16]);
/// assert_eq!(wait_at_age(Duration::from_secs(6), key), Some(Duration::from_secs(299)));
/// assert_eq!(wait_at_age(Duration::from_secs(76 * 3600), key), None);
/// ```
///
/// # Source
///
/// Standard Webhooks 1.0.0, "Deliverability and reliability".
pub fn wait_at_age(age: Duration, key: JobKey) -> Option<Duration> {
    let later = AGES_SECS.into_iter().enumerate().map(|(place, secs)| {
        let part = u32::from(key.as_bytes()[place % 16]);
        let due = Duration::from_secs(secs);
        due + due / 10 * part / 255
    });
    // A try that came a little early is not repeated at once.
    let after = age + Duration::from_secs(1);
    later.into_iter().find(|due| *due > after).map(|due| due.saturating_sub(age))
}

/// Returns the age of a request, given the one that the clock says, and how many tries have failed before this one.
#[cfg(feature = "http-client")]
pub(super) fn age(by_clock: TimeDelta, tries: u32) -> Duration {
    let place = usize::try_from(tries).unwrap_or(usize::MAX).min(AGES_SECS.len());
    let by_tries = place.checked_sub(1).map_or(0, |last| AGES_SECS[last]);
    credible_age(by_clock, Duration::from_secs(by_tries), Duration::from_secs(LAST_AGE_SECS))
}

const AGES_SECS: [u64; 9] = [5, 305, 2105, 9305, 27_305, 63_305, 113_705, 185_705, LAST_AGE_SECS];
const LAST_AGE_SECS: u64 = 272_105;

#[cfg(test)]
mod tests {
    use super::*;

    /// The ages at which a request is tried that always fails.
    fn ages(key: JobKey) -> Vec<Duration> {
        let mut ages = vec![Duration::ZERO];
        while let Some(wait) = wait_at_age(ages[ages.len() - 1], key) {
            ages.push(ages[ages.len() - 1] + wait);
        }
        ages
    }

    #[test]
    fn a_request_is_tried_ten_times_within_75_to_84_hours() {
        let secs: Vec<u64> = ages(JobKey::from_bytes([0; 16])).iter().map(Duration::as_secs).collect();
        assert_eq!(secs, [0, 5, 305, 2105, 9305, 27_305, 63_305, 113_705, 185_705, 272_105]);
        let latest = ages(JobKey::from_bytes([255; 16]));
        assert_eq!((latest.len(), latest[9]), (10, Duration::from_secs(272_105) * 11 / 10));
        for _ in 0..100 {
            assert_eq!(ages(JobKey::random()).len(), 10);
        }
    }

    #[test]
    fn a_try_that_comes_early_or_late_changes_no_other() {
        let wait = |millis| wait_at_age(Duration::from_millis(millis), JobKey::from_bytes([0; 16])).unwrap();
        assert_eq!(wait(4_900), Duration::from_millis(300_100));
        assert_eq!(wait(200_000), Duration::from_secs(105));
    }

    #[cfg(feature = "http-client")]
    #[test]
    fn a_clock_that_is_set_gives_no_request_up_early() {
        let key = JobKey::from_bytes([0; 16]);
        let waits = |by_clock, tries| wait_at_age(age(by_clock, tries), key).map(|wait| wait.as_secs());
        let (back, ahead) = (TimeDelta::days(-56 * 365), TimeDelta::days(56 * 365));
        let by_tries = |by_clock| (0..).map_while(|tries| waits(by_clock, tries)).collect::<Vec<_>>();
        assert_eq!(by_tries(ahead), [5, 300, 1800, 7200, 18_000]);
        assert_eq!(by_tries(back), [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]);
        assert_eq!((waits(back, u32::MAX), waits(TimeDelta::seconds(305), 7)), (None, Some(1800)));
    }
}
