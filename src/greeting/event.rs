//! [`GreetingEvent`]: what happens to greetings.

use std::time::Duration;

use super::{GreetingId, GreetingVersion};
use crate::message::Origin;

/// What happened to a greeting; part of [`Event`](crate::event::Event).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GreetingEvent {
    /// An owner has recorded or removed it at this node, and that is on stable storage.
    #[non_exhaustive]
    Recorded {
        /// Which greeting.
        greeting: GreetingId,
        /// Which edition.
        version: GreetingVersion,
    },
    /// Another node has answered for it.
    #[non_exhaustive]
    Sent {
        /// Which greeting.
        greeting: GreetingId,
        /// Which edition.
        version: GreetingVersion,
        /// The node it went to.
        destination: String,
    },
    /// A try to send it failed; there will be another.
    #[non_exhaustive]
    Deferred {
        /// Which greeting.
        greeting: GreetingId,
        /// Where to.
        destination: String,
        /// Why.
        reason: String,
        /// When the next one is due, from now.
        retry_in: Duration,
    },
    /// It came from the central node, is newer than what was here, and is on stable storage.
    #[non_exhaustive]
    Received {
        /// Which greeting.
        greeting: GreetingId,
        /// Which edition.
        version: GreetingVersion,
    },
    /// Somebody handed in a greeting that is not taken: who is not the central node, or for a mailbox whose calls are not answered here.
    #[non_exhaustive]
    Refused {
        /// Which greeting.
        greeting: GreetingId,
        /// Who handed it in.
        origin: Origin,
        /// Why.
        reason: String,
    },
}

impl GreetingEvent {
    /// Its name in logs and counts: `greeting_received`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Recorded { .. } => "greeting_recorded",
            Self::Sent { .. } => "greeting_sent",
            Self::Deferred { .. } => "greeting_deferred",
            Self::Received { .. } => "greeting_received",
            Self::Refused { .. } => "greeting_refused",
        }
    }
}
