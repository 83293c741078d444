//! [`Origin`]: the sender of a message, as far as it is proven.

use std::fmt;
use std::sync::Arc;

/// The origin of a message, as far as it is *proven*: a name that a sender merely claims is no origin.
///
/// Origin, mailbox, id and digest together identify a message, so that nobody can suppress a message by guessing its id.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Origin {
    /// The message was recorded on this node.
    Here,
    /// A peer sent the message, and proved this name by a certificate or a password.
    Peer(Arc<str>),
    /// A peer sent the message that was admitted without a proof.
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
