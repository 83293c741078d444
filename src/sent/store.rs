//! [`SentStore`]: keeps the messages that owners have sent.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{SentCopy, SentMessage, SentState, SentStoreError};
use crate::message::{Disposition, MailboxId, MessageId};

/// Keeps the messages that owners have sent and requested receipts for, and those that they have sent to other voicemail systems.
///
/// # Contract
///
/// - **Apart.** A message belongs to the owner who has sent it, and no other sees it.
/// - **Forward.** A second record of the same message adds mailboxes and [later states](SentMessage::merge); no state goes back, and of several ends
///   in one mailbox, the first counts. Of two calls at once, none undoes the other.
/// - **Found.** A copy with another id than its message is [found](Self::find) by this id alone.
/// - **Kept.** After `Ok`, a change survives a restart of the process, and of the machine if the store is durable at all.
/// - **Listed.** Each owner is listed once, in the order of the values, so that a page begins behind any owner.
/// - **Bounded.** For each owner, the newest 500 messages are kept, for 90 days: [`SentMessage::MAX_KEPT`], [`SentMessage::MAX_DAYS`].
///
/// `conformance::sent`, with the feature `conformance`, tests what can be seen from outside.
#[async_trait]
pub trait SentStore: Debug + Send + Sync + 'static {
    /// Keeps a message of `owner`; one that is kept already is [merged](SentMessage::merge) with it.
    ///
    /// # Errors
    ///
    /// [`SentStoreError`].
    ///
    /// # Cancel safety
    ///
    /// A dropped call has kept the message or not. The same call again settles it.
    async fn record(&self, owner: &MailboxId, message: &SentMessage) -> Result<(), SentStoreError>;

    /// Returns the messages of `owner` that are kept at `now`, the newest first.
    ///
    /// # Errors
    ///
    /// [`SentStoreError`].
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    async fn list(&self, owner: &MailboxId, now: DateTime<Utc>) -> Result<Vec<SentMessage>, SentStoreError>;

    /// Finds a copy by its id, without knowing who has sent it; returns the sender and the message. A copy that has the id of its message may be found
    /// or not. `None` if no such copy is kept. The default lists the messages of
    /// all owners.
    ///
    /// # Errors
    ///
    /// [`SentStoreError`].
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    async fn find(&self, id: MessageId) -> Result<Option<(MailboxId, SentMessage)>, SentStoreError> {
        let mut last = None;
        loop {
            let owners = self.owners(last.as_ref(), OWNERS_AT_ONCE).await?;
            let Some(end) = owners.last().cloned() else { return Ok(None) };
            for owner in owners {
                // Nothing is too old at the beginning of time.
                let sent = self.list(&owner, DateTime::UNIX_EPOCH).await?;
                if let Some(found) = sent.into_iter().find(|message| message.copies.iter().any(|copy| copy.id == id)) {
                    return Ok(Some((owner, found)));
                }
            }
            last = Some(end);
        }
    }

    /// Records that the message `id` in `mailbox`, which `owner` has sent, has ended, or was not delivered. A mailbox that the message was not sent to has it from one that it
    /// was sent to, such as that of a group, and is added. A message that is not kept stays so. The default lists the messages to find it.
    ///
    /// # Errors
    ///
    /// [`SentStoreError`].
    ///
    /// # Cancel safety
    ///
    /// As for [`record`](Self::record).
    async fn settle(
        &self,
        owner: &MailboxId,
        mailbox: &MailboxId,
        id: MessageId,
        disposition: Disposition,
        at: DateTime<Utc>,
    ) -> Result<(), SentStoreError> {
        let ended = SentCopy::new(mailbox.clone(), id, SentState::of(disposition, at));
        let is_copy = |copy: &SentCopy| copy.mailbox == *mailbox && copy.id == id;
        let is_sent = |message: &SentMessage| message.id == id || message.copies.iter().any(is_copy);
        match self.list(owner, at).await?.into_iter().find(is_sent) {
            Some(message) => self.record(owner, &SentMessage { copies: vec![ended], ..message }).await,
            None => Ok(()),
        }
    }

    /// Lists up to `limit` owners who have messages here, in order, beginning behind `after`; fewer only if there are no more. An owner may be listed whose
    /// messages are all too old by now.
    ///
    /// # Errors
    ///
    /// [`SentStoreError`].
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    async fn owners(&self, after: Option<&MailboxId>, limit: usize) -> Result<Vec<MailboxId>, SentStoreError>;
}

/// Implements [`SentStore`] for a shared or boxed store, by passing every call on.
macro_rules! delegate {
    ($wrapper:ident) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<S: SentStore + ?Sized> SentStore for $wrapper<S> {
            async fn record(&self, owner: &MailboxId, message: &SentMessage) -> Result<(), SentStoreError> {
                (**self).record(owner, message).await
            }

            async fn list(&self, owner: &MailboxId, now: DateTime<Utc>) -> Result<Vec<SentMessage>, SentStoreError> {
                (**self).list(owner, now).await
            }

            async fn find(&self, id: MessageId) -> Result<Option<(MailboxId, SentMessage)>, SentStoreError> {
                (**self).find(id).await
            }

            async fn settle(
                &self,
                owner: &MailboxId,
                mailbox: &MailboxId,
                id: MessageId,
                disposition: Disposition,
                at: DateTime<Utc>,
            ) -> Result<(), SentStoreError> {
                (**self).settle(owner, mailbox, id, disposition, at).await
            }

            async fn owners(&self, after: Option<&MailboxId>, limit: usize) -> Result<Vec<MailboxId>, SentStoreError> {
                (**self).owners(after, limit).await
            }
        }
    };
}

delegate!(Arc);
delegate!(Box);

/// How many owners are asked for at once.
const OWNERS_AT_ONCE: usize = 100;
