//! [`StoreError`].

use std::error::Error as StdError;

use crate::message::{MailboxId, MessageId};

/// Why a store could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No mailbox has this number here.
    #[error("no mailbox {0}")]
    NoSuchMailbox(MailboxId),
    /// The mailbox has no such message, or no longer.
    #[error("no message {0} in the mailbox")]
    NoSuchMessage(MessageId),
    /// The mailbox holds as much as it may; room comes when its owner removes something.
    #[error("mailbox {0} is full")]
    MailboxFull(MailboxId),
    /// The message is larger than the store takes.
    #[error("the message has {size} bytes, and at most {limit} are taken")]
    TooBig {
        /// The message's size in bytes.
        size: u64,
        /// The largest that is taken, in bytes.
        limit: u64,
    },
    /// The medium has no room left.
    #[error("the store has no room left")]
    NoSpace(#[source] Box<dyn StdError + Send + Sync>),
    /// The medium may not be written to: its operator has to allow it.
    #[error("the store may not be written to")]
    NotWritable(#[source] Box<dyn StdError + Send + Sync>),
    /// What is stored under this id cannot be read as a message.
    #[error("message {id} is damaged")]
    Damaged {
        /// Which message.
        id: MessageId,
        /// What is wrong with it.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The medium did not answer; the same call may succeed later.
    #[error("the store is unavailable")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
}

impl StoreError {
    /// Whether the same call, unchanged, may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::MailboxFull(_) | Self::NoSpace(_) | Self::NotWritable(_) | Self::Unavailable(_) => true,
            Self::NoSuchMailbox(_) | Self::NoSuchMessage(_) | Self::TooBig { .. } | Self::Damaged { .. } => false,
        }
    }
}
