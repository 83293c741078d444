//! [`SentMails`]: what becomes of the mails of owners to other voicemail systems.

use async_trait::async_trait;

use crate::error_chain;
use crate::message::{DeliveryFailure, MailboxId, MessageId};
use crate::outbox::GiveUpHandler;
use crate::retrieval::MailboxService;
use crate::smtp::Reply;
use crate::wire::{ReadReceipt, RecipientStatus};

/// Reports to owners what became of their mails to other voicemail systems.
#[derive(Debug, Clone)]
pub(super) struct SentMails {
    /// A service that sends no mail, because the outbox, which would send it, has this part.
    pub(super) service: MailboxService,
}

#[async_trait]
impl GiveUpHandler for SentMails {
    async fn handle(&self, id: MessageId, failure: DeliveryFailure) -> Result<(), String> {
        self.service.mail_failed(id, failure).await.map(drop).map_err(|error| error_chain(&error))
    }
}

impl SentMails {
    /// Acts on what a mail server has reported; returns whether it is about a mail of an owner. The error is the reply that refuses the report for now.
    pub(super) async fn reported(&self, id: MessageId, said: &RecipientStatus) -> Result<bool, Reply> {
        let known = match &*said.action {
            "failed" => {
                let texts = [said.status.as_str()].into_iter().chain(said.diagnostic.as_deref());
                let failure = DeliveryFailure::of(texts).unwrap_or(DeliveryFailure::Refused);
                self.service.mail_failed(id, failure).await.map(|outcome| outcome.is_some())
            }
            "delivered" => self.service.mail_delivered(id).await,
            _ => return Ok(false),
        };
        known.map_err(|error| {
            tracing::warn!(%id, error = error_chain(&error), "a report could not be acted on");
            Reply::with_status(451, "4.3.0", "the report cannot be acted on now, try again later")
        })
    }

    /// Acts on a receipt that has come to the mailbox `owner`; returns whether it is about a mail of this owner.
    pub(super) async fn heard(&self, owner: &MailboxId, ReadReceipt { id, disposition }: ReadReceipt) -> Result<bool, Reply> {
        let left = self.service.receipt_from_system(owner, id, disposition).await;
        left.map(|outcome| outcome.is_some()).map_err(|error| {
            tracing::warn!(%id, error = error_chain(&error), "a receipt could not be acted on");
            Reply::with_status(451, "4.3.0", "the receipt cannot be acted on now, try again later")
        })
    }
}
