//! [`Peers`]: the addresses that are told, how many requests are under way to each, and which of them do not answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::super::transport::{Channel, Destination};

/// Every address that was told lately.
#[derive(Debug)]
pub(super) struct Peers {
    max_concurrent: usize,
    known: Mutex<HashMap<Destination, Arc<Peer>>>,
}

impl Peers {
    /// None yet; at most `max_concurrent` requests are under way to each.
    pub(super) fn new(max_concurrent: usize) -> Self {
        Self { max_concurrent: max_concurrent.max(1), known: Mutex::default() }
    }

    /// What is kept of `destination`.
    pub(super) fn at(&self, destination: &Destination, now: Instant) -> Arc<Peer> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_PEERS {
            known.retain(|_, peer| Arc::strong_count(peer) > 1 || peer.avoided_until(now).is_some());
        }
        Arc::clone(known.entry(destination.clone()).or_insert_with(|| Arc::new(Peer::new(self.max_concurrent))))
    }
}

/// One address.
#[derive(Debug)]
pub(super) struct Peer {
    /// A place for each request under way.
    pub(super) permits: Semaphore,
    state: Mutex<PeerState>,
}

#[derive(Debug, Default)]
struct PeerState {
    /// Connections that nobody uses; never more than places.
    idle: Vec<Box<dyn Channel>>,
    avoided_until: Option<Instant>,
}

impl Peer {
    fn new(permits: usize) -> Self {
        Self { permits: Semaphore::new(permits), state: Mutex::default() }
    }

    /// A connection that nobody uses.
    pub(super) fn take(&self) -> Option<Box<dyn Channel>> {
        self.state().idle.pop()
    }

    /// Gives a connection back on which nothing is awaited.
    pub(super) fn give_back(&self, channel: Box<dyn Channel>) {
        self.state().idle.push(channel);
    }

    /// Until when it is tried after all others.
    pub(super) fn avoided_until(&self, now: Instant) -> Option<Instant> {
        self.state().avoided_until.filter(|until| *until > now)
    }

    pub(super) fn handle_failure(&self, now: Instant, avoid_for: Duration) {
        self.state().avoided_until = Some(now + avoid_for);
    }

    pub(super) fn handle_answer(&self) {
        self.state().avoided_until = None;
    }

    fn state(&self) -> MutexGuard<'_, PeerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Beyond as many, those that nobody uses are forgotten.
const MAX_PEERS: usize = 1024;
