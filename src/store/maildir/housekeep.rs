//! Applies the retention to the mailboxes of a store, in bounded steps.

use super::MaildirStore;
use super::context::failed;
use crate::directory::Retention;
use crate::message::{MailboxId, MessageId};
use crate::store::{Housekeeping, StoreError};

impl MaildirStore {
    /// Applies the retention to messages that are too old, beginning at the mailbox where the last call ended; answers the changes.
    ///
    /// Each mailbox that it looks at counts as one of `at_most`, and so does each message that it changes. A mailbox that fails is left alone until
    /// its next turn.
    pub(super) async fn retain(&self, at_most: usize) -> Result<Housekeeping, StoreError> {
        let mut done = Housekeeping::default();
        if self.directory.is_none() && self.tree.context.retention.is_for_ever() {
            return Ok(done);
        }
        let continue_at = |next: Option<MailboxId>| *self.tree.retained_up_to.lock() = next;
        let from = self.tree.retained_up_to.lock().take();
        let mut ids = self.blocking(|tree| tree.mailbox_ids().map_err(failed)).await?;
        ids.retain(|id| from.as_ref().is_none_or(|from| id >= from));
        let mut ids = ids.into_iter();
        let mut left = at_most;
        while let Some(id) = ids.next() {
            if left == 0 {
                continue_at(Some(id));
                break;
            }
            left -= 1;
            let (taken, expired) = match self.retain_in(&id, left).await {
                Ok(retained) => retained,
                Err(error) => {
                    continue_at(ids.next());
                    if done.mailboxes.is_empty() {
                        return Err(error);
                    }
                    tracing::warn!(error = &error as &dyn std::error::Error, "the retention of a mailbox has to wait");
                    break;
                }
            };
            left -= taken.min(left);
            done.expired.extend(expired.into_iter().map(|message| (id.clone(), message)));
            if taken > 0 {
                done.mailboxes.push(id.clone());
            }
            if left == 0 {
                continue_at(Some(id));
                break;
            }
        }
        Ok(done)
    }

    /// Applies the retention to up to `at_most` messages of a mailbox; answers how many it changed, and which of them were new.
    async fn retain_in(&self, id: &MailboxId, at_most: usize) -> Result<(usize, Vec<MessageId>), StoreError> {
        let retention = self.retention_of(id).await?;
        if retention.is_for_ever() {
            return Ok((0, Vec::new()));
        }
        let id = id.clone();
        self.blocking(move |tree| tree.retain(&id, retention, at_most)).await
    }

    /// The retention in force for a mailbox. An error if its owner's is not known: then no message is removed.
    pub(super) async fn retention_of(&self, id: &MailboxId) -> Result<Retention, StoreError> {
        let of_store = self.tree.context.retention;
        let Some(directory) = &self.directory else { return Ok(of_store) };
        let owner = directory.find(id).await.map_err(|error| StoreError::Unavailable(error.into()))?;
        Ok(owner.map_or(of_store, |owner| owner.retention.or(of_store)))
    }
}
