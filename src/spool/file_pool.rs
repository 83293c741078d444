//! [`FilePool`]: files that no message needs any more, for the next ones.
//!
//! A spool that creates and removes a file for each message can slow down with every one of them: to create a file, an ext4 without a
//! journal passes over all files of the block group that were removed within the last minutes, one by one. So a file whose message
//! has left is emptied and kept for the next recording, which any file system finds cheaper than another file.

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

/// Empty files without a message's name, a bounded number of them. Everything here blocks.
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
    /// Files whose names may come back with a power cut: each with the folder of its name, and the number of its removal.
    waiting: Vec<(u64, PathBuf, SpareFile)>,
    removed: u64,
}

/// When the file of a message that is settled may be another message's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reuse {
    /// At once: whoever reads its folder goes by what files hold, not by their names.
    AtOnce,
    /// When its name is gone for good, so that no power cut gives it another message's contents.
    WhenFlushed,
}

/// One empty file, open.
#[derive(Debug)]
pub(super) struct SpareFile {
    pub(super) path: PathBuf,
    pub(super) file: Box<dyn DiskFile>,
}

impl FilePool {
    /// None yet; they will be in `folder`, numbered from `first` on. The process may have `files` open, and most of them are for others.
    pub(super) fn new(folder: PathBuf, first: u64, files: usize) -> Self {
        Self { folder, state: Lock::default(), next: AtomicU64::new(first), max_files: MAX_FILES.min(files / OPEN_FILES_SHARE) }
    }

    /// One, if there is any.
    pub(super) fn take(&self) -> Option<SpareFile> {
        self.state().idle.pop()
    }

    /// Takes the name `path` from its message, which is settled; its file is kept for another one if it has no other name.
    ///
    /// The name goes first: no crash of the process leaves it to an empty file.
    ///
    /// # Errors
    ///
    /// What the disk says when the name could not be taken away.
    pub(super) fn put(&self, disk: &dyn Disk, path: &Path, reuse: Reuse) -> io::Result<()> {
        let Ok(Some(spare)) = self.move_aside(disk, path) else { return disk.remove(path) };
        if spare.file.clear().is_err() {
            // Its sound may not stay.
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

    /// How many names were taken away so far: to be asked for before a folder is flushed.
    pub(super) fn removed(&self) -> u64 {
        self.state().removed
    }

    /// The names in `folder` that were among the first `removed` are gone for good.
    pub(super) fn handle_flushed(&self, folder: &Path, removed: u64) {
        let mut state = self.state();
        let gone = state.waiting.extract_if(.., |(number, of, _)| *number <= removed && of == folder);
        let gone: Vec<SpareFile> = gone.map(|(.., spare)| spare).collect();
        state.idle.extend(gone);
    }

    /// Gives the file at `path` a spare one's name, unless it is needed or there are enough.
    fn move_aside(&self, disk: &dyn Disk, path: &Path) -> io::Result<Option<SpareFile>> {
        {
            let state = self.state();
            if state.idle.len() + state.waiting.len() >= self.max_files {
                return Ok(None);
            }
        }
        let file = disk.open(path)?;
        // A long one may still be read, by a call that was given up and has not ended: to such a reader it stays what it was.
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

/// Removes the spares of an earlier run, which are empty, and answers what is none.
///
/// A power cut may have taken a recording back to its file's name of before: it is a recording again, under its own name. One that had
/// left just before a crash is so too, and is sent again, which the receiver takes once.
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

/// A number beyond that of each spare file that could not be cleaned up: none may be replaced.
pub(super) fn first_free(disk: &dyn Disk, root: &Path) -> io::Result<u64> {
    let names = disk.list(&root.join(SPARE))?;
    let last = names.iter().filter_map(|name| name.parse::<u64>().ok()).max();
    Ok(last.map_or(0, |last| last.wrapping_add(1)))
}

/// What stands among the spares.
enum FolderEntry {
    /// A file that is empty, or whose message has a name where it belongs.
    Spare,
    /// A recording, under way or finished.
    Recording(MessageId),
    /// Anything else.
    Foreign(String),
}

fn look(disk: &dyn Disk, path: &Path, name: &str) -> io::Result<FolderEntry> {
    if name.parse::<u64>().is_err() {
        return Ok(FolderEntry::Foreign("it is none of the spool's spare files".to_owned()));
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

/// The longest file that is emptied for another message: one whose sound is not read while it is sent.
const MAX_LEN: u64 = (HEAD_LEN + SHORT) as u64;
/// How many files are kept open for recordings to come: more than are on their way at once.
const MAX_FILES: usize = 64;
/// One part in so many of the files that the process may have open.
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
