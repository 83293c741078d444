//! [`ForwardError`].

use std::error::Error as StdError;

use super::Reply;

/// Why a message was handed over to nobody.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForwardError {
    /// The other node could not be reached, or the connection broke.
    #[error("{peer} cannot be reached")]
    Unreachable {
        /// The other node's name or address.
        peer: String,
        /// What happened.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The other node took too long over one step.
    #[error("{peer} did not answer in time ({step})")]
    TimedOut {
        /// The other node's name or address.
        peer: String,
        /// The step it was at, such as `greeting` or `end of data`.
        step: &'static str,
    },
    /// The policy asks for TLS, and it cannot be had.
    #[error("{peer} cannot be reached under TLS, which the policy requires")]
    NoTls {
        /// The other node's name or address.
        peer: String,
        /// Why it cannot be had.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The other node refused the whole transaction.
    #[error("{peer} said at {step}: {reply}")]
    Refused {
        /// The other node's name or address.
        peer: String,
        /// The step it was at, such as `greeting` or `MAIL`.
        step: &'static str,
        /// What it said.
        reply: Reply,
    },
    /// The other node does not speak the protocol.
    #[error("{peer} does not speak SMTP as it should: {what}")]
    Protocol {
        /// The other node's name or address.
        peer: String,
        /// What was wrong.
        what: String,
    },
    /// The message cannot be sent as it is.
    #[error("the message cannot be sent: {0}")]
    Unsendable(String),
}

impl ForwardError {
    /// Whether the same call, unchanged, may succeed later.
    ///
    /// Protocol nonsense counts as passing: a peer in trouble says strange things, and nothing may be lost over it.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::NoTls { .. } | Self::Protocol { .. } => true,
            Self::Refused { reply, .. } => !(500..600).contains(&reply.code),
            Self::Unsendable(_) => false,
        }
    }
}
