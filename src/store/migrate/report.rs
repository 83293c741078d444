//! [`MigrationReport`].

use std::fmt;

use super::error::{FaultReason, MigrationFault};
use crate::message::{MailboxId, MessageId};

/// The counts and faults of a copy or a comparison by a [`Migration`](super::Migration).
///
/// `Display` writes one line with all counts: `2 mailboxes: 5 messages copied, ..`.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct MigrationReport {
    /// How many mailboxes were gone through.
    pub mailboxes: u64,
    /// How many messages were copied, read back and found to be the same.
    pub messages_copied: u64,
    /// How many transcripts were copied.
    pub transcripts_copied: u64,
    /// How many keys of deleted messages were copied.
    pub keys_copied: u64,
    /// How many messages got the status that they have in the source.
    pub statuses_set: u64,
    /// How many messages were deleted because the source has deleted them.
    pub messages_deleted: u64,
    /// How many messages and keys were the same in both stores already.
    pub unchanged: u64,
    /// The faults, the first 1000 of them.
    pub faults: Vec<MigrationFault>,
    /// How many faults there were.
    pub fault_count: u64,
}

impl MigrationReport {
    /// Whether nothing is left to be done or looked into by people.
    pub fn is_clean(&self) -> bool {
        self.fault_count == 0
    }

    pub(super) fn add_fault(&mut self, mailbox: &MailboxId, message: Option<MessageId>, reason: FaultReason) {
        self.fault_count += 1;
        if self.faults.len() < FAULTS_KEPT {
            self.faults.push(MigrationFault { mailbox: mailbox.clone(), message, reason });
        }
    }
}

impl fmt::Display for MigrationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} mailboxes: {} messages copied, {} transcripts copied, {} keys of deleted messages copied, {} statuses set, {} messages deleted, {} unchanged, {} faults",
            self.mailboxes,
            self.messages_copied,
            self.transcripts_copied,
            self.keys_copied,
            self.statuses_set,
            self.messages_deleted,
            self.unchanged,
            self.fault_count
        )
    }
}

const FAULTS_KEPT: usize = 1000;
