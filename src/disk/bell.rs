//! [`Bell`]: says where names have come or gone, at once, to somebody who waits for it.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use async_trait::async_trait;
use rustix::fs::inotify::{self, ReadFlags, WatchFlags};
use rustix::io::Errno;
use tokio::net::unix::pipe;

use super::watch::{WatchedFolder, queue};

/// Says in which folders names have come or gone, whoever made them.
///
/// # Contract
///
/// - **Complete.** After a change of names in a folder that it was told of, [`rung`](Self::rung) answers with that folder, or with
///   [`Rung::Anywhere`]; it does so also when the folder itself is gone.
#[async_trait]
pub trait Bell: Debug + Send + Sync + 'static {
    /// Rings for the folder at `path` from now on. Blocks.
    ///
    /// Answers the same number as long as the same folder is there, and another one when another has taken its place.
    ///
    /// # Errors
    ///
    /// Whatever the file system says; also when it can ring for no more folders.
    fn folder(&self, path: &Path) -> io::Result<WatchedFolder>;

    /// Rings for these folders no longer. Blocks.
    fn forget(&self, folders: &[WatchedFolder]);

    /// Waits until names have come or gone, and answers where.
    ///
    /// # Errors
    ///
    /// Whatever the file system says. It will not ring any more then.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O and time.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: what has not been answered is answered to the next call.
    async fn rung(&self) -> io::Result<Rung>;
}

/// Where names have come or gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rung {
    /// In these folders.
    In(Vec<WatchedFolder>),
    /// More happened than was noted: in any folder.
    Anywhere,
}

/// The operating system's account of its local file systems: inotify.
#[derive(Debug)]
pub(super) struct OsBell {
    queue: OwnedFd,
}

impl OsBell {
    /// A bell for folders under `path`; an error where the file system does not tell what other machines do.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { queue: queue(path)? })
    }

    /// Takes what the queue has; `None` if that is nothing.
    fn take(&self) -> io::Result<Option<Rung>> {
        let (mut folders, mut anywhere) = (BTreeSet::new(), false);
        let mut buffer = [MaybeUninit::uninit(); QUEUE_BUFFER];
        let mut reader = inotify::Reader::new(&self.queue, &mut buffer);
        for _ in 0..TAKEN_AT_ONCE {
            match reader.next() {
                Ok(event) if event.events().contains(ReadFlags::QUEUE_OVERFLOW) => anywhere = true,
                Ok(event) => folders.extend(u64::try_from(event.wd()).ok().map(WatchedFolder)),
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        match (anywhere, folders.is_empty()) {
            (true, _) => Ok(Some(Rung::Anywhere)),
            (false, false) => Ok(Some(Rung::In(folders.into_iter().collect()))),
            (false, true) => Ok(None),
        }
    }
}

#[async_trait]
impl Bell for OsBell {
    fn folder(&self, path: &Path) -> io::Result<WatchedFolder> {
        let names = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVED_FROM | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
        let descriptor = inotify::add_watch(&self.queue, path, names)?;
        Ok(WatchedFolder(u64::try_from(descriptor).map_err(io::Error::other)?))
    }

    fn forget(&self, folders: &[WatchedFolder]) {
        for folder in folders.iter().filter_map(|folder| i32::try_from(folder.0).ok()) {
            // One that is gone was taken off the list by the system.
            let _ = inotify::remove_watch(&self.queue, folder);
        }
    }

    async fn rung(&self) -> io::Result<Rung> {
        // To the runtime, what can be read and only read is a pipe. A descriptor of its own, for the runtime of whoever waits now.
        let queue = pipe::Receiver::from_file_unchecked(self.queue.try_clone()?.into())?;
        loop {
            if let Some(rung) = self.take()? {
                return Ok(rung);
            }
            queue.readable().await?;
            // Takes nothing, as no change fits into one byte; but the runtime learns when there is nothing to take.
            let _ = queue.try_read(&mut [0]);
        }
    }
}

const QUEUE_BUFFER: usize = 4096;
/// How many changes are taken from the queue before somebody is told of them.
const TAKEN_AT_ONCE: usize = 4096;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::future::Future as _;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    /// A folder and its bell; `None` where the file system does not tell.
    fn bell() -> Option<(tempfile::TempDir, OsBell, WatchedFolder)> {
        let root = tempfile::tempdir().unwrap();
        let Ok(bell) = OsBell::open(root.path()) else {
            eprintln!("SKIPPED: the temporary folder is on a file system that is not watched");
            return None;
        };
        fs::create_dir(root.path().join("new")).unwrap();
        let new = bell.folder(&root.path().join("new")).unwrap();
        Some((root, bell, new))
    }

    #[tokio::test]
    async fn a_waiter_is_woken_by_a_name_that_comes_or_goes_and_by_nothing_else() {
        let Some((root, bell, new)) = bell() else { return };
        for step in 0..3 {
            let mut rung = pin!(bell.rung());
            assert!(rung.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "step {step}");
            match step {
                0 => fs::write(root.path().join("new/a"), "a").unwrap(),
                1 => fs::rename(root.path().join("new/a"), root.path().join("new/b")).unwrap(),
                _ => fs::remove_dir_all(root.path().join("new")).unwrap(),
            }
            assert_eq!(rung.await.unwrap(), Rung::In(vec![new]), "step {step}");
            // The folder's own end is said apart from its last name's.
            while let Some(rung) = bell.take().unwrap() {
                assert_eq!(rung, Rung::In(vec![new]));
            }
        }
    }

    #[tokio::test]
    async fn what_nobody_waited_for_is_told_to_the_next_waiter_and_a_folder_forgotten_rings_no_more() {
        let Some((root, bell, new)) = bell() else { return };
        drop(bell.rung());
        fs::write(root.path().join("new/a"), "a").unwrap();
        assert_eq!(bell.rung().await.unwrap(), Rung::In(vec![new]));
        bell.forget(&[new]);
        bell.take().unwrap();
        fs::write(root.path().join("new/b"), "b").unwrap();
        assert_eq!(bell.take().unwrap(), None);
    }

    #[tokio::test]
    async fn two_may_wait_at_once() {
        let Some((root, bell, new)) = bell() else { return };
        let (mut one, mut other) = (pin!(bell.rung()), pin!(bell.rung()));
        for waiter in [&mut one, &mut other] {
            assert!(waiter.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        fs::write(root.path().join("new/a"), "a").unwrap();
        assert_eq!(tokio::select! { rung = one => rung, rung = other => rung }.unwrap(), Rung::In(vec![new]));
    }

    #[tokio::test]
    async fn a_queue_that_overflows_rings_for_every_folder() {
        let Some((root, bell, _)) = bell() else { return };
        let most: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
        if most > 100_000 {
            eprintln!("SKIPPED: this machine's queue is too long to be filled");
            return;
        }
        // Two names in turn: the system merges only equal changes that follow one another.
        fs::write(root.path().join("new/a"), "a").unwrap();
        for _ in 0..=most / 4 {
            fs::rename(root.path().join("new/a"), root.path().join("new/b")).unwrap();
            fs::rename(root.path().join("new/b"), root.path().join("new/a")).unwrap();
        }
        let mut rung = Vec::new();
        while let Some(told) = bell.take().unwrap() {
            rung.push(told);
        }
        assert!(rung.contains(&Rung::Anywhere), "{} answers", rung.len());
    }
}
