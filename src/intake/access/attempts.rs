//! [`Attempts`]: how often an address may try to log in.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::intake::admission::network_of;

/// Counts failed attempts to log in, by address, and forgives them one by one as time passes.
///
/// An attempt counts as failed from its beginning until it has succeeded: a hundred at once are a hundred.
#[derive(Debug)]
pub(in crate::intake) struct Attempts {
    most: u32,
    forgiven_after: Duration,
    /// When all that failed from there will be forgiven.
    clear_at: HashMap<IpAddr, Instant>,
}

impl Attempts {
    /// At most `most` failures at a time, one forgiven each time `forgiven_after` has passed.
    pub(in crate::intake) fn new(most: u32, forgiven_after: Duration) -> Self {
        Self { most, forgiven_after, clear_at: HashMap::new() }
    }

    /// Begins an attempt from `address`; answers whether there may be one.
    pub(in crate::intake) fn begin(&mut self, address: Option<IpAddr>, now: Instant) -> bool {
        let Some(place) = address.map(network_of) else { return true };
        let clear_at = self.clear_at.get(&place).copied().unwrap_or(now).max(now);
        let counted = clear_at.saturating_duration_since(now);
        if counted + self.forgiven_after > self.forgiven_after.saturating_mul(self.most) {
            return false;
        }
        self.make_room(now);
        self.clear_at.insert(place, clear_at + self.forgiven_after);
        true
    }

    /// The attempt that `address` began has succeeded.
    pub(in crate::intake) fn handle_success(&mut self, address: Option<IpAddr>, now: Instant) {
        let Some(place) = address.map(network_of) else { return };
        let Some(clear_at) = self.clear_at.get_mut(&place) else { return };
        match clear_at.checked_sub(self.forgiven_after).filter(|clear_at| *clear_at > now) {
            Some(earlier) => *clear_at = earlier,
            None => drop(self.clear_at.remove(&place)),
        }
    }

    /// Forgets places that are clear; if there are too many others, the eighth of them that would be clear next.
    fn make_room(&mut self, now: Instant) {
        if self.clear_at.len() < MOST_PLACES {
            return;
        }
        self.clear_at.retain(|_, clear_at| *clear_at > now);
        if self.clear_at.len() >= MOST_PLACES {
            let mut times: Vec<Instant> = self.clear_at.values().copied().collect();
            let (_, last, _) = times.select_nth_unstable(MOST_PLACES / 8);
            let last = *last;
            self.clear_at.retain(|_, clear_at| *clear_at > last);
        }
    }
}

/// About a megabyte.
const MOST_PLACES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn from(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(number).into()
    }

    #[test]
    fn failures_are_counted_by_address_and_forgiven_one_by_one() {
        let (mut attempts, start) = (Attempts::new(3, MINUTE), Instant::now());
        for _ in 0..3 {
            assert!(attempts.begin(Some(from(1)), start));
        }
        assert!(!attempts.begin(Some(from(1)), start) && attempts.begin(Some(from(2)), start));
        let after = |time: Duration| start + time;
        assert!(!attempts.begin(Some(from(1)), after(Duration::from_secs(59))));
        assert!(attempts.begin(Some(from(1)), after(MINUTE)), "one is forgiven");
        assert!(!attempts.begin(Some(from(1)), after(MINUTE)), "and no more");
        for _ in 0..3 {
            assert!(attempts.begin(Some(from(1)), after(10 * MINUTE)), "all are");
        }
        assert!(!attempts.begin(Some(from(1)), after(10 * MINUTE)));
    }

    #[test]
    fn who_succeeds_is_not_counted_and_clears_nobody_else() {
        let (mut attempts, start) = (Attempts::new(2, MINUTE), Instant::now());
        for _ in 0..100 {
            assert!(attempts.begin(Some(from(1)), start));
            attempts.handle_success(Some(from(1)), start);
        }
        assert!(attempts.clear_at.is_empty());
        assert!(attempts.begin(Some(from(1)), start) && attempts.begin(Some(from(1)), start));
        attempts.handle_success(Some(from(1)), start);
        assert!(
            attempts.begin(Some(from(1)), start) && !attempts.begin(Some(from(1)), start),
            "the one that failed still counts"
        );
    }

    #[test]
    fn addresses_without_end_take_no_memory_without_end() {
        let (mut attempts, start) = (Attempts::new(2, MINUTE), Instant::now());
        let last = 20 * 1024;
        for number in 0..last {
            assert!(attempts.begin(Some(from(number)), start + Duration::from_micros(number.into())));
        }
        assert!(attempts.clear_at.len() <= MOST_PLACES && attempts.clear_at.len() > MOST_PLACES / 2);
        let now = start + Duration::from_secs(1);
        assert!(
            attempts.begin(Some(from(last - 1)), now) && !attempts.begin(Some(from(last - 1)), now),
            "the newest are remembered"
        );
    }
}
