//! [`GreetingEvent`]: the events of greetings.

use std::time::Duration;

use super::{GreetingId, GreetingVersion};
use crate::message::Origin;

/// An event of a greeting; part of [`Event`](crate::event::Event).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GreetingEvent {
    /// An owner has recorded or removed a greeting at this node, and the change is on stable storage.
    #[non_exhaustive]
    Recorded {
        /// The id of the greeting.
        greeting: GreetingId,
        /// The version of the edition.
        version: GreetingVersion,
    },
    /// The end of a greeting has come: it was removed at this node, and the removal is on stable storage.
    #[non_exhaustive]
    Ended {
        /// The id of the greeting.
        greeting: GreetingId,
        /// The version of the removal.
        version: GreetingVersion,
    },
    /// Another node has accepted a greeting: it keeps this edition or a newer one.
    #[non_exhaustive]
    Sent {
        /// The id of the greeting.
        greeting: GreetingId,
        /// The version of the edition.
        version: GreetingVersion,
        /// The node that it was sent to.
        destination: String,
    },
    /// An attempt to send a greeting failed. The node will try again.
    #[non_exhaustive]
    Deferred {
        /// The id of the greeting.
        greeting: GreetingId,
        /// The node that it is to be sent to.
        destination: String,
        /// The reason, for people to read.
        reason: String,
        /// How long the node waits until the next attempt.
        retry_in: Duration,
    },
    /// A greeting came from the central node. It is newer than the one before, and on stable storage.
    #[non_exhaustive]
    Received {
        /// The id of the greeting.
        greeting: GreetingId,
        /// The version of the edition.
        version: GreetingVersion,
    },
    /// A greeting was refused: its sender is not the central node, no calls of its mailbox are answered here, or it is dated ahead.
    #[non_exhaustive]
    Refused {
        /// The id of the greeting.
        greeting: GreetingId,
        /// The sender of the greeting.
        origin: Origin,
        /// The reason, for people to read.
        reason: String,
    },
}

impl GreetingEvent {
    /// Returns the name of the event in logs and metrics: `greeting_received`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Recorded { .. } => "greeting_recorded",
            Self::Ended { .. } => "greeting_ended",
            Self::Sent { .. } => "greeting_sent",
            Self::Deferred { .. } => "greeting_deferred",
            Self::Received { .. } => "greeting_received",
            Self::Refused { .. } => "greeting_refused",
        }
    }
}
