//! Messages of a group that belong to the member who accepts them first.

use super::{MailboxService, RetrievalError};
use crate::message::{MailboxId, MessageId};
use crate::store::{Deposit, StoreError};

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

    /// Returns the member of `group` who has the message `id`, which is no longer in the group's mailbox. It is looked for in the mailboxes of the
    /// first 100 members; `None` if it is in none of them.
    ///
    /// # Errors
    ///
    /// [`RetrievalError::Directory`] if the directory fails; [`RetrievalError::Store`] if the store does.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    pub async fn accepted_by(&self, group: &MailboxId, id: MessageId) -> Result<Option<MailboxId>, RetrievalError> {
        let found = self.directory.group(group).await;
        let found = found.map_err(|source| RetrievalError::Directory { mailbox: group.clone(), source })?;
        for member in found.iter().flat_map(|group| &group.members).take(MOST_LOOKED_AT) {
            match self.entry(member, id).await {
                Ok(Some(_)) => return Ok(Some(member.clone())),
                Ok(None) | Err(StoreError::NoSuchMailbox(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }
}

/// In so many mailboxes, a message of a group is looked for.
const MOST_LOOKED_AT: usize = 100;
