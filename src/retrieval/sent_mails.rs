//! The mails of owners to other voicemail systems after they were sent: failures, and receipts that come back.

use chrono_tz::Tz;

use super::mailbox_receipts::{About, abandoned, derived_id};
use super::{MailboxService, ReceiptOutcome, RetrievalError};
use crate::forward::{ForwardError, Outcome};
use crate::message::{DeliveryFailure, Disposition, MailboxId, Message, MessageId};
use crate::sent::{SentCopy, SentMessage, SentState};
use crate::store::StoreError;

impl MailboxService {
    /// Reports to an owner that a mail to another voicemail system, which the owner has sent, will not arrive: puts a receipt into the owner's mailbox that
    /// says so, and changes the [list](Self::sent_messages). `id` is that of the mail, the left side of its `Message-ID`.
    ///
    /// A node calls this for each mail that its outbox gives up, and for each report of a mail server about a failure. The id of the receipt follows
    /// from that of the mail, so that the owner has one, however often this is called. A full mailbox takes the receipt, too; when it
    /// has 100 messages more than it may have, the receipt is abandoned, and the error is logged. Returns `None` if no such mail is known, and [`ReceiptOutcome::NotSent`] if the mailbox has the receipt, or the message was
    /// heard.
    ///
    /// # Errors
    ///
    /// [`RetrievalError::Sent`] and [`RetrievalError::Store`] if a store does not answer: the same call may succeed later.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has left the receipt or not. The same call again settles it.
    pub async fn mail_failed(&self, id: MessageId, failure: DeliveryFailure) -> Result<Option<ReceiptOutcome>, RetrievalError> {
        let Some(sent) = self.followed_in() else { return Ok(None) };
        let Some((owner, message)) = sent.find(id).await? else { return Ok(None) };
        let Some(copy) = copy_by_mail(&message, id) else { return Ok(None) };
        if matches!(copy.state, SentState::Ended { .. }) {
            tracing::info!(mail = %id, "a report says that a message was not delivered, which was heard or removed");
            return Ok(Some(ReceiptOutcome::NotSent));
        }
        self.leave_report(&owner, &message, copy, Disposition::NotDelivered(failure)).await.map(Some)
    }

    /// Records that a mail server has reported a mail to another voicemail system as delivered; returns whether such a mail is known. The owner gets no
    /// receipt, because nobody has heard the message yet.
    ///
    /// # Errors
    ///
    /// [`RetrievalError::Sent`] if the store of sent messages fails.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has recorded it or not. The same call again settles it.
    pub async fn mail_delivered(&self, id: MessageId) -> Result<bool, RetrievalError> {
        let Some(sent) = self.followed_in() else { return Ok(false) };
        let Some((owner, message)) = sent.find(id).await? else { return Ok(false) };
        let Some(copy) = copy_by_mail(&message, id) else { return Ok(false) };
        let delivered = SentCopy::new(copy.mailbox.clone(), id, SentState::Delivered);
        sent.record(&owner, &SentMessage { copies: vec![delivered], ..message.clone() }).await?;
        Ok(true)
    }

    /// Takes a receipt of another voicemail system, which has come to the mailbox of `owner`, about a mail that this owner has sent there: it becomes the
    /// same receipt as that of a mailbox here. `id` is that of the mail. Returns `None` if the owner has sent no such mail.
    ///
    /// Anybody can write such a receipt, so the id of the mail is all that proves it: 128 bits that only the receiving system knows, and those that the
    /// mail passed through.
    ///
    /// # Errors
    ///
    /// As for [`mail_failed`](Self::mail_failed).
    ///
    /// # Cancel safety
    ///
    /// A dropped call has left the receipt or not. The same call again settles it.
    pub async fn receipt_from_system(
        &self,
        owner: &MailboxId,
        id: MessageId,
        disposition: Disposition,
    ) -> Result<Option<ReceiptOutcome>, RetrievalError> {
        let Some(sent) = self.followed_in() else { return Ok(None) };
        let Some((sender, message)) = sent.find(id).await? else { return Ok(None) };
        let Some(copy) = copy_by_mail(&message, id).filter(|_| sender == *owner) else { return Ok(None) };
        self.leave_report(owner, &message, copy, disposition).await.map(Some)
    }

    async fn leave_report(
        &self,
        owner: &MailboxId,
        message: &SentMessage,
        copy: &SentCopy,
        disposition: Disposition,
    ) -> Result<ReceiptOutcome, RetrievalError> {
        if copy.state == SentState::Delivered
            && let (Disposition::NotDelivered(_), Some(sent)) = (disposition, self.followed_in())
        {
            let returned = SentCopy::new(copy.mailbox.clone(), copy.id, SentState::Returned);
            sent.record(owner, &SentMessage { copies: vec![returned], ..message.clone() }).await?;
        }
        let about = About { id: copy.id, recorded_at: message.sent_at, zone: Tz::UTC };
        match self.try_to_leave_receipt(owner, &copy.mailbox, about, disposition).await {
            Ok(outcome) => Ok(outcome),
            Err(error) if error.is_transient() && !matches!(error, StoreError::MailboxFull(_)) => Err(error.into()),
            Err(error) => Ok(abandoned(owner, copy.id, &error)),
        }
    }

    /// Records that `owner` is sending the message to a number at another system, by the mail `id`.
    pub(super) async fn record_mailing(&self, owner: &MailboxId, message: &Message, number: &MailboxId, id: MessageId) {
        self.record_sent(owner, message, vec![SentCopy::new(number.clone(), id, SentState::Sending)]).await;
    }

    /// Records that the mail was not accepted, if it was not.
    pub(super) async fn record_mailed(
        &self,
        owner: &MailboxId,
        message: &Message,
        number: &MailboxId,
        id: MessageId,
        sent: &Result<Outcome, ForwardError>,
    ) {
        if !matches!(sent, Ok(Outcome::Accepted | Outcome::Relayed)) {
            self.record_sent(owner, message, vec![SentCopy::new(number.clone(), id, SentState::NotDelivered)]).await;
        }
    }
}

/// The id of the mail with a message to a number at another system: another one for each number, so that each report is about one of them.
pub(super) fn mail_id(message: MessageId, number: &MailboxId) -> MessageId {
    derived_id(&format!("mail {message} {number}"))
}

/// Returns the copy of a message that was sent by the mail `id`. The id of a copy in a mailbox here, which more people know, proves nothing.
fn copy_by_mail(message: &SentMessage, id: MessageId) -> Option<&SentCopy> {
    message.copies.iter().find(|copy| copy.id == id && mail_id(message.id, &copy.mailbox) == id)
}
