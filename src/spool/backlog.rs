//! [`BacklogReporter`]: reports how many messages wait for a destination, or for its receipt.

use std::time::Instant;

use super::Destination;
use crate::event::{Event, Events};
use crate::retry::{Pacing, now};

/// Reports how many messages wait for a destination: a first change at once, then at most once a second.
#[derive(Debug, Default)]
pub(super) struct BacklogReporter {
    /// How many messages wait, and how many are relayed.
    depth: (usize, usize),
    pacing: Pacing,
}

impl BacklogReporter {
    pub(super) fn report(&mut self, destination: &Destination, events: &Events) {
        let depth = (destination.queue().len(), destination.relayed.lock().len());
        if depth != std::mem::replace(&mut self.depth, depth) {
            self.pacing.handle_change();
        }
        if self.pacing.poll_update(now()) {
            events.emit(Event::Backlog(destination.state()));
        }
    }

    /// When the next report is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.pacing.poll_timeout()
    }
}
