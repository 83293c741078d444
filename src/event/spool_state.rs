//! [`SpoolState`].

use std::time::Instant;

use chrono::{DateTime, Utc};

use super::ReturnPathState;

/// The number of messages that wait for one destination, and of those that wait for its receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpoolState {
    /// The node that the messages wait for.
    pub destination: String,
    /// How many messages wait or are being sent. A message for several mailboxes counts once for each.
    pub depth: usize,
    /// When the oldest of them was recorded.
    pub oldest: Option<DateTime<Utc>>,
    /// When the next attempt is due, if none is under way and none is due already.
    pub next_try: Option<Instant>,
    /// How many messages a relay has accepted and nobody has confirmed. They are not among those that wait.
    pub relayed: usize,
    /// Whether receipts find their way back from behind the relay.
    pub return_path: ReturnPathState,
}

impl SpoolState {
    /// Returns the state of a destination that no message waits for.
    pub fn empty(destination: impl Into<String>) -> Self {
        let (destination, return_path) = (destination.into(), ReturnPathState::default());
        Self { destination, depth: 0, oldest: None, next_try: None, relayed: 0, return_path }
    }
}
