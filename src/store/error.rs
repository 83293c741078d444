//! [`StoreError`].

use std::error::Error as StdError;

use crate::message::{MailboxId, MessageId};

/// Why a store could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store has no mailbox with this id.
    #[error("no mailbox {0}")]
    NoSuchMailbox(MailboxId),
    /// The mailbox does not have this message, or no longer has it.
    #[error("no message {0} in the mailbox")]
    NoSuchMessage(MessageId),
    /// The mailbox holds as much as it may; there is room again when its owner removes a message.
    #[error("mailbox {0} is full")]
    MailboxFull(MailboxId),
    /// The message is larger than the store takes.
    #[error("the message has {size} bytes, and at most {limit} are taken")]
    TooBig {
        /// The message's size in bytes.
        size: u64,
        /// The largest size that is taken, in bytes.
        limit: u64,
    },
    /// The medium has no space left.
    #[error("the store has no space left")]
    NoSpace(#[source] Box<dyn StdError + Send + Sync>),
    /// The medium may not be written to: its operator has to allow it.
    #[error("the store may not be written to")]
    NotWritable(#[source] Box<dyn StdError + Send + Sync>),
    /// The data stored under this id cannot be read as a message.
    #[error("message {id} is damaged")]
    Damaged {
        /// The id of the message.
        id: MessageId,
        /// The reason, for people to read.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The medium did not answer; the same call may succeed later.
    #[error("the store is unavailable")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
    /// The store does not support this operation.
    #[error("the store does not support {0}")]
    Unsupported(&'static str),
}

impl StoreError {
    /// Whether the same call, unchanged, may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::MailboxFull(_) | Self::NoSpace(_) | Self::NotWritable(_) | Self::Unavailable(_) => true,
            Self::NoSuchMailbox(_)
            | Self::NoSuchMessage(_)
            | Self::TooBig { .. }
            | Self::Damaged { .. }
            | Self::Unsupported(_) => false,
        }
    }
}
