//! [`Backoff`]: how long to wait after a failure; [`RetrySchedule`]: when one thing is tried again.

use std::time::{Duration, Instant};

/// Waits that double from a first one to a longest one.
///
/// ```
/// use std::time::Duration;
/// use voicemail::retry::Backoff;
///
/// let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(300))?;
/// assert_eq!(backoff.wait(0, 0.0), Duration::from_secs(1));
/// assert_eq!(backoff.wait(1, 0.0), Duration::from_secs(2));
/// assert_eq!(backoff.wait(20, 0.0), Duration::from_secs(300));
/// # Ok::<(), voicemail::retry::InvalidBackoff>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    max: Duration,
}

impl Backoff {
    /// Waits that double from `first` to `max`. With both equal, all waits are alike.
    ///
    /// # Errors
    ///
    /// [`InvalidBackoff`] unless `first` is at least 1 ms, and `max` at least `first` and at most 30 days.
    pub fn new(first: Duration, max: Duration) -> Result<Self, InvalidBackoff> {
        let is_valid = MIN_FIRST <= first && first <= max && max <= MAX_WAIT;
        if is_valid { Ok(Self { first, max }) } else { Err(InvalidBackoff { first, max }) }
    }

    /// The same for constants of this crate, which are valid.
    pub(super) const fn from_millis(first: u64, max: u64) -> Self {
        Self { first: Duration::from_millis(first), max: Duration::from_millis(max) }
    }

    /// The wait after the first failure.
    pub fn first(&self) -> Duration {
        self.first
    }

    /// The longest wait.
    pub fn max(&self) -> Duration {
        self.max
    }

    /// Returns the wait after a failure that `failures` others came before.
    ///
    /// `jitter` is a random number from 0 to 1; it shortens the wait by up to a quarter, so that clients that failed together do not come
    /// back together.
    pub fn wait(&self, failures: u32, jitter: f64) -> Duration {
        let doublings = failures.min(MAX_DOUBLINGS);
        let wait = self.first.saturating_mul(1 << doublings).min(self.max);
        wait.mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 4.0)
    }

    /// Returns how long the waits after this many failures take at least, one after the other.
    #[cfg(feature = "node")]
    pub(crate) fn least_sum(&self, failures: u32) -> Duration {
        let growing = (0..failures.min(MAX_DOUBLINGS)).map(|failure| self.wait(failure, 1.0)).sum::<Duration>();
        growing.saturating_add(self.wait(MAX_DOUBLINGS, 1.0).saturating_mul(failures.saturating_sub(MAX_DOUBLINGS)))
    }
}

/// Two durations that make no [`Backoff`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("waits of {first:?} to {max:?}: the first must be at least 1 ms, and the longest at least as long and at most 30 days")]
#[non_exhaustive]
pub struct InvalidBackoff {
    /// The wait that was to come first.
    pub first: Duration,
    /// The wait that was to be the longest.
    pub max: Duration,
}

/// Counts the failures of one thing that is retried, and says when the next attempt is due.
///
/// ```
/// use std::time::{Duration, Instant};
/// use voicemail::retry::{Backoff, RetrySchedule};
///
/// let now = Instant::now();
/// let mut schedule = RetrySchedule::new(Backoff::new(Duration::from_secs(1), Duration::from_secs(300))?);
/// let first = schedule.handle_failure(now, 0.0);
/// assert_eq!(first, now + Duration::from_secs(1));
/// assert_eq!(schedule.handle_failure(first, 0.0), first + Duration::from_secs(2));
/// assert_eq!(schedule.attempts(), 2);
/// # Ok::<(), voicemail::retry::InvalidBackoff>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetrySchedule {
    backoff: Backoff,
    attempts: u32,
}

impl RetrySchedule {
    /// A schedule that has seen no failure.
    pub fn new(backoff: Backoff) -> Self {
        Self { backoff, attempts: 0 }
    }

    /// Counts an attempt that failed at `now`, and returns when the next is due. `jitter` is a random number from 0 to 1, as for
    /// [`Backoff::wait`].
    pub fn handle_failure(&mut self, now: Instant, jitter: f64) -> Instant {
        let wait = self.backoff.wait(self.attempts, jitter);
        self.attempts = self.attempts.saturating_add(1);
        now + wait
    }

    /// Notes that an attempt succeeded: the next failure counts as the first one.
    pub fn handle_success(&mut self) {
        self.attempts = 0;
    }

    /// How many attempts have failed since the last success.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The waits that it follows.
    pub fn backoff(&self) -> Backoff {
        self.backoff
    }
}

const MAX_DOUBLINGS: u32 = 20;
/// A shorter first wait would keep a thread busy.
const MIN_FIRST: Duration = Duration::from_millis(1);
/// A longer wait is a mistake, and could pass the end of the system's clock.
const MAX_WAIT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    fn backoff(first_secs: u64, max_secs: u64) -> Backoff {
        Backoff::new(Duration::from_secs(first_secs), Duration::from_secs(max_secs)).unwrap()
    }

    #[test]
    fn waits_double_to_the_longest_and_stay_there() {
        let mut now = Instant::now();
        let mut schedule = RetrySchedule::new(backoff(1, 60));
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
        let mut schedule = RetrySchedule::new(backoff(1, 300));
        for _ in 0..100_000 {
            assert!(schedule.handle_failure(now, 0.5) <= now + Duration::from_secs(300));
        }
    }

    #[test]
    fn waits_that_would_spin_shrink_or_never_end_are_refused() {
        let (ms, day) = (Duration::from_millis(1), Duration::from_secs(86_400));
        for (first, max) in [(Duration::ZERO, day), (ms / 2, day), (2 * ms, ms), (ms, 31 * day), (ms, Duration::MAX)] {
            assert_eq!(Backoff::new(first, max), Err(InvalidBackoff { first, max }));
        }
        assert!(Backoff::new(ms, ms).is_ok() && Backoff::new(day, 30 * day).is_ok());
    }
}
