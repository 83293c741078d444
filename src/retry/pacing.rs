//! [`Pacing`]: when a changing state is shown.

use std::time::{Duration, Instant};

/// Decides when one mailbox's lamp is told: a first change at once, then at most one a second, and the last change always.
///
/// It holds no state of the mailbox, only that there is something to tell, so the newest state is what gets told.
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
    /// The mailbox has changed.
    pub fn handle_change(&mut self) {
        self.changed = true;
        self.refreshing = false;
    }

    /// The mailbox has not changed, and its lamp is to be told what it is all the same, as after a restart. This alone does not hold
    /// up the first change that follows. What failed before is over: it is told as soon as any other.
    pub fn handle_refresh(&mut self) {
        if self.failures > 0 {
            (self.failures, self.not_before) = (0, None);
        }
        self.refreshing = !self.changed;
        self.changed = true;
    }

    /// Whether to tell the lamp now; answers true once for all changes before.
    pub fn poll_update(&mut self, now: Instant) -> bool {
        let due = self.changed && self.not_before.is_none_or(|instant| instant <= now);
        if due {
            self.changed = false;
            self.not_before = (!std::mem::take(&mut self.refreshing)).then(|| now + INTERVAL);
        }
        due
    }

    /// The lamp was told.
    pub fn handle_updated(&mut self) {
        self.failures = 0;
    }

    /// The lamp shows already what the mailbox holds, so it was not told: this holds up nothing that follows.
    pub fn handle_unchanged(&mut self) {
        (self.failures, self.not_before) = (0, None);
    }

    /// The lamp could not be told: it is told again, after a second and then ever longer, up to a minute.
    pub fn handle_failure(&mut self, now: Instant) {
        self.changed = true;
        self.not_before = Some(now + (INTERVAL * (1 << self.failures)).min(MAX_WAIT));
        self.failures = (self.failures + 1).min(6);
    }

    /// Whether there is something to tell.
    pub fn has_change(&self) -> bool {
        self.changed
    }

    /// When to ask again; `None` when there is nothing to tell.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.not_before.filter(|_| self.changed)
    }

    /// Whether everything said before `now` may be forgotten.
    pub fn is_idle(&self, now: Instant) -> bool {
        !self.changed && self.not_before.is_none_or(|instant| instant <= now)
    }
}

const INTERVAL: Duration = Duration::from_secs(1);
const MAX_WAIT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_shown_at_once_and_then_once_more_with_the_last() {
        let start = Instant::now();
        let mut pacing = Pacing::default();
        let mut told = Vec::new();
        for millis in 0..3_000 {
            let now = start + Duration::from_millis(millis);
            if millis < 500 {
                pacing.handle_change();
            }
            if pacing.poll_update(now) {
                told.push(millis);
            }
        }
        assert_eq!(told, [0, 1_000]);
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
            pacing.handle_failure(now);
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
            pacing.handle_failure(now);
            let next = pacing.poll_timeout().unwrap();
            waits.push((next - now).as_secs());
            now = next;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    }
}
