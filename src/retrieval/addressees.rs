//! The mailboxes that get a message which an owner addresses to lists.

use std::collections::HashSet;

use super::{MailboxService, RetrievalError};
use crate::message::MailboxId;

/// Whether an owner who is on a list gets the message that the same owner sends to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OwnCopy {
    /// The owner gets it like each member.
    #[default]
    Included,
    /// The owner is left out.
    LeftOut,
}

impl MailboxService {
    /// Returns the mailboxes that a message of `owner` to `numbers` is for, each once: the numbers themselves, and the members of those that are
    /// lists for this owner. A number that is neither stays among them, and only its own delivery fails.
    ///
    /// # Errors
    ///
    /// [`RetrievalError::Directory`] if the directory fails.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    pub async fn addressees(
        &self,
        owner: &MailboxId,
        numbers: &[MailboxId],
        own_copy: OwnCopy,
    ) -> Result<Vec<MailboxId>, RetrievalError> {
        let mut mailboxes = Vec::new();
        for number in numbers {
            let members = if self.find(number).await?.is_some() {
                None
            } else {
                let found = self.directory.list_members(owner, number).await;
                found.map_err(|source| RetrievalError::Directory { mailbox: number.clone(), source })?
            };
            mailboxes.extend(members.unwrap_or_else(|| vec![number.clone()]));
        }
        let mut seen = HashSet::new();
        mailboxes.retain(|mailbox| (own_copy == OwnCopy::Included || mailbox != owner) && seen.insert(mailbox.clone()));
        Ok(mailboxes)
    }
}
