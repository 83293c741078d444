//! [`FilePool`]: files that no message needs any more, to be used for the next messages.
//!
//! A spool that creates and removes a file for each message can become slower with each of them: to create a file, an ext4 without a
//! journal checks all files of the block group that were removed in the last minutes, one by one. So the file of a message that was
//! sent is emptied and kept for the next recording, which costs any file system less than a new file.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicU64, Ordering};

use super::head::{HEAD_LEN, SHORT, read_head};
use super::name::EXTENSION;
use super::{RECORDING, SPARE};
use crate::disk::{self, Disk, DiskFile};
use crate::lock::Lock;
use crate::message::MessageId;

/// A bounded number of empty files that have no message's name. Everything here blocks.
#[derive(Debug)]
pub(super) struct FilePool {
    folder: PathBuf,
    state: Lock<PoolState>,
    next: AtomicU64,
    /// How many are kept at most.
    max_files: usize,
}

#[derive(Debug, Default)]
struct PoolState {
    idle: Vec<SpareFile>,
    /// Files whose old names may come back after a power cut: each with the folder of its name, and the number of its removal.
    waiting: Vec<(u64, PathBuf, SpareFile)>,
    removed: u64,
}

/// When the file of a settled message may be used for another message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reuse {
    /// At once: readers of its folder identify files by their contents, not by their names.
    AtOnce,
    /// When its old name is durably removed, so that no power cut gives that name the contents of another message.
    WhenFlushed,
}

/// One empty file, open.
#[derive(Debug)]
pub(super) struct SpareFile {
    pub(super) path: PathBuf,
    pub(super) file: Box<dyn DiskFile>,
}

impl FilePool {
    /// An empty pool. Its files will be in `folder`, numbered from `first` on. The process may have `files` files open, of which the pool
    /// uses a small part.
    pub(super) fn new(folder: PathBuf, first: u64, files: usize) -> Self {
        Self { folder, state: Lock::default(), next: AtomicU64::new(first), max_files: MAX_FILES.min(files / OPEN_FILES_SHARE) }
    }

    /// Takes a file out of the pool, if there is one.
    pub(super) fn take(&self) -> Option<SpareFile> {
        self.state().idle.pop()
    }

    /// Removes the name `path` of a settled message. Its file goes into the pool, if it has no other name.
    ///
    /// The name is removed before the file is emptied: a crash of the process never leaves an empty file under that name.
    ///
    /// # Errors
    ///
    /// The error of the disk when the name could not be removed.
    pub(super) fn put(&self, disk: &dyn Disk, path: &Path, reuse: Reuse) -> io::Result<()> {
        let Ok(Some(spare)) = self.move_aside(disk, path) else { return disk.remove(path) };
        if spare.file.set_len(0).is_err() {
            // The sound must not stay on disk.
            return disk.remove(&spare.path);
        }
        let mut state = self.state();
        match reuse {
            Reuse::AtOnce => state.idle.push(spare),
            Reuse::WhenFlushed => {
                state.removed += 1;
                let removed = state.removed;
                state.waiting.push((removed, path.parent().unwrap_or(Path::new("")).to_owned(), spare));
            }
        }
        Ok(())
    }

    /// How many names were removed so far; to be read before a folder is flushed.
    pub(super) fn removed(&self) -> u64 {
        self.state().removed
    }

    /// Notes that `folder` was flushed: of the first `removed` names, those in it are durably removed.
    pub(super) fn handle_flushed(&self, folder: &Path, removed: u64) {
        let mut state = self.state();
        let gone = state.waiting.extract_if(.., |(number, of, _)| *number <= removed && of == folder);
        let gone: Vec<SpareFile> = gone.map(|(.., spare)| spare).collect();
        state.idle.extend(gone);
    }

    /// Renames the file at `path` to a spare file, unless it has other names or the pool is full.
    fn move_aside(&self, disk: &dyn Disk, path: &Path) -> io::Result<Option<SpareFile>> {
        {
            let state = self.state();
            if state.idle.len() + state.waiting.len() >= self.max_files {
                return Ok(None);
            }
        }
        let file = disk.open(path)?;
        // A long file may still be read by a call that timed out and has not ended, so it is left unchanged.
        if file.links()? > 1 || file.len()? > MAX_LEN {
            return Ok(None);
        }
        let spare = self.folder.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        disk.rename(path, &spare)?;
        Ok(Some(SpareFile { path: spare, file }))
    }

    fn state(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock()
    }
}

/// Removes the spare files of an earlier run, which are empty, and returns the paths of all other files, with the reasons.
///
/// A power cut may have given the file of a recording its name as a spare file back: it becomes a recording again, under its own name.
/// So does one that was sent just before a crash; it is sent again, and the receiver stores it once.
pub(super) fn clean(disk: &dyn Disk, root: &Path) -> io::Result<Vec<(PathBuf, String)>> {
    let mut others = Vec::new();
    for name in disk.list(&root.join(SPARE))? {
        let path = root.join(SPARE).join(&name);
        let found = look(disk, &path, &name);
        match found {
            Ok(FolderEntry::Spare) => disk.remove(&path)?,
            Ok(FolderEntry::Recording(id)) => {
                let recording = root.join(RECORDING).join(format!("{id}{EXTENSION}"));
                match disk.link(&path, &recording) {
                    Ok(()) => disk.sync_dir(&root.join(RECORDING)).and_then(|()| disk.remove(&path))?,
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                        others.push((path, "a recording has the name of this one".to_owned()));
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(FolderEntry::Foreign(reason)) => others.push((path, reason)),
            Err(error) if disk::is_not_a_file(&error) => others.push((path, error.to_string())),
            Err(error) => return Err(error),
        }
    }
    Ok(others)
}

/// Returns a number above those of all spare files that could not be removed, so that none is replaced.
pub(super) fn first_free(disk: &dyn Disk, root: &Path) -> io::Result<u64> {
    let names = disk.list(&root.join(SPARE))?;
    let last = names.iter().filter_map(|name| name.parse::<u64>().ok()).max();
    Ok(last.map_or(0, |last| last.wrapping_add(1)))
}

/// The kind of a file in the folder of spare files.
enum FolderEntry {
    /// The file is empty, or its message has another name in the right folder.
    Spare,
    /// The file is a recording, finished or not.
    Recording(MessageId),
    /// The file is anything else, for the reason given.
    Foreign(String),
}

fn look(disk: &dyn Disk, path: &Path, name: &str) -> io::Result<FolderEntry> {
    if name.parse::<u64>().is_err() {
        return Ok(FolderEntry::Foreign("it is not a spare file of the spool".to_owned()));
    }
    let file = disk.open(path)?;
    if file.is_empty()? || file.links()? > 1 {
        return Ok(FolderEntry::Spare);
    }
    match read_head(&*file) {
        Ok(head) => Ok(FolderEntry::Recording(head.head.id)),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(FolderEntry::Foreign(error.to_string())),
        Err(error) => Err(error),
    }
}

/// The longest file that is reused: its sound was read before it was sent, not while it was sent.
const MAX_LEN: u64 = (HEAD_LEN + SHORT) as u64;
/// How many files are kept open for later recordings: as many as are sent to one destination at once.
const MAX_FILES: usize = 64;
/// The pool uses at most one in so many of the files that the process may have open.
const OPEN_FILES_SHARE: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::PowerCutDisk;

    #[test]
    fn a_long_file_stays_as_it_was_and_a_short_one_is_reused() {
        let disk = PowerCutDisk::new();
        disk.create_dir(Path::new("/spare")).unwrap();
        let pool = FilePool::new("/spare".into(), 0, 1024);
        for (name, last) in [("/short", MAX_LEN - 1), ("/long", MAX_LEN)] {
            let file = disk.create(Path::new(name)).unwrap();
            file.write_all_at(b"x", last).unwrap();
            pool.put(&disk, Path::new(name), Reuse::AtOnce).unwrap();
            assert_eq!(file.len().unwrap(), if name == "/long" { MAX_LEN + 1 } else { 0 });
        }
        assert_eq!(disk.list(Path::new("/spare")).unwrap(), ["0"]);
        assert!(pool.take().is_some() && pool.take().is_none());
    }

    #[test]
    fn a_file_whose_name_may_come_back_is_not_reused() {
        let disk = PowerCutDisk::new();
        for folder in ["/spare", "/one", "/other"] {
            disk.create_dir(Path::new(folder)).unwrap();
        }
        let pool = FilePool::new("/spare".into(), 0, 1024);
        let put = |path: &str| {
            disk.create(Path::new(path)).unwrap();
            pool.put(&disk, Path::new(path), Reuse::WhenFlushed).unwrap();
        };
        put("/one/a");
        let flushed = pool.removed();
        put("/one/b");
        pool.handle_flushed(Path::new("/other"), pool.removed());
        assert!(pool.take().is_none());
        pool.handle_flushed(Path::new("/one"), flushed);
        assert!(pool.take().is_some() && pool.take().is_none(), "the flush had begun before the second went");
        pool.handle_flushed(Path::new("/one"), pool.removed());
        assert!(pool.take().is_some());
    }

    #[test]
    fn a_process_with_few_files_keeps_few_of_them_as_spares() {
        for (files, expected) in [(usize::MAX, 64), (1024, 64), (256, 16), (64, 4), (10, 0)] {
            let disk = PowerCutDisk::new();
            disk.create_dir(Path::new("/spare")).unwrap();
            let pool = FilePool::new("/spare".into(), 0, files);
            for number in 0..100 {
                let path = PathBuf::from(format!("/{number}"));
                disk.create(&path).unwrap();
                pool.put(&disk, &path, Reuse::AtOnce).unwrap();
            }
            assert_eq!(disk.list(Path::new("/spare")).unwrap().len(), expected, "{files}");
        }
    }
}
