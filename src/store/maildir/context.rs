//! [`StoreContext`]: what all mailboxes of a store stand on. What asks the disk blocks.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};

use super::bad_entries::BadEntries;
use super::free_space::FreeSpaceCache;
use super::retention::Retention;
use crate::clock::Clock;
use crate::directory::MailboxLimits;
use crate::disk::{self, Disk, SharedFlush, Watcher};
use crate::store::StoreError;

/// The disk, the folders and the rules that the mailboxes of one store share.
#[derive(Debug)]
pub(super) struct StoreContext {
    pub disk: Arc<dyn Disk>,
    pub clock: Arc<dyn Clock>,
    pub flush: SharedFlush,
    /// Tells what changes in the mailboxes, where anybody does.
    pub watcher: OnceLock<Arc<dyn Watcher>>,
    pub staging: PathBuf,
    pub host: String,
    pub domain: String,
    pub limits: Limits,
    pub free_space: FreeSpaceCache,
    /// What was found in the folders and skipped.
    pub bad: BadEntries,
    pub deduplication_window: TimeDelta,
    pub retention: Retention,
    pub root: PathBuf,
}

impl StoreContext {
    /// An error if the disk has no room for a mail of `size` bytes.
    pub(super) fn check_free_space(&self, size: u64) -> Result<(), StoreError> {
        let free = self.disk.free_space(&self.root).map_err(failed)?;
        self.free_space.handle_answer(free, Instant::now());
        if free.bytes < size.saturating_add(self.limits.min_free_space) || free.files < RESERVED_FILES {
            return Err(StoreError::NoSpace(NearlyFull { bytes: free.bytes, files: free.files }.into()));
        }
        Ok(())
    }

    /// Whether the disk has room for a mail of `size` bytes beyond doubt; it is not asked, so this does not block.
    pub(super) fn has_plenty(&self, size: u64) -> bool {
        self.free_space.has_plenty(size.saturating_add(self.limits.min_free_space), Instant::now())
    }

    /// An error if a mail of `size` bytes is bigger than any may be.
    pub(super) fn check_size(&self, size: u64) -> Result<(), StoreError> {
        let limit = self.limits.bytes;
        if size > limit { Err(StoreError::TooBig { size, limit }) } else { Ok(()) }
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.clock.now().instant
    }
}

/// How much is taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// What each mailbox may hold.
    pub holding: MailboxLimits,
    /// Bytes in one message's mail.
    pub bytes: u64,
    /// Bytes of the disk that stay free.
    pub min_free_space: u64,
}

/// What an error of the disk means to whoever called the store.
pub(super) fn failed(error: io::Error) -> StoreError {
    match error.kind() {
        // Nobody says so to a reader.
        io::ErrorKind::ReadOnlyFilesystem => StoreError::NotWritable(error.into()),
        _ if disk::is_no_space(&error) => StoreError::NoSpace(error.into()),
        _ => StoreError::Unavailable(error.into()),
    }
}

/// The same for what writes.
pub(super) fn not_taken(error: io::Error) -> StoreError {
    if disk::is_not_writable(&error) { StoreError::NotWritable(error.into()) } else { failed(error) }
}

/// The disk has only its reserve left.
#[derive(Debug, thiserror::Error)]
#[error("the disk is nearly full: {bytes} bytes and {files} files are left")]
struct NearlyFull {
    bytes: u64,
    files: u64,
}

/// How many files a disk must be able to create before a message comes: its mail and its arrival, for some at once.
const RESERVED_FILES: u64 = 16;
