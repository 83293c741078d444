//! [`Fault`]: why a conversation with a peer stopped.

use std::error::Error as StdError;
use std::io;

use lettre::transport::smtp::Error as LettreError;

use crate::forward::{ForwardError, Reply};

/// Why a conversation stopped before its end.
#[derive(Debug)]
pub(super) enum Fault {
    /// The connection could not be made, or ended.
    Lost(Box<dyn StdError + Send + Sync>),
    /// The peer said what makes no sense there.
    Nonsense(String),
    /// The peer took too long over this step.
    TimedOut(&'static str),
    /// The peer does not serve this node now, whatever the message.
    NotServed(NotServed),
    /// The peer does not take this message.
    Refused { step: &'static str, reply: Reply },
}

/// What a peer said to a node that it does not serve.
#[derive(Debug, thiserror::Error)]
#[error("it said at {step}: {reply}")]
pub(super) struct NotServed {
    pub(super) step: &'static str,
    pub(super) reply: Reply,
}

impl Fault {
    /// A reply that makes no sense at `step`.
    pub(super) fn unexpected(step: &'static str, reply: &Reply) -> Self {
        Self::Nonsense(format!("{reply} at {step}"))
    }

    /// The peer does not serve this node.
    pub(super) fn not_served(step: &'static str, reply: Reply) -> Self {
        Self::NotServed(NotServed { step, reply })
    }

    /// Whether this is how a connection ends that died while it was idle: told, or untold by whatever stands between.
    pub(super) fn ended_while_idle(&self) -> bool {
        match self {
            Self::Lost(_) | Self::TimedOut(_) => true,
            Self::NotServed(NotServed { reply, .. }) => reply.code == CLOSING,
            Self::Nonsense(_) | Self::Refused { .. } => false,
        }
    }

    /// Whether the peer could not be heard at all, as when the path to it is dead.
    pub(super) fn is_unreachable(&self) -> bool {
        match self {
            Self::Lost(_) | Self::TimedOut(_) => true,
            Self::NotServed(_) | Self::Nonsense(_) | Self::Refused { .. } => false,
        }
    }

    /// The same as a caller sees it.
    ///
    /// A peer that does not serve this node may do so once somebody has put it right, so nothing of that is final: no message
    /// is at fault.
    pub(super) fn into_error(self, peer: &str) -> ForwardError {
        let peer = peer.to_owned();
        match self {
            Self::Lost(source) => ForwardError::Unreachable { peer, source },
            Self::Nonsense(what) => ForwardError::Protocol { peer, what },
            Self::TimedOut(step) => ForwardError::TimedOut { peer, step },
            Self::NotServed(said) if said.reply.code >= 500 => ForwardError::Unreachable { peer, source: said.into() },
            Self::NotServed(NotServed { step, reply }) | Self::Refused { step, reply } => {
                ForwardError::Refused { peer, step, reply }
            }
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::InvalidData { Self::Nonsense(error.to_string()) } else { Self::Lost(error.into()) }
    }
}

impl From<LettreError> for Fault {
    /// An error that is no reply: those have to be taken off before.
    fn from(error: LettreError) -> Self {
        let cause = error.source().and_then(|source| source.downcast_ref::<io::Error>());
        match cause {
            Some(cause) => io::Error::new(cause.kind(), cause.to_string()).into(),
            None if error.is_response() => Self::Nonsense("a reply that is none".to_owned()),
            None => Self::Lost(error.into()),
        }
    }
}

/// The peer ends the connection. RFC 5321 §3.8.
pub(super) const CLOSING: u16 = 421;
