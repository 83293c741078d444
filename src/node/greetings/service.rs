//! [`GreetingService`]: the greetings that a node keeps, for its owners and callers, and for the central node that sends them.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Notify;

use super::GreetError;
use crate::clock::Clock;
use crate::directory::Directory;
use crate::event::{Event, Events};
use crate::forward::MailOut;
use crate::greeting::{
    Edition, Greeting, GreetingEvent, GreetingId, GreetingKeeper, GreetingStore, GreetingStoreError, GreetingStoreExt,
    GreetingVersion, Greetings, KeepOutcome, KeeperError,
};
use crate::lock::Lock;
use crate::message::{Audio, MailboxId, Origin};
use crate::network::{Network, NodeAddress};
use crate::node::current_network::CurrentNetwork;
use crate::retry::{RetryPolicy, now};

/// The greetings that a node keeps.
#[derive(Debug)]
pub(in crate::node) struct GreetingService {
    pub(super) store: Arc<dyn GreetingStore>,
    pub(super) current: Arc<CurrentNetwork>,
    pub(super) events: Events,
    /// Makes the connections to other nodes; without it, greetings stay here.
    pub(super) make_mail_out: Option<MakeMailOut>,
    pub(super) retry: RetryPolicy,
    directory: Arc<dyn Directory>,
    clock: Arc<dyn Clock>,
    recorded: Lock<BTreeSet<GreetingId>>,
    noted: Notify,
}

/// Makes the [`MailOut`] that reaches another node.
#[derive(Clone)]
pub(in crate::node) struct MakeMailOut(Arc<Make>);

type Make = dyn Fn(&Network, &NodeAddress) -> Result<Arc<dyn MailOut>, BoxError> + Send + Sync;
pub(super) type BoxError = Box<dyn Error + Send + Sync>;

impl MakeMailOut {
    pub(in crate::node) fn new<W: MailOut, E: Into<BoxError>>(
        make: impl Fn(&Network, &NodeAddress) -> Result<W, E> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(move |network, node| match make(network, node) {
            Ok(mail_out) => Ok(Arc::new(mail_out)),
            Err(error) => Err(error.into()),
        }))
    }

    pub(super) fn to(&self, network: &Network, node: &NodeAddress) -> Result<Arc<dyn MailOut>, BoxError> {
        (self.0)(network, node)
    }
}

impl fmt::Debug for MakeMailOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MakeMailOut")
    }
}

impl GreetingService {
    pub(in crate::node) fn new(
        store: Arc<dyn GreetingStore>,
        current: Arc<CurrentNetwork>,
        directory: Arc<dyn Directory>,
        clock: Arc<dyn Clock>,
        events: Events,
        make_mail_out: Option<MakeMailOut>,
        retry: RetryPolicy,
    ) -> Self {
        let (recorded, noted) = (Lock::default(), Notify::new());
        Self { store, current, events, make_mail_out, retry, directory, clock, recorded, noted }
    }

    /// Keeps a greeting that an owner has recorded, with its end if it has one; or its removal.
    pub(super) async fn record(
        &self,
        id: GreetingId,
        sound: Option<Audio>,
        until: Option<DateTime<Utc>>,
    ) -> Result<GreetingVersion, GreetError> {
        if !self.current.is_central() {
            return Err(GreetError::NotCentral(self.current.network().central_node().clone()));
        }
        let found = self.directory.find(&id.mailbox).await;
        if found.map_err(|source| GreetError::Directory { mailbox: id.mailbox.clone(), source })?.is_none() {
            return Err(GreetError::NoSuchMailbox(id.mailbox));
        }
        let before = self.store.edition(&id).await?;
        let edition = self.store.record(id.clone(), sound, until, self.clock.now().instant).await?;
        if before != Some(edition) {
            self.events.emit(Event::Greeting(GreetingEvent::Recorded { greeting: id.clone(), version: edition.version }));
        }
        self.recorded.lock().insert(id);
        self.noted.notify_one();
        Ok(edition.version)
    }

    /// The sound of a greeting that is kept and has not ended.
    pub(super) async fn sound(&self, id: &GreetingId) -> Result<Option<Audio>, GreetError> {
        let greeting = self.store.read(id).await?;
        Ok(greeting.and_then(|greeting| greeting.sound_at(self.clock.now().instant).cloned()))
    }

    /// The greetings that callers hear; none when the store does not answer, so that they hear the standard ones.
    pub(super) async fn recorded(&self, mailbox: &MailboxId) -> Greetings {
        let recorded = self.store.recorded(mailbox, self.clock.now().instant).await;
        recorded.unwrap_or_else(|error| {
            tracing::warn!(%mailbox, error = &error as &dyn Error, "standard greetings are played, because the owner's cannot be listed");
            Greetings::default()
        })
    }

    /// Removes the greetings that have ended, if this node is the central one, and returns when to look again.
    pub(super) async fn remove_ended(&self) -> Instant {
        if !self.current.is_central() {
            // The removal comes from the central node.
            return now() + LONGEST_UNCHECKED;
        }
        let at = self.clock.now().instant;
        match self.remove_ended_at(at).await {
            Ok(wait) => now() + wait.clamp(SHORTEST_UNCHECKED, LONGEST_UNCHECKED),
            Err(error) => {
                tracing::warn!(error = &error as &dyn Error, "ended greetings could not be removed yet");
                now() + SHORTEST_UNCHECKED
            }
        }
    }

    /// Removes the greetings that have ended `at` this time, and returns how long it is until the next one ends: an hour at most, because the
    /// clock may be set, and another node may record one.
    async fn remove_ended_at(&self, at: DateTime<Utc>) -> Result<Duration, GreetingStoreError> {
        let mut next = LONGEST_UNCHECKED;
        for entry in self.store.list_all().await? {
            match entry.until {
                Some(until) if until > at => next = next.min((until - at).to_std().unwrap_or_default()),
                Some(_) => {
                    if let Some(Edition { version, .. }) = self.store.remove_ended(&entry, at).await? {
                        self.events.emit(Event::Greeting(GreetingEvent::Ended { greeting: entry.id.clone(), version }));
                        self.recorded.lock().insert(entry.id);
                    }
                }
                None => {}
            }
        }
        Ok(next)
    }

    /// Returns the greetings that owners have recorded or removed since the last call.
    pub(super) fn take_recorded(&self) -> BTreeSet<GreetingId> {
        std::mem::take(&mut *self.recorded.lock())
    }

    /// Waits until an owner records or removes a greeting.
    pub(super) async fn noted(&self) {
        self.noted.notified().await;
    }

    /// Checks that `origin` may send this edition of a greeting of `mailbox` to this node.
    fn admit(&self, origin: &Origin, mailbox: &MailboxId, edition: Edition) -> Result<(), KeeperError> {
        let network = self.current.network();
        let from_central = match origin {
            Origin::Peer(name) => name.parse().is_ok_and(|node| network.is_central_node(&node)),
            // A listener without peers admits clients that prove no name.
            Origin::Unproven | Origin::Here => false,
        };
        if !from_central || self.current.is_central() {
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
impl GreetingKeeper for GreetingService {
    fn keeps(&self, mailbox: &MailboxId) -> bool {
        self.current.network().greeting_node(mailbox) == Some(self.current.address())
    }

    async fn keep(&self, origin: &Origin, greeting: Greeting) -> Result<KeepOutcome, KeeperError> {
        self.admit(origin, &greeting.id().mailbox, greeting.edition())?;
        self.store.put(greeting).await.map_err(|error| KeeperError::Unavailable(error.into()))
    }

    async fn has(&self, origin: &Origin, id: &GreetingId, edition: Edition) -> Result<bool, KeeperError> {
        self.admit(origin, &id.mailbox, edition)?;
        let kept = self.store.edition(id).await.map_err(|error| KeeperError::Unavailable(error.into()))?;
        Ok(kept.is_some_and(|kept| kept >= edition))
    }
}

/// The waits until greetings are listed again. The shortest one is for a store that fails.
pub(super) const SHORTEST_UNCHECKED: Duration = Duration::from_secs(10);
pub(super) const LONGEST_UNCHECKED: Duration = Duration::from_secs(60 * 60);
/// The farthest that an edition may be dated ahead of this node's clock.
const MOST_AHEAD: TimeDelta = TimeDelta::days(1);
