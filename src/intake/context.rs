//! [`IntakeContext`]: the state that all connections of an intake share.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::connection_slots::ConnectionSlots;
use super::logins::LoginAttempts;
use super::postmaster::Postmaster;
use crate::clock::Clock;
use crate::directory::Directory;
use crate::event::Events;
use crate::greeting::GreetingKeeper;
use crate::lock::Lock;
use crate::smtp::server::Policy;
use crate::store::MessageStore;

/// What all connections of an intake share.
pub(super) struct IntakeContext {
    pub(super) policy: Arc<Policy>,
    pub(super) mailboxes: Option<Mailboxes>,
    pub(super) keeper: Option<Arc<dyn GreetingKeeper>>,
    pub(super) postmaster: Option<Arc<dyn Postmaster>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) events: Events,
    /// Where deposits are told, unless the store does it.
    pub(super) deposits: Option<Events>,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) slots: Arc<ConnectionSlots>,
    /// Steps of room for message bodies.
    pub(super) memory: Arc<Semaphore>,
    /// Who has tried to log in lately.
    pub(super) attempts: Lock<LoginAttempts>,
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

impl IntakeContext {
    /// Sets one more step of memory aside, if there is any in time.
    pub(super) async fn reserve(&self) -> Option<OwnedSemaphorePermit> {
        match Arc::clone(&self.memory).try_acquire_owned() {
            Ok(permit) => Some(permit),
            Err(_) => timeout(self.policy.limits.memory_timeout, Arc::clone(&self.memory).acquire_owned()).await.ok()?.ok(),
        }
    }
}
