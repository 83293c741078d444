//! [`RetrySchedule`]: when to try again.

use std::time::{Duration, Instant};

/// Waits that double from a first one to a longest one, each shortened at random by up to a quarter, so that many who failed
/// together do not come back together.
///
/// ```
/// use std::time::{Duration, Instant};
/// use voicemail::retry::RetrySchedule;
///
/// let now = Instant::now();
/// let mut schedule = RetrySchedule::new(Duration::from_secs(1), Duration::from_secs(300));
/// let first = schedule.handle_failure(now, 0.0);
/// assert_eq!(first, now + Duration::from_secs(1));
/// assert_eq!(schedule.handle_failure(first, 0.0), first + Duration::from_secs(2));
/// assert_eq!(schedule.attempts(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetrySchedule {
    first: Duration,
    longest: Duration,
    attempts: u32,
}

impl RetrySchedule {
    /// A schedule that has seen no failure.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, attempts: 0 }
    }

    /// A try failed at `now`; answers when the next is due. `jitter` is a random number from 0 to 1.
    pub fn handle_failure(&mut self, now: Instant, jitter: f64) -> Instant {
        let doublings = self.attempts.min(MAX_DOUBLINGS);
        let wait = self.first.saturating_mul(1 << doublings).min(self.longest);
        self.attempts = self.attempts.saturating_add(1);
        now + wait.mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 4.0)
    }

    /// A try succeeded: the next failure is a first one.
    pub fn handle_success(&mut self) {
        self.attempts = 0;
    }

    /// How many tries have failed since the last success.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }
}

const MAX_DOUBLINGS: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_the_longest_and_stay_there() {
        let mut now = Instant::now();
        let mut schedule = RetrySchedule::new(Duration::from_secs(1), Duration::from_secs(60));
        let mut waits = Vec::new();
        for _ in 0..8 {
            let next = schedule.handle_failure(now, 0.0);
            waits.push((next - now).as_secs());
            now = next;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        schedule.handle_success();
        assert_eq!(schedule.handle_failure(now, 1.0), now + Duration::from_millis(750));
    }

    #[test]
    fn a_failure_repeated_for_days_neither_overflows_nor_gives_up() {
        let now = Instant::now();
        let mut schedule = RetrySchedule::new(Duration::from_secs(1), Duration::from_secs(300));
        for _ in 0..100_000 {
            assert!(schedule.handle_failure(now, 0.5) <= now + Duration::from_secs(300));
        }
    }
}
