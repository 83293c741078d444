//! [`OutboxBuilder`]: how an outbox is opened.

use std::path::PathBuf;
use std::sync::Arc;

use super::{GiveUpHandler, Outbox, OutboxShared};
use crate::clock::{Clock, SystemClock};
use crate::disk::{Disk, OsDisk};
use crate::event::Events;
use crate::forward::MailOut;
use crate::jobs::{FolderJobs, JobError, JobStore};
use crate::retry::RetryPolicy;

/// Opens an [`Outbox`]; made by [`Outbox::builder`].
#[derive(Debug)]
#[must_use]
pub struct OutboxBuilder {
    folder: PathBuf,
    jobs: Option<Arc<dyn JobStore>>,
    transport: Arc<dyn MailOut>,
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    events: Events,
    retry: RetryPolicy,
    give_up_handler: Option<Arc<dyn GiveUpHandler>>,
}

impl OutboxBuilder {
    pub(super) fn new(folder: PathBuf, transport: Arc<dyn MailOut>) -> Self {
        let (disk, clock) = (Arc::new(OsDisk), Arc::new(SystemClock));
        let (events, retry) = (Events::new(), RetryPolicy::default());
        Self { folder, jobs: None, transport, disk, clock, events, retry, give_up_handler: None }
    }

    /// Sets where the mails wait, instead of the folder. Nodes that share it send each other's mails when one of them has died.
    pub fn jobs(mut self, jobs: impl JobStore) -> Self {
        self.jobs = Some(Arc::new(jobs));
        self
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

    /// Hands the mails of owners that are given up to this part first.
    pub(crate) fn give_up_handler(mut self, handler: Arc<dyn GiveUpHandler>) -> Self {
        self.give_up_handler = Some(handler);
        self
    }

    /// Opens the outbox, with the mails that wait in its folder.
    ///
    /// # Errors
    ///
    /// [`JobError::Disk`], when the folder cannot be created, flushed or read.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has changed nothing except what a crash had left behind.
    pub async fn open(self) -> Result<Outbox, JobError> {
        let Self { folder, jobs, transport, disk, clock, events, retry, give_up_handler } = self;
        let jobs = match jobs {
            Some(jobs) => jobs,
            None => Arc::new(FolderJobs::open(disk, folder).await?),
        };
        Ok(Outbox { shared: Arc::new(OutboxShared { jobs, transport, clock, events, retry, give_up_handler }) })
    }
}
