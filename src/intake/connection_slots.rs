//! [`ConnectionSlots`]: how many connections there may be, in all and from one slot, and who has to leave when there are too many.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard};
use std::time::Instant;

use tokio::sync::Notify;

use crate::lock::Lock;
use crate::retry::network_of;
use crate::smtp::server::LEAST_STAY;

/// Gives connections their slots.
///
/// When all are taken, the connection that has been of no use for longest is asked to leave for the newcomer; when the newcomer's network
/// has its share, the one of that network. So a thousand connections that say nothing, or drip, do not keep out one that has something to
/// say.
#[derive(Debug)]
pub(super) struct ConnectionSlots {
    total: usize,
    per_network: usize,
    /// What times are counted from.
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
    /// Since when who has it has been of no use, in milliseconds from the start, or [`AT_WORK`].
    idle_since: AtomicU64,
    revoked: Notify,
}

impl ConnectionSlots {
    pub(super) fn new(total: usize, per_network: usize, start: Instant) -> Self {
        Self { total, per_network, start, table: Lock::default() }
    }

    /// Lets a connection in, for as long as its permit lives, unless there are too many.
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

    /// Asks the connection that has been of no use for longest to leave; answers whether there is one.
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
    /// Takes its slot from the connection among `these` that has been of no use for longest at `now`; `None` if all are of use.
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

/// One connection's right to be here; it ends with it.
#[derive(Debug)]
pub(super) struct SlotPermit {
    slots: Arc<ConnectionSlots>,
    id: u64,
    slot: Arc<Slot>,
}

impl SlotPermit {
    /// Since when the connection has been of no use; without a time, it is at work and stays.
    pub(super) fn set_idle_since(&self, since: Option<Instant>) {
        self.slot.idle_since.store(since.map_or(AT_WORK, |since| self.slots.millis(since)), Ordering::Relaxed);
    }

    /// Ready when its slot has been given to another. Only then, and once.
    pub(super) async fn revoked(&self) {
        self.slot.revoked.notified().await;
    }
}

impl Drop for SlotPermit {
    fn drop(&mut self) {
        // One that was asked to leave has no slot any more.
        drop(self.slots.lock().free(self.id));
    }
}

/// Returns how many connections, and how many of one network, may be open where the process may have so many files open.
///
/// Each connection takes a descriptor, and another for the message that the store writes for it; some are left to the rest of the
/// process. Where the process's limit allows fewer connections than `total`, one network gets half of them at most.
pub(super) fn within_descriptors(total: usize, per_network: usize, files: usize) -> (usize, usize) {
    let allowed = (files.saturating_sub(OTHER_FILES) / 2).max(FEWEST);
    if allowed >= total { (total, per_network) } else { (allowed, per_network.min(allowed / 2)) }
}

/// How many files the process keeps open besides: listeners, locks, the spool's, the runtime's.
const OTHER_FILES: usize = 32;

/// The fewest connections that are allowed, however few files may be open. Where even these are too many, accepting waits for a slot.
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
        assert!(enter(&slots, "192.0.2.3").is_none(), "there are three already, who have just come");
        assert_eq!(slots.lock().taken.len(), 3);
        drop(first);
        let _fourth = enter(&slots, "192.0.2.1").unwrap();
        assert_eq!(slots.lock().networks.len(), 2, "who left is forgotten");
    }

    #[test]
    fn a_network_at_its_share_makes_place_among_its_own() {
        let start = Instant::now();
        let slots = Arc::new(ConnectionSlots::new(9, 2, start));
        let later = start + Duration::from_secs(1);
        let stranger = enter(&slots, "192.0.2.9").unwrap();
        stranger.set_idle_since(Some(start));
        let (first, second) = (enter(&slots, "192.0.2.1").unwrap(), enter(&slots, "192.0.2.1").unwrap());
        first.set_idle_since(None);
        let address = [192, 0, 2, 1].into();
        let third = slots.enter(Some(address), later).unwrap();
        let table = slots.lock();
        assert!(table.taken.contains_key(&stranger.id) && table.taken.contains_key(&third.id));
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
    async fn who_is_of_no_use_for_longest_makes_room_for_who_comes() {
        let start = Instant::now();
        let slots = Arc::new(ConnectionSlots::new(3, 9, start));
        let at = |millis: u64| start + Duration::from_millis(millis);
        let address = |last: u8| Some([192, 0, 2, last].into());
        let permits: Vec<_> = (1..=3).map(|last| slots.enter(address(last), start).unwrap()).collect();
        permits[0].set_idle_since(None);
        permits[1].set_idle_since(Some(at(2000)));
        permits[2].set_idle_since(Some(at(1000)));
        assert!(slots.enter(address(4), at(999)).is_none(), "everybody is of use");
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
