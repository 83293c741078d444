//! [`MessageId`]: the id of a message.

use std::fmt;
use std::str::FromStr;

use super::digest::{read_hex, write_hex};

/// The id of a message for all its life: 128 random bits, written as 32 lower-case hexadecimal digits.
///
/// It says nothing about order, place or time. Recorders need not agree on ids, because two never pick the same, and no message is ever renumbered.
///
/// ```
/// use voicemail::message::MessageId;
///
/// let id = MessageId::random();
/// assert_eq!(id.to_string().parse(), Ok(id));
/// assert_ne!(id, MessageId::random());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId([u8; 16]);

impl MessageId {
    /// Returns a new id from the operating system's random source.
    ///
    /// # Panics
    ///
    /// When the operating system has no random bits to give, which Linux rules out once it has started.
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the operating system gives random bits");
        Self(bytes)
    }

    /// Returns the id with these 16 bytes: for a message whose id another system gave.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Returns the 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MessageId {
    type Err = InvalidMessageId;

    fn from_str(text: &str) -> Result<Self, InvalidMessageId> {
        read_hex(text).map(Self).ok_or(InvalidMessageId)
    }
}

/// A text that is no [`MessageId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message id has 32 hexadecimal digits")]
#[non_exhaustive]
pub struct InvalidMessageId;
