//! [`RemoteMailbox`].

use crate::message::{MailAddress, MailDialect};

/// A mailbox at another voicemail system, to which owners may send messages.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteMailbox {
    /// The address of the mailbox.
    pub address: MailAddress,
    /// The form of the mails to the system.
    pub dialect: MailDialect,
    /// Whether the system keeps private messages private. If not, none is sent there.
    pub honours_privacy: bool,
}

impl RemoteMailbox {
    /// Returns a mailbox at a system that may pass private messages on.
    pub const fn new(address: MailAddress, dialect: MailDialect) -> Self {
        Self { address, dialect, honours_privacy: false }
    }
}
