//! [`Outcome`].

use super::Reply;

/// What a server answered for one recipient of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The message is kept there.
    Accepted,
    /// Not now: try again later.
    Deferred(Reply),
    /// Never: the same message for this recipient will be refused again.
    Refused(Reply),
}
