//! Messages of a group that belong to the member who accepts them first.

use super::{MailboxService, RetrievalError};
use crate::message::{MailboxId, MessageId};
use crate::store::Deposit;

impl MailboxService {
    /// Gives the message `id` of `group` to its member `member`, who is the first to accept it: it is in the member's own mailbox then, as new, and
    /// no longer in the group's. Only for a group with [`first_owns`](crate::directory::Group::first_owns).
    ///
    /// [`Deposit::Duplicate`] means that the message had arrived in the member's mailbox before, in another way; it is no longer in the group's
    /// all the same.
    ///
    /// # Errors
    ///
    /// [`RetrievalError::NoMember`] if `member` is no member of such a group. [`RetrievalError::Store`] with
    /// [`NoSuchMessage`](crate::store::StoreError::NoSuchMessage) if another member was faster; with
    /// [`MailboxFull`](crate::store::StoreError::MailboxFull) if the member's mailbox has no room; with
    /// [`Unsupported`](crate::store::StoreError::Unsupported) if the store cannot transfer messages. [`RetrievalError::Directory`] if the directory
    /// fails.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has given the message or not. The same call again gives it, or answers that it is gone: then the member has it, or another.
    pub async fn accept(&self, group: &MailboxId, id: MessageId, member: &MailboxId) -> Result<Deposit, RetrievalError> {
        let found = self.directory.group(group).await;
        let found = found.map_err(|source| RetrievalError::Directory { mailbox: group.clone(), source })?;
        if !found.is_some_and(|group| group.first_owns && group.members.contains(member)) {
            return Err(RetrievalError::NoMember { group: group.clone(), member: member.clone() });
        }
        Ok(self.store.transfer(group, id, member).await?)
    }
}
