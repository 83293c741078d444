//! What goes out of the [`Client`](super::Client): [`Output`] to send, and [`Event`]s.

use bytes::Bytes;

use super::chunking::BlockFate;
use super::fault::Fault;
use crate::smtp::extensions::Extensions;
use crate::smtp::{Outcome, Reply};

/// Names a message on its connection.
pub(crate) type MessageNumber = u64;

/// Something to send.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Bytes(Bytes),
    /// The message itself.
    Body(MessageNumber, BodyForm),
}

/// How a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyForm {
    /// As it is.
    Block,
    /// With its dots doubled, and its end marked.
    Stuffed,
}

/// What happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// The server offers these, and takes messages.
    Opened(Extensions),
    /// A TLS handshake can begin.
    TlsReady,
    /// It cannot.
    NoTls(NoTls),
    Authenticated,
    /// The server gave a sign of life.
    Alive,
    /// The connection is over, with no message to blame.
    Failed(Fault),
    Done(MessageNumber, Ended),
}

/// Why a TLS handshake cannot begin.
#[derive(Debug)]
pub(crate) enum NoTls {
    /// STARTTLS is not offered.
    NotOffered,
    /// STARTTLS was answered so.
    Declined(Reply),
    /// The conversation stopped at STARTTLS.
    Failed(Fault),
}

/// How a message ended on its connection.
#[derive(Debug)]
pub(crate) struct Ended {
    /// One outcome for each recipient.
    pub(crate) outcomes: Result<Vec<Outcome>, Fault>,
    /// Whether the server answered any of it.
    pub(crate) answered: bool,
    pub(crate) block: BlockFate,
}

impl Ended {
    /// A message behind one that ended the connection.
    pub(super) fn unanswered() -> Self {
        Self { outcomes: Err(Fault::lost_before()), answered: false, block: BlockFate::Unknown }
    }
}
