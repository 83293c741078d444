//! [`MwiError`].

use std::error::Error as StdError;

use crate::message::MailboxId;

/// A state could not be shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MwiError {
    /// No lamp shows this mailbox.
    #[error("nothing shows mailbox {0}")]
    NoSuchMailbox(MailboxId),
    /// The PBX or the telephone did not answer; a later call may succeed.
    #[error("the lamp cannot be reached")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
    /// The PBX or the telephone refuses, and would refuse the same again, until a setting is changed.
    #[error("the lamp is refused")]
    Refused(#[source] Box<dyn StdError + Send + Sync>),
    /// The node's [permit](super::LampPermit) has ended. The node that holds the lease of the PBX shows the state.
    #[error("another node may update the lamps of the PBX now")]
    NotPermitted,
}

impl MwiError {
    /// Whether the same call, unchanged, may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_) => true,
            Self::NoSuchMailbox(_) | Self::Refused(_) | Self::NotPermitted => false,
        }
    }
}
