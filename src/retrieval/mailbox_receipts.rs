//! Receipts between mailboxes: the request of an owner, and the receipt in the mailbox of the owner who requested it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::{MailboxService, ReceiptOutcome};
use crate::audio::{Format, Wav};
use crate::message::{
    Audio, AudioType, Caller, CallerName, ContentDigest, Disposition, Head, MailboxId, Message, MessageId, MessageKind, Origin,
    ReceiptChoice, ReceiptReport, ReceiptRequest, RecordedAt,
};
use crate::store::{Deposit, StoreError};

impl MailboxService {
    /// Returns the same service with this choice for the messages that it makes. If receipts are requested, an owner who
    /// [passes on](Self::pass_on), [answers](Self::answer) or [composes](Self::compose) gets one from each addressee who hears or removes the message,
    /// or whose message expires unheard: see [`played`](Self::played). The choice does not change the service that it is called on.
    #[must_use]
    pub fn with_receipts(&self, receipts: ReceiptChoice) -> Self {
        Self { receipts, ..self.clone() }
    }

    /// Returns the request of `owner` for a receipt about the message `id`, if this service requests receipts.
    pub(super) fn receipt_request(&self, owner: &MailboxId, id: MessageId) -> Option<ReceiptRequest> {
        if self.receipts == ReceiptChoice::NotRequested {
            return None;
        }
        Some(ReceiptRequest::new(self.address(owner)?).about(&format!("<{id}@{}>", self.node)))
    }

    /// Returns the mailbox that requests the receipt, if it is one of this service. When the directory cannot answer, a mailbox of the domain counts
    /// as one: the store knows better.
    pub(super) async fn requester_here(&self, request: &ReceiptRequest) -> Option<MailboxId> {
        let mailbox: MailboxId = request.to().local_part().parse().ok()?;
        if !request.to().domain().eq_ignore_ascii_case(&self.domain) {
            return None;
        }
        let is_unknown = matches!(self.find(&mailbox).await, Ok(None));
        (!is_unknown).then_some(mailbox)
    }

    /// Puts a receipt into the mailbox of `requester` about the message `about` of `owner`, unless it has one about this message already.
    pub(super) async fn leave_receipt(
        &self,
        requester: &MailboxId,
        owner: &MailboxId,
        about: &Head,
        disposition: Disposition,
    ) -> ReceiptOutcome {
        let RecordedAt { instant, zone, .. } = about.recorded_at;
        let about = About { id: about.id, recorded_at: instant, zone };
        let left = self.try_to_leave_receipt(requester, owner, about, disposition).await;
        left.unwrap_or_else(|error| abandoned(requester, about.id, &error))
    }

    /// Does the same as [`leave_receipt`](Self::leave_receipt), and returns the error of the store.
    pub(super) async fn try_to_leave_receipt(
        &self,
        requester: &MailboxId,
        owner: &MailboxId,
        about: About,
        disposition: Disposition,
    ) -> Result<ReceiptOutcome, StoreError> {
        self.record_end(requester, owner, about.id, disposition).await;
        let receipt = self.receipt_about(requester, owner, about, disposition).await;
        Ok(match self.store.deposit(requester, &Origin::Here, &receipt).await? {
            Deposit::Stored(_) => ReceiptOutcome::Sent,
            Deposit::Duplicate => ReceiptOutcome::NotSent,
        })
    }

    async fn receipt_about(&self, requester: &MailboxId, owner: &MailboxId, about: About, disposition: Disposition) -> Message {
        // Without the directory, the receipt is in the zone of the message that it is about.
        let to = self.find(requester).await.ok().flatten();
        let (now, zone) = (self.clock.now(), to.as_ref().map_or(about.zone, |owner| owner.zone));
        let name = CallerName::cleaned(owner.as_str()).filter(|_| !owner.is_number());
        let mut head = Head::new(RecordedAt { instant: now.instant, zone, quality: now.quality });
        head.id = id_of_receipt(owner, about.id, disposition);
        head.caller = Caller::new(owner.as_str().parse().ok(), name);
        head.length = Duration::ZERO;
        (head.site, head.language) = to.map_or((None, None), |owner| (Some(owner.home), owner.language));
        head.kind = MessageKind::Receipt(ReceiptReport::new(disposition, owner.clone(), about.id, about.recorded_at));
        let receipt = Message::new(head, silence());
        let mail = self.encode(&receipt, std::slice::from_ref(requester));
        receipt.arrived_as(mail)
    }
}

/// The message that a receipt is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct About {
    pub(super) id: MessageId,
    /// When it was recorded, or sent to another system.
    pub(super) recorded_at: DateTime<Utc>,
    /// The zone of the receipt, if the directory does not know that of its owner.
    pub(super) zone: Tz,
}

/// The outcome for a receipt that could not be stored.
pub(super) fn abandoned(requester: &MailboxId, about: MessageId, error: &StoreError) -> ReceiptOutcome {
    let error = error as &dyn std::error::Error;
    tracing::warn!(message = %about, mailbox = %requester, error, "a receipt could not be stored, and is abandoned");
    ReceiptOutcome::NotSent
}

/// The id of each receipt about the message `id` of `owner`, by which a store recognizes that it has one. A message that was not delivered may be sent
/// again and then be heard, so these are two.
fn id_of_receipt(owner: &MailboxId, id: MessageId, disposition: Disposition) -> MessageId {
    let kind = match disposition {
        Disposition::NotDelivered(_) => "failure",
        Disposition::Played | Disposition::RemovedUnheard | Disposition::Expired => "receipt",
    };
    derived_id(&format!("{kind} {owner} {id}"))
}

/// Returns the id that always follows from `text`. Nobody can guess it without the text.
pub(super) fn derived_id(text: &str) -> MessageId {
    let digest = ContentDigest::of(text.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_bytes()[..16]);
    MessageId::from_bytes(bytes)
}

/// The sound of each receipt: a tenth of a second of silence.
fn silence() -> Audio {
    let mut file = Wav::header(Format::TELEPHONE_PCMU, SILENCE_LEN);
    file.extend(std::iter::repeat_n(PCMU_SILENCE, SILENCE_LEN as usize));
    Audio::new(AudioType::Wav, file)
}

const SILENCE_LEN: u32 = 800;
/// A sample of value zero, ITU-T G.711.
const PCMU_SILENCE: u8 = 0xff;
