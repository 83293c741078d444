//! [`Admission`]: how many connections there may be, in all and from one place.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts connections.
#[derive(Debug)]
pub(super) struct Admission {
    total: usize,
    per_network: usize,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    networks: HashMap<IpAddr, usize>,
}

impl Admission {
    pub(super) fn new(total: usize, per_network: usize) -> Self {
        Self { total, per_network, counts: Mutex::default() }
    }

    /// Lets a connection in, for as long as its ticket lives, unless there are too many.
    pub(super) fn enter(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Ticket> {
        let network = address.map(network_of);
        let mut counts = self.lock();
        let near = network.map_or(0, |network| counts.networks.get(&network).copied().unwrap_or(0));
        if counts.total >= self.total || near >= self.per_network {
            return None;
        }
        counts.total += 1;
        if let Some(network) = network {
            counts.networks.insert(network, near + 1);
        }
        Some(Ticket { admission: Arc::clone(self), network })
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's right to be here; it ends with it.
#[derive(Debug)]
pub(super) struct Ticket {
    admission: Arc<Admission>,
    network: Option<IpAddr>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut counts = self.admission.lock();
        counts.total -= 1;
        let Some(network) = self.network else { return };
        if let Some(near) = counts.networks.get_mut(&network) {
            *near -= 1;
            if *near == 0 {
                counts.networks.remove(&network);
            }
        }
    }
}

/// Whoever has one IPv6 address has the whole /64 around it.
pub(super) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(admission: &Arc<Admission>, address: &str) -> Option<Ticket> {
        admission.enter(Some(address.parse().unwrap()))
    }

    #[test]
    fn one_place_cannot_take_every_connection() {
        let admission = Arc::new(Admission::new(3, 2));
        let first = enter(&admission, "192.0.2.1");
        let _second = enter(&admission, "::ffff:192.0.2.1").unwrap();
        assert!(enter(&admission, "192.0.2.1").is_none());
        let _third = enter(&admission, "192.0.2.2").unwrap();
        assert!(enter(&admission, "192.0.2.3").is_none(), "there are three already");
        drop(first);
        assert!(enter(&admission, "192.0.2.1").is_some());
        assert_eq!(admission.lock().networks.len(), 2, "who left is forgotten");
    }

    #[test]
    fn an_ipv6_network_counts_as_one_place() {
        let admission = Arc::new(Admission::new(9, 1));
        let _first = enter(&admission, "2001:db8::1").unwrap();
        assert!(enter(&admission, "2001:db8::2").is_none());
        assert!(enter(&admission, "2001:db8:0:1::1").is_some());
    }
}
