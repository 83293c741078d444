//! [`Outcome`]: the outcome for one recipient.

use super::Reply;

/// The outcome for one recipient of a message.
///
/// SMTP has these three and will have no more (RFC 5321 §4.2.1), so a `match` may list them all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The server has taken responsibility for the message.
    Accepted,
    /// The server did not accept the message now; a later attempt may succeed.
    Deferred(Reply),
    /// The server refused the message; it will refuse the same message for this recipient again.
    Refused(Reply),
}
