//! [`OutboxBuilder`]: how an outbox is opened.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Notify;

use super::retry_queue::RetryQueue;
use super::{Outbox, OutboxShared};
use crate::clock::{Clock, SystemClock};
use crate::disk::{self, Disk, OsDisk, SharedFlush};
use crate::event::Events;
use crate::forward::MailOut;
use crate::lock::Lock;
use crate::retry::RetryPolicy;

/// Opens an [`Outbox`]; made by [`Outbox::builder`].
#[derive(Debug)]
#[must_use]
pub struct OutboxBuilder {
    folder: PathBuf,
    transport: Arc<dyn MailOut>,
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    events: Events,
    retry: RetryPolicy,
}

impl OutboxBuilder {
    pub(super) fn new(folder: PathBuf, transport: Arc<dyn MailOut>) -> Self {
        let (disk, clock) = (Arc::new(OsDisk), Arc::new(SystemClock));
        Self { folder, transport, disk, clock, events: Events::new(), retry: RetryPolicy::default() }
    }

    /// Sets the disk that the folder is on; the operating system's by default.
    pub fn disk(mut self, disk: impl Disk) -> Self {
        self.disk = Arc::new(disk);
        self
    }

    /// Sets the clock that dates mails, and so decides when one is given up; the operating system's by default.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Sets where events are reported; by default they have no listener.
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// Sets the waits between attempts, [`mail_deferred`](RetryPolicy::mail_deferred), and the longest time in the outbox,
    /// [`mail_lifetime`](RetryPolicy::mail_lifetime); [`RetryPolicy::default`] by default.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Opens the outbox, with the mails that wait in its folder.
    ///
    /// # Errors
    ///
    /// The error of the disk, when the folder cannot be created, flushed or read.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has changed nothing except what a crash had left behind.
    pub async fn open(self) -> io::Result<Outbox> {
        let Self { folder, transport, disk, clock, events, retry } = self;
        let (flush, changed) = (SharedFlush::default(), Notify::new());
        let retry_queue = Lock::new(RetryQueue::new(&retry));
        let shared = Arc::new(OutboxShared { disk, folder, flush, transport, clock, events, retry_queue, changed });
        let opened = Arc::clone(&shared);
        disk::blocking(move || opened.read_folder()).await?;
        Ok(Outbox { shared })
    }
}
