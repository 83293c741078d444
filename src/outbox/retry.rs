//! [`AfterFailure`]: whether a mail is tried again, and when. It decides, and does nothing itself.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::jobs::Job;
use crate::retry::{RetryPolicy, is_over};

/// The next step after an attempt that failed. By default, waits double from a minute to half an hour, and a mail is given up after five days, of which it was
/// tried for half a day at least.
///
/// # Source
///
/// RFC 5321 §4.5.4.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterFailure {
    /// Another attempt.
    Retry { attempts: u32, retry_in: Duration },
    /// No further attempt: the mail has waited for its whole lifetime.
    GiveUp { attempts: u32 },
}

impl AfterFailure {
    /// Decides for the mail of `job`, an attempt of which failed `at` this time. `jitter` is a random number from 0 to 1.
    pub(super) fn of(job: &Job, policy: &RetryPolicy, at: DateTime<Utc>, jitter: f64) -> Self {
        let attempts = job.tries.saturating_add(1);
        if is_over(at - job.queued_at, job.tries, &policy.mail_deferred, policy.mail_lifetime) {
            return Self::GiveUp { attempts };
        }
        Self::Retry { attempts, retry_in: policy.mail_deferred.wait(job.tries, jitter) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::{JobKey, JobKind};
    use crate::retry::Backoff;

    /// All waits of a mail that always fails, and how often it was tried.
    fn waits(policy: &RetryPolicy, jitter: f64) -> (Vec<Duration>, u32) {
        let queued_at = "2026-11-22T18:00:00Z".parse().unwrap();
        let mut job = Job::new(JobKind::MAIL, JobKey::random(), queued_at);
        let (mut at, mut waits) = (queued_at, Vec::new());
        loop {
            match AfterFailure::of(&job, policy, at, jitter) {
                AfterFailure::Retry { attempts, retry_in } => {
                    assert_eq!(attempts, job.tries + 1);
                    waits.push(retry_in);
                    at += retry_in;
                    job = job.claimed(attempts, 0);
                }
                AfterFailure::GiveUp { attempts } => return (waits, attempts),
            }
        }
    }

    #[test]
    fn a_mail_is_tried_for_five_days_and_then_given_up() {
        let policy = RetryPolicy::default();
        let (waits, tries) = waits(&policy, 0.5);
        let days = waits.iter().sum::<Duration>().as_secs_f64() / 86_400.0;
        assert!((5.0..5.03).contains(&days) && (240..330).contains(&tries), "{days} days, {tries} tries");
        assert!(waits.iter().all(|wait| *wait <= policy.mail_deferred.max()));
    }

    #[test]
    fn the_waits_and_the_lifetime_are_those_of_the_policy() {
        let hours = |hours: u64| Duration::from_secs(3600 * hours);
        let policy = RetryPolicy::default().mail_deferred(Backoff::new(hours(1), hours(3)).unwrap()).mail_lifetime(hours(8));
        let (waits, tries) = waits(&policy, 0.0);
        assert_eq!(waits, [hours(1), hours(2), hours(3), hours(3)], "the attempt after 9 hours is the last one");
        assert_eq!(tries, 5);
    }

    #[test]
    fn a_clock_that_is_set_gives_no_new_mail_up() {
        let set_at: DateTime<Utc> = "2026-11-22T18:00:00Z".parse().unwrap();
        let job = Job::new(JobKind::MAIL, JobKey::random(), set_at);
        for set_to in [set_at - chrono::TimeDelta::days(56 * 365), set_at + chrono::TimeDelta::days(56 * 365)] {
            let after = AfterFailure::of(&job, &RetryPolicy::default(), set_to, 0.0);
            assert!(matches!(after, AfterFailure::Retry { attempts: 1, .. }), "{set_to}: {after:?}");
        }
    }
}
