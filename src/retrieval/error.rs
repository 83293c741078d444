//! [`RetrievalError`].

use crate::audio::FramesError;
use crate::directory::DirectoryError;
use crate::forward::ForwardError;
use crate::message::{MailboxId, MessageId};
use crate::network::Refusal;
use crate::store::StoreError;

/// Why something could not be done with a message for its owner.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RetrievalError {
    /// The message is private: it is never passed on.
    #[error("message {0} is private and cannot be passed on")]
    Private(MessageId),
    /// The caller who left the message has no mailbox here.
    #[error("the caller who left message {0} has no mailbox here to answer to")]
    CallerHasNoMailbox(MessageId),
    /// No mailbox has this number.
    #[error("no mailbox {0}")]
    NoSuchMailbox(MailboxId),
    /// The owner's PBX has no licence for it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No way to send mail was set up.
    #[error("no way to send mail was set up")]
    MailNotConfigured,
    /// A sound is of a kind that cannot be joined to another.
    #[error("the introduction cannot be joined to message {id}")]
    Sound {
        /// The message.
        id: MessageId,
        /// What is wrong with one of the sounds.
        #[source]
        source: FramesError,
    },
    /// The store could not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The directory did not say whether there is such a mailbox.
    #[error("whether there is a mailbox {mailbox} cannot be found out now")]
    Directory {
        /// The mailbox.
        mailbox: MailboxId,
        /// The directory's error.
        #[source]
        source: DirectoryError,
    },
    /// The mail could not be handed over.
    #[error(transparent)]
    Mail(#[from] ForwardError),
}

impl RetrievalError {
    /// Whether the same call, unchanged, may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Private(_)
            | Self::CallerHasNoMailbox(_)
            | Self::NoSuchMailbox(_)
            | Self::Refused(_)
            | Self::MailNotConfigured
            | Self::Sound { .. } => false,
            Self::Store(error) => error.is_transient(),
            Self::Directory { source, .. } => source.is_transient(),
            Self::Mail(error) => error.is_transient(),
        }
    }
}
