//! Changes of mailboxes: this node announces its own to the others, and learns of theirs.
//!
//! # How a change becomes known
//!
//! A deposit does not notify: each transaction that does so holds a lock over the whole server until its commit, which costs a factor of 3 to 5
//! at 16 connections. Instead, its mailbox and version are noted after the commit, and all that was noted within 5 ms is sent by one `NOTIFY`, on
//! a connection that does not wait for its flush. This may be lost. So every two seconds each node that listens also asks which mailboxes
//! have a version above that of its last look, less an overlap of 30 s. The overlap is needed because transactions do not commit in the order of
//! their versions; no transaction takes that long.

mod listener;
mod log;
mod payload;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use voicemail::message::MailboxId;

use self::log::ChangeLog;
use crate::connect::Pool;

/// The changes that one store makes, and those that it learns of.
///
/// The first change and the first wait start a task that has a connection of its own: `tokio-postgres` needs a task for each connection anyway, and
/// notifications that nobody reads would fill the memory of the server. The task ends with the store.
#[derive(Debug)]
pub(crate) struct Changes {
    pool: Pool,
    shared: Arc<Shared>,
    task: OnceLock<JoinHandle<()>>,
}

/// The state that the store and its task share.
#[derive(Debug, Default)]
struct Shared {
    log: Mutex<ChangeLog>,
    /// There is something to announce, or somebody listens now.
    for_task: Notify,
    /// There is something to report.
    for_caller: Notify,
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, ChangeLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Changes {
    pub(crate) fn new(pool: Pool) -> Self {
        Self { pool, shared: Arc::default(), task: OnceLock::new() }
    }

    /// This store has changed `mailbox` from one version to the next, and the change is committed.
    pub(crate) fn note(&self, mailbox: &MailboxId, old_version: i64, new_version: i64) {
        self.shared.log().handle_own(mailbox, old_version, new_version);
        self.shared.for_caller.notify_one();
        self.start();
        self.shared.for_task.notify_one();
    }

    /// Waits for changes that others have made, and answers their mailboxes.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: what a dropped call has not answered is answered to the next one.
    pub(crate) async fn wait(&self) -> Vec<MailboxId> {
        if self.shared.log().listen() {
            self.shared.for_task.notify_one();
        }
        self.start();
        loop {
            let names = self.shared.log().poll_report();
            if !names.is_empty() {
                return names;
            }
            self.shared.for_caller.notified().await;
        }
    }

    fn start(&self) {
        self.task.get_or_init(|| tokio::spawn(listener::run(self.pool.clone(), Arc::clone(&self.shared))));
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}
