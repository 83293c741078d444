//! [`RetrievalError`].

use crate::audio::FramesError;
use crate::directory::DirectoryError;
use crate::forward::ForwardError;
use crate::message::MailboxId;
use crate::network::Refusal;
use crate::store::StoreError;

/// Why something could not be done with a message for its owner.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RetrievalError {
    /// The message is private: nobody may pass it on.
    #[error("the message is private and cannot be passed on")]
    Private,
    /// Whoever left the message has no mailbox here to answer to.
    #[error("the caller has no mailbox here to answer to")]
    NobodyToAnswer,
    /// No mailbox has this number.
    #[error("no mailbox {0}")]
    NoSuchMailbox(MailboxId),
    /// The owner's PBX has no licence for it.
    #[error("the owner's PBX may not do this")]
    Refused(#[from] Refusal),
    /// No way to send mail was set up.
    #[error("no way to send mail was set up")]
    NoMail,
    /// A sound is of a kind that cannot be joined to another.
    #[error("the introduction cannot be joined to the message")]
    Sound(#[from] FramesError),
    /// The store could not do its part.
    #[error("the store could not do it")]
    Store(#[from] StoreError),
    /// The directory could not be asked.
    #[error("the directory could not be asked")]
    Directory(#[from] DirectoryError),
    /// The mail could not be handed over.
    #[error("the mail could not be handed over")]
    Mail(#[from] ForwardError),
}

impl RetrievalError {
    /// Whether the same call, unchanged, may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Private | Self::NobodyToAnswer | Self::NoSuchMailbox(_) | Self::Refused(_) | Self::NoMail | Self::Sound(_) => {
                false
            }
            Self::Store(error) => error.is_transient(),
            Self::Directory(error) => error.is_transient(),
            Self::Mail(error) => error.is_transient(),
        }
    }
}
