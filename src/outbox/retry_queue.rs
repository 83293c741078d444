//! [`RetryQueue`]: which mail is tried when, and which is given up. It decides, and does nothing itself.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::queued_mail::QueuedMailName;
use crate::retry::{Backoff, RetryPolicy, RetrySchedule};

/// Which mail is tried when. By default, waits double from a minute to half an hour, and a mail is given up after five days.
///
/// # Source
///
/// RFC 5321 §4.5.4.1.
#[derive(Debug)]
pub(super) struct RetryQueue {
    waiting: HashMap<QueuedMailName, RetrySchedule>,
    /// Those that are not being tried.
    due: BTreeSet<(Instant, QueuedMailName)>,
    backoff: Backoff,
    lifetime: Duration,
}

/// The next step after an attempt that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterFailure {
    /// Another attempt.
    Retry { attempts: u32, retry_in: Duration },
    /// No further attempt: the mail has waited for its whole lifetime.
    GiveUp { attempts: u32 },
}

impl RetryQueue {
    /// An empty queue with the waits of `policy`.
    pub(super) fn new(policy: &RetryPolicy) -> Self {
        let (backoff, lifetime) = (policy.mail_deferred, policy.mail_lifetime);
        Self { waiting: HashMap::new(), due: BTreeSet::new(), backoff, lifetime }
    }

    /// How many mails wait, including those being tried.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Adds a mail that is on stable storage; it is due at once.
    pub(super) fn handle_queued(&mut self, name: QueuedMailName, now: Instant) {
        self.due.insert((now, name.clone()));
        self.waiting.insert(name, RetrySchedule::new(self.backoff));
    }

    /// Returns the next mail to try; it is being tried from now on.
    pub(super) fn poll_try(&mut self, now: Instant) -> Option<QueuedMailName> {
        let is_due = self.due.first().is_some_and(|(due, _)| *due <= now);
        if is_due { self.due.pop_first().map(|(_, name)| name) } else { None }
    }

    /// When to poll again, if nothing else happens before.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Notes that an attempt failed at `now`, which is `at` by the clock. `jitter` is a random number from 0 to 1.
    pub(super) fn handle_failure(&mut self, name: &QueuedMailName, now: Instant, at: DateTime<Utc>, jitter: f64) -> AfterFailure {
        let Some(schedule) = self.waiting.get_mut(name) else { return AfterFailure::GiveUp { attempts: 0 } };
        let due = schedule.handle_failure(now, jitter);
        let attempts = schedule.attempts();
        // A clock that was set back says that the mail has waited for less than nothing.
        let waited = (at - name.queued_at()).to_std().unwrap_or_default();
        if waited >= self.lifetime {
            self.waiting.remove(name);
            return AfterFailure::GiveUp { attempts };
        }
        self.due.insert((due, name.clone()));
        AfterFailure::Retry { attempts, retry_in: due - now }
    }

    /// Notes that nothing more is to be done for a mail; returns how many attempts it took.
    pub(super) fn handle_settled(&mut self, name: &QueuedMailName) -> u32 {
        self.waiting.remove(name).map_or(0, |schedule| schedule.attempts() + 1)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn a_mail_is_tried_for_five_days_and_then_given_up() {
        let (queued_at, start) = ("2026-11-22T18:00:00Z".parse().unwrap(), Instant::now());
        let name = QueuedMailName::new(queued_at);
        let (mut retry_queue, mut now, mut tries) = (RetryQueue::new(&RetryPolicy::default()), start, 0);
        retry_queue.handle_queued(name.clone(), now);
        loop {
            assert_eq!(retry_queue.poll_try(now).as_ref(), Some(&name));
            assert_eq!(
                (retry_queue.poll_try(now), retry_queue.poll_timeout(), retry_queue.len()),
                (None, None, 1),
                "one try at a time"
            );
            tries += 1;
            let at = queued_at + (now - start);
            match retry_queue.handle_failure(&name, now, at, 0.5) {
                AfterFailure::Retry { attempts, retry_in } => {
                    assert!(attempts == tries && retry_in <= RetryPolicy::default().mail_deferred.max());
                    assert_eq!(retry_queue.poll_try(now + retry_in.saturating_sub(Duration::from_millis(1))), None);
                    now += retry_in;
                }
                AfterFailure::GiveUp { attempts } => break assert_eq!(attempts, tries),
            }
        }
        let days = (now - start).as_secs_f64() / 86_400.0;
        assert!((5.0..5.03).contains(&days) && (240..330).contains(&tries), "{days} days, {tries} tries");
        assert_eq!((retry_queue.len(), retry_queue.poll_timeout()), (0, None));
    }

    #[test]
    fn a_failing_mail_delays_no_other() {
        let (queued_at, now) = (DateTime::UNIX_EPOCH, Instant::now());
        let (one, other) = (QueuedMailName::new(queued_at), QueuedMailName::new(queued_at + TimeDelta::seconds(1)));
        let mut retry_queue = RetryQueue::new(&RetryPolicy::default());
        for name in [&one, &other] {
            retry_queue.handle_queued(name.clone(), now);
        }
        assert_eq!(retry_queue.poll_try(now), Some(one.clone()), "the oldest first");
        retry_queue.handle_failure(&one, now, queued_at, 0.0);
        assert_eq!(retry_queue.poll_try(now), Some(other.clone()));
        assert_eq!((retry_queue.handle_settled(&other), retry_queue.poll_try(now)), (1, None));
        assert_eq!(retry_queue.poll_timeout(), Some(now + RetryPolicy::default().mail_deferred.first()));
    }

    #[test]
    fn the_waits_and_the_lifetime_are_those_of_the_policy() {
        let hours = |hours: u64| Duration::from_secs(3600 * hours);
        let policy = RetryPolicy::default().mail_deferred(Backoff::new(hours(1), hours(3)).unwrap()).mail_lifetime(hours(8));
        let (queued_at, start) = ("2026-11-22T18:00:00Z".parse().unwrap(), Instant::now());
        let name = QueuedMailName::new(queued_at);
        let (mut retry_queue, mut now, mut waits) = (RetryQueue::new(&policy), start, Vec::new());
        retry_queue.handle_queued(name.clone(), now);
        while let AfterFailure::Retry { retry_in, .. } = retry_queue.handle_failure(&name, now, queued_at + (now - start), 0.0) {
            waits.push(retry_in);
            now += retry_in;
        }
        assert_eq!(waits, [hours(1), hours(2), hours(3), hours(3)], "the attempt after 9 hours is the last one");
    }
}
