//! [`ClientError`]: the reason why a session ended early.

use std::error::Error as StdError;

use crate::smtp::Reply;

/// The reason why a session ended early.
#[derive(Debug)]
pub(crate) enum ClientError {
    /// The connection could not be made, or was lost.
    ConnectionLost(Box<dyn StdError + Send + Sync>),
    /// The server sent a reply that is not valid at this step.
    InvalidReply(String),
    /// The server took too long at this step.
    TimedOut(&'static str),
    /// The server does not serve this node now, independently of the message.
    NotServed(NotServed),
    /// The server refused this message.
    Refused { step: &'static str, reply: Reply },
}

/// The reply of a server to a node that it does not serve.
#[derive(Debug, thiserror::Error)]
#[error("the server replied at {step}: {reply}")]
pub(crate) struct NotServed {
    pub(crate) step: &'static str,
    pub(crate) reply: Reply,
}

impl ClientError {
    /// The error for a reply that is not valid at `step`.
    pub(crate) fn unexpected(step: &'static str, reply: &Reply) -> Self {
        Self::InvalidReply(format!("{reply} at {step}"))
    }

    /// The error for a server that does not serve this node.
    pub(crate) fn not_served(step: &'static str, reply: Reply) -> Self {
        Self::NotServed(NotServed { step, reply })
    }

    /// The error for a message behind one that ended the connection.
    pub(crate) fn lost_before() -> Self {
        Self::ConnectionLost("the connection ended with a message before this one".into())
    }

    /// Whether a connection that was closed while it was idle, by the server or by something on the path, ends with this error.
    pub(crate) fn ended_while_idle(&self) -> bool {
        match self {
            Self::ConnectionLost(_) | Self::TimedOut(_) => true,
            Self::NotServed(NotServed { reply, .. }) => reply.code == CLOSING,
            Self::InvalidReply(_) | Self::Refused { .. } => false,
        }
    }

    /// Whether nothing was heard from the server, as when the path to it is dead.
    pub(crate) fn is_unreachable(&self) -> bool {
        match self {
            Self::ConnectionLost(_) | Self::TimedOut(_) => true,
            Self::NotServed(_) | Self::InvalidReply(_) | Self::Refused { .. } => false,
        }
    }
}

/// The code of a server that closes the connection. RFC 5321 §3.8.
pub(crate) const CLOSING: u16 = 421;
