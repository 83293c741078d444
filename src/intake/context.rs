//! [`IntakeContext`]: the state that all connections of an intake share.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::connection_slots::ConnectionSlots;
use super::login_attempts::LoginAttempts;
use super::postmaster::Postmaster;
#[cfg(feature = "node")]
use super::receipts::Receipts;
use super::report_handler::ReportHandler;
use crate::clock::Clock;
use crate::directory::Directory;
use crate::event::Events;
use crate::greeting::GreetingKeeper;
use crate::lock::Lock;
use crate::smtp::ReturnPaths;
use crate::smtp::server::Policy;
use crate::store::MessageStore;

/// The state that all connections of an intake share.
pub(super) struct IntakeContext {
    pub(super) policy: Arc<Policy>,
    pub(super) mailboxes: Option<Mailboxes>,
    pub(super) keeper: Option<Arc<dyn GreetingKeeper>>,
    pub(super) postmaster: Option<Arc<dyn Postmaster>>,
    pub(super) return_paths: Option<ReturnPaths>,
    #[cfg(feature = "node")]
    pub(super) receipts: Option<Receipts>,
    pub(super) report_handler: Option<Arc<dyn ReportHandler>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) events: Events,
    /// Where deposits are reported, unless the store reports them.
    pub(super) deposits: Option<Events>,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) slots: Arc<ConnectionSlots>,
    /// The memory for message bodies, in steps of `Dialogue::MEMORY_STEP`.
    pub(super) memory: Arc<Semaphore>,
    /// The addresses that have failed to log in lately.
    pub(super) attempts: Lock<LoginAttempts>,
    /// Bounds the checks of passwords at the same time.
    pub(super) checks: Semaphore,
    /// Bounds the reading of long messages at the same time.
    pub(super) readers: Semaphore,
    /// The number of the next session.
    pub(super) sessions: AtomicU64,
}

/// The mailboxes of the node: the store that has their messages, and the directory that knows their owners.
#[derive(Debug)]
pub(super) struct Mailboxes {
    pub(super) store: Arc<dyn MessageStore>,
    pub(super) directory: Arc<dyn Directory>,
}

impl IntakeContext {
    /// Reserves one more step of memory, if it becomes free in time.
    pub(super) async fn reserve(&self) -> Option<OwnedSemaphorePermit> {
        match Arc::clone(&self.memory).try_acquire_owned() {
            Ok(permit) => Some(permit),
            Err(_) => timeout(self.policy.limits.memory_timeout, Arc::clone(&self.memory).acquire_owned()).await.ok()?.ok(),
        }
    }
}
