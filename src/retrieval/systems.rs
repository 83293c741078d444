//! Messages of owners to mailboxes at other voicemail systems.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::sent_mails::mail_id;
use super::{MailboxService, RetrievalError};
use crate::directory::RemoteMailbox;
use crate::forward::{Outcome, Sender};
use crate::greeting::{GreetingId, GreetingKind};
use crate::message::{Audio, Head, MailboxId, Message, MessageId, Privacy};
use crate::network::LicenceClass;
use crate::store::{Deposit, StoreError};
use crate::wire::{ToSystem, encode_for_system};

impl MailboxService {
    /// Returns the mailbox at another voicemail system that `owner` reaches by `number`. `None` if there is none, if `number` is a mailbox here, or if the
    /// service sends no mail.
    ///
    /// # Errors
    ///
    /// [`RetrievalError::Refused`] if there is one, and the owner's PBX has no licence for networked messaging; [`RetrievalError::NoSuchMailbox`] if the
    /// directory does not know `owner`; [`RetrievalError::Directory`] if the directory fails.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    pub async fn remote(&self, owner: &MailboxId, number: &MailboxId) -> Result<Option<RemoteMailbox>, RetrievalError> {
        let Some(mail) = &self.mail else { return Ok(None) };
        // First, because most numbers lead to no other system: then nothing else is looked up.
        let found = self.directory.remote(number).await;
        let found = found.map_err(|source| RetrievalError::Directory { mailbox: number.clone(), source })?;
        let Some(remote) = found else { return Ok(None) };
        if self.find(number).await?.is_some() {
            return Ok(None);
        }
        let home = self.owner(owner).await?.home;
        mail.licences.check(&home, LicenceClass::NetworkedMessaging, self.clock.now().instant)?;
        Ok(Some(remote))
    }

    /// Sends a message that `owner` has made here to each of `numbers`, and returns the result for each, in any order: a mailbox here gets it as by
    /// [`deliver`](Self::deliver), and a [remote](Self::remote) one as by [`send_to_system`](Self::send_to_system), if the owner may send there. When the
    /// directory cannot answer, a number that is no mailbox here gets [`RetrievalError::Directory`], because it may lead to another system.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has sent the message to some of the numbers. The same call again gives it to the rest, to no mailbox here twice, and to each
    /// number at other systems with the same `Message-ID`.
    pub async fn send(
        &self,
        owner: &MailboxId,
        message: &Message,
        numbers: &[MailboxId],
    ) -> Vec<(MailboxId, Result<Sent, RetrievalError>)> {
        let (mut here, mut remotes, mut unknown) = (Vec::new(), HashMap::new(), HashMap::new());
        let mut results = Vec::with_capacity(numbers.len());
        for number in numbers {
            match self.remote(owner, number).await {
                Ok(Some(remote)) => {
                    remotes.insert(number, remote);
                }
                Ok(None) => here.push(number.clone()),
                Err(refused @ RetrievalError::Refused(_)) => results.push((number.clone(), Err(refused))),
                // The store knows whether the mailbox is here.
                Err(error) => {
                    here.push(number.clone());
                    unknown.insert(number.clone(), error);
                }
            }
        }
        if !here.is_empty() {
            let stored = self.deliver(message, &here).await.into_iter();
            results.extend(stored.map(|(number, result)| {
                let unless_elsewhere = |error| match (error, unknown.remove(&number)) {
                    (StoreError::NoSuchMailbox(_), Some(error @ RetrievalError::Directory { .. })) => error,
                    (error, _) => RetrievalError::Store(error),
                };
                let result = result.map(Sent::Stored).map_err(unless_elsewhere);
                (number, result)
            }));
        }
        for (number, remote) in remotes {
            let result = Box::pin(self.send_to_system(owner, message, &remote)).await;
            results.push((number.clone(), result.map(Sent::Mailed)));
        }
        results
    }

    /// Sends a message that `owner` has made here to a mailbox at another voicemail system, in the form that the system understands.
    ///
    /// The mail is from the owner if the message is, and else from `non-mail-user`, with the name and the number of the caller. A node's outbox accepts
    /// it as soon as it is on stable storage, and tries for days. The same message to the same number has the same `Message-ID` each time it is sent: an
    /// id that follows from that of the message and the number, by which the mail is among the [sent messages](Self::sent_messages).
    ///
    /// A message of the owner has the owner's recorded name, if the service [knows](super::MailboxServiceBuilder::greetings) one of at most
    /// [12 seconds](crate::wire::SPOKEN_NAME_LIMIT), and the system plays it.
    ///
    /// # Errors
    ///
    /// [`RetrievalError::Refused`] without the licence for networked messaging of the owner's PBX; [`RetrievalError::PrivacyNotHonoured`] if the
    /// message is private and the system may pass it on; [`RetrievalError::MailNotConfigured`] if the service sends no mail;
    /// [`RetrievalError::Sound`] if the sound cannot be written in the form that the system needs; [`RetrievalError::Mail`] if no server answered;
    /// [`RetrievalError::NoSuchMailbox`] and [`RetrievalError::Directory`] as for [`pass_on`](Self::pass_on). A server's refusal is an [`Outcome`].
    ///
    /// # Cancel safety
    ///
    /// A dropped call has sent the message or not.
    pub async fn send_to_system(
        &self,
        owner: &MailboxId,
        message: &Message,
        to: &RemoteMailbox,
    ) -> Result<Outcome, RetrievalError> {
        let mail = self.mail.as_ref().ok_or(RetrievalError::MailNotConfigured)?;
        let home = self.owner(owner).await?.home;
        mail.licences.check(&home, LicenceClass::NetworkedMessaging, self.clock.now().instant)?;
        if message.head().privacy == Privacy::Private && !to.honours_privacy {
            return Err(RetrievalError::PrivacyNotHonoured { id: message.id(), to: to.address.clone() });
        }
        let id = mail_id(message.id(), &to.number);
        let encoded = self.encode_for(owner, message, id, to.clone()).await?;
        self.record_mailing(owner, message, &to.number, id).await;
        let sent = mail.out.send(Sender::Message(id), &to.address, &encoded).await;
        self.record_mailed(owner, message, &to.number, id, &sent).await;
        Ok(sent?)
    }

    /// Writes the mail on a thread that may block, because the sound may have to be decoded and encoded.
    async fn encode_for(
        &self,
        owner: &MailboxId,
        message: &Message,
        id: MessageId,
        to: RemoteMailbox,
    ) -> Result<Bytes, RetrievalError> {
        let is_own = is_from(message, owner);
        let from = self.address(owner).filter(|_| is_own);
        let name = if is_own && to.spoken_name { self.spoken_name(owner).await } else { None };
        let (node, domain) = (Arc::clone(&self.node), Arc::clone(&self.domain));
        let mail = Message::new(Head { id, ..message.head().clone() }, message.audio().clone());
        let encoded = blocking(move || {
            let (from, spoken_name, business_card) = (from.as_ref(), name.as_ref(), to.business_card);
            let form = ToSystem::new(&node, &domain, &to.address, to.dialect);
            encode_for_system(&mail, &ToSystem { from, spoken_name, business_card, ..form })
        });
        let encoded = encoded.await?;
        encoded.map_err(|source| RetrievalError::Sound { id: message.id(), source })
    }

    /// Returns the recorded name of `owner`; none if the store of greetings fails, because the message does not need it.
    async fn spoken_name(&self, owner: &MailboxId) -> Option<Audio> {
        let name = GreetingId::new(owner.clone(), GreetingKind::Name);
        match self.greetings.as_ref()?.read(&name).await {
            Ok(greeting) => greeting?.sound_at(self.clock.now().instant).cloned(),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(%owner, error, "a recorded name could not be read, and the message is sent without it");
                None
            }
        }
    }
}

/// Does `work` on a thread that may block; without the feature `fs`, and so perhaps without a runtime, on this one.
#[cfg_attr(not(feature = "fs"), expect(clippy::unused_async, reason = "it waits where there are such threads"))]
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StoreError> {
    #[cfg(feature = "fs")]
    let done = crate::disk::blocking(move || Ok(work())).await.map_err(|error| StoreError::Unavailable(error.into()));
    #[cfg(not(feature = "fs"))]
    let done = Ok(work());
    done
}

/// The way of a message to one of its receivers.
#[derive(Debug)]
#[non_exhaustive]
pub enum Sent {
    /// It is in a mailbox here.
    Stored(Deposit),
    /// It was given to the mail server or to the outbox, with this outcome.
    Mailed(Outcome),
}

/// Whether `owner` is the caller of the message.
fn is_from(message: &Message, owner: &MailboxId) -> bool {
    let caller = &message.head().caller;
    match &caller.number {
        Some(number) => number.as_str() == owner.as_str(),
        None => !owner.is_number() && caller.name.as_ref().is_some_and(|name| name.as_str() == owner.as_str()),
    }
}
