//! [`FilePool`]: files that no message needs any more, to be used for the next messages.
//!
//! A spool that creates and removes a file for each message can become slower with each of them: to create a file, an ext4 without a
//! journal checks all files of the block group that were removed in the last minutes, one by one. So the file of a message that was
//! sent is kept for the next recording. [`SpareFile`] says what stays in it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::head::{HeadSize, SHORT};
use super::spare_file::{Keep, SpareFile};
use crate::disk::Disk;
use crate::lock::Lock;

/// A bounded number of files that have no message's name. Everything here blocks.
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
    /// At once: readers of its folder identify files by their contents, not by their names. It is emptied.
    AtOnce,
    /// When its old name is durably removed, so that no power cut gives that name the contents of another message. Its sound may stay in it
    /// until then, and longer.
    WhenFlushed,
}

/// Spare files whose sound has stayed long enough, to be passed to [`FilePool::cut`].
#[derive(Debug)]
pub(super) struct OldFiles {
    idle: Vec<SpareFile>,
    waiting: Vec<(u64, PathBuf, SpareFile)>,
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

    /// The path of a new file beside the spare ones.
    pub(super) fn new_path(&self) -> PathBuf {
        self.folder.join(self.next.fetch_add(1, Ordering::Relaxed).to_string())
    }

    /// Removes the name `path` of a settled message. Its file goes into the pool, if it has no other name.
    ///
    /// The name is removed before the file is changed: a crash of the process never leaves a file without a message under that name.
    ///
    /// # Errors
    ///
    /// The error of the disk when the name could not be removed.
    pub(super) fn put(&self, disk: &dyn Disk, path: &Path, reuse: Reuse, now: Instant) -> io::Result<()> {
        let Ok(Some(mut spare)) = self.move_aside(disk, path, now) else { return disk.remove(path) };
        let keep = match reuse {
            Reuse::AtOnce => Keep::Nothing,
            Reuse::WhenFlushed => Keep::Sound,
        };
        if spare.settle(keep).is_err() {
            // The message must not stay on disk.
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

    /// When the sound of a file has stayed long enough, so that [`poll_old`](Self::poll_old) has something to do.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let state = self.state();
        let waiting = state.waiting.iter().map(|(.., spare)| spare);
        state.idle.iter().chain(waiting).filter_map(SpareFile::cut_at).min()
    }

    /// Takes the files out whose sound has stayed long enough at `now`, if there are any.
    pub(super) fn poll_old(&self, now: Instant) -> Option<OldFiles> {
        self.take_files(|spare| spare.cut_at().is_some_and(|at| at <= now))
    }

    /// Takes all files out that have a sound, if there are any.
    pub(super) fn take_sounds(&self) -> Option<OldFiles> {
        self.take_files(|spare| spare.cut_at().is_some())
    }

    fn take_files(&self, which: impl Fn(&SpareFile) -> bool) -> Option<OldFiles> {
        let mut state = self.state();
        let idle: Vec<_> = state.idle.extract_if(.., |spare| which(spare)).collect();
        let waiting: Vec<_> = state.waiting.extract_if(.., |(.., spare)| which(spare)).collect();
        (!idle.is_empty() || !waiting.is_empty()).then_some(OldFiles { idle, waiting })
    }

    /// Empties the files, and puts them back.
    pub(super) fn cut(&self, disk: &dyn Disk, OldFiles { mut idle, mut waiting }: OldFiles) {
        let emptied = |spare: &mut SpareFile| {
            let cut = spare.cut(0);
            if cut.is_err() {
                // The sound must not stay on disk.
                let _ = disk.remove(&spare.path);
            }
            cut.is_ok()
        };
        idle.retain_mut(emptied);
        waiting.retain_mut(|(.., spare)| emptied(spare));
        let mut state = self.state();
        state.idle.append(&mut idle);
        state.waiting.append(&mut waiting);
    }

    /// Renames the file at `path` to a spare file, unless it has other names or the pool is full.
    fn move_aside(&self, disk: &dyn Disk, path: &Path, now: Instant) -> io::Result<Option<SpareFile>> {
        {
            let state = self.state();
            if state.idle.len() + state.waiting.len() >= self.max_files {
                return Ok(None);
            }
        }
        let file = disk.open(path)?;
        // A long file may still be read by a call that timed out and has not ended, so it is left unchanged.
        let len = file.len()?;
        if file.links()? > 1 || len > MAX_LEN {
            return Ok(None);
        }
        let spare = self.new_path();
        disk.rename(path, &spare)?;
        Ok(Some(SpareFile::new(spare, file, len, now)))
    }

    fn state(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock()
    }
}

/// The longest file that is reused: its sound was read before it was sent, not while it was sent, whatever the size of its head.
const MAX_LEN: u64 = (HeadSize::Small.bytes() + SHORT) as u64;
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
            pool.put(&disk, Path::new(name), Reuse::AtOnce, Instant::now()).unwrap();
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
            pool.put(&disk, Path::new(path), Reuse::WhenFlushed, Instant::now()).unwrap();
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
                pool.put(&disk, &path, Reuse::AtOnce, Instant::now()).unwrap();
            }
            assert_eq!(disk.list(Path::new("/spare")).unwrap().len(), expected, "{files}");
        }
    }
}
