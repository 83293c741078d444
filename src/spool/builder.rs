//! [`SpoolBuilder`]: how a spool is opened.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};

use super::file_pool::FilePool;
use super::redirect::CurrentDestination;
use super::tree::{TreeContents, prepare_tree, read_tree};
use super::{MAX_READERS, MEMORY_PIECES, SPARE, Spool, SpoolError, SpoolShared, disk_error};
use crate::clock::{Clock, SystemClock};
use crate::descriptors::descriptor_limit;
use crate::disk::{self, Disk, OsDisk, SharedFlush};
use crate::event::Events;
use crate::lock::Lock;
use crate::retry::RetryPolicy;

/// Opens a [`Spool`]; made by [`Spool::builder`].
///
/// ```no_run
/// # async fn open() -> Result<(), voicemail::spool::SpoolError> {
/// use voicemail::spool::Spool;
///
/// let spool = Spool::builder("/var/spool/voicemail").open().await?;
/// println!("{} messages wait", spool.waiting().len());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use]
pub struct SpoolBuilder {
    folder: PathBuf,
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    events: Events,
    retry: RetryPolicy,
}

impl SpoolBuilder {
    pub(super) fn new(folder: PathBuf) -> Self {
        let (events, retry) = (Events::new(), RetryPolicy::default());
        Self { folder, disk: Arc::new(OsDisk), clock: Arc::new(SystemClock), events, retry }
    }

    /// Sets the disk that the folder is on; the operating system's by default.
    pub fn disk(mut self, disk: impl Disk) -> Self {
        self.disk = Arc::new(disk);
        self
    }

    /// Sets the clock that dates the notes beside parked messages; the operating system's by default.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Sets where events are reported; by default they have no listener.
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// Sets the waits between attempts, [`destination_unreachable`](RetryPolicy::destination_unreachable) and
    /// [`message_deferred`](RetryPolicy::message_deferred), and those for receipts behind a relay; [`RetryPolicy::default`] by default.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Opens the spool.
    ///
    /// It reads the names of the files that wait and opens none of them, so that a long queue delays nothing.
    ///
    /// # Errors
    ///
    /// [`SpoolError::InUse`] when another process has it open and does not end within two seconds; [`SpoolError::Disk`] or
    /// [`SpoolError::NoSpace`] when the disk fails.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has opened nothing. The same call again settles it.
    pub async fn open(self) -> Result<Spool, SpoolError> {
        let Self { folder: root, disk, clock, events, retry } = self;
        let (path, here) = (root.clone(), Arc::clone(&disk));
        let prepared = disk::blocking(move || prepare_tree(&*here, &path)).await;
        // Until the lock is held nothing is changed that another start depends on, so that a dropped call releases it at once.
        let lock = prepared.map_err(|source| disk_error(&root, source))?;
        let deadline = tokio::time::Instant::now() + LOCK_TIMEOUT;
        while !lock.try_lock().map_err(|source| disk_error(&root, source))? {
            if tokio::time::Instant::now() >= deadline {
                return Err(SpoolError::InUse(root));
            }
            tokio::time::sleep(LOCK_TIMEOUT / 100).await;
        }
        let (path, here) = (root.clone(), Arc::clone(&disk));
        // The work holds the lock: when this call is dropped the work goes on to its end, and the next start waits for that.
        let read = disk::blocking(move || read_tree(&*here, &path).map(|found| (found, lock))).await;
        let (TreeContents { queues, relayed, quarantined, next_spare }, lock) =
            read.map_err(|source| disk_error(&root, source))?;
        let file_pool = FilePool::new(root.join(SPARE), next_spare, descriptor_limit());
        let shared = SpoolShared {
            disk,
            root,
            flush: SharedFlush::default(),
            file_pool,
            memory: Arc::new(Semaphore::new(MEMORY_PIECES as usize)),
            readers: Semaphore::new(MAX_READERS),
            destinations: Lock::default(),
            parked: Notify::new(),
            relayed: Notify::new(),
            unconfirmed: Notify::new(),
            current: CurrentDestination::default(),
            moving: Lock::default(),
            relaying: Lock::default(),
            clock_watch: Lock::default(),
            quarantined_at_open: Lock::new(quarantined),
            clock,
            events,
            retry,
            _lock: lock,
        };
        let spool = Spool { shared: Arc::new(shared) };
        for (name, entries) in queues {
            let destination = spool.destination(&name);
            let mut queue = destination.queue();
            for entry in entries {
                queue.insert(entry);
            }
        }
        for (name, times) in relayed {
            let destination = spool.destination(&name);
            let mut known = destination.relayed.lock();
            for relayed_at in times {
                known.add(relayed_at);
            }
        }
        Ok(spool)
    }
}

/// How long to wait for another holder of the lock to end: a process that is stopping, or work that a dropped call left behind.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
