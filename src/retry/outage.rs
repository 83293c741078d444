//! [`Outage`]: when a destination that cannot be reached is tried next.

use std::time::{Duration, Instant};

use super::{Backoff, RetrySchedule};

/// A period in which a destination cannot be reached, as far as is known.
#[derive(Debug)]
pub(crate) struct Outage {
    schedule: RetrySchedule,
    probe_at: Instant,
}

impl Outage {
    /// An outage that begins with a failure at `now`. `jitter` is a random number from 0 to 1.
    pub(crate) fn new(backoff: Backoff, now: Instant, jitter: f64) -> Self {
        let mut schedule = RetrySchedule::new(backoff);
        let probe_at = schedule.handle_failure(now, jitter);
        Self { schedule, probe_at }
    }

    /// When the destination is tried next.
    pub(crate) fn probe_at(&self) -> Instant {
        self.probe_at
    }

    /// Counts an attempt that failed at `now`. Attempts that were under way together fail together, which counts as one failure.
    pub(crate) fn handle_failure(&mut self, now: Instant, jitter: f64) {
        if self.probe_at <= now {
            self.probe_at = self.schedule.handle_failure(now, jitter);
        }
    }

    /// Notes that a probe goes out at `now`. Another one follows after the longest wait, even if this one has no answer by then.
    pub(crate) fn handle_probe(&mut self, now: Instant) {
        self.probe_at = now + self.schedule.backoff().max();
    }

    /// Counts a probe that failed at `now`: the next one is due after the next wait, unless it was due earlier.
    pub(crate) fn handle_probe_failure(&mut self, now: Instant, jitter: f64) {
        self.probe_at = self.probe_at.min(self.schedule.handle_failure(now, jitter));
    }

    /// Makes the next attempt due `wait` from `now`, unless it was due earlier.
    pub(crate) fn retry_within(&mut self, wait: Duration, now: Instant) {
        self.probe_at = self.probe_at.min(now + wait);
    }

    /// Makes the next attempt due at `now`, whatever the schedule says.
    pub(crate) fn retry_now(&mut self, now: Instant) {
        self.probe_at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn outage(now: Instant) -> Outage {
        Outage::new(Backoff::new(SECOND, 4 * SECOND).unwrap(), now, 0.0)
    }

    #[test]
    fn attempts_that_fail_together_count_as_one_failure() {
        let now = Instant::now();
        let mut outage = outage(now);
        for _ in 0..5 {
            outage.handle_failure(now, 0.0);
        }
        assert_eq!(outage.probe_at(), now + SECOND);
        outage.handle_failure(now + SECOND, 0.0);
        assert_eq!(outage.probe_at(), now + 3 * SECOND);
    }

    #[test]
    fn a_probe_without_an_answer_is_followed_after_the_longest_wait() {
        let now = Instant::now();
        let mut outage = outage(now);
        outage.handle_probe(now + SECOND);
        assert_eq!(outage.probe_at(), now + 5 * SECOND);
        outage.handle_probe_failure(now + SECOND, 0.0);
        assert_eq!(outage.probe_at(), now + 3 * SECOND, "its failure brings the next one forward");
        outage.retry_within(2 * SECOND, now);
        assert_eq!(outage.probe_at(), now + 2 * SECOND);
        outage.retry_within(9 * SECOND, now);
        assert_eq!(outage.probe_at(), now + 2 * SECOND, "it was due earlier");
        outage.retry_now(now);
        assert_eq!(outage.probe_at(), now);
    }
}
