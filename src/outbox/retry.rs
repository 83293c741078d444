//! [`AfterFailure`]: whether a mail is tried again, and when. It decides, and does nothing itself.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::jobs::Job;
use crate::retry::RetryPolicy;

/// The next step after an attempt that failed. By default, waits double from a minute to half an hour, and a mail is given up after five days.
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
        // A clock that was set back says that the mail has waited for less than nothing.
        let waited = (at - job.queued_at).to_std().unwrap_or_default();
        if waited >= policy.mail_lifetime {
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
    fn a_clock_that_goes_back_gives_no_mail_up() {
        let queued_at: DateTime<Utc> = "2026-11-22T18:00:00Z".parse().unwrap();
        let job = Job::new(JobKind::MAIL, JobKey::random(), queued_at);
        let earlier = queued_at - chrono::TimeDelta::days(4_000);
        assert!(matches!(AfterFailure::of(&job, &RetryPolicy::default(), earlier, 0.0), AfterFailure::Retry { attempts: 1, .. }));
    }
}
