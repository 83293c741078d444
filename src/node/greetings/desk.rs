//! [`GreetingDesk`]: the greetings that a node keeps, for owners, for callers, and for the central node that sends them.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use tokio::sync::Notify;

use super::GreetError;
use crate::clock::Clock;
use crate::directory::Directory;
use crate::event::{Event, Events};
use crate::forward::MailOut;
use crate::greeting::{
    Edition, Greeting, GreetingEvent, GreetingFolder, GreetingId, GreetingKeeper, GreetingVersion, Greetings, KeepOutcome,
    KeeperError,
};
use crate::lock::Lock;
use crate::message::{MailboxId, Origin};
use crate::network::{Network, NodeAddress};
use crate::node::standing::Standing;

/// The greetings that a node keeps.
#[derive(Debug)]
pub(in crate::node) struct GreetingDesk {
    pub(super) book: GreetingFolder,
    pub(super) standing: Arc<Standing>,
    pub(super) events: Events,
    /// How other nodes are reached; without it, greetings stay here.
    pub(super) make_way: Option<MakeWay>,
    directory: Arc<dyn Directory>,
    clock: Arc<dyn Clock>,
    recorded: Lock<BTreeSet<GreetingId>>,
    noted: Notify,
}

/// Makes the way to another node.
#[derive(Clone)]
pub(in crate::node) struct MakeWay(Arc<Make>);

type Make = dyn Fn(&Network, &NodeAddress) -> Result<Arc<dyn MailOut>, BoxError> + Send + Sync;
pub(super) type BoxError = Box<dyn Error + Send + Sync>;

impl MakeWay {
    pub(in crate::node) fn new<W: MailOut, E: Into<BoxError>>(
        make: impl Fn(&Network, &NodeAddress) -> Result<W, E> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(move |network, node| match make(network, node) {
            Ok(way) => Ok(Arc::new(way)),
            Err(error) => Err(error.into()),
        }))
    }

    pub(super) fn to(&self, network: &Network, node: &NodeAddress) -> Result<Arc<dyn MailOut>, BoxError> {
        (self.0)(network, node)
    }
}

impl fmt::Debug for MakeWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MakeWay")
    }
}

impl GreetingDesk {
    pub(in crate::node) fn new(
        book: GreetingFolder,
        standing: Arc<Standing>,
        directory: Arc<dyn Directory>,
        clock: Arc<dyn Clock>,
        events: Events,
        make_way: Option<MakeWay>,
    ) -> Self {
        let (recorded, noted) = (Lock::default(), Notify::new());
        Self { book, standing, events, make_way, directory, clock, recorded, noted }
    }

    /// Keeps what an owner has recorded or removed.
    pub(super) async fn record(
        &self,
        id: GreetingId,
        sound: Option<crate::message::Audio>,
    ) -> Result<GreetingVersion, GreetError> {
        if !self.standing.is_central() {
            return Err(GreetError::NotCentral(self.standing.network().central_node().clone()));
        }
        let found = self.directory.find(&id.mailbox).await;
        if found.map_err(|source| GreetError::Directory { mailbox: id.mailbox.clone(), source })?.is_none() {
            return Err(GreetError::NoSuchMailbox(id.mailbox));
        }
        let before = self.book.edition(&id);
        let edition = self.book.record(id.clone(), sound, self.clock.now().instant).await?;
        if before != Some(edition) {
            self.events.emit(Event::Greeting(GreetingEvent::Recorded { greeting: id.clone(), version: edition.version }));
        }
        self.recorded.lock().insert(id);
        self.noted.notify_one();
        Ok(edition.version)
    }

    pub(super) async fn read(&self, id: &GreetingId) -> Result<Option<Greeting>, GreetError> {
        Ok(self.book.read(id).await?)
    }

    pub(super) fn recorded(&self, mailbox: &MailboxId) -> Greetings {
        self.book.recorded(mailbox)
    }

    /// What owners have recorded or removed since the last call.
    pub(super) fn take_recorded(&self) -> BTreeSet<GreetingId> {
        std::mem::take(&mut *self.recorded.lock())
    }

    /// Waits until an owner records or removes one.
    pub(super) async fn noted(&self) {
        self.noted.notified().await;
    }

    /// Whether `origin` may hand in this edition of a greeting of `mailbox` here.
    fn admit(&self, origin: &Origin, mailbox: &MailboxId, edition: Edition) -> Result<(), KeeperError> {
        let network = self.standing.network();
        let from_central = match origin {
            Origin::Peer(name) => **name == *network.central_node().as_str(),
            // A listener without peers lets everybody in without proof.
            Origin::Unproven | Origin::Here => false,
        };
        if !from_central || self.standing.is_central() {
            return Err(KeeperError::Forbidden);
        }
        if !self.keeps(mailbox) {
            return Err(KeeperError::NotKeptHere(mailbox.clone()));
        }
        let (dated, now) = (edition.version.recorded_at(), self.clock.now().instant);
        if dated.signed_duration_since(now) > MOST_AHEAD { Err(KeeperError::DatedAhead { dated, now }) } else { Ok(()) }
    }
}

#[async_trait]
impl GreetingKeeper for GreetingDesk {
    fn keeps(&self, mailbox: &MailboxId) -> bool {
        self.standing.network().greeting_node(mailbox) == Some(self.standing.address())
    }

    async fn keep(&self, origin: &Origin, greeting: Greeting) -> Result<KeepOutcome, KeeperError> {
        self.admit(origin, &greeting.id().mailbox, greeting.edition())?;
        self.book.put(greeting).await.map_err(|error| KeeperError::Unavailable(error.into()))
    }

    async fn has(&self, origin: &Origin, id: &GreetingId, edition: Edition) -> Result<bool, KeeperError> {
        self.admit(origin, &id.mailbox, edition)?;
        Ok(self.book.edition(id).is_some_and(|kept| kept >= edition))
    }
}

/// How far ahead of this node's clock an edition may be dated.
const MOST_AHEAD: TimeDelta = TimeDelta::days(1);
