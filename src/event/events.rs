//! [`Events`]: carries events to listeners.

use std::time::Instant;

use tokio::sync::broadcast;

use super::Event;

/// An event and the time at which it happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Occurrence {
    /// When the event happened.
    pub at: Instant,
    /// The event.
    pub event: Event,
}

impl Occurrence {
    /// Returns `event` with the time `at`.
    pub const fn new(at: Instant, event: Event) -> Self {
        Self { at, event }
    }
}

/// Carries events to listeners; clones carry to the same listeners.
///
/// Nothing waits for a listener: one that is more than 8192 events behind misses the oldest, and its `recv` returns how many.
#[derive(Debug, Clone)]
pub struct Events {
    sender: broadcast::Sender<Occurrence>,
}

impl Events {
    /// Returns a carrier that has no listener yet.
    pub fn new() -> Self {
        Self { sender: broadcast::Sender::new(CAPACITY) }
    }

    /// Adds a listener, which gets all events from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Occurrence> {
        self.sender.subscribe()
    }

    /// Reports `event` to all listeners.
    pub fn emit(&self, event: Event) {
        event.trace();
        // It is no failure if there is no listener.
        let _ = self.sender.send(Occurrence { at: Instant::now(), event });
    }
}

impl Default for Events {
    fn default() -> Self {
        Self::new()
    }
}

const CAPACITY: usize = 8192;
