//! The private lists of owners, changed one member at a time.

use super::{MailboxService, RetrievalError};
use crate::directory::{ListNumber, ListStore, PrivateList, mailboxes_of};
use crate::message::MailboxId;

impl MailboxService {
    /// Whether the service changes the private lists of owners.
    pub const fn keeps_private_lists(&self) -> bool {
        self.lists.is_some()
    }

    /// Returns the members of the private list `number` of `owner`, in the order in which they were added; none of a list that does not exist.
    ///
    /// # Errors
    ///
    /// [`RetrievalError::ListsNotConfigured`] if the service was built without a store for lists; [`RetrievalError::Lists`] if the store fails.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    pub async fn list_members(&self, owner: &MailboxId, number: ListNumber) -> Result<Vec<MailboxId>, RetrievalError> {
        let list = self.list_store()?.get(owner, number).await?;
        Ok(list.map(|list| list.members().to_vec()).unwrap_or_default())
    }

    /// Adds a mailbox, a number at another voicemail system or a distribution list to the private list `number` of `owner`, which is created if there is none; returns all members. A
    /// member that is there already stays where it is. A private list is no member, and neither is a distribution list that has one of the numbers 1
    /// to 20.
    ///
    /// The list is read, changed and kept again. Two changes at once by this service and its clones are made one after the other; of two at two
    /// nodes, one can undo the other.
    ///
    /// # Errors
    ///
    /// [`RetrievalError::NoSuchMailbox`] if `member` is no mailbox, no number at another system and no distribution list;
    /// [`RetrievalError::Refused`] as for [`remote`](Self::remote); [`RetrievalError::ListFull`] if the list has 360
    /// members; [`RetrievalError::ListTooLarge`] if it would have more than 1 000 mailboxes, with those of the lists on it; [`RetrievalError::Directory`] if the directory fails; else as for [`list_members`](Self::list_members).
    ///
    /// # Cancel safety
    ///
    /// A dropped call has changed the list or not. The same call again settles it.
    pub async fn add_to_list(
        &self,
        owner: &MailboxId,
        number: ListNumber,
        member: &MailboxId,
    ) -> Result<Vec<MailboxId>, RetrievalError> {
        if !self.is_addressee(owner, member).await? {
            return Err(RetrievalError::NoSuchMailbox(member.clone()));
        }
        let store = self.list_store()?;
        let _alone = self.changing_lists.lock().await;
        let kept = store.get(owner, number).await?;
        let (name, mut members) = kept.map(|list| (list.name().to_owned(), list.members().to_vec())).unwrap_or_default();
        if !members.contains(member) {
            members.push(member.clone());
            let list = PrivateList::new(number, name, members.clone()).map_err(|_| RetrievalError::ListFull(number))?;
            let found = mailboxes_of(&*self.directory, owner, &members).await;
            let found = found.map_err(|source| RetrievalError::Directory { mailbox: member.clone(), source })?;
            found.ok_or(RetrievalError::ListTooLarge(number))?;
            store.put(owner, &list).await?;
        }
        Ok(members)
    }

    /// Removes a member from the private list `number` of `owner`, which is deleted with its last member; returns all that are left.
    ///
    /// # Errors
    ///
    /// [`RetrievalError::NotOnList`] if the list does not have the member; else as for [`list_members`](Self::list_members).
    ///
    /// # Cancel safety
    ///
    /// A dropped call has changed the list or not. The same call again changes it, or answers that it does not have the member.
    pub async fn remove_from_list(
        &self,
        owner: &MailboxId,
        number: ListNumber,
        member: &MailboxId,
    ) -> Result<Vec<MailboxId>, RetrievalError> {
        let store = self.list_store()?;
        let _alone = self.changing_lists.lock().await;
        let not_on_list = || RetrievalError::NotOnList { list: number, member: member.clone() };
        let kept = store.get(owner, number).await?.ok_or_else(not_on_list)?;
        let members: Vec<MailboxId> = kept.members().iter().filter(|known| *known != member).cloned().collect();
        if members.len() == kept.members().len() {
            return Err(not_on_list());
        }
        match PrivateList::new(number, kept.name(), members.clone()) {
            Ok(list) => store.put(owner, &list).await?,
            // It was the last one.
            Err(_) => store.remove(owner, number).await?,
        }
        Ok(members)
    }

    /// Deletes the private list `number` of `owner`; no error if there is none.
    ///
    /// # Errors
    ///
    /// As for [`list_members`](Self::list_members).
    ///
    /// # Cancel safety
    ///
    /// A dropped call has deleted the list or not. The same call again settles it.
    pub async fn delete_list(&self, owner: &MailboxId, number: ListNumber) -> Result<(), RetrievalError> {
        let store = self.list_store()?;
        let _alone = self.changing_lists.lock().await;
        Ok(store.remove(owner, number).await?)
    }

    fn list_store(&self) -> Result<&dyn ListStore, RetrievalError> {
        self.lists.as_deref().ok_or(RetrievalError::ListsNotConfigured)
    }

    /// Whether a private list can have this member.
    async fn is_addressee(&self, owner: &MailboxId, member: &MailboxId) -> Result<bool, RetrievalError> {
        if self.find(member).await?.is_some() {
            return Ok(true);
        }
        if member.as_str().parse::<ListNumber>().is_ok() {
            return Ok(false);
        }
        let found = self.directory.list_members(owner, member).await;
        let is_list = found.map_err(|source| RetrievalError::Directory { mailbox: member.clone(), source })?.is_some();
        Ok(is_list || self.remote(owner, member).await?.is_some())
    }
}
