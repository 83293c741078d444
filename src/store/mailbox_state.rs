//! [`MailboxState`]: how many messages wait, and which state of the mailbox this is.

use crate::message::Summary;

/// How many messages wait in a mailbox, and which state of the mailbox that is; answered by [`MessageStore::state`](super::MessageStore::state).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MailboxState {
    /// How many messages wait.
    pub summary: Summary,
    /// A number that grows with each change of the mailbox; `None` if the store counts no changes.
    pub version: Option<u64>,
}

impl MailboxState {
    /// A state without a version.
    pub fn new(summary: Summary) -> Self {
        Self { summary, version: None }
    }

    /// The same state with this version.
    #[must_use]
    pub fn with_version(self, version: u64) -> Self {
        Self { version: Some(version), ..self }
    }
}
