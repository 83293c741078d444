//! [`Origin`]: who handed the message in, as far as that was proven.

use std::fmt;
use std::sync::Arc;

/// Where a message came into this node from, as far as that was *proven*: what a sender merely says of itself is no origin.
///
/// With mailbox, id and digest it makes a message's identity, so that nobody can suppress a message by guessing its id.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Origin {
    /// Recorded on this node itself.
    Here,
    /// A peer that proved its name, by certificate or password.
    Peer(Arc<str>),
    /// Somebody who was let in without proof.
    Unproven,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here => f.write_str("here"),
            Self::Peer(name) => write!(f, "peer {name}"),
            Self::Unproven => f.write_str("unproven"),
        }
    }
}
