//! [`Events`]: carries events to listeners.

use std::time::Instant;

use tokio::sync::broadcast;

use super::Event;

/// An event, and when it happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Occurrence {
    /// When.
    pub at: Instant,
    /// What.
    pub event: Event,
}

impl Occurrence {
    /// `event`, which happened at `at`.
    pub const fn new(at: Instant, event: Event) -> Self {
        Self { at, event }
    }
}

/// Carries events to whoever listens; clones carry to the same listeners.
///
/// A listener that is more than 8192 events behind misses the oldest, and `recv` answers how many: nothing waits for a listener.
#[derive(Debug, Clone)]
pub struct Events {
    sender: broadcast::Sender<Occurrence>,
}

impl Events {
    /// Events without a listener yet.
    pub fn new() -> Self {
        Self { sender: broadcast::Sender::new(CAPACITY) }
    }

    /// Listens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Occurrence> {
        self.sender.subscribe()
    }

    /// Tells all listeners.
    pub fn emit(&self, event: Event) {
        event.trace();
        // No listener is no failure.
        let _ = self.sender.send(Occurrence { at: Instant::now(), event });
    }
}

impl Default for Events {
    fn default() -> Self {
        Self::new()
    }
}

const CAPACITY: usize = 8192;
