//! [`StoreContext`]: the disk, the folders and the limits that the mailboxes of one store share.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};

use super::bad_entries::BadEntries;
use super::free_space::FreeSpaceCache;
use super::pending::Pending;
use super::shared_record::SharedRecord;
use crate::clock::Clock;
use crate::directory::{MailboxLimits, Retention};
use crate::disk::{self, Disk, SharedFlush, Watcher};
use crate::store::StoreError;

/// The disk, the folders and the limits that the mailboxes of one store share. Methods that ask the disk block.
#[derive(Debug)]
pub(super) struct StoreContext {
    pub disk: Arc<dyn Disk>,
    pub clock: Arc<dyn Clock>,
    pub flush: SharedFlush,
    /// Reports changes in the mailboxes; not set where the disk cannot watch.
    pub watcher: OnceLock<Arc<dyn Watcher>>,
    pub staging: PathBuf,
    /// The file to which the arrivals of this hour are links.
    pub arrival_record: SharedRecord,
    /// The arrivals that no node has settled yet.
    pub pending: Pending,
    pub host: String,
    pub domain: String,
    pub limits: Limits,
    pub free_space: FreeSpaceCache,
    /// The entries that were found in the folders and skipped.
    pub bad: BadEntries,
    pub deduplication_window: TimeDelta,
    pub retention: Retention,
    pub root: PathBuf,
}

impl StoreContext {
    /// An error if the disk has no space for a mail of `size` bytes. The disk is not asked again if it had plenty a moment ago.
    pub(super) fn ensure_free_space(&self, size: u64) -> Result<(), StoreError> {
        let needed = size.saturating_add(self.limits.min_free_space);
        if self.free_space.is_fresh(needed, Instant::now()) { Ok(()) } else { self.check_free_space(size) }
    }

    /// Asks the disk; an error if it has no space for a mail of `size` bytes.
    pub(super) fn check_free_space(&self, size: u64) -> Result<(), StoreError> {
        let free = self.disk.free_space(&self.root).map_err(failed)?;
        self.free_space.handle_answer(free, Instant::now());
        if free.bytes < size.saturating_add(self.limits.min_free_space) || free.files < RESERVED_FILES {
            return Err(StoreError::NoSpace(NearlyFull { bytes: free.bytes, files: free.files }.into()));
        }
        Ok(())
    }

    /// Whether the disk certainly has space for a mail of `size` bytes; the disk is not asked, so this does not block.
    pub(super) fn has_plenty(&self, size: u64) -> bool {
        self.free_space.has_plenty(size.saturating_add(self.limits.min_free_space), Instant::now())
    }

    /// An error if a mail of `size` bytes is too big.
    pub(super) fn check_size(&self, size: u64) -> Result<(), StoreError> {
        let limit = self.limits.bytes;
        if size > limit { Err(StoreError::TooBig { size, limit }) } else { Ok(()) }
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.clock.now().instant
    }
}

/// The limits of a store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// How much each mailbox may hold.
    pub holding: MailboxLimits,
    /// How many bytes one message's mail may have.
    pub bytes: u64,
    /// How many bytes of the disk stay free.
    pub min_free_space: u64,
}

/// The error of the store for an error of the disk.
pub(super) fn failed(error: io::Error) -> StoreError {
    match error.kind() {
        // No reading operation fails like this.
        io::ErrorKind::ReadOnlyFilesystem => StoreError::NotWritable(error.into()),
        _ if disk::is_no_space(&error) => StoreError::NoSpace(error.into()),
        _ => StoreError::Unavailable(error.into()),
    }
}

/// The error of the store for an error of the disk in an operation that writes.
pub(super) fn not_taken(error: io::Error) -> StoreError {
    if disk::is_not_writable(&error) { StoreError::NotWritable(error.into()) } else { failed(error) }
}

/// The disk has only the space left that must stay free.
#[derive(Debug, thiserror::Error)]
#[error("the disk is nearly full: {bytes} bytes and {files} files are left")]
struct NearlyFull {
    bytes: u64,
    files: u64,
}

/// How many files a disk must be able to create before a message comes: its mail and its arrival, for some at once.
const RESERVED_FILES: u64 = 16;
