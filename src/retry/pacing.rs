//! [`Pacing`]: when a lamp is updated.

use std::time::{Duration, Instant};

use super::Backoff;

/// Decides when the lamp of one mailbox is updated: a first change at once, then at most once a second, and the last change always.
///
/// It holds no state of the mailbox, only whether there is a change to show; so the newest state is what gets shown.
///
/// ```
/// use std::time::{Duration, Instant};
/// use voicemail::retry::Pacing;
///
/// let start = Instant::now();
/// let mut pacing = Pacing::default();
/// pacing.handle_change();
/// assert!(pacing.poll_update(start));
/// pacing.handle_change();
/// assert!(!pacing.poll_update(start));
/// assert_eq!(pacing.poll_timeout(), Some(start + Duration::from_secs(1)));
/// ```
///
/// # Source
///
/// RFC 3842 §3.7: at most one notification a second.
#[derive(Debug, Clone, Default)]
pub struct Pacing {
    changed: bool,
    refreshing: bool,
    not_before: Option<Instant>,
    failures: u32,
}

impl Pacing {
    /// Notes that the mailbox has changed.
    pub fn handle_change(&mut self) {
        self.changed = true;
        self.refreshing = false;
    }

    /// Asks for an update although the mailbox has not changed, as after a restart.
    ///
    /// Such an update does not delay the first change that follows. It also ends the waits after earlier failures: the lamp is updated
    /// as soon as any other.
    pub fn handle_refresh(&mut self) {
        if self.failures > 0 {
            (self.failures, self.not_before) = (0, None);
        }
        self.refreshing = !self.changed;
        self.changed = true;
    }

    /// Whether to update the lamp now; returns true once for all changes before.
    pub fn poll_update(&mut self, now: Instant) -> bool {
        let due = self.changed && self.not_before.is_none_or(|instant| instant <= now);
        if due {
            self.changed = false;
            self.not_before = (!std::mem::take(&mut self.refreshing)).then(|| now + INTERVAL);
        }
        due
    }

    /// Notes that the lamp was updated.
    pub fn handle_updated(&mut self) {
        self.failures = 0;
    }

    /// Notes that the lamp needed no update, because it shows already what the mailbox holds. This delays nothing that follows.
    pub fn handle_unchanged(&mut self) {
        (self.failures, self.not_before) = (0, None);
    }

    /// Notes that the lamp could not be updated: it is tried again after the next wait of `retry`, and after one second at the earliest.
    pub fn handle_failure(&mut self, now: Instant, retry: Backoff) {
        self.changed = true;
        self.not_before = Some(now + retry.wait(self.failures, 0.0).max(INTERVAL));
        self.failures = self.failures.saturating_add(1);
    }

    /// Whether there is a change that was not shown yet.
    pub fn has_change(&self) -> bool {
        self.changed
    }

    /// When to poll again; `None` when there is nothing to show, or when it may be shown at once.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.not_before.filter(|_| self.changed)
    }

    /// Whether nothing of it matters any more at `now`, so that it may be dropped.
    pub fn is_idle(&self, now: Instant) -> bool {
        !self.changed && self.not_before.is_none_or(|instant| instant <= now)
    }
}

const INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::RetryPolicy;

    fn retry() -> Backoff {
        RetryPolicy::default().lamp_failed
    }

    #[test]
    fn a_burst_is_shown_at_once_and_then_once_more_with_the_last() {
        let start = Instant::now();
        let mut pacing = Pacing::default();
        let mut shown = Vec::new();
        for millis in 0..3_000 {
            let now = start + Duration::from_millis(millis);
            if millis < 500 {
                pacing.handle_change();
            }
            if pacing.poll_update(now) {
                shown.push(millis);
            }
        }
        assert_eq!(shown, [0, 1_000]);
        assert_eq!(pacing.poll_timeout(), None);
    }

    #[test]
    fn a_refresh_after_a_restart_delays_no_change() {
        let now = Instant::now();
        let mut pacing = Pacing::default();
        pacing.handle_refresh();
        assert!(pacing.poll_update(now));
        pacing.handle_change();
        assert!(pacing.poll_update(now));
        pacing.handle_change();
        assert!(!pacing.poll_update(now));
    }

    #[test]
    fn a_lamp_that_needed_no_update_delays_no_change() {
        let now = Instant::now();
        let mut pacing = Pacing::default();
        for _ in 0..3 {
            pacing.handle_change();
            assert!(pacing.poll_update(now));
            pacing.handle_unchanged();
        }
    }

    #[test]
    fn a_lamp_that_failed_for_long_is_updated_at_once_on_refresh() {
        let now = Instant::now();
        let mut pacing = Pacing::default();
        pacing.handle_change();
        for _ in 0..8 {
            pacing.poll_update(now);
            pacing.handle_failure(now, retry());
        }
        assert!(!pacing.poll_update(now));
        pacing.handle_refresh();
        assert!(pacing.poll_update(now));
    }

    #[test]
    fn a_failing_lamp_is_retried_ever_later_and_never_given_up() {
        let start = Instant::now();
        let mut now = start;
        let mut pacing = Pacing::default();
        pacing.handle_change();
        let mut waits = Vec::new();
        for _ in 0..8 {
            assert!(pacing.poll_update(now));
            pacing.handle_failure(now, retry());
            let next = pacing.poll_timeout().unwrap();
            waits.push((next - now).as_secs());
            now = next;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn the_waits_are_those_of_the_policy_but_no_less_than_a_second() {
        let (mut now, mut pacing) = (Instant::now(), Pacing::default());
        let retry = Backoff::new(Duration::from_millis(400), Duration::from_secs(2)).unwrap();
        pacing.handle_change();
        let mut waits = Vec::new();
        for _ in 0..4 {
            assert!(pacing.poll_update(now));
            pacing.handle_failure(now, retry);
            let next = pacing.poll_timeout().unwrap();
            waits.push((next - std::mem::replace(&mut now, next)).as_millis());
        }
        assert_eq!(waits, [1_000, 1_000, 1_600, 2_000]);
    }
}
