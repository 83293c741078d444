//! [`Failures`]: how many failures each client has had lately.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Counts the failures of each client, and forgives them one by one as time passes. A client may be an address, a user or a mailbox.
#[derive(Debug)]
pub(crate) struct Failures<K> {
    max: u32,
    forgiven_after: Duration,
    /// When all failures of each client are forgiven.
    clear_at: HashMap<K, Instant>,
}

impl<K: Eq + Hash> Failures<K> {
    /// Allows `max` failures at a time, of which one is forgiven each time `forgiven_after` has passed.
    pub(crate) fn new(max: u32, forgiven_after: Duration) -> Self {
        Self { max, forgiven_after, clear_at: HashMap::new() }
    }

    /// Whether the client has had as many failures as it may have for now.
    pub(crate) fn is_full(&self, client: &K, now: Instant) -> bool {
        let left = self.clear_at.get(client).map_or(Duration::ZERO, |clear_at| clear_at.saturating_duration_since(now));
        left + self.forgiven_after > self.forgiven_after.saturating_mul(self.max)
    }

    /// Counts one more failure.
    pub(crate) fn add(&mut self, client: K, now: Instant) {
        self.make_room(now);
        let clear_at = self.clear_at.entry(client).or_insert(now);
        *clear_at = (*clear_at).max(now) + self.forgiven_after;
    }

    /// Counts one failure less.
    #[cfg(feature = "smtp")]
    pub(crate) fn take_back(&mut self, client: &K, now: Instant) {
        let Some(clear_at) = self.clear_at.get_mut(client) else { return };
        match clear_at.checked_sub(self.forgiven_after).filter(|clear_at| *clear_at > now) {
            Some(earlier) => *clear_at = earlier,
            None => drop(self.clear_at.remove(client)),
        }
    }

    /// Forgets the clients without failures; if too many are left, also the eighth of them that would be forgiven next.
    fn make_room(&mut self, now: Instant) {
        if self.clear_at.len() < MAX_CLIENTS {
            return;
        }
        self.clear_at.retain(|_, clear_at| *clear_at > now);
        if self.clear_at.len() >= MAX_CLIENTS {
            let mut times: Vec<Instant> = self.clear_at.values().copied().collect();
            let (_, last, _) = times.select_nth_unstable(MAX_CLIENTS / 8);
            let last = *last;
            self.clear_at.retain(|_, clear_at| *clear_at > last);
        }
    }
}

/// Returns the network to count by: the /64 of an IPv6 address, because its owner has all of that, or an IPv4 address itself.
pub(crate) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// How many clients are remembered: they take some megabytes at most.
const MAX_CLIENTS: usize = 16 * 1024;

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
    fn a_failure_that_is_taken_back_does_not_count() {
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
    fn any_number_of_clients_takes_bounded_memory() {
        let (mut failures, start) = (Failures::new(2, MINUTE), Instant::now());
        let last = 20 * 1024_u32;
        for number in 0..=last {
            let now = start + Duration::from_micros(number.into());
            failures.add(number, now);
            failures.add(number, now);
        }
        assert!(failures.clear_at.len() <= MAX_CLIENTS && failures.clear_at.len() > MAX_CLIENTS / 2);
        assert!(failures.is_full(&last, start + Duration::from_secs(1)), "the newest are remembered");
    }

    #[test]
    fn an_ipv6_network_counts_as_one_and_ipv4_addresses_apart() {
        let of = |address: &str| network_of(address.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:3"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
