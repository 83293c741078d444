//! [`Shared`]: what all connections of an intake share, and how it asks the parts around it.

use std::net::IpAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use futures::future::join_all;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::Instrument as _;

use super::admission::Admission;
use super::attempts::Attempts;
use super::postmaster::Postmaster;
use super::verdict::{NotKept, check_length, greetings_only, not_taken, unreadable, verdict};
use crate::clock::Clock;
use crate::directory::Directory;
use crate::event::{Event, Events};
use crate::greeting::GreetingKeeper;
use crate::message::{MailboxId, Message, Origin};
use crate::smtp::server::{Access, Delivery, Lookup, Policy, Recipient, Reply, reply};
use crate::store::{MessageStore, StagedMail};
use crate::wire;

/// What all connections of an intake share.
pub(super) struct Shared {
    pub(super) policy: Arc<Policy>,
    pub(super) mailboxes: Option<Mailboxes>,
    pub(super) keeper: Option<Arc<dyn GreetingKeeper>>,
    pub(super) postmaster: Option<Arc<dyn Postmaster>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) events: Events,
    /// Where deposits are told, unless the store does it.
    pub(super) deposits: Option<Events>,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) admission: Arc<Admission>,
    /// Steps of room for message bodies.
    pub(super) room: Arc<Semaphore>,
    /// Who has tried to log in lately.
    pub(super) attempts: Mutex<Attempts>,
    /// Places for checks of passwords.
    pub(super) checks: Semaphore,
    /// Places for reading long messages.
    pub(super) readers: Semaphore,
    /// The number of the next session.
    pub(super) sessions: AtomicU64,
}

/// The mailboxes that messages are for: who knows them, and who keeps them.
#[derive(Debug)]
pub(super) struct Mailboxes {
    pub(super) store: Arc<dyn MessageStore>,
    pub(super) directory: Arc<dyn Directory>,
}

impl Shared {
    /// Sets one more step of memory aside, if there is any in time.
    pub(super) async fn reserve(&self) -> Option<OwnedSemaphorePermit> {
        match Arc::clone(&self.room).try_acquire_owned() {
            Ok(permit) => Some(permit),
            Err(_) => timeout(self.policy.limits.memory_timeout, Arc::clone(&self.room).acquire_owned()).await.ok()?.ok(),
        }
    }

    /// Asks whether a recipient exists and would take `size` bytes, before the peer at `address` sends them.
    pub(super) async fn look_up(&self, recipient: &Recipient, size: u64, address: Option<IpAddr>) -> Lookup {
        match recipient {
            Recipient::Mailbox(mailbox) => self.look_up_mailbox(mailbox, size).await,
            Recipient::Postmaster => self.look_up_postmaster(size).await,
            Recipient::NodeSender => {
                self.events.emit(Event::ReportRefused { address });
                Lookup::NotTaken(reply::NO_REPORTS)
            }
        }
    }

    /// Asks the directory for a mailbox, and the store whether it would take `size` bytes.
    async fn look_up_mailbox(&self, mailbox: &MailboxId, size: u64) -> Lookup {
        if self.keeper.as_ref().is_some_and(|keeper| keeper.keeps(mailbox)) {
            return Lookup::Found;
        }
        let Some(Mailboxes { store, directory }) = &self.mailboxes else { return Lookup::NotFound };
        match timeout(self.policy.limits.answer_time, directory.find(mailbox)).await {
            Ok(Ok(Some(_))) => self.check(&**store, mailbox, size).await,
            Ok(Ok(None)) => Lookup::NotFound,
            Ok(Err(error)) => {
                tracing::warn!(%mailbox, error = &error as &dyn std::error::Error, "a lookup failed");
                Lookup::Failed
            }
            Err(_) => {
                tracing::warn!(%mailbox, "the directory does not answer");
                Lookup::Failed
            }
        }
    }

    async fn check(&self, store: &dyn MessageStore, mailbox: &MailboxId, size: u64) -> Lookup {
        let failure = match timeout(self.policy.limits.answer_time, store.check(mailbox, size)).await {
            Ok(Ok(())) => return Lookup::Found,
            Ok(Err(error)) => NotKept::Refused(error),
            Err(_) => NotKept::NoAnswer,
        };
        tracing::info!(%mailbox, ?failure, "a message would not be kept, so it is not taken");
        Lookup::NotTaken(not_taken(mailbox, &failure))
    }

    /// Reads a message and puts it into every mailbox that it is for; answers the reply that says what became of it.
    pub(super) async fn store(&self, delivery: Delivery, staged: Option<Box<dyn StagedMail>>, access: &Access) -> Reply {
        let stored = if delivery.postmaster {
            self.store_for_postmaster(delivery, staged, access).await
        } else {
            self.try_to_store(delivery, staged, access).await
        };
        stored.unwrap_or_else(|reply| reply)
    }

    /// The same for mailboxes alone.
    pub(super) async fn try_to_store(
        &self,
        mut delivery: Delivery,
        staged: Option<Box<dyn StagedMail>>,
        access: &Access,
    ) -> Result<Reply, Reply> {
        let (mut file, mut _room) = (None, None);
        if let Some(staged) = staged {
            let whole = self.finish(staged, std::mem::take(&mut delivery.mail)).await?;
            match self.greeting_in(&whole).await? {
                Some((mail, room)) => (delivery.mail, _room) = (mail, Some(room)),
                None => file = Some(whole),
            }
        }
        if file.is_none()
            && let Some(reply) = self.take_greeting(&delivery, access).await
        {
            return Ok(reply);
        }
        let Some(Mailboxes { store, .. }) = &self.mailboxes else { return Err(greetings_only()) };
        let message = match file {
            Some(file) => self.read(file).await?,
            None => wire::decode_within(&delivery.mail, self.policy.limits.form).map_err(|error| unreadable(&error))?,
        };
        check_length(&message)?;
        let (origin, message) = (&delivery.origin, &message);
        if let Some(site) = message.head().site.as_ref().filter(|site| !access.speaks_for(origin, site)) {
            self.events.emit(Event::SiteRefused { id: message.id(), origin: origin.clone(), site: site.clone() });
            return Err(Reply::telling(550, "5.7.1", format_args!("{origin} does not speak for site {site}")));
        }
        let deposits = delivery
            .mailboxes
            .iter()
            .map(|mailbox| async move { (mailbox, self.deposit(&**store, mailbox, origin, message).await) });
        let span = tracing::info_span!(parent: None, "deposit", id = %message.id(), %origin);
        Ok(verdict(message.id(), &join_all(deposits).instrument(span).await))
    }

    async fn deposit(
        &self,
        store: &dyn MessageStore,
        mailbox: &MailboxId,
        origin: &Origin,
        message: &Message,
    ) -> Result<(), NotKept> {
        let deposit = timeout(self.policy.limits.answer_time, store.deposit(mailbox, origin, message));
        let failure = match deposit.await {
            Ok(Ok(deposit)) => {
                if let Some(events) = &self.deposits {
                    events.emit(Event::deposited(message.id(), mailbox, origin.clone(), deposit));
                }
                return Ok(());
            }
            Ok(Err(error)) => NotKept::Refused(error),
            Err(_) => NotKept::NoAnswer,
        };
        tracing::warn!(id = %message.id(), %mailbox, ?failure, "a message was not kept");
        Err(failure)
    }
}
