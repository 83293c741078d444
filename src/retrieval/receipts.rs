//! Receipts to senders: one for each message, from whichever call is the first to hear or remove it.

use chrono_tz::Tz;

use super::{EmailSettings, MailboxService, RetrievalError};
use crate::forward::{Outcome, Sender};
use crate::message::{MailboxId, MessageId, ReceiptRequest, Stamp, Status};
use crate::store::{Entry, StoreError};
use crate::wire::{self, Disposition};

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
        let mail = self.mail.as_ref().filter(|_| entry.status == Status::New && !self.heard_before.contains(owner, id));
        let (Some(mail), Some(request)) = (mail, &entry.head.receipt) else {
            self.mark_unless_removed(owner, &entry, status).await?;
            return Ok(ReceiptOutcome::NotSent);
        };
        match self.store.mark_if(owner, id, Status::New, status).await {
            Ok(true) => Ok(self.send_receipt(mail, request, owner, id, disposition).await),
            // Another call, perhaps at another node, was first, and has sent the receipt.
            Ok(false) => {
                let Some(entry) = self.entry(owner, id).await? else { return Err(StoreError::NoSuchMessage(id).into()) };
                self.mark_unless_removed(owner, &entry, status).await?;
                Ok(ReceiptOutcome::NotSent)
            }
            Err(StoreError::Unsupported(_)) => {
                self.store.mark(owner, id, status).await?;
                Ok(self.send_receipt(mail, request, owner, id, disposition).await)
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
            Ok(Outcome::Accepted) => ReceiptOutcome::Sent,
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

/// Whether a receipt was sent to the sender of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReceiptOutcome {
    /// The sender had asked for a receipt, and it was handed over.
    Sent,
    /// No receipt was sent: the sender had not asked for one, the message was not new, or the receipt could not be handed over.
    NotSent,
}
