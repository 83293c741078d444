//! [`Peers`]: the addresses that are notified, with their connections, and which of them do not answer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::super::transport::{Channel, Destination};
use crate::lock::Lock;

/// The addresses that were notified lately.
#[derive(Debug)]
pub(super) struct Peers {
    max_concurrent: usize,
    known: Lock<HashMap<Destination, Arc<Peer>>>,
}

impl Peers {
    /// An empty set of addresses; to each, at most `max_concurrent` requests are sent at the same time.
    pub(super) fn new(max_concurrent: usize) -> Self {
        Self { max_concurrent: max_concurrent.max(1), known: Lock::default() }
    }

    /// The peer at `destination`.
    pub(super) fn at(&self, destination: &Destination, now: Instant) -> Arc<Peer> {
        let mut known = self.known.lock();
        if known.len() >= MAX_PEERS {
            known.retain(|_, peer| Arc::strong_count(peer) > 1 || peer.avoided_until(now).is_some());
        }
        Arc::clone(known.entry(destination.clone()).or_insert_with(|| Arc::new(Peer::new(self.max_concurrent))))
    }
}

/// One address.
#[derive(Debug)]
pub(super) struct Peer {
    /// One permit for each request that is being sent.
    pub(super) permits: Semaphore,
    state: Lock<PeerState>,
}

#[derive(Debug, Default)]
struct PeerState {
    /// Idle connections; never more than permits.
    idle: Vec<Box<dyn Channel>>,
    avoided_until: Option<Instant>,
}

impl Peer {
    fn new(permits: usize) -> Self {
        Self { permits: Semaphore::new(permits), state: Lock::default() }
    }

    /// Takes an idle connection, if there is one.
    pub(super) fn take(&self) -> Option<Box<dyn Channel>> {
        self.state.lock().idle.pop()
    }

    /// Gives back a connection on which no response is expected.
    pub(super) fn give_back(&self, channel: Box<dyn Channel>) {
        self.state.lock().idle.push(channel);
    }

    /// The time until which the address is tried after all others; `None` where it answers.
    pub(super) fn avoided_until(&self, now: Instant) -> Option<Instant> {
        self.state.lock().avoided_until.filter(|until| *until > now)
    }

    pub(super) fn handle_failure(&self, now: Instant, avoid_for: Duration) {
        self.state.lock().avoided_until = Some(now + avoid_for);
    }

    pub(super) fn handle_answer(&self) {
        self.state.lock().avoided_until = None;
    }
}

/// When there are more peers, those that are not in use are forgotten.
const MAX_PEERS: usize = 1024;
