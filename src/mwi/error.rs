//! [`MwiError`].

use std::error::Error as StdError;

use crate::message::MailboxId;

/// Why a state could not be shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MwiError {
    /// Nothing shows this mailbox.
    #[error("nothing shows mailbox {0}")]
    NoSuchMailbox(MailboxId),
    /// What shows it did not answer; a later try may succeed.
    #[error("the lamp cannot be reached")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
    /// What shows it refuses, and will refuse the same again: somebody has to change a setting.
    #[error("the lamp is refused")]
    Refused(#[source] Box<dyn StdError + Send + Sync>),
}

impl MwiError {
    /// Whether the same call, unchanged, may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_) => true,
            Self::NoSuchMailbox(_) | Self::Refused(_) => false,
        }
    }
}
