//! [`ConnectionSlots`]: limits the number of connections, in total and per network, and chooses which one is closed for a new one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard};
use std::time::Instant;

use tokio::sync::Notify;

use crate::lock::Lock;
use crate::retry::network_of;
use crate::smtp::server::LEAST_STAY;

/// Assigns a slot to each connection.
///
/// When all slots are taken, the connection that has been unproductive the longest loses its slot to the new one; when the network of the
/// new one has all its slots, this applies within that network. So a thousand connections that send nothing, or very slowly, do not keep
/// out one that delivers a message.
#[derive(Debug)]
pub(super) struct ConnectionSlots {
    total: usize,
    per_network: usize,
    /// The instant from which times are counted.
    start: Instant,
    table: Lock<SlotTable>,
}

#[derive(Debug, Default)]
struct SlotTable {
    next: u64,
    taken: HashMap<u64, Arc<Slot>>,
    networks: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Slot {
    network: Option<IpAddr>,
    /// Since when the connection has been unproductive, in milliseconds from the start, or [`AT_WORK`].
    idle_since: AtomicU64,
    revoked: Notify,
}

impl ConnectionSlots {
    pub(super) fn new(total: usize, per_network: usize, start: Instant) -> Self {
        Self { total, per_network, start, table: Lock::default() }
    }

    /// Gives a connection from `address` a slot until its permit is dropped; `None` if there are too many connections.
    pub(super) fn enter(self: &Arc<Self>, address: Option<IpAddr>, now: Instant) -> Option<SlotPermit> {
        let network = address.map(network_of);
        let mut table = self.lock();
        let near = network.map_or(0, |network| table.networks.get(&network).copied().unwrap_or(0));
        if near >= self.per_network {
            table.dismiss(self.millis(now), |slot| slot.network == network)?;
        } else if table.taken.len() >= self.total {
            table.dismiss(self.millis(now), |_| true)?;
        }
        let slot = Arc::new(Slot { network, idle_since: AtomicU64::new(self.millis(now + LEAST_STAY)), revoked: Notify::new() });
        let id = table.next;
        table.next += 1;
        table.taken.insert(id, Arc::clone(&slot));
        if let Some(network) = network {
            *table.networks.entry(network).or_default() += 1;
        }
        Some(SlotPermit { slots: Arc::clone(self), id, slot })
    }

    /// Takes the slot of the connection that has been unproductive the longest; returns whether there was one.
    pub(super) fn free_a_slot(&self, now: Instant) -> bool {
        self.lock().dismiss(self.millis(now), |_| true).is_some()
    }

    fn millis(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.start).as_millis().try_into().unwrap_or(AT_WORK)
    }

    fn lock(&self) -> MutexGuard<'_, SlotTable> {
        self.table.lock()
    }
}

impl SlotTable {
    /// Takes the slot of the connection among `these` that has been unproductive the longest at `now`; `None` if all are productive.
    fn dismiss(&mut self, now: u64, these: impl Fn(&Slot) -> bool) -> Option<()> {
        let idle = self.taken.iter().filter(|(_, slot)| these(slot));
        let idle = idle.map(|(id, slot)| (slot.idle_since.load(Ordering::Relaxed), *id));
        let (_, id) = idle.filter(|(since, _)| *since <= now).min()?;
        self.free(id)?.revoked.notify_one();
        Some(())
    }

    fn free(&mut self, id: u64) -> Option<Arc<Slot>> {
        let slot = self.taken.remove(&id)?;
        if let Some(network) = slot.network
            && let Some(near) = self.networks.get_mut(&network)
        {
            *near -= 1;
            if *near == 0 {
                self.networks.remove(&network);
            }
        }
        Some(slot)
    }
}

/// The slot of one connection, given back on drop.
#[derive(Debug)]
pub(super) struct SlotPermit {
    slots: Arc<ConnectionSlots>,
    id: u64,
    slot: Arc<Slot>,
}

impl SlotPermit {
    /// Sets since when the connection has been unproductive; `None` while it is at work and keeps its slot.
    pub(super) fn set_idle_since(&self, since: Option<Instant>) {
        self.slot.idle_since.store(since.map_or(AT_WORK, |since| self.slots.millis(since)), Ordering::Relaxed);
    }

    /// Waits until the slot is taken away. It completes once.
    pub(super) async fn revoked(&self) {
        self.slot.revoked.notified().await;
    }
}

impl Drop for SlotPermit {
    fn drop(&mut self) {
        // A connection whose slot was taken away is not in the table any more.
        drop(self.slots.lock().free(self.id));
    }
}

/// Returns how many connections may be open, in total and of one network, if the process may have `files` files open.
///
/// Each connection needs a descriptor, and another for the message that the store writes for it; some are left to the rest of the process.
/// If that allows fewer connections than `total`, one network gets at most half of them.
pub(super) fn within_descriptors(total: usize, per_network: usize, files: usize) -> (usize, usize) {
    let allowed = (files.saturating_sub(OTHER_FILES) / 2).max(FEWEST);
    if allowed >= total { (total, per_network) } else { (allowed, per_network.min(allowed / 2)) }
}

/// How many other files the process has open: listeners, locks, files of the spool and of the runtime.
const OTHER_FILES: usize = 32;

/// The fewest connections that are allowed, however few files may be open. If even these are too many, accepting a connection fails and
/// is tried again.
const FEWEST: usize = 4;

const AT_WORK: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn enter(slots: &Arc<ConnectionSlots>, address: &str) -> Option<SlotPermit> {
        slots.enter(Some(address.parse().unwrap()), slots.start)
    }

    #[test]
    fn one_place_cannot_take_every_connection() {
        let slots = Arc::new(ConnectionSlots::new(3, 2, Instant::now()));
        let first = enter(&slots, "192.0.2.1").unwrap();
        first.set_idle_since(None);
        let _second = enter(&slots, "::ffff:192.0.2.1").unwrap();
        assert!(enter(&slots, "192.0.2.1").is_none());
        let _third = enter(&slots, "192.0.2.2").unwrap();
        assert!(enter(&slots, "192.0.2.3").is_none(), "there are three new ones already");
        assert_eq!(slots.lock().taken.len(), 3);
        drop(first);
        let _fourth = enter(&slots, "192.0.2.1").unwrap();
        assert_eq!(slots.lock().networks.len(), 2, "a closed connection is forgotten");
    }

    #[test]
    fn a_network_at_its_share_frees_a_slot_of_its_own() {
        let start = Instant::now();
        let slots = Arc::new(ConnectionSlots::new(9, 2, start));
        let later = start + Duration::from_secs(1);
        let other = enter(&slots, "192.0.2.9").unwrap();
        other.set_idle_since(Some(start));
        let (first, second) = (enter(&slots, "192.0.2.1").unwrap(), enter(&slots, "192.0.2.1").unwrap());
        first.set_idle_since(None);
        let address = [192, 0, 2, 1].into();
        let third = slots.enter(Some(address), later).unwrap();
        let table = slots.lock();
        assert!(table.taken.contains_key(&other.id) && table.taken.contains_key(&third.id));
        assert!(table.taken.contains_key(&first.id) && !table.taken.contains_key(&second.id), "the idle one of its own");
        assert_eq!(table.networks[&address], 2);
    }

    #[test]
    fn connections_fit_into_what_the_process_may_open() {
        for (files, limits) in [
            (usize::MAX, (512, 64)),
            (20_000, (512, 64)),
            (1056, (512, 64)),
            (1024, (496, 64)),
            (256, (112, 56)),
            (64, (16, 8)),
            (10, (4, 2)),
        ] {
            assert_eq!(within_descriptors(512, 64, files), limits, "{files}");
        }
        assert_eq!(within_descriptors(3, 3, 64), (3, 3), "what is set lower stays");
    }

    #[test]
    fn an_ipv6_network_counts_as_one_place() {
        let slots = Arc::new(ConnectionSlots::new(9, 1, Instant::now()));
        let _first = enter(&slots, "2001:db8::1").unwrap();
        assert!(enter(&slots, "2001:db8::2").is_none());
        assert!(enter(&slots, "2001:db8:0:1::1").is_some());
    }

    #[tokio::test]
    async fn the_longest_unproductive_connection_gives_up_its_slot() {
        let start = Instant::now();
        let slots = Arc::new(ConnectionSlots::new(3, 9, start));
        let at = |millis: u64| start + Duration::from_millis(millis);
        let address = |last: u8| Some([192, 0, 2, last].into());
        let permits: Vec<_> = (1..=3).map(|last| slots.enter(address(last), start).unwrap()).collect();
        permits[0].set_idle_since(None);
        permits[1].set_idle_since(Some(at(2000)));
        permits[2].set_idle_since(Some(at(1000)));
        assert!(slots.enter(address(4), at(999)).is_none(), "all are productive");
        let fourth = slots.enter(address(4), at(1000)).unwrap();
        permits[2].revoked().await;
        let _fifth = slots.enter(address(5), at(2000)).unwrap();
        fourth.revoked().await;
        assert_eq!(slots.lock().taken.len(), 3);
        drop((permits, fourth));
        let table = slots.lock();
        assert_eq!((table.taken.len(), table.networks.len()), (1, 1), "a slot is given back once");
    }
}
