//! [`ImportedMessage`]: a message with its state, on its way from one store into another.

use chrono::{DateTime, Utc};

use super::DeduplicationKey;
use crate::message::{Message, MessageId, Origin, Status};

/// A message with its state, taken from another store; see [`MessageStore::import`](super::MessageStore::import).
///
/// ```
/// use voicemail::message::{Message, Origin, Status};
/// use voicemail::store::{DeduplicationKey, ImportedMessage};
///
/// fn heard(origin: &Origin, message: Message) -> ImportedMessage {
///     ImportedMessage::new(DeduplicationKey::of_message(origin, &message), message, Status::Old)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportedMessage {
    /// The key under which the other store knows the message.
    pub key: DeduplicationKey,
    /// The message and its status; `None` for a message that was deleted for good, of which only the key is left.
    pub message: Option<(Message, Status)>,
    /// When the message was removed or deleted for good, if it was and this is known.
    pub removed_at: Option<DateTime<Utc>>,
}

impl ImportedMessage {
    /// A message that is in the other store, with its status there.
    pub fn new(key: DeduplicationKey, message: Message, status: Status) -> Self {
        Self { key, message: Some((message, status)), removed_at: None }
    }

    /// A message from `origin`, with its status; its key is made from them.
    pub fn from_origin(origin: &Origin, message: Message, status: Status) -> Self {
        Self::new(DeduplicationKey::of_message(origin, &message), message, status)
    }

    /// A message that was deleted for good at `removed_at`: only its key is imported, so that the message is still refused when it comes again.
    pub fn deleted(key: DeduplicationKey, removed_at: DateTime<Utc>) -> Self {
        Self { key, message: None, removed_at: Some(removed_at) }
    }

    /// The key of a message that was deleted for good at a time that is not known; the other store counts from the import.
    pub fn key_only(key: DeduplicationKey) -> Self {
        Self { key, message: None, removed_at: None }
    }

    /// Sets when the message was removed.
    #[must_use]
    pub fn removed_at(self, removed_at: DateTime<Utc>) -> Self {
        Self { removed_at: Some(removed_at), ..self }
    }
}

/// The result of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImportOutcome {
    /// The message is in the mailbox now, under this id: its own, unless another message there had that already.
    Stored(MessageId),
    /// The key is remembered now, so that its message is refused when it comes again.
    KeyStored,
    /// The key had been known before; nothing changed.
    Duplicate,
}
