//! [`ListStore`]: keeps the private lists of owners.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

use super::{ListNumber, ListStoreError, PrivateList};
use crate::message::MailboxId;

/// Keeps the private lists of owners.
///
/// # Contract
///
/// - **Apart.** A list belongs to its owner; other owners have lists of the same number.
/// - **Kept.** After `Ok`, a change survives a restart of the process, and of the machine if the store is durable at all.
/// - **Whole.** A list is read as it was put, or as it was before.
/// - **Listed.** Each owner is listed once, in the order of the values, so that a page begins behind any owner.
///
/// [`conformance::lists`](crate::conformance::lists) tests what can be seen from outside.
#[async_trait]
pub trait ListStore: Debug + Send + Sync + 'static {
    /// Returns the list `number` of `owner`; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`ListStoreError`].
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    async fn get(&self, owner: &MailboxId, number: ListNumber) -> Result<Option<PrivateList>, ListStoreError>;

    /// Keeps `list` for `owner`; one of the same number is replaced.
    ///
    /// # Errors
    ///
    /// [`ListStoreError`].
    ///
    /// # Cancel safety
    ///
    /// A dropped call has kept the list or not. The same call again settles it.
    async fn put(&self, owner: &MailboxId, list: &PrivateList) -> Result<(), ListStoreError>;

    /// Removes the list `number` of `owner`; no error if there is none.
    ///
    /// # Errors
    ///
    /// [`ListStoreError`].
    ///
    /// # Cancel safety
    ///
    /// A dropped call has removed the list or not. The same call again settles it.
    async fn remove(&self, owner: &MailboxId, number: ListNumber) -> Result<(), ListStoreError>;

    /// Returns all lists of `owner`, sorted by number. The default asks for each number.
    ///
    /// # Errors
    ///
    /// [`ListStoreError`].
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    async fn all(&self, owner: &MailboxId) -> Result<Vec<PrivateList>, ListStoreError> {
        let mut lists = Vec::new();
        for number in ListNumber::all() {
            lists.extend(self.get(owner, number).await?);
        }
        Ok(lists)
    }

    /// Lists up to `limit` owners who have lists here, in order, beginning behind `after`; fewer only if there are no more. An owner may be listed whose
    /// lists were all removed.
    ///
    /// # Errors
    ///
    /// [`ListStoreError`].
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    async fn owners(&self, after: Option<&MailboxId>, limit: usize) -> Result<Vec<MailboxId>, ListStoreError>;
}

/// Implements [`ListStore`] for a shared or boxed store, by passing every call on.
macro_rules! delegate {
    ($wrapper:ident) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<L: ListStore + ?Sized> ListStore for $wrapper<L> {
            async fn get(&self, owner: &MailboxId, number: ListNumber) -> Result<Option<PrivateList>, ListStoreError> {
                (**self).get(owner, number).await
            }

            async fn put(&self, owner: &MailboxId, list: &PrivateList) -> Result<(), ListStoreError> {
                (**self).put(owner, list).await
            }

            async fn remove(&self, owner: &MailboxId, number: ListNumber) -> Result<(), ListStoreError> {
                (**self).remove(owner, number).await
            }

            async fn all(&self, owner: &MailboxId) -> Result<Vec<PrivateList>, ListStoreError> {
                (**self).all(owner).await
            }

            async fn owners(&self, after: Option<&MailboxId>, limit: usize) -> Result<Vec<MailboxId>, ListStoreError> {
                (**self).owners(after, limit).await
            }
        }
    };
}

delegate!(Arc);
delegate!(Box);
