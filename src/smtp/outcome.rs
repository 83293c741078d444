//! [`Outcome`]: the outcome for one recipient.

use super::Reply;

/// The outcome for one recipient of a message.
///
/// SMTP has three, and will have no more (RFC 5321 §4.2.1); a server that accepts a message may be its destination or a relay. So a `match` may list
/// them all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The server has taken responsibility for the message.
    Accepted,
    /// The server has accepted the message to send it on to its destination, whose receipt is to come. A relay may lose a message that it has accepted,
    /// and a report of its failure may be lost too, so the sender keeps the message until the receipt.
    Relayed,
    /// The server did not accept the message now; a later attempt may succeed.
    Deferred(Reply),
    /// The server refused the message; it will refuse the same message for this recipient again.
    Refused(Reply),
}

impl Outcome {
    /// Whether the server has accepted the message, as its destination or as a relay.
    pub fn is_accepted(&self) -> bool {
        match self {
            Self::Accepted | Self::Relayed => true,
            Self::Deferred(_) | Self::Refused(_) => false,
        }
    }
}
