//! [`MigrationError`] and [`MigrationFault`].

use std::fmt;

use crate::message::{MailboxId, MessageId};
use crate::store::StoreError;

/// One of the two stores of a migration. These are all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The store that is copied from.
    Source,
    /// The store that is copied to.
    Target,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Target => "target",
        })
    }
}

/// Why a migration stopped. All that it has copied stays copied; the same call again goes on.
#[derive(Debug, thiserror::Error)]
#[error("the {side} failed{}", at(mailbox.as_ref()))]
#[non_exhaustive]
pub struct MigrationError {
    /// The store that failed.
    pub side: Side,
    /// The mailbox that was being copied.
    pub mailbox: Option<MailboxId>,
    /// The error of the store.
    #[source]
    pub source: StoreError,
}

impl MigrationError {
    pub(super) fn new(side: Side, mailbox: Option<&MailboxId>, source: StoreError) -> Self {
        Self { side, mailbox: mailbox.cloned(), source }
    }

    /// Whether the same call may go on later without any other change.
    pub fn is_transient(&self) -> bool {
        self.source.is_transient()
    }
}

fn at(mailbox: Option<&MailboxId>) -> String {
    mailbox.map(|mailbox| format!(" at mailbox {mailbox}")).unwrap_or_default()
}

/// A message or a mailbox that was not copied, or is not the same in both stores. Everything else is copied all the same.
#[derive(Debug, thiserror::Error)]
#[error("mailbox {mailbox}{}", of(*message))]
#[non_exhaustive]
pub struct MigrationFault {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// The id of the message, if one is concerned; in the source, if that has the message.
    pub message: Option<MessageId>,
    /// The reason.
    #[source]
    pub reason: FaultReason,
}

fn of(message: Option<MessageId>) -> String {
    message.map(|id| format!(", message {id}")).unwrap_or_default()
}

/// The reason for a [`MigrationFault`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FaultReason {
    /// The source cannot read it.
    #[error("the source cannot read it")]
    Unreadable(#[source] StoreError),
    /// The target does not take it.
    #[error("the target does not take it")]
    Refused(#[source] StoreError),
    /// The target did not give the sound back that it was given.
    #[error("the target gives back another sound than it was given")]
    ReadBackDiffers,
    /// The target has the message, and the source does not know it. It was left there.
    #[error("only the target has it; it was left there")]
    OnlyInTarget,
    /// A comparison has found a message or a key that the target does not have.
    #[error("the target does not have it")]
    Missing,
    /// A comparison has found a message that was deleted in the source, and is in the target.
    #[error("the source has deleted it, and the target has not")]
    NotDeleted,
    /// A comparison has found another status in the target.
    #[error("its status is not the same in both stores")]
    StatusDiffers,
    /// A comparison has found another sound, or other facts, in the target.
    #[error("its content is not the same in both stores")]
    ContentDiffers,
    /// A comparison has found that the counts of the mailbox differ.
    #[error("the counts are not the same in both stores")]
    CountsDiffer,
}
