//! [`DirectoryError`]: the error type of directories.

use std::error::Error as StdError;

use crate::message::MailboxId;

/// The reason why a directory could not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// The source of the directory did not answer. The same call may succeed later.
    #[error("the directory is unavailable")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
    /// The list stands for more mailboxes than one message goes to.
    #[error("list {0} has more than 1 000 mailboxes, with those of the lists on it; remove members")]
    ListTooLarge(MailboxId),
}

impl DirectoryError {
    /// Whether the same call, unchanged, may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_) => true,
            Self::ListTooLarge(_) => false,
        }
    }
}
