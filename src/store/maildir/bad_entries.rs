//! [`BadEntries`]: what stands in the store's folders and cannot be read as what it should be.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::io::Errno;

use crate::disk::{self, Disk};
use crate::store::BadEntry;

/// What was log and skipped. Each path is reported once, however often it is met.
#[derive(Debug, Default)]
pub(super) struct BadEntries(Mutex<BadEntryLog>);

#[derive(Debug, Default)]
struct BadEntryLog {
    known: HashSet<PathBuf>,
    unreported: Vec<BadEntry>,
}

impl BadEntries {
    /// Reports that what stands at `path` is skipped because of `error`.
    pub(super) fn note(&self, path: &Path, error: &io::Error) {
        if self.is_new(path) {
            self.report(path, error.to_string());
        }
    }

    /// The same for something that is no file, or no folder where one should be.
    pub(super) fn note_other(&self, disk: &dyn Disk, path: &Path) {
        if self.is_new(path) {
            let reason = disk.open(path).err().map_or_else(|| "it is no folder".to_owned(), |error| error.to_string());
            self.report(path, reason);
        }
    }

    /// What was log since the last call.
    pub(super) fn take(&self) -> Vec<BadEntry> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).unreported)
    }

    fn is_new(&self, path: &Path) -> bool {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if log.known.len() >= MOST_KNOWN {
            log.known.clear();
        }
        log.known.insert(path.to_owned())
    }

    fn report(&self, path: &Path, reason: String) {
        tracing::warn!(path = %path.display(), reason, "this entry is skipped");
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if log.unreported.len() < MOST_UNREPORTED {
            log.unreported.push(BadEntry::new(path, reason));
        }
    }
}

/// Whether `error` is one of this entry alone, which says nothing of others in its folder.
pub(super) fn concerns_entry(error: &io::Error) -> bool {
    let is_damaged = error.raw_os_error() == Some(Errno::IO.raw_os_error());
    disk::is_not_a_file(error) || error.kind() == io::ErrorKind::PermissionDenied || is_damaged
}

/// Whether `error` says that a folder was to be listed, and something else stands there, or a link that leads to itself.
pub(super) fn is_no_folder(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotADirectory || error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}

/// Of how many it is remembered that they were reported; past them, all may be reported once more.
const MOST_KNOWN: usize = 10_000;
/// How many are kept for the next report.
const MOST_UNREPORTED: usize = 1000;
