//! Services for owners of mailboxes: passing messages on, answering them, sending new ones, copying them by e-mail, and sending
//! receipts to senders.

mod addressees;
mod builder;
mod error;
mod groups;
mod heard_before;
mod mailbox_receipts;
mod private_lists;
mod receipts;
mod sent_mails;
mod sent_messages;
mod systems;
#[cfg(test)]
#[cfg(feature = "memory")]
mod tests;
mod warnings;

use std::sync::Arc;

use bytes::Bytes;

pub use self::addressees::OwnCopy;
pub use self::builder::MailboxServiceBuilder;
pub use self::error::RetrievalError;
use self::heard_before::HeardBefore;
pub use self::receipts::ReceiptOutcome;
pub use self::systems::Sent;
pub use self::warnings::MailboxWarnings;
use crate::audio::join;
use crate::clock::Clock;
use crate::directory::{Directory, ListStore, Owner};
use crate::forward::{MailOut, Outcome, Sender};
use crate::greeting::GreetingStore;
use crate::message::{
    Audio, Caller, CallerName, Disposition, Head, MailAddress, MailboxId, Message, MessageId, MessageKind, Origin, Privacy,
    ReceiptChoice, ReceiptRequest, RecordedAt, Stamp, Status, Urgency,
};
use crate::network::{Admission, LicenceClass};
use crate::sent::SentStore;
use crate::store::{Deposit, Entry, MessageStore, StoreError};
use crate::wire::{self, Addresses, TransferEncoding};

/// Passes on, answers and copies the messages of owners, makes new ones, and sends receipts, at the node that has all mailboxes.
///
/// A message that is passed on keeps its caller and the time of its recording; its `Resent-` fields name the owner who passed it
/// on. A private message is never passed on, neither to a mailbox nor by e-mail.
///
/// A message to pass on, an answer and a new message are made first and then [delivered](Self::deliver), so that a failed delivery
/// can be tried again without giving anybody the same message twice.
///
/// # Examples
///
/// ```
/// use voicemail::message::{MailboxId, MessageId};
/// use voicemail::retrieval::{MailboxService, RetrievalError};
///
/// async fn to_a_colleague(
///     service: &MailboxService,
///     owner: &MailboxId,
///     id: MessageId,
///     colleague: &MailboxId,
/// ) -> Result<(), RetrievalError> {
///     let passed_on = service.pass_on(owner, id, &[colleague.clone()], None).await?;
///     for (mailbox, delivered) in service.deliver(&passed_on, &[colleague.clone()]).await {
///         if let Err(error) = delivered {
///             println!("{mailbox} did not get it: {error}");
///         }
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug, Clone)]
pub struct MailboxService {
    store: Arc<dyn MessageStore>,
    directory: Arc<dyn Directory>,
    clock: Arc<dyn Clock>,
    node: Arc<str>,
    domain: Arc<str>,
    mail: Option<EmailSettings>,
    heard_before: Arc<HeardBefore>,
    receipts: ReceiptChoice,
    sent: Option<Arc<dyn SentStore>>,
    /// Where mails to other systems are followed when there is no list of sent messages.
    sent_mails: Option<Arc<dyn SentStore>>,
    lists: Option<Arc<dyn ListStore>>,
    greetings: Option<Arc<dyn GreetingStore>>,
    /// Held while a private list is read, changed and kept again.
    changing_lists: Arc<futures::lock::Mutex<()>>,
}

#[derive(Debug, Clone)]
struct EmailSettings {
    out: Arc<dyn MailOut>,
    licences: Arc<Admission>,
}

impl MailboxService {
    /// Begins to describe a service for the mailboxes in `store`, whose addresses are in `domain` and whose owners are in
    /// `directory`.
    pub fn builder(domain: impl Into<String>, store: impl MessageStore, directory: impl Directory) -> MailboxServiceBuilder {
        MailboxServiceBuilder::new(domain.into(), Arc::new(store), Arc::new(directory))
    }

    /// Makes a copy of the message `id` of `owner` to pass on to `to`. An `introduction` is put before it, so that both become
    /// one recording, as [`join`] does it. The copy has a new id, and its `Resent-To` field names `to`.
    ///
    /// # Errors
    ///
    /// [`RetrievalError::Private`] if the message is private; [`RetrievalError::IsReceipt`] if it is a receipt; [`RetrievalError::Sound`] if the introduction cannot be joined to
    /// it; [`RetrievalError::Store`] if the message is not in the mailbox, or the store fails; [`RetrievalError::NoSuchMailbox`]
    /// if the directory does not know `owner`; [`RetrievalError::Directory`] if the directory fails.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    pub async fn pass_on(
        &self,
        owner: &MailboxId,
        id: MessageId,
        to: &[MailboxId],
        introduction: Option<&Audio>,
    ) -> Result<Message, RetrievalError> {
        let original = self.retrieve_unless_private(owner, id).await?;
        let audio = match introduction {
            Some(introduction) => join(introduction, original.audio()).map_err(|source| RetrievalError::Sound { id, source })?,
            None => original.audio().clone(),
        };
        let length = crate::audio::length_of(audio.media(), audio.bytes()).unwrap_or(original.head().length);
        let id = MessageId::random();
        // A receipt is due to the sender when this owner hears the message, not when others do.
        let head = Head { id, length, receipt: self.receipt_request(owner, id), ..original.head().clone() };
        let message = Message::new(head, audio);
        let to: Vec<MailAddress> = to.iter().filter_map(|to| self.address(to)).collect();
        let mail = self.encode(&message, &[]);
        Ok(message.arrived_as(self.resent(&mail, owner, &to).await?))
    }

    /// Makes an answer of `owner` to the caller who left the message `id`. Returns the caller's mailbox, here or [remote](Self::remote), and the answer.
    ///
    /// # Errors
    ///
    /// [`RetrievalError::CallerHasNoMailbox`] if the caller's number is unknown or leads to no mailbox; [`RetrievalError::Store`]
    /// if the message is not in the mailbox, or the store fails; [`RetrievalError::IsReceipt`] if it is a receipt; [`RetrievalError::Refused`] as for
    /// [`remote`](Self::remote); [`RetrievalError::NoSuchMailbox`] if the directory does not know `owner`; [`RetrievalError::Directory`] if the directory
    /// fails.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    pub async fn answer(
        &self,
        owner: &MailboxId,
        id: MessageId,
        audio: Audio,
        urgency: Urgency,
        privacy: Privacy,
    ) -> Result<(MailboxId, Message), RetrievalError> {
        let original = self.store.retrieve(owner, id).await?;
        voice_only(&original)?;
        let number = original.head().caller.number.as_ref().ok_or(RetrievalError::CallerHasNoMailbox(id))?;
        let to: MailboxId = number.as_str().parse().map_err(|_| RetrievalError::CallerHasNoMailbox(id))?;
        if self.find(&to).await?.is_none() && self.remote(owner, &to).await?.is_none() {
            return Err(RetrievalError::CallerHasNoMailbox(id));
        }
        let message = self.message_from(owner, audio, urgency, privacy).await?;
        let mail = self.encode(&message, std::slice::from_ref(&to));
        let mail = wire::in_reply_to(&mail, original.id(), &self.node);
        Ok((to, message.arrived_as(mail)))
    }

    /// Makes a new message of `owner` to `to`, which is recorded now. It looks like a message that the owner left by calling each of
    /// them.
    ///
    /// # Errors
    ///
    /// [`RetrievalError::NoSuchMailbox`] if the directory does not know `owner`; [`RetrievalError::Directory`] if the directory fails.
    /// Whether the mailboxes in `to` exist is found out when the message is [delivered](Self::deliver).
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    pub async fn compose(
        &self,
        owner: &MailboxId,
        to: &[MailboxId],
        audio: Audio,
        urgency: Urgency,
        privacy: Privacy,
    ) -> Result<Message, RetrievalError> {
        let message = self.message_from(owner, audio, urgency, privacy).await?;
        let mail = self.encode(&message, to);
        Ok(message.arrived_as(mail))
    }

    /// Stores a message that was made here in each of `mailboxes`, and returns the result for each. One that requests a receipt is listed among the
    /// [sent messages](Self::sent_messages).
    ///
    /// # Cancel safety
    ///
    /// A dropped call has delivered the message to some of the mailboxes. The same call with the same message again delivers it
    /// to the rest, and to no mailbox twice.
    pub async fn deliver(&self, message: &Message, mailboxes: &[MailboxId]) -> Vec<(MailboxId, Result<Deposit, StoreError>)> {
        let follower = self.follower(message).await;
        if let Some(owner) = &follower {
            self.record_sending(owner, message, mailboxes).await;
        }
        let mut delivered = Vec::with_capacity(mailboxes.len());
        for mailbox in mailboxes {
            delivered.push((mailbox.clone(), self.store.deposit(mailbox, &Origin::Here, message).await));
        }
        if let Some(owner) = &follower {
            self.record_delivered(owner, message, &delivered).await;
        }
        delivered
    }

    /// Sends a copy of the message `id` of `owner` by e-mail.
    ///
    /// # Errors
    ///
    /// [`RetrievalError::Refused`] without the licence for unified messaging; [`RetrievalError::Private`] if the message is
    /// private; [`RetrievalError::MailNotConfigured`] if the service sends no e-mail; [`RetrievalError::Mail`] if no server
    /// answered; [`RetrievalError::Store`], [`RetrievalError::NoSuchMailbox`] and [`RetrievalError::Directory`] as for
    /// [`pass_on`](Self::pass_on). A server's refusal is an [`Outcome`].
    ///
    /// # Cancel safety
    ///
    /// A dropped call has sent the copy or not.
    pub async fn copy_by_mail(&self, owner: &MailboxId, id: MessageId, to: &MailAddress) -> Result<Outcome, RetrievalError> {
        let mail = self.mail.as_ref().ok_or(RetrievalError::MailNotConfigured)?;
        let home = self.owner(owner).await?.home;
        mail.licences.check(&home, LicenceClass::UnifiedMessaging, self.clock.now().instant)?;
        let original = self.retrieve_unless_private(owner, id).await?;
        // Encoded again, so that no header field of the received mail is sent to others by accident.
        let head = Head { receipt: None, ..original.head().clone() };
        let copy = self.encode(&Message::new(head, original.audio().clone()), std::slice::from_ref(owner));
        let copy = self.resent(&copy, owner, std::slice::from_ref(to)).await?;
        Ok(mail.out.send(Sender::Node, to, &copy).await?)
    }

    /// Marks a message old because its owner has heard it, and sends a receipt if the sender asked for one and the message was
    /// new.
    ///
    /// To a sender with a mailbox here, the receipt is a message of the kind [`MessageKind::Receipt`], in the sender's language and zone. It is in the
    /// sender's mailbox before this message is marked, so no crash in between loses it; and its id is made of this message and mailbox, so that a
    /// message has one receipt, however many calls hear it or remove it at once, at however many nodes with one store: the first one. A removal that
    /// is reported and then fails can be the only case in which a receipt is not the last word. A mailbox that is full
    /// takes it, too; when it has 100 messages more than it may have, the receipt is abandoned, and the error is logged.
    ///
    /// To any other sender, it is sent by mail after the message is marked, by [`MessageStore::mark_if`]: of several calls, also at several nodes with
    /// one store, one sends the receipt. If a store does not support this, two calls at once may send two. If the receipt cannot be handed over, it
    /// is abandoned and the error is logged; the outbox of a node takes every receipt, and retries for days.
    ///
    /// No receipt is sent about a receipt. Returns whether one was left or handed over.
    ///
    /// # Errors
    ///
    /// [`RetrievalError::Store`] if the message is not in the mailbox or could not be marked. A message that was removed meanwhile, in another
    /// call of its owner, counts as one that is not there, and stays removed.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has marked the message or not, and sent the receipt or not.
    pub async fn played(&self, owner: &MailboxId, id: MessageId) -> Result<ReceiptOutcome, RetrievalError> {
        self.mark_and_notify(owner, id, Status::Old, Disposition::Played).await
    }

    /// Marks a message removed because its owner needs it no longer, and sends a receipt if the sender asked for one and the
    /// message was new.
    ///
    /// # Errors
    ///
    /// As for [`played`](Self::played).
    ///
    /// # Cancel safety
    ///
    /// As for [`played`](Self::played).
    pub async fn removed(&self, owner: &MailboxId, id: MessageId) -> Result<ReceiptOutcome, RetrievalError> {
        self.mark_and_notify(owner, id, Status::Removed, Disposition::RemovedUnheard).await
    }

    /// Marks a message new again because its owner wants to hear it later. No receipt is sent, nor is another one when the owner hears a
    /// message again that was heard before; a restart of the process forgets that it was, and another node does not know it.
    ///
    /// # Errors
    ///
    /// As for [`played`](Self::played).
    ///
    /// # Cancel safety
    ///
    /// A dropped call has marked the message or not.
    pub async fn mark_new(&self, owner: &MailboxId, id: MessageId) -> Result<(), RetrievalError> {
        let was_heard = self.entry(owner, id).await?.is_some_and(|entry| entry.status != Status::New);
        self.store.mark(owner, id, Status::New).await?;
        if was_heard {
            self.heard_before.insert(owner, id);
        }
        Ok(())
    }

    /// Sends a receipt, if the sender asked for one, for a message that expired before its owner heard it. A node calls this for
    /// each expired message that its store's [`housekeep`](MessageStore::housekeep) reports.
    ///
    /// # Errors
    ///
    /// [`RetrievalError::Store`] if the message is no longer in the mailbox, or the store fails.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has sent the receipt or not.
    pub async fn expired(&self, owner: &MailboxId, id: MessageId) -> Result<ReceiptOutcome, RetrievalError> {
        if self.heard_before.contains(owner, id) {
            return Ok(ReceiptOutcome::NotSent);
        }
        let message = self.store.retrieve(owner, id).await?;
        let Some(request) = requested(message.head()) else { return Ok(ReceiptOutcome::NotSent) };
        if let Some(requester) = self.requester_here(request).await {
            return Ok(self.leave_receipt(&requester, owner, message.head(), Disposition::Expired).await);
        }
        let Some(mail) = &self.mail else { return Ok(ReceiptOutcome::NotSent) };
        Ok(self.send_receipt(mail, request, owner, id, Disposition::Expired).await)
    }

    /// Returns a message that `owner` has just recorded, with the owner as its caller. It has no mail yet.
    async fn message_from(
        &self,
        owner: &MailboxId,
        audio: Audio,
        urgency: Urgency,
        privacy: Privacy,
    ) -> Result<Message, RetrievalError> {
        let Owner { home, zone, .. } = self.owner(owner).await?;
        let now = self.clock.now();
        let length = crate::audio::length_of(audio.media(), audio.bytes()).unwrap_or_default();
        let recorded_at = RecordedAt { instant: now.instant, zone, quality: now.quality };
        let caller = Caller::new(owner.as_str().parse().ok(), CallerName::cleaned(owner.as_str()).filter(|_| !owner.is_number()));
        let message = Message::builder(audio, recorded_at).caller(caller).site(home).length(length);
        let message = message.urgency(urgency).privacy(privacy).build();
        let receipt = self.receipt_request(owner, message.head().id);
        Ok(Message::new(Head { receipt, ..message.head().clone() }, message.audio().clone()))
    }

    /// Returns the message, unless it is private or a receipt.
    async fn retrieve_unless_private(&self, owner: &MailboxId, id: MessageId) -> Result<Message, RetrievalError> {
        let message = self.store.retrieve(owner, id).await?;
        voice_only(&message)?;
        match message.head().privacy {
            Privacy::Private => Err(RetrievalError::Private(id)),
            Privacy::Normal => Ok(message),
        }
    }

    fn encode(&self, message: &Message, recipients: &[MailboxId]) -> Bytes {
        let addresses = Addresses::new(&self.node, &self.domain, recipients);
        wire::encode(message, &addresses, TransferEncoding::Base64).to_bytes()
    }

    async fn resent(&self, mail: &Bytes, owner: &MailboxId, to: &[MailAddress]) -> Result<Bytes, RetrievalError> {
        let zone = self.owner(owner).await?.zone;
        let at = Stamp::new(self.clock.now().instant, zone);
        let from = self.address(owner).ok_or_else(|| RetrievalError::NoSuchMailbox(owner.clone()))?;
        Ok(wire::resent(mail, &from, to, &at, &self.node))
    }

    async fn entry(&self, owner: &MailboxId, id: MessageId) -> Result<Option<Entry>, StoreError> {
        match self.store.entry(owner, id).await {
            Ok(entry) => Ok(Some(entry)),
            Err(StoreError::NoSuchMessage(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn owner(&self, mailbox: &MailboxId) -> Result<Owner, RetrievalError> {
        self.find(mailbox).await?.ok_or_else(|| RetrievalError::NoSuchMailbox(mailbox.clone()))
    }

    async fn find(&self, mailbox: &MailboxId) -> Result<Option<Owner>, RetrievalError> {
        let found = self.directory.find(mailbox).await;
        found.map_err(|source| RetrievalError::Directory { mailbox: mailbox.clone(), source })
    }

    fn address(&self, mailbox: &MailboxId) -> Option<MailAddress> {
        format!("{mailbox}@{}", self.domain).parse().ok()
    }
}

/// Returns the request for a receipt about a message; none about a receipt.
fn requested(head: &Head) -> Option<&ReceiptRequest> {
    match head.kind {
        MessageKind::Voice => head.receipt.as_ref(),
        MessageKind::Receipt(_) => None,
    }
}

/// Refuses a receipt.
fn voice_only(message: &Message) -> Result<(), RetrievalError> {
    match message.head().kind {
        MessageKind::Voice => Ok(()),
        MessageKind::Receipt(_) => Err(RetrievalError::IsReceipt(message.id())),
    }
}
