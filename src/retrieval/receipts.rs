//! Receipts to senders: one for each message, from whichever call is the first to hear or remove it.

use chrono_tz::Tz;

use super::{EmailSettings, MailboxService, RetrievalError, requested};
use crate::forward::{Outcome, Sender};
use crate::message::{Disposition, MailboxId, MessageId, ReceiptRequest, Stamp, Status};
use crate::store::{Entry, StoreError};
use crate::wire;

impl MailboxService {
    /// Sets the status, and sends a receipt about `disposition` if one is requested and this call is the one that changed the status from new.
    pub(super) async fn mark_and_notify(
        &self,
        owner: &MailboxId,
        id: MessageId,
        status: Status,
        disposition: Disposition,
    ) -> Result<ReceiptOutcome, RetrievalError> {
        let Some(entry) = self.entry(owner, id).await? else { return Err(StoreError::NoSuchMessage(id).into()) };
        let is_unheard = entry.status == Status::New && !self.heard_before.contains(owner, id);
        let Some(request) = requested(&entry.head).filter(|_| is_unheard) else {
            self.mark_unless_removed(owner, &entry, status).await?;
            return Ok(ReceiptOutcome::NotSent);
        };
        if let Some(requester) = self.requester_here(request).await {
            // Before the message is marked: after a crash in between, the next call finds the receipt, and marks.
            let outcome = self.leave_receipt(&requester, owner, &entry.head, disposition).await;
            self.mark_new_as(owner, id, status).await?;
            return Ok(outcome);
        }
        match (self.mark_new_as(owner, id, status).await?, &self.mail) {
            (true, Some(mail)) => Ok(self.send_receipt(mail, request, owner, id, disposition).await),
            _ => Ok(ReceiptOutcome::NotSent),
        }
    }

    /// Gives a message that was new another status; returns whether it was still new. If another call was first, perhaps at another node, this one
    /// marks it too, unless it was removed meanwhile and would be there again.
    async fn mark_new_as(&self, owner: &MailboxId, id: MessageId, status: Status) -> Result<bool, RetrievalError> {
        match self.store.mark_if(owner, id, Status::New, status).await {
            Ok(true) => Ok(true),
            Ok(false) => {
                let Some(entry) = self.entry(owner, id).await? else { return Err(StoreError::NoSuchMessage(id).into()) };
                self.mark_unless_removed(owner, &entry, status).await?;
                Ok(false)
            }
            Err(StoreError::Unsupported(_)) => {
                self.store.mark(owner, id, status).await?;
                Ok(true)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Marks the message of `entry`; fails if it was removed meanwhile and would be there again.
    async fn mark_unless_removed(&self, owner: &MailboxId, entry: &Entry, status: Status) -> Result<(), StoreError> {
        if status == Status::Old && entry.status == Status::Removed {
            return Err(StoreError::NoSuchMessage(entry.head.id));
        }
        self.store.mark(owner, entry.head.id, status).await
    }

    pub(super) async fn send_receipt(
        &self,
        mail: &EmailSettings,
        request: &ReceiptRequest,
        owner: &MailboxId,
        id: MessageId,
        disposition: Disposition,
    ) -> ReceiptOutcome {
        let at = Stamp::new(self.clock.now().instant, Tz::UTC);
        let receipt = wire::receipt(request, owner, &self.domain, &self.node, id, disposition, &at);
        match mail.out.send(Sender::Null, request.to(), &receipt).await {
            Ok(Outcome::Accepted | Outcome::Relayed) => ReceiptOutcome::Sent,
            Ok(Outcome::Deferred(_) | Outcome::Refused(_)) => {
                tracing::warn!(message = %id, "a receipt was not accepted, and is abandoned");
                ReceiptOutcome::NotSent
            }
            Err(error) => {
                tracing::warn!(message = %id, error = &error as &dyn std::error::Error, "a receipt could not be sent, and is abandoned");
                ReceiptOutcome::NotSent
            }
        }
    }
}

/// Whether a receipt was sent to the sender of a message, or left in the sender's mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReceiptOutcome {
    /// The sender had asked for a receipt, and it was handed over, or is in the sender's mailbox.
    Sent,
    /// No receipt was sent: the sender had not asked for one, the message was not new, the receipt could not be handed
    /// over, or the sender's mailbox has it from an earlier call.
    NotSent,
}
