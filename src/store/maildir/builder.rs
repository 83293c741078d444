//! [`MaildirStoreBuilder`].

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::TimeDelta;
use futures::future::BoxFuture;

use super::MaildirStore;
use super::bad_entries::BadEntries;
use super::context::{Limits, StoreContext, failed};
use super::free_space::FreeSpaceCache;
use super::pending::Pending;
use super::shared_record::SharedRecord;
use super::tree::Tree;
use crate::clock::{Clock, SystemClock};
use crate::directory::{Directory, MailboxLimits, Retention};
use crate::disk::{Disk, OsDisk, SharedFlush, blocking};
use crate::lock::Lock;
use crate::store::StoreError;

/// Opens a [`MaildirStore`]; made by [`MaildirStore::builder`].
#[derive(Debug)]
#[must_use]
pub struct MaildirStoreBuilder {
    root: PathBuf,
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    directory: Option<Arc<dyn Directory>>,
    host: String,
    domain: String,
    holding: MailboxLimits,
    retention: Retention,
    max_bytes: u64,
    min_free_space: u64,
    deduplication_window: Duration,
}

impl MaildirStoreBuilder {
    pub(super) fn new(root: PathBuf) -> Self {
        Self {
            root,
            disk: Arc::new(OsDisk),
            clock: Arc::new(SystemClock),
            directory: None,
            host: "localhost".to_owned(),
            domain: "localhost".to_owned(),
            holding: MailboxLimits::default(),
            retention: Retention::default(),
            max_bytes: MAX_BYTES,
            min_free_space: MIN_FREE_SPACE,
            deduplication_window: DEDUPLICATION_WINDOW,
        }
    }

    /// Sets the disk; the operating system's by default.
    pub fn disk(self, disk: impl Disk) -> Self {
        let disk = Arc::new(disk);
        Self { disk, ..self }
    }

    /// Sets the clock that dates arrivals, and so decides when they are old; the operating system's by default.
    pub fn clock(self, clock: impl Clock) -> Self {
        let clock = Arc::new(clock);
        Self { clock, ..self }
    }

    /// Sets the directory that decides which mailboxes exist; each gets its Maildir when it is first used. Without a directory, a mailbox exists
    /// if its folder does: see [`MaildirStore::create_mailbox`].
    pub fn directory(self, directory: impl Directory) -> Self {
        Self { directory: Some(Arc::new(directory)), ..self }
    }

    /// Sets this node's host name, for file names and for the `Message-ID` of what was recorded here; `localhost` without it.
    pub fn host(self, host: impl Into<String>) -> Self {
        Self { host: host.into(), ..self }
    }

    /// Sets the domain of the mailboxes' addresses, for the `To` of what was recorded here; `localhost` without it.
    pub fn domain(self, domain: impl Into<String>) -> Self {
        Self { domain: domain.into(), ..self }
    }

    /// Limits how many messages a mailbox may hold, removed ones not counted; without it, any number.
    pub fn max_messages(self, max_messages: usize) -> Self {
        let holding = MailboxLimits { messages: Some(max_messages), ..self.holding };
        Self { holding, ..self }
    }

    /// Limits how much a mailbox may hold; without it, there is no limit. If a directory has a limit for the mailbox, too, the lower one counts.
    pub fn holding(self, holding: MailboxLimits) -> Self {
        Self { holding, ..self }
    }

    /// Sets how long messages stay; without it, until their owners remove and expunge them. The times that a directory has for a mailbox come before
    /// these.
    pub fn retention(self, retention: Retention) -> Self {
        Self { retention, ..self }
    }

    /// Limits how many bytes a message may have as a mail; 64 MiB without it, an hour of 8 kHz, 8-bit sound and more.
    pub fn max_bytes(self, max_bytes: u64) -> Self {
        Self { max_bytes, ..self }
    }

    /// Sets how many bytes of the disk stay free of messages; 64 MiB without it.
    pub fn min_free_space(self, bytes: u64) -> Self {
        Self { min_free_space: bytes, ..self }
    }

    /// Sets how long an arrival is remembered after its message came; 90 days without it. The same message that is sent again later
    /// than this is stored again, if it is no longer in the mailbox.
    pub fn deduplication_window(self, deduplication_window: Duration) -> Self {
        Self { deduplication_window, ..self }
    }

    /// Opens the store, and creates what is missing of its tree.
    ///
    /// Half-written files of processes that died are removed. Other processes may have the same tree open.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSpace`], [`StoreError::NotWritable`] or [`StoreError::Unavailable`], with the error of the disk and the path.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has done part of this or all of it; the same call again does the rest.
    pub async fn open(self) -> Result<MaildirStore, StoreError> {
        self.boxed_open().await
    }

    /// [`open`](Self::open) as a boxed future, which is compiled with this crate.
    fn boxed_open(self) -> BoxFuture<'static, Result<MaildirStore, StoreError>> {
        Box::pin(self.open_store())
    }

    async fn open_store(self) -> Result<MaildirStore, StoreError> {
        let context = StoreContext {
            disk: self.disk,
            clock: self.clock,
            flush: SharedFlush::default(),
            watcher: OnceLock::new(),
            staging: self.root.join("staging"),
            arrival_record: SharedRecord::default(),
            pending: Pending::default(),
            host: self.host,
            domain: self.domain,
            limits: Limits { holding: self.holding, bytes: self.max_bytes, min_free_space: self.min_free_space },
            free_space: FreeSpaceCache::default(),
            bad: BadEntries::default(),
            retention: self.retention,
            deduplication_window: TimeDelta::from_std(self.deduplication_window).unwrap_or(TimeDelta::MAX),
            root: self.root,
        };
        let tree = Arc::new(Tree {
            context: Arc::new(context),
            mailboxes: Lock::default(),
            forgotten_up_to: Lock::new(None),
            retained_up_to: Lock::new(None),
            swept_up_to: Lock::new(None),
            external_changes: Arc::default(),
        });
        let prepared = Arc::clone(&tree);
        blocking(move || Ok(prepared.prepare())).await.map_err(failed)??;
        Ok(MaildirStore { tree, directory: self.directory })
    }
}

const MAX_BYTES: u64 = 64 << 20;
const MIN_FREE_SPACE: u64 = 64 << 20;
const DEDUPLICATION_WINDOW: Duration = Duration::from_secs(90 * 24 * 60 * 60);
