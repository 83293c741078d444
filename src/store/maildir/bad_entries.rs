//! [`BadEntries`]: entries in the store's folders that are not what they should be, or cannot be read.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::disk::{self, Disk};
use crate::lock::Lock;
use crate::store::BadEntry;

/// The entries that were found and skipped. Each path is reported once, however often it is found.
#[derive(Debug, Default)]
pub(super) struct BadEntries(Lock<BadEntryLog>);

#[derive(Debug, Default)]
struct BadEntryLog {
    known: HashSet<PathBuf>,
    unreported: Vec<BadEntry>,
}

impl BadEntries {
    /// Reports that the entry at `path` is skipped because of `error`.
    pub(super) fn note(&self, path: &Path, error: &io::Error) {
        if self.is_new(path) {
            self.report(path, error.to_string());
        }
    }

    /// Reports that the entry at `path` is skipped because it is not a file, or not a folder where one should be.
    pub(super) fn note_other(&self, disk: &dyn Disk, path: &Path) {
        if self.is_new(path) {
            let reason = disk.open(path).err().map_or_else(|| "it is not a folder".to_owned(), |error| error.to_string());
            self.report(path, reason);
        }
    }

    /// The entries found since the last call.
    pub(super) fn take(&self) -> Vec<BadEntry> {
        std::mem::take(&mut self.0.lock().unreported)
    }

    fn is_new(&self, path: &Path) -> bool {
        let mut log = self.0.lock();
        if log.known.len() >= MOST_KNOWN {
            log.known.clear();
        }
        log.known.insert(path.to_owned())
    }

    fn report(&self, path: &Path, reason: String) {
        tracing::warn!(path = %path.display(), reason, "this entry is skipped");
        let mut log = self.0.lock();
        if log.unreported.len() < MOST_UNREPORTED {
            log.unreported.push(BadEntry::new(path, reason));
        }
    }
}

/// Whether `error` concerns this entry alone, and not the others in its folder.
pub(super) fn concerns_entry(error: &io::Error) -> bool {
    let is_damaged = error.raw_os_error() == Some(Errno::IO.raw_os_error());
    disk::is_not_a_file(error) || error.kind() == io::ErrorKind::PermissionDenied || is_damaged
}

/// Whether `error` says that a path to be listed is not a folder, or a link that leads to itself.
pub(super) fn is_no_folder(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotADirectory || error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}

/// For how many paths it is remembered that they were reported; past them, all may be reported once more.
const MOST_KNOWN: usize = 10_000;
/// How many entries are kept for the next report.
const MOST_UNREPORTED: usize = 1000;
