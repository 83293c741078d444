//! What owners do with their messages beside hearing them: pass them on, answer them, have them as e-mail; and what senders are told.

mod builder;
mod error;
#[cfg(test)]
#[cfg(feature = "memory")]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use chrono_tz::Tz;

pub use self::builder::MailboxServiceBuilder;
pub use self::error::RetrievalError;
use crate::audio::join;
use crate::clock::Clock;
use crate::directory::{Directory, Owner};
use crate::forward::{MailOut, Outcome, Sender};
use crate::message::{
    Audio, Caller, Head, MailAddress, MailboxId, Message, MessageId, Origin, Privacy, RecordedAt, Stamp, Status, Urgency,
};
use crate::network::{Admission, LicenceClass};
use crate::store::{Deposit, MessageStore, StoreError};
use crate::wire::{self, Addresses, Disposition, ReceiptRequest, TransferEncoding};

/// Where owners pass on, answer and send out their messages, at the node that keeps all mailboxes.
///
/// A message that is passed on keeps its caller and the moment of its recording; who passed it on stands in its `Resent-` fields. A
/// private message is never passed on, neither to a mailbox nor by e-mail.
///
/// What is passed on or answered is made first and [delivered](Self::deliver) then, so that a delivery that failed can be tried
/// again without giving anybody the same message twice.
///
/// # Examples
///
/// ```
/// use voicemail::message::{MailboxId, MessageId};
/// use voicemail::retrieval::{MailboxService, RetrievalError};
///
/// async fn to_a_colleague(service: &MailboxService, owner: &MailboxId, id: MessageId, colleague: &MailboxId) -> Result<(), RetrievalError> {
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
    mail: Option<Mail>,
}

#[derive(Debug, Clone)]
struct Mail {
    out: Arc<dyn MailOut>,
    licences: Arc<Admission>,
}

impl MailboxService {
    /// A service for mailboxes whose addresses are in `domain`, which are in `store`, and whose owners `directory` knows.
    pub fn builder(domain: impl Into<String>, store: impl MessageStore, directory: impl Directory) -> MailboxServiceBuilder {
        MailboxServiceBuilder::new(domain.into(), Arc::new(store), Arc::new(directory))
    }

    /// The message `id` of `owner` for others, with `introduction` before it if there is one: then both become one sound, as
    /// [`join`] does it. It has an id of its own, and names `to` as those it was passed on to.
    ///
    /// # Errors
    ///
    /// [`RetrievalError::Private`] when nobody may have it; [`RetrievalError::Sound`] when the introduction cannot be joined;
    /// [`RetrievalError::Store`] when it is not there.
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
        let head = Head { id: MessageId::random(), length, ..original.head().clone() };
        let message = Message::new(head, audio);
        let to: Vec<MailAddress> = to.iter().filter_map(|to| self.address(to)).collect();
        let mail = self.encode(&message, &[]);
        Ok(message.arrived_as(self.resent(&mail, owner, &to).await?))
    }

    /// An answer of `owner` to whoever left the message `id`, and the mailbox that it is for.
    ///
    /// # Errors
    ///
    /// [`RetrievalError::CallerHasNoMailbox`] when the caller's number is unknown or no mailbox; [`RetrievalError::Store`] when the
    /// message is not there; [`RetrievalError::Directory`] when nobody could be asked.
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
    ) -> Result<(MailboxId, Message), RetrievalError> {
        let original = self.store.retrieve(owner, id).await?;
        let number = original.head().caller.number.as_ref().ok_or(RetrievalError::CallerHasNoMailbox(id))?;
        let to: MailboxId = number.as_str().parse().map_err(|_| RetrievalError::CallerHasNoMailbox(id))?;
        self.find(&to).await?.ok_or(RetrievalError::CallerHasNoMailbox(id))?;
        let Owner { home, zone, .. } = self.owner(owner).await?;
        let now = self.clock.now();
        let length = crate::audio::length_of(audio.media(), audio.bytes()).unwrap_or_default();
        let recorded_at = RecordedAt { instant: now.instant, zone, quality: now.quality };
        let caller = Caller { number: owner.as_str().parse().ok(), name: None };
        let message = Message::builder(audio, recorded_at).caller(caller).site(home).length(length).urgency(urgency).build();
        let mail = self.encode(&message, std::slice::from_ref(&to));
        let mail = wire::in_reply_to(&mail, original.id(), &self.node);
        Ok((to, message.arrived_as(mail)))
    }

    /// Puts a message that was made here into each of `mailboxes`; what became of it, for each.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has delivered it to some. The same call with the same message again delivers it to the rest, and to nobody
    /// twice.
    pub async fn deliver(&self, message: &Message, mailboxes: &[MailboxId]) -> Vec<(MailboxId, Result<Deposit, StoreError>)> {
        let mut delivered = Vec::with_capacity(mailboxes.len());
        for mailbox in mailboxes {
            delivered.push((mailbox.clone(), self.store.deposit(mailbox, &Origin::Here, message).await));
        }
        delivered
    }

    /// Sends a copy of the message `id` of `owner` by e-mail.
    ///
    /// # Errors
    ///
    /// [`RetrievalError::Refused`] without the licence for unified messaging; [`RetrievalError::Private`]; [`RetrievalError::MailNotConfigured`];
    /// [`RetrievalError::Mail`] when no server answered. A server's refusal is an [`Outcome`].
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have sent the copy or not.
    pub async fn copy_by_mail(&self, owner: &MailboxId, id: MessageId, to: &MailAddress) -> Result<Outcome, RetrievalError> {
        let mail = self.mail.as_ref().ok_or(RetrievalError::MailNotConfigured)?;
        let home = self.owner(owner).await?.home;
        mail.licences.check(&home, LicenceClass::UnifiedMessaging, self.clock.now().instant)?;
        let original = self.retrieve_unless_private(owner, id).await?;
        // Made anew, so that nothing that came with it goes out but what is known to be meant for others.
        let copy = self.encode(&original, std::slice::from_ref(owner));
        let copy = self.resent(&copy, owner, std::slice::from_ref(to)).await?;
        Ok(mail.out.send(Sender::Node, to, &copy).await?)
    }

    /// The owner has heard the message: marks it old, and tells its sender if that was asked for and it was new.
    ///
    /// The mark is set before the receipt goes, so that a message is told of once at most; a receipt that the way out does not take is
    /// given up, and its error logged: a node's outbox takes every one, and tries for days. Answers whether one was
    /// taken.
    ///
    /// # Errors
    ///
    /// [`RetrievalError::Store`] when the message is not there or could not be marked.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has marked the message or not, and sent the receipt or not.
    pub async fn played(&self, owner: &MailboxId, id: MessageId) -> Result<ReceiptOutcome, RetrievalError> {
        self.mark_and_notify(owner, id, Status::Old, Disposition::Played).await
    }

    /// The owner has done with the message: marks it removed, and tells its sender if that was asked for and it was new.
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

    /// The message grew too old unheard, and was removed for that: tells its sender if that was asked for. A node calls it for
    /// everything that its store's [`housekeep`](MessageStore::housekeep) tells of.
    ///
    /// # Errors
    ///
    /// [`RetrievalError::Store`] when the message is not there any more.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has sent the receipt or not.
    pub async fn expired(&self, owner: &MailboxId, id: MessageId) -> Result<ReceiptOutcome, RetrievalError> {
        let Some(mail) = &self.mail else { return Ok(ReceiptOutcome::NotSent) };
        let message = self.store.retrieve(owner, id).await?;
        let request = message.mail().and_then(|mail| wire::receipt_request(mail));
        let Some(request) = request else { return Ok(ReceiptOutcome::NotSent) };
        Ok(self.send_receipt(mail, &request, owner, id, Disposition::Expired).await)
    }

    async fn mark_and_notify(
        &self,
        owner: &MailboxId,
        id: MessageId,
        status: Status,
        disposition: Disposition,
    ) -> Result<ReceiptOutcome, RetrievalError> {
        let was_new = self.store.list(owner).await?.iter().any(|entry| entry.head.id == id && entry.status == Status::New);
        let asked = if was_new && self.mail.is_some() { self.store.retrieve(owner, id).await?.mail().cloned() } else { None };
        self.store.mark(owner, id, status).await?;
        let request = asked.and_then(|mail| wire::receipt_request(&mail));
        let (Some(request), Some(mail)) = (request, &self.mail) else { return Ok(ReceiptOutcome::NotSent) };
        Ok(self.send_receipt(mail, &request, owner, id, disposition).await)
    }

    async fn send_receipt(
        &self,
        mail: &Mail,
        request: &ReceiptRequest,
        owner: &MailboxId,
        id: MessageId,
        disposition: Disposition,
    ) -> ReceiptOutcome {
        let at = Stamp::new(self.clock.now().instant, Tz::UTC);
        let receipt = wire::receipt(request, owner, &self.domain, &self.node, id, disposition, &at);
        match mail.out.send(Sender::Nobody, &request.to, &receipt).await {
            Ok(Outcome::Accepted) => ReceiptOutcome::Sent,
            Ok(Outcome::Deferred(_) | Outcome::Refused(_)) => {
                tracing::warn!(message = %id, "a receipt was not taken, and is given up");
                ReceiptOutcome::NotSent
            }
            Err(error) => {
                tracing::warn!(message = %id, error = &error as &dyn std::error::Error, "a receipt could not be sent, and is given up");
                ReceiptOutcome::NotSent
            }
        }
    }

    /// The message, if it may be passed on.
    async fn retrieve_unless_private(&self, owner: &MailboxId, id: MessageId) -> Result<Message, RetrievalError> {
        let message = self.store.retrieve(owner, id).await?;
        match message.head().privacy {
            Privacy::Private => Err(RetrievalError::Private(id)),
            Privacy::Normal => Ok(message),
        }
    }

    fn encode(&self, message: &Message, recipients: &[MailboxId]) -> Bytes {
        let addresses = Addresses { node: &self.node, domain: &self.domain, recipients };
        wire::encode(message, &addresses, TransferEncoding::Base64).to_bytes()
    }

    async fn resent(&self, mail: &Bytes, owner: &MailboxId, to: &[MailAddress]) -> Result<Bytes, RetrievalError> {
        let zone = self.owner(owner).await?.zone;
        let at = Stamp::new(self.clock.now().instant, zone);
        let from = self.address(owner).ok_or_else(|| RetrievalError::NoSuchMailbox(owner.clone()))?;
        Ok(wire::resent(mail, &from, to, &at, &self.node))
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

/// Who was told of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReceiptOutcome {
    /// Its sender, who had asked for it.
    Sent,
    /// Nobody: nobody had asked, it was not new, or the receipt could not be sent.
    NotSent,
}
