//! [`MaildirStore`] as a [`CopyableStore`]: it lists its mailboxes and the keys of their messages.

use std::iter::Peekable;

use async_trait::async_trait;

use super::MaildirStore;
use super::bad_entries::concerns_entry;
use super::context::{StoreContext, failed};
use super::mailbox::Mailbox;
use crate::message::{MailboxId, MessageId, Status};
use crate::pages::first_after;
use crate::store::{CopyableStore, DeduplicationKey, StoreError, StoredKey};

/// The key of a mail that another program has put into a mailbox is made of the name of its file without the flags. When such a mail is deleted, its key
/// is not remembered.
#[async_trait]
impl CopyableStore for MaildirStore {
    async fn mailboxes(&self, after: Option<&MailboxId>, limit: usize) -> Result<Vec<MailboxId>, StoreError> {
        let after = after.cloned();
        self.blocking(move |tree| {
            let names = tree.context.disk.list(&tree.context.root.join("mail")).map_err(failed)?;
            Ok(first_after(names.iter().filter_map(|name| MailboxId::from_file_name(name)), after.as_ref(), limit))
        })
        .await
    }

    async fn create(&self, mailbox: &MailboxId) -> Result<(), StoreError> {
        match self.directory {
            Some(_) => self.on(mailbox, |_, _| Ok(())).await,
            None => self.create_mailbox(mailbox).await,
        }
    }

    async fn keys(
        &self,
        mailbox: &MailboxId,
        after: Option<DeduplicationKey>,
        limit: usize,
    ) -> Result<Vec<StoredKey>, StoreError> {
        self.on(mailbox, move |context, mailbox| mailbox.keys(context, after, limit)).await
    }

    async fn delete(&self, mailbox: &MailboxId, id: MessageId) -> Result<(), StoreError> {
        self.on(mailbox, move |context, mailbox| {
            match mailbox.delete(context, |index| Ok(index.find(id).into_iter().collect()))? {
                0 => Err(StoreError::NoSuchMessage(id)),
                _ => Ok(()),
            }
        })
        .await
    }

    async fn forget(&self, mailbox: &MailboxId, key: DeduplicationKey) -> Result<(), StoreError> {
        self.on(mailbox, move |context, mailbox| mailbox.forget_key(context, key)).await
    }
}

impl Mailbox {
    /// The first `limit` keys behind `after`: of messages that are there, and of arrivals without a message.
    fn keys(&self, context: &StoreContext, after: Option<DeduplicationKey>, limit: usize) -> Result<Vec<StoredKey>, StoreError> {
        let disk = &*context.disk;
        // Arrivals first: a message comes before its arrival, so one that comes in between is not taken for a deleted one.
        let mut arrivals = self.arrivals.keys(disk, after).map_err(failed)?.into_iter().peekable();
        let mut messages = self.look(context, |index| index.by_key(after, limit))?.into_iter().peekable();
        let mut keys = Vec::new();
        while keys.len() < limit {
            let Some(key) = first(&mut messages, &mut arrivals) else { break };
            arrivals.next_if(|arrival| *arrival == key);
            match messages.next_if(|(of_message, _)| *of_message == key) {
                Some((_, located)) => {
                    let removed = located.status() == Status::Removed;
                    let secs = if removed { self.removed_at(context, &located).map_err(failed)? } else { None };
                    let removed_at = secs.and_then(|secs| chrono::DateTime::from_timestamp(secs, 0));
                    let stored = StoredKey::of_message(key, located.id, located.status());
                    keys.push(removed_at.into_iter().fold(stored, StoredKey::removed_at));
                }
                None => match self.arrivals.kept_at(disk, key) {
                    Ok(kept_at) => keys.extend(kept_at.map(|at| StoredKey::key_only(key).removed_at(at))),
                    // It is in doubt, and proves nothing.
                    Err(error) if concerns_entry(&error) => {}
                    Err(error) => return Err(failed(error)),
                },
            }
        }
        Ok(keys)
    }
}

/// The least key of both.
fn first<M>(
    messages: &mut Peekable<impl Iterator<Item = (DeduplicationKey, M)>>,
    arrivals: &mut Peekable<impl Iterator<Item = DeduplicationKey>>,
) -> Option<DeduplicationKey> {
    let message = messages.peek().map(|(key, _)| *key);
    message.into_iter().chain(arrivals.peek().copied()).min()
}
