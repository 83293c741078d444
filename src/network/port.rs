//! [`Port`]: a port of a PBX that a recording takes and frees.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A port in use. Dropping it frees the port, however the recording ends.
#[derive(Debug)]
#[must_use = "a port is free again as soon as it is dropped"]
pub struct Port {
    counter: Arc<PortCounter>,
}

impl Drop for Port {
    fn drop(&mut self) {
        self.counter.0.fetch_sub(1, Ordering::Release);
    }
}

/// The number of ports in use, and of all ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PortsInUse {
    /// The number of ports in use. It may exceed `limit` for a while after a change to a network with fewer ports.
    pub in_use: u32,
    /// The number of all ports.
    pub limit: u32,
}

/// Counts ports in use.
#[derive(Debug, Default)]
pub(super) struct PortCounter(AtomicU32);

impl PortCounter {
    pub(super) fn in_use(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Takes one more port, if fewer than `limit` are in use.
    pub(super) fn take(counter: &Arc<Self>, limit: u32) -> Option<Port> {
        let one_more = |in_use: u32| (in_use < limit).then(|| in_use + 1);
        let taken = counter.0.fetch_update(Ordering::Acquire, Ordering::Relaxed, one_more);
        taken.is_ok().then(|| Port { counter: Arc::clone(counter) })
    }
}
