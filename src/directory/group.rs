//! [`Group`]: the members of a mailbox that several owners share.

use crate::message::MailboxId;

/// A group: a mailbox whose messages are for all of its members.
///
/// Each message is there once. The lamp of each member shows the messages of the group together with the member's own; a message that one member
/// has heard is old for all.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Group {
    /// The mailboxes of the members: 1 to 1 000.
    pub members: Vec<MailboxId>,
    /// Whether the first member who accepts a message owns it: the message is in that member's mailbox then, and no longer in the group's.
    pub first_owns: bool,
}

impl Group {
    /// A group of these members, who share each message.
    pub fn new(members: impl IntoIterator<Item = MailboxId>) -> Self {
        Self { members: members.into_iter().collect(), first_owns: false }
    }

    /// The same group, where the first member who accepts a message owns it.
    #[must_use]
    pub fn first_owns(self) -> Self {
        Self { first_owns: true, ..self }
    }
}
