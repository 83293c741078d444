//! The vocabulary of the [`Client`](super::Client): [`Output`] to send, and [`Event`]s.

use bytes::Bytes;

use super::chunking::BdatOutcome;
use super::error::ClientError;
use crate::smtp::extensions::Extensions;
use crate::smtp::{Outcome, Reply};

/// The number of a message on its connection.
pub(crate) type MessageNumber = u64;

/// Output to send.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Commands.
    Bytes(Bytes),
    /// The content of this message.
    Body(MessageNumber, BodyFraming),
}

/// The framing of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyFraming {
    /// The message is sent unchanged, after BDAT has declared its length.
    Chunk,
    /// The message is sent with dot stuffing, and ended by a dot on a line by itself.
    Dots,
}

/// An event on a connection.
#[derive(Debug)]
pub(crate) enum Event {
    /// Messages can be sent; the server offers these extensions.
    Opened(Extensions),
    /// The TLS handshake can begin.
    TlsReady,
    /// The TLS handshake cannot begin.
    NoStartTls(NoStartTls),
    /// The server has accepted the authentication.
    Authenticated,
    /// The server has answered NOOP.
    Alive,
    /// The connection has ended while no message was in progress.
    Failed(ClientError),
    /// A message has ended.
    Done(MessageNumber, SendResult),
}

/// The reason why the TLS handshake cannot begin.
#[derive(Debug)]
pub(crate) enum NoStartTls {
    /// The server does not offer STARTTLS.
    NotOffered,
    /// The server refused STARTTLS with this reply.
    Declined(Reply),
    /// The session failed at STARTTLS.
    Failed(ClientError),
}

/// The result of sending a message.
#[derive(Debug)]
pub(crate) struct SendResult {
    /// One outcome for each recipient, or the error that ended the transaction.
    pub(crate) outcomes: Result<Vec<Outcome>, ClientError>,
    /// Whether the server replied to any of the message's commands.
    pub(crate) answered: bool,
    /// The outcome of BDAT, from which [`Chunking`](super::Chunking) learns.
    pub(crate) bdat: BdatOutcome,
}

impl SendResult {
    /// The result for a message behind one that ended the connection.
    pub(super) fn unanswered() -> Self {
        Self { outcomes: Err(ClientError::lost_before()), answered: false, bdat: BdatOutcome::Unknown }
    }
}
