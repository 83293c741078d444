//! [`CopyableStore`]: a store whose mailboxes can be copied to another store.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{DeduplicationKey, MessageStore, StoreError};
use crate::message::{MailboxId, MessageId, Status};

/// A store whose mailboxes can be copied to another store, or from another one, by a [`Migration`](super::Migration).
///
/// It answers what no [`MessageStore`] has to: its mailboxes, and the keys of their messages, also of those that were deleted.
///
/// # Contract
///
/// - **Listed.** `keys` lists each message that `list` shows, with the id and the status that `list` shows, and each key of a deleted message that
///   a deposit would be a duplicate of. A key is listed once.
/// - **Ordered.** Mailboxes and keys are in the order of their values, so that a page begins behind any value. Those that come or go between two
///   pages move no others.
/// - **The same key.** The key of a message stays the same as long as the message is there, also that of a mail which another program has put into
///   the mailbox.
#[async_trait]
pub trait CopyableStore: MessageStore {
    /// Lists up to `limit` mailboxes, in order, beginning behind `after`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    async fn mailboxes(&self, after: Option<&MailboxId>, limit: usize) -> Result<Vec<MailboxId>, StoreError>;

    /// Creates `mailbox`; no error if it is there already. With a directory, only a mailbox that the directory has.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchMailbox`] is final; [`StoreError::NoSpace`], [`StoreError::NotWritable`] and [`StoreError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has created it or not. The same call again settles it.
    async fn create(&self, mailbox: &MailboxId) -> Result<(), StoreError>;

    /// Lists up to `limit` keys of `mailbox`, in order, beginning behind `after`; fewer only if there are no more. Reads no sound.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchMailbox`] is final; [`StoreError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    async fn keys(
        &self,
        mailbox: &MailboxId,
        after: Option<DeduplicationKey>,
        limit: usize,
    ) -> Result<Vec<StoredKey>, StoreError>;

    /// Deletes the message `id` of `mailbox` for good, whatever its status; its key is remembered.
    ///
    /// # Errors
    ///
    /// As [`mark`](MessageStore::mark).
    ///
    /// # Cancel safety
    ///
    /// A dropped call has deleted the message or not. The same call again deletes it, or answers [`StoreError::NoSuchMessage`].
    async fn delete(&self, mailbox: &MailboxId, id: MessageId) -> Result<(), StoreError>;

    /// Forgets the `key` of a message that was deleted for good, so that an import stores the message again. A message that is there stays, with its key.
    ///
    /// # Errors
    ///
    /// As [`mark`](MessageStore::mark).
    ///
    /// # Cancel safety
    ///
    /// A dropped call has forgotten the key or not. The same call again settles it.
    async fn forget(&self, mailbox: &MailboxId, key: DeduplicationKey) -> Result<(), StoreError>;
}

/// A key that a store remembers, with the message that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredKey {
    /// The key.
    pub key: DeduplicationKey,
    /// The id and the status of the message; `None` if it was deleted for good.
    pub message: Option<(MessageId, Status)>,
    /// When the message was removed or deleted for good, if it was and this is known.
    pub removed_at: Option<DateTime<Utc>>,
}

impl StoredKey {
    /// The key of a message that is there.
    pub fn of_message(key: DeduplicationKey, id: MessageId, status: Status) -> Self {
        Self { key, message: Some((id, status)), removed_at: None }
    }

    /// The key of a message that was deleted for good.
    pub fn key_only(key: DeduplicationKey) -> Self {
        Self { key, message: None, removed_at: None }
    }

    /// Sets when the message was removed or deleted.
    #[must_use]
    pub fn removed_at(self, removed_at: DateTime<Utc>) -> Self {
        Self { removed_at: Some(removed_at), ..self }
    }
}

/// Implements [`CopyableStore`] for a shared or boxed store, by passing every call on.
macro_rules! delegate {
    ($wrapper:ident) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<S: CopyableStore + ?Sized> CopyableStore for $wrapper<S> {
            async fn mailboxes(&self, after: Option<&MailboxId>, limit: usize) -> Result<Vec<MailboxId>, StoreError> {
                (**self).mailboxes(after, limit).await
            }

            async fn create(&self, mailbox: &MailboxId) -> Result<(), StoreError> {
                (**self).create(mailbox).await
            }

            async fn keys(
                &self,
                mailbox: &MailboxId,
                after: Option<DeduplicationKey>,
                limit: usize,
            ) -> Result<Vec<StoredKey>, StoreError> {
                (**self).keys(mailbox, after, limit).await
            }

            async fn delete(&self, mailbox: &MailboxId, id: MessageId) -> Result<(), StoreError> {
                (**self).delete(mailbox, id).await
            }

            async fn forget(&self, mailbox: &MailboxId, key: DeduplicationKey) -> Result<(), StoreError> {
                (**self).forget(mailbox, key).await
            }
        }
    };
}

delegate!(Arc);
delegate!(Box);
