//! The messages that owners have sent and requested receipts for, or to other voicemail systems: what became of each, in a separate store.

use std::error::Error;
use std::sync::Arc;

use super::{MailboxService, RetrievalError, requested};
use crate::message::{Disposition, MailboxId, Message, MessageId};
use crate::sent::{SentCopy, SentMessage, SentState, SentStore};
use crate::store::{Deposit, StoreError};

impl MailboxService {
    /// Whether the service keeps a list of sent messages: see [`sent_messages`](Self::sent_messages).
    pub const fn keeps_sent_messages(&self) -> bool {
        self.sent.is_some()
    }

    /// Returns the messages that `owner` has sent with a request for a receipt, or to other voicemail systems, the newest first: at most 500, of the last 90 days. A service without
    /// a store for them returns none.
    ///
    /// A message is in the list before it is delivered, and a mailbox is said to have heard it before the receipt is there. An entry that could not be
    /// kept is logged, and the message is delivered all the same.
    ///
    /// # Errors
    ///
    /// [`RetrievalError::Sent`] if the store of sent messages fails.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    pub async fn sent_messages(&self, owner: &MailboxId) -> Result<Vec<SentMessage>, RetrievalError> {
        let Some(sent) = &self.sent else { return Ok(Vec::new()) };
        Ok(sent.list(owner, self.clock.now().instant).await?)
    }

    /// Returns the owner whose list the message belongs to, if it requests a receipt for a mailbox here, and there is a list.
    pub(super) async fn follower(&self, message: &Message) -> Option<MailboxId> {
        self.sent.as_ref()?;
        self.requester_here(requested(message.head())?).await
    }

    /// Records that `owner` is sending the message to these mailboxes.
    pub(super) async fn record_sending(&self, owner: &MailboxId, message: &Message, mailboxes: &[MailboxId]) {
        let copy = |mailbox: &MailboxId| SentCopy::new(mailbox.clone(), message.id(), SentState::Sending);
        self.record_sent(owner, message, mailboxes.iter().map(copy).collect()).await;
    }

    /// Records to which mailboxes the message was delivered.
    pub(super) async fn record_delivered(
        &self,
        owner: &MailboxId,
        message: &Message,
        delivered: &[(MailboxId, Result<Deposit, StoreError>)],
    ) {
        let copy = |(mailbox, result): &(MailboxId, Result<Deposit, StoreError>)| {
            let (id, state) = match result {
                Ok(Deposit::Stored(id)) => (*id, SentState::Delivered),
                Ok(Deposit::Duplicate) => (message.id(), SentState::Delivered),
                Err(_) => (message.id(), SentState::NotDelivered),
            };
            SentCopy::new(mailbox.clone(), id, state)
        };
        self.record_sent(owner, message, delivered.iter().map(copy).collect()).await;
    }

    /// The store of what is known about mails to other systems: that of the list, or the other one.
    pub(super) const fn followed_in(&self) -> Option<&Arc<dyn SentStore>> {
        match &self.sent {
            Some(sent) => Some(sent),
            None => self.sent_mails.as_ref(),
        }
    }

    pub(super) async fn record_sent(&self, owner: &MailboxId, message: &Message, copies: Vec<SentCopy>) {
        let Some(sent) = self.followed_in() else { return };
        let entry = SentMessage::new(message.id(), self.clock.now().instant, message.head().length, copies);
        if let Err(error) = sent.record(owner, &entry).await {
            warn(message.id(), &error);
        }
    }

    /// Records that the message `id` of `mailbox`, which `owner` has sent, has ended.
    pub(super) async fn record_end(&self, owner: &MailboxId, mailbox: &MailboxId, id: MessageId, disposition: Disposition) {
        let Some(sent) = self.followed_in() else { return };
        if let Err(error) = sent.settle(owner, mailbox, id, disposition, self.clock.now().instant).await {
            warn(id, &error);
        }
    }
}

fn warn(message: MessageId, error: &(dyn Error + 'static)) {
    tracing::warn!(%message, error, "the list of sent messages could not be changed");
}
