//! [`wait_at_age`]: when a request that failed is tried again.

use std::time::Duration;

use crate::jobs::JobKey;

/// Returns how long a request waits that has failed at this age, counted from its first try; `None` after 75.6 hours, when it is given up.
///
/// Requests are tried at the age of 5 s, 5 min, 35 min, 2.6 h, 7.6 h, 17.6 h, 31.6 h, 51.6 h and 75.6 h. Each of these is up to a tenth later, depending on the key,
/// so that the requests of one outage do not come back at once. Only the age counts, which a restart of the node does not change.
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

const AGES_SECS: [u64; 9] = [5, 305, 2105, 9305, 27_305, 63_305, 113_705, 185_705, 272_105];

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
}
