//! [`ClientError`]: why a conversation with a server stopped.

use std::error::Error as StdError;

use crate::smtp::Reply;

/// Why a conversation stopped before its end.
#[derive(Debug)]
pub(crate) enum ClientError {
    /// The connection could not be made, or ended.
    ConnectionLost(Box<dyn StdError + Send + Sync>),
    /// The server said what makes no sense there.
    InvalidReply(String),
    /// The server took too long over this step.
    TimedOut(&'static str),
    /// The server does not serve this node now, whatever the message.
    NotServed(NotServed),
    /// The server does not take this message.
    Refused { step: &'static str, reply: Reply },
}

/// What a server said to a node that it does not serve.
#[derive(Debug, thiserror::Error)]
#[error("it said at {step}: {reply}")]
pub(crate) struct NotServed {
    pub(crate) step: &'static str,
    pub(crate) reply: Reply,
}

impl ClientError {
    /// A reply that makes no sense at `step`.
    pub(crate) fn unexpected(step: &'static str, reply: &Reply) -> Self {
        Self::InvalidReply(format!("{reply} at {step}"))
    }

    /// The server does not serve this node.
    pub(crate) fn not_served(step: &'static str, reply: Reply) -> Self {
        Self::NotServed(NotServed { step, reply })
    }

    /// The connection ended with a message before this one.
    pub(crate) fn lost_before() -> Self {
        Self::ConnectionLost("the connection ended with a message before this one".into())
    }

    /// Whether this is how a connection ends that died while it was idle: with a word, or without one by whatever stands between.
    pub(crate) fn ended_while_idle(&self) -> bool {
        match self {
            Self::ConnectionLost(_) | Self::TimedOut(_) => true,
            Self::NotServed(NotServed { reply, .. }) => reply.code == CLOSING,
            Self::InvalidReply(_) | Self::Refused { .. } => false,
        }
    }

    /// Whether the server could not be heard at all, as when the path to it is dead.
    pub(crate) fn is_unreachable(&self) -> bool {
        match self {
            Self::ConnectionLost(_) | Self::TimedOut(_) => true,
            Self::NotServed(_) | Self::InvalidReply(_) | Self::Refused { .. } => false,
        }
    }
}

/// The server ends the connection. RFC 5321 §3.8.
pub(crate) const CLOSING: u16 = 421;
