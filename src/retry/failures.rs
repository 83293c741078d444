//! [`Failures`]: how often somebody has been wrong lately, whoever that is.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Counts failures by whose they are, and forgives them one by one as time passes.
#[derive(Debug)]
pub(crate) struct Failures<K> {
    most: u32,
    forgiven_after: Duration,
    /// When all that failed will be forgiven.
    clear_at: HashMap<K, Instant>,
}

impl<K: Eq + Hash> Failures<K> {
    /// At most `most` failures at a time, one forgiven each time `forgiven_after` has passed.
    pub(crate) fn new(most: u32, forgiven_after: Duration) -> Self {
        Self { most, forgiven_after, clear_at: HashMap::new() }
    }

    /// Whether there may be no more for now.
    pub(crate) fn is_full(&self, who: &K, now: Instant) -> bool {
        let left = self.clear_at.get(who).map_or(Duration::ZERO, |clear_at| clear_at.saturating_duration_since(now));
        left + self.forgiven_after > self.forgiven_after.saturating_mul(self.most)
    }

    /// One more.
    pub(crate) fn add(&mut self, who: K, now: Instant) {
        self.make_room(now);
        let clear_at = self.clear_at.entry(who).or_insert(now);
        *clear_at = (*clear_at).max(now) + self.forgiven_after;
    }

    /// One fewer.
    #[cfg(feature = "smtp")]
    pub(crate) fn take_back(&mut self, who: &K, now: Instant) {
        let Some(clear_at) = self.clear_at.get_mut(who) else { return };
        match clear_at.checked_sub(self.forgiven_after).filter(|clear_at| *clear_at > now) {
            Some(earlier) => *clear_at = earlier,
            None => drop(self.clear_at.remove(who)),
        }
    }

    /// Forgets who is clear; if there are too many others, the eighth of them that would be clear next.
    fn make_room(&mut self, now: Instant) {
        if self.clear_at.len() < MOST {
            return;
        }
        self.clear_at.retain(|_, clear_at| *clear_at > now);
        if self.clear_at.len() >= MOST {
            let mut times: Vec<Instant> = self.clear_at.values().copied().collect();
            let (_, last, _) = times.select_nth_unstable(MOST / 8);
            let last = *last;
            self.clear_at.retain(|_, clear_at| *clear_at > last);
        }
    }
}

/// Whoever has one IPv6 address has the whole /64 around it.
pub(crate) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// Some megabytes at most.
const MOST: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn failures_count_per_key_and_are_forgiven_one_by_one() {
        let (mut failures, start) = (Failures::new(3, MINUTE), Instant::now());
        for _ in 0..3 {
            assert!(!failures.is_full(&1, start));
            failures.add(1, start);
        }
        assert!(failures.is_full(&1, start) && !failures.is_full(&2, start));
        assert!(failures.is_full(&1, start + Duration::from_secs(59)));
        assert!(!failures.is_full(&1, start + MINUTE), "one is forgiven");
        failures.add(1, start + MINUTE);
        assert!(failures.is_full(&1, start + MINUTE), "and no more");
        assert!(!failures.is_full(&1, start + 10 * MINUTE), "all are");
    }

    #[cfg(feature = "smtp")]
    #[test]
    fn what_is_taken_back_does_not_count_and_clears_nothing_else() {
        let (mut failures, start) = (Failures::new(2, MINUTE), Instant::now());
        for _ in 0..100 {
            failures.add(1, start);
            failures.take_back(&1, start);
        }
        assert!(failures.clear_at.is_empty());
        failures.add(1, start);
        failures.add(1, start);
        failures.take_back(&1, start);
        assert!(!failures.is_full(&1, start));
        failures.add(1, start);
        assert!(failures.is_full(&1, start), "the one before still counts");
    }

    #[test]
    fn others_without_end_take_no_memory_without_end() {
        let (mut failures, start) = (Failures::new(2, MINUTE), Instant::now());
        let last = 20 * 1024_u32;
        for number in 0..=last {
            let now = start + Duration::from_micros(number.into());
            failures.add(number, now);
            failures.add(number, now);
        }
        assert!(failures.clear_at.len() <= MOST && failures.clear_at.len() > MOST / 2);
        assert!(failures.is_full(&last, start + Duration::from_secs(1)), "the newest are remembered");
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_others_are_themselves() {
        let of = |address: &str| network_of(address.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:3"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
