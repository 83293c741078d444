//! [`Admission`]: how many connections there may be, in all and from one place, and who has to leave when there are too many.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use crate::retry::network_of;
use crate::smtp::server::LEAST_STAY;

/// Gives connections their places.
///
/// When all are taken, the connection that has been of no use for longest is asked to leave for the newcomer; when the newcomer's network
/// has its share, the one of that network. So a thousand connections that say nothing, or drip, do not keep out one that has something to
/// say.
#[derive(Debug)]
pub(super) struct Admission {
    total: usize,
    per_network: usize,
    /// What times are counted from.
    start: Instant,
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    next: u64,
    taken: HashMap<u64, Arc<Place>>,
    networks: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Place {
    network: Option<IpAddr>,
    /// Since when who has it has been of no use, in milliseconds from the start, or [`AT_WORK`].
    idle_since: AtomicU64,
    leave: Notify,
}

impl Admission {
    pub(super) fn new(total: usize, per_network: usize, start: Instant) -> Self {
        Self { total, per_network, start, places: Mutex::default() }
    }

    /// Lets a connection in, for as long as its ticket lives, unless there are too many.
    pub(super) fn enter(self: &Arc<Self>, address: Option<IpAddr>, now: Instant) -> Option<Ticket> {
        let network = address.map(network_of);
        let mut places = self.lock();
        let near = network.map_or(0, |network| places.networks.get(&network).copied().unwrap_or(0));
        if near >= self.per_network {
            places.dismiss(self.millis(now), |place| place.network == network)?;
        } else if places.taken.len() >= self.total {
            places.dismiss(self.millis(now), |_| true)?;
        }
        let place = Arc::new(Place { network, idle_since: AtomicU64::new(self.millis(now + LEAST_STAY)), leave: Notify::new() });
        let id = places.next;
        places.next += 1;
        places.taken.insert(id, Arc::clone(&place));
        if let Some(network) = network {
            *places.networks.entry(network).or_default() += 1;
        }
        Some(Ticket { admission: Arc::clone(self), id, place })
    }

    /// Asks the connection that has been of no use for longest to leave; answers whether there is one.
    pub(super) fn make_place(&self, now: Instant) -> bool {
        self.lock().dismiss(self.millis(now), |_| true).is_some()
    }

    fn millis(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.start).as_millis().try_into().unwrap_or(AT_WORK)
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    /// Takes its place from the connection among `these` that has been of no use for longest at `now`; `None` if all are of use.
    fn dismiss(&mut self, now: u64, these: impl Fn(&Place) -> bool) -> Option<()> {
        let idle = self.taken.iter().filter(|(_, place)| these(place));
        let idle = idle.map(|(id, place)| (place.idle_since.load(Ordering::Relaxed), *id));
        let (_, id) = idle.filter(|(since, _)| *since <= now).min()?;
        self.free(id)?.leave.notify_one();
        Some(())
    }

    fn free(&mut self, id: u64) -> Option<Arc<Place>> {
        let place = self.taken.remove(&id)?;
        if let Some(network) = place.network
            && let Some(near) = self.networks.get_mut(&network)
        {
            *near -= 1;
            if *near == 0 {
                self.networks.remove(&network);
            }
        }
        Some(place)
    }
}

/// One connection's right to be here; it ends with it.
#[derive(Debug)]
pub(super) struct Ticket {
    admission: Arc<Admission>,
    id: u64,
    place: Arc<Place>,
}

impl Ticket {
    /// Since when the connection has been of no use; without a time, it is at work and stays.
    pub(super) fn set_idle_since(&self, since: Option<Instant>) {
        self.place.idle_since.store(since.map_or(AT_WORK, |since| self.admission.millis(since)), Ordering::Relaxed);
    }

    /// Ready when its place has been given to another. Only then, and once.
    pub(super) async fn asked_to_leave(&self) {
        self.place.leave.notified().await;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // One that was asked to leave has no place any more.
        drop(self.admission.lock().free(self.id));
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

/// The fewest connections that are allowed, however few files may be open. Where even these are too many, accepting waits for a place.
const FEWEST: usize = 4;

const AT_WORK: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn enter(admission: &Arc<Admission>, address: &str) -> Option<Ticket> {
        admission.enter(Some(address.parse().unwrap()), admission.start)
    }

    #[test]
    fn one_place_cannot_take_every_connection() {
        let admission = Arc::new(Admission::new(3, 2, Instant::now()));
        let first = enter(&admission, "192.0.2.1").unwrap();
        first.set_idle_since(None);
        let _second = enter(&admission, "::ffff:192.0.2.1").unwrap();
        assert!(enter(&admission, "192.0.2.1").is_none());
        let _third = enter(&admission, "192.0.2.2").unwrap();
        assert!(enter(&admission, "192.0.2.3").is_none(), "there are three already, who have just come");
        assert_eq!(admission.lock().taken.len(), 3);
        drop(first);
        let _fourth = enter(&admission, "192.0.2.1").unwrap();
        assert_eq!(admission.lock().networks.len(), 2, "who left is forgotten");
    }

    #[test]
    fn a_network_at_its_share_makes_place_among_its_own() {
        let start = Instant::now();
        let admission = Arc::new(Admission::new(9, 2, start));
        let later = start + Duration::from_secs(1);
        let stranger = enter(&admission, "192.0.2.9").unwrap();
        stranger.set_idle_since(Some(start));
        let (first, second) = (enter(&admission, "192.0.2.1").unwrap(), enter(&admission, "192.0.2.1").unwrap());
        first.set_idle_since(None);
        let address = [192, 0, 2, 1].into();
        let third = admission.enter(Some(address), later).unwrap();
        let places = admission.lock();
        assert!(places.taken.contains_key(&stranger.id) && places.taken.contains_key(&third.id));
        assert!(places.taken.contains_key(&first.id) && !places.taken.contains_key(&second.id), "the idle one of its own");
        assert_eq!(places.networks[&address], 2);
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
        let admission = Arc::new(Admission::new(9, 1, Instant::now()));
        let _first = enter(&admission, "2001:db8::1").unwrap();
        assert!(enter(&admission, "2001:db8::2").is_none());
        assert!(enter(&admission, "2001:db8:0:1::1").is_some());
    }

    #[tokio::test]
    async fn who_is_of_no_use_for_longest_makes_room_for_who_comes() {
        let start = Instant::now();
        let admission = Arc::new(Admission::new(3, 9, start));
        let at = |millis: u64| start + Duration::from_millis(millis);
        let address = |last: u8| Some([192, 0, 2, last].into());
        let tickets: Vec<_> = (1..=3).map(|last| admission.enter(address(last), start).unwrap()).collect();
        tickets[0].set_idle_since(None);
        tickets[1].set_idle_since(Some(at(2000)));
        tickets[2].set_idle_since(Some(at(1000)));
        assert!(admission.enter(address(4), at(999)).is_none(), "everybody is of use");
        let fourth = admission.enter(address(4), at(1000)).unwrap();
        tickets[2].asked_to_leave().await;
        let _fifth = admission.enter(address(5), at(2000)).unwrap();
        fourth.asked_to_leave().await;
        assert_eq!(admission.lock().taken.len(), 3);
        drop((tickets, fourth));
        let places = admission.lock();
        assert_eq!((places.taken.len(), places.networks.len()), (1, 1), "a place is given back once");
    }
}
