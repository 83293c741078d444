//! [`Port`]: a port of a PBX that a recording takes and gives back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A port in use. Dropping it frees it, in whatever way the recording ends.
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

/// How many ports are in use, of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortsInUse {
    /// In use; more than `limit` for a while, when a new network has fewer.
    pub in_use: u32,
    /// How many there are.
    pub limit: u32,
}

/// Counts ports in use.
#[derive(Debug, Default)]
pub(super) struct PortCounter(AtomicU32);

impl PortCounter {
    pub(super) fn in_use(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// One more, if fewer than `limit` are in use.
    pub(super) fn take(counter: &Arc<Self>, limit: u32) -> Option<Port> {
        let one_more = |in_use: u32| (in_use < limit).then(|| in_use + 1);
        let taken = counter.0.fetch_update(Ordering::Acquire, Ordering::Relaxed, one_more);
        taken.is_ok().then(|| Port { counter: Arc::clone(counter) })
    }
}
