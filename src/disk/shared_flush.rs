//! [`SharedFlush`].

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::Disk;

/// Flushes folders, with one flush for all callers that wait for the same folder.
///
/// A single caller flushes at once. Callers that come during a flush cannot use it, because it may have missed their change: they wait
/// until it ends, and then one of them flushes for all.
#[derive(Debug, Default)]
pub struct SharedFlush {
    folders: Mutex<HashMap<PathBuf, FolderFlushes>>,
    finished: Condvar,
}

/// The flushes of a folder, while callers flush it or wait for it.
#[derive(Debug, Default)]
struct FolderFlushes {
    started: u64,
    finished: u64,
    /// The number of the last flush that failed, and its error.
    failed: Option<(u64, io::ErrorKind)>,
    callers: usize,
}

impl SharedFlush {
    /// Makes durable every change of names in `folder` that was made before this call. Blocks.
    ///
    /// # Errors
    ///
    /// The error of the flush, for every caller that shared it.
    #[expect(clippy::missing_panics_doc, reason = "a folder stays in the map while it has callers")]
    pub fn sync_dir(&self, disk: &dyn Disk, folder: &Path) -> io::Result<()> {
        let mut folders = self.lock();
        let state = folders.entry(folder.to_owned()).or_default();
        state.callers += 1;
        let wanted = state.started + 1;
        let result = loop {
            let state = folders.get_mut(folder).expect("a folder stays while it has callers");
            if state.finished >= wanted {
                break match state.failed {
                    Some((flush, kind)) if flush >= wanted => Err(kind.into()),
                    _ => Ok(()),
                };
            }
            if state.started > state.finished {
                folders = self.finished.wait(folders).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.started += 1;
            drop(folders);
            let outcome = disk.sync_dir(folder);
            folders = self.lock();
            let state = folders.get_mut(folder).expect("a folder stays while it has callers");
            state.finished = state.started;
            if let Err(error) = &outcome {
                state.failed = Some((state.finished, error.kind()));
            }
            self.finished.notify_all();
            break outcome;
        };
        let state = folders.get_mut(folder).expect("a folder stays while it has callers");
        state.callers -= 1;
        if state.callers == 0 {
            folders.remove(folder);
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, FolderFlushes>> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, Barrier};
    use std::thread;

    use super::super::{DiskFile, FreeSpace, OsDisk};
    use super::*;

    /// A disk that counts flushes, and whose first flush lasts until the test ends it.
    #[derive(Debug)]
    struct Counting {
        flushes: AtomicU32,
        first_runs: Barrier,
        first_ends: Barrier,
    }

    impl Disk for Counting {
        fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
            OsDisk.create(path)
        }
        fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
            OsDisk.open(path)
        }
        fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
            OsDisk.link(from, to)
        }
        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            OsDisk.rename(from, to)
        }
        fn remove(&self, path: &Path) -> io::Result<()> {
            OsDisk.remove(path)
        }
        fn create_dir(&self, path: &Path) -> io::Result<()> {
            OsDisk.create_dir(path)
        }
        fn list(&self, path: &Path) -> io::Result<Vec<String>> {
            OsDisk.list(path)
        }
        fn free_space(&self, path: &Path) -> io::Result<FreeSpace> {
            OsDisk.free_space(path)
        }
        fn sync_dir(&self, _: &Path) -> io::Result<()> {
            if self.flushes.fetch_add(1, Ordering::SeqCst) == 0 {
                self.first_runs.wait();
                self.first_ends.wait();
            }
            Ok(())
        }
    }

    #[test]
    fn callers_that_come_during_a_flush_share_the_next_one() {
        let disk = Arc::new(Counting { flushes: AtomicU32::new(0), first_runs: Barrier::new(2), first_ends: Barrier::new(2) });
        let shared = Arc::new(SharedFlush::default());
        let flush = || {
            let (disk, shared) = (Arc::clone(&disk), Arc::clone(&shared));
            thread::spawn(move || shared.sync_dir(&*disk, Path::new("folder")).unwrap())
        };
        let mut callers = vec![flush()];
        disk.first_runs.wait();
        callers.extend((0..8).map(|_| flush()));
        while shared.lock()[Path::new("folder")].callers < 9 {
            thread::yield_now();
        }
        disk.first_ends.wait();
        for caller in callers {
            caller.join().unwrap();
        }
        assert_eq!(disk.flushes.load(Ordering::SeqCst), 2);
        assert!(shared.lock().is_empty());
    }
}
