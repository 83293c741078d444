//! [`Peers`]: the addresses that are told, how many requests are under way to each, and which of them do not answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::super::transport::{Channel, Destination};

/// Every address that was told lately.
#[derive(Debug)]
pub(super) struct Peers {
    at_once: usize,
    known: Mutex<HashMap<Destination, Arc<Peer>>>,
}

impl Peers {
    /// None yet; at most `at_once` requests are under way to each.
    pub(super) fn new(at_once: usize) -> Self {
        Self { at_once: at_once.max(1), known: Mutex::default() }
    }

    /// What is kept of `destination`.
    pub(super) fn at(&self, destination: &Destination, now: Instant) -> Arc<Peer> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_PEERS {
            known.retain(|_, peer| Arc::strong_count(peer) > 1 || peer.left_alone_until(now).is_some());
        }
        Arc::clone(known.entry(destination.clone()).or_insert_with(|| Arc::new(Peer::new(self.at_once))))
    }
}

/// One address.
#[derive(Debug)]
pub(super) struct Peer {
    /// A place for each request under way.
    pub(super) places: Semaphore,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Connections that nobody uses; never more than places.
    idle: Vec<Box<dyn Channel>>,
    left_alone_until: Option<Instant>,
}

impl Peer {
    fn new(places: usize) -> Self {
        Self { places: Semaphore::new(places), kept: Mutex::default() }
    }

    /// A connection that nobody uses.
    pub(super) fn take(&self) -> Option<Box<dyn Channel>> {
        self.kept().idle.pop()
    }

    /// Gives a connection back on which nothing is awaited.
    pub(super) fn give_back(&self, channel: Box<dyn Channel>) {
        self.kept().idle.push(channel);
    }

    /// Until when it is tried after all others.
    pub(super) fn left_alone_until(&self, now: Instant) -> Option<Instant> {
        self.kept().left_alone_until.filter(|until| *until > now)
    }

    pub(super) fn handle_failure(&self, now: Instant, leave_alone: Duration) {
        self.kept().left_alone_until = Some(now + leave_alone);
    }

    pub(super) fn handle_answer(&self) {
        self.kept().left_alone_until = None;
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Beyond as many, those that nobody uses are forgotten.
const MOST_PEERS: usize = 1024;
