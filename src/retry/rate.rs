//! [`Rate`]: a limit of operations a second.

use std::time::{Duration, Instant};

/// A limit of operations a second, spread evenly. After a delay, up to a tenth of a second may be caught up.
#[derive(Debug)]
pub(crate) struct Rate {
    every: Duration,
    next: Option<Instant>,
}

impl Rate {
    /// A limit of `a_second` operations in each second; zero counts as one.
    pub(crate) fn new(a_second: u32) -> Self {
        Self { every: Duration::from_secs(1) / a_second.max(1), next: None }
    }

    /// Whether an operation may begin now.
    pub(crate) fn is_free(&self, now: Instant) -> bool {
        self.next.is_none_or(|next| next <= now)
    }

    /// Counts an operation that begins now.
    pub(crate) fn handle_gone(&mut self, now: Instant) {
        let earliest = now.checked_sub(MADE_UP_FOR).unwrap_or(now);
        self.next = Some(self.next.map_or(now, |next| next.max(earliest)) + self.every);
    }

    /// When the next operation may begin, if not at once.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }
}

const MADE_UP_FOR: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_reached_though_polls_come_at_odd_moments() {
        let start = Instant::now();
        for a_second in [1, 3, 200, 5_000] {
            let mut rate = Rate::new(a_second);
            let mut gone = 0;
            for millis in (0..10_000).step_by(7) {
                let now = start + Duration::from_millis(millis);
                while rate.is_free(now) {
                    rate.handle_gone(now);
                    gone += 1;
                }
            }
            assert!((10 * a_second - a_second / 10..=10 * a_second + 1).contains(&gone), "{gone} for {a_second} a second");
        }
    }

    #[test]
    fn after_a_rest_no_more_go_at_once_than_in_a_tenth_of_a_second() {
        let start = Instant::now();
        let mut rate = Rate::new(200);
        rate.handle_gone(start);
        let later = start + Duration::from_secs(3600);
        let gone = std::iter::from_fn(|| rate.is_free(later).then(|| rate.handle_gone(later))).count();
        assert!((20..=21).contains(&gone), "{gone}");
    }
}
