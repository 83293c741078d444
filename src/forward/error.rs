//! [`ForwardError`].

use std::error::Error as StdError;

use super::Reply;

/// Why a message was handed over for no recipient.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForwardError {
    /// The other node could not be reached, or the connection broke.
    #[error("{peer} cannot be reached")]
    Unreachable {
        /// The other node's name or address.
        peer: String,
        /// The cause.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The other node took too long over one step.
    #[error("{peer} did not answer in time ({step})")]
    TimedOut {
        /// The other node's name or address.
        peer: String,
        /// The protocol step that took too long, such as `greeting` or `end of data`.
        step: &'static str,
    },
    /// The policy requires TLS, and TLS could not be established.
    #[error("{peer} cannot be reached under TLS, which the policy requires")]
    NoTls {
        /// The other node's name or address.
        peer: String,
        /// The cause.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The other node refused the whole transaction.
    #[error("{peer} refused at {step}: {reply}")]
    Refused {
        /// The other node's name or address.
        peer: String,
        /// The protocol step that was refused, such as `greeting` or `MAIL`.
        step: &'static str,
        /// The peer's reply.
        reply: Reply,
    },
    /// The other node violated the protocol.
    #[error("{peer} does not speak SMTP as it should: {what}")]
    Protocol {
        /// The other node's name or address.
        peer: String,
        /// The violation, for people to read.
        what: String,
    },
    /// The message cannot be sent as it is, and never will.
    #[error("the message cannot be sent: {0}")]
    Unsendable(String),
}

impl ForwardError {
    /// Whether the same call, unchanged, may succeed later.
    ///
    /// A protocol violation counts as transient: a server in trouble may answer anything, and no message may be lost because of it.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::NoTls { .. } | Self::Protocol { .. } => true,
            Self::Refused { reply, .. } => !(500..600).contains(&reply.code),
            Self::Unsendable(_) => false,
        }
    }
}
