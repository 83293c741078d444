//! [`RemoteMailbox`].

use crate::message::{MailAddress, MailDialect, MailboxId};

/// A mailbox at another voicemail system, to which owners may send messages.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteMailbox {
    /// The number by which owners reach it.
    pub number: MailboxId,
    /// The address of the mailbox.
    pub address: MailAddress,
    /// The form of the mails to the system.
    pub dialect: MailDialect,
    /// Whether the system keeps private messages private. If not, none is sent there.
    pub honours_privacy: bool,
    /// Whether a mail in VPIM has the name of its sender, as the sender has recorded it.
    pub spoken_name: bool,
    /// Whether a mail in VPIM has the business card of its sender.
    pub business_card: bool,
}

impl RemoteMailbox {
    /// Returns a mailbox at a system that may pass private messages on, and that gets names and business cards.
    pub const fn new(number: MailboxId, address: MailAddress, dialect: MailDialect) -> Self {
        Self { number, address, dialect, honours_privacy: false, spoken_name: true, business_card: true }
    }
}
