//! [`Spares`]: files that no message needs any more, for the next ones.
//!
//! A spool that creates and removes a file for each message can slow down with every one of them: to create a file, an ext4 without a
//! journal passes over all files of the block group that were removed within the last minutes, one by one. So a file whose message
//! has left is emptied and kept for the next recording, which any file system finds cheaper than another file.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::head::{HEAD_LEN, SHORT};
use crate::disk::{Disk, DiskFile};

/// Empty files without a message's name, a bounded number of them. Everything here blocks.
#[derive(Debug)]
pub(super) struct Spares {
    folder: PathBuf,
    idle: Mutex<Vec<Spare>>,
    next: AtomicU64,
}

/// One empty file, open.
#[derive(Debug)]
pub(super) struct Spare {
    pub(super) path: PathBuf,
    pub(super) file: Box<dyn DiskFile>,
}

impl Spares {
    /// None yet; they will be in `folder`.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, idle: Mutex::default(), next: AtomicU64::new(0) }
    }

    /// One, if there is any.
    pub(super) fn take(&self) -> Option<Spare> {
        self.idle().pop()
    }

    /// Takes the name `path` from its message, which is settled; its file is kept for another one if it has no other name.
    ///
    /// The name goes first: a power cut may leave it, but then its file is empty, or another message's by what its head says.
    ///
    /// # Errors
    ///
    /// What the disk says when the name could not be taken away.
    pub(super) fn put(&self, disk: &dyn Disk, path: &Path) -> io::Result<()> {
        let Ok(Some(spare)) = self.move_aside(disk, path) else { return disk.remove(path) };
        match spare.file.clear() {
            Ok(()) => self.idle().push(spare),
            // Its sound may not stay.
            Err(_) => disk.remove(&spare.path)?,
        }
        Ok(())
    }

    /// Gives the file at `path` a spare one's name, unless it is needed or there are enough.
    fn move_aside(&self, disk: &dyn Disk, path: &Path) -> io::Result<Option<Spare>> {
        if self.idle().len() >= MOST {
            return Ok(None);
        }
        let file = disk.open(path)?;
        // A long one may still be read, by a call that was given up and has not ended: to such a reader it stays what it was.
        if file.links()? > 1 || file.len()? > LONGEST {
            return Ok(None);
        }
        let spare = self.folder.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        disk.rename(path, &spare)?;
        Ok(Some(Spare { path: spare, file }))
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Spare>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes the spares of an earlier run.
pub(super) fn clean(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    disk.list(folder)?.iter().try_for_each(|name| disk.remove(&folder.join(name)))
}

/// The longest file that is emptied for another message: one whose sound is not read while it is sent.
const LONGEST: u64 = (HEAD_LEN + SHORT) as u64;
/// How many files are kept open for recordings to come: more than are on their way at once.
const MOST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::PowerCutDisk;

    #[test]
    fn a_long_file_stays_what_it_was_for_who_reads_it_still_and_a_short_one_is_for_the_next_message() {
        let disk = PowerCutDisk::new();
        disk.create_dir(Path::new("/spare")).unwrap();
        let spares = Spares::new("/spare".into());
        for (name, last) in [("/short", LONGEST - 1), ("/long", LONGEST)] {
            let file = disk.create(Path::new(name)).unwrap();
            file.write_all_at(b"x", last).unwrap();
            spares.put(&disk, Path::new(name)).unwrap();
            assert_eq!(file.len().unwrap(), if name == "/long" { LONGEST + 1 } else { 0 });
        }
        assert_eq!(disk.list(Path::new("/spare")).unwrap(), ["0"]);
        assert!(spares.take().is_some() && spares.take().is_none());
    }
}
