//! What goes out of the [`Client`](super::Client): [`Output`] to send, and [`Event`]s.

use bytes::Bytes;

use super::chunking::BdatOutcome;
use super::error::ClientError;
use crate::smtp::extensions::Extensions;
use crate::smtp::{Outcome, Reply};

/// Names a message on its connection.
pub(crate) type MessageNumber = u64;

/// Something to send.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Bytes(Bytes),
    /// The message itself.
    Body(MessageNumber, BodyFraming),
}

/// How a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyFraming {
    /// As it is.
    Chunk,
    /// With its dots doubled, and its end marked.
    Dots,
}

/// What happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// The server offers these, and takes messages.
    Opened(Extensions),
    /// A TLS handshake can begin.
    TlsReady,
    /// It cannot.
    NoStartTls(NoStartTls),
    Authenticated,
    /// The server gave a sign of life.
    Alive,
    /// The connection is over, with no message to blame.
    Failed(ClientError),
    Done(MessageNumber, SendResult),
}

/// Why a TLS handshake cannot begin.
#[derive(Debug)]
pub(crate) enum NoStartTls {
    /// STARTTLS is not offered.
    NotOffered,
    /// STARTTLS was answered so.
    Declined(Reply),
    /// The conversation stopped at STARTTLS.
    Failed(ClientError),
}

/// How a message ended on its connection.
#[derive(Debug)]
pub(crate) struct SendResult {
    /// One outcome for each recipient.
    pub(crate) outcomes: Result<Vec<Outcome>, ClientError>,
    /// Whether the server answered any of it.
    pub(crate) answered: bool,
    pub(crate) block: BdatOutcome,
}

impl SendResult {
    /// A message behind one that ended the connection.
    pub(super) fn unanswered() -> Self {
        Self { outcomes: Err(ClientError::lost_before()), answered: false, block: BdatOutcome::Unknown }
    }
}
