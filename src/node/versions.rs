//! [`Versions`]: numbers for the states of mailboxes, which grow whatever the clock does.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{self, Disk};
use crate::message::MailboxId;

/// Numbers for the states of each mailbox: they grow, also across restarts and when the clock goes back.
///
/// They follow the time of day. A file says that none above a certain number was given; it is some minutes ahead, so that it is
/// rarely written, and a new start begins above it.
#[derive(Debug)]
pub(super) struct Versions {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    given: Mutex<Given>,
    /// What the file says.
    ceiling: AtomicU64,
    /// Held while the file is written; only by threads that may block.
    writing: Mutex<()>,
}

#[derive(Debug, Default)]
struct Given {
    floor: u64,
    last: HashMap<MailboxId, u64>,
}

impl Versions {
    /// Versions whose file is in `folder`.
    pub(super) fn new(disk: Arc<dyn Disk>, folder: PathBuf) -> Self {
        Self { disk, folder, given: Mutex::default(), ceiling: AtomicU64::new(0), writing: Mutex::default() }
    }

    /// Reads what was given before the last restart; a file that cannot be read is as good as none.
    pub(super) async fn recall(self: &Arc<Self>) {
        let this = Arc::clone(self);
        let read = disk::blocking(move || disk::read(&*this.disk, &this.folder.join(FILE))).await;
        match read {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                let floor = text.rsplit(' ').next().and_then(|number| number.trim().parse().ok());
                self.ceiling.store(floor.unwrap_or(0), Ordering::Release);
                lock(&self.given).floor = floor.unwrap_or(0);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(%error, "which versions lamps were told before is not known"),
        }
    }

    /// The next version for `mailbox`.
    pub(super) async fn next(self: &Arc<Self>, mailbox: &MailboxId, now_micros: i64) -> u64 {
        let version = {
            let mut given = lock(&self.given);
            let least = given.floor.saturating_add(1).max(u64::try_from(now_micros).unwrap_or(0));
            let version = given.last.entry(mailbox.clone()).or_default();
            *version = version.saturating_add(1).max(least);
            *version
        };
        let this = Arc::clone(self);
        if version > self.ceiling.load(Ordering::Acquire)
            && let Err(error) = disk::blocking(move || this.promise(version)).await
        {
            // A lamp that is told may count for less after a restart; one that is not told is wrong now.
            tracing::warn!(%error, "which versions lamps are told cannot be written down");
        }
        version
    }

    /// Writes down that versions up to `version`, and some more, may have been given. Blocks.
    fn promise(&self, version: u64) -> io::Result<()> {
        let _alone = lock(&self.writing);
        if version <= self.ceiling.load(Ordering::Acquire) {
            return Ok(());
        }
        let next = version.saturating_add(AHEAD);
        let (path, new) = (self.folder.join(FILE), self.folder.join(NEW_FILE));
        if let Err(error) = self.disk.remove(&new)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let file = self.disk.create(&new)?;
        file.write_all_at(format!("no lamp was told a version above {next}\n").as_bytes(), 0)?;
        file.sync()?;
        self.disk.rename(&new, &path)?;
        self.disk.sync_dir(&self.folder)?;
        self.ceiling.store(next, Ordering::Release);
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const FILE: &str = "lamps.txt";
const NEW_FILE: &str = "lamps.new";
/// Ten minutes, as versions follow the time of day in microseconds.
const AHEAD: u64 = 600_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::disk::{Fault, FaultyDisk, PowerCutDisk};

    #[tokio::test]
    async fn versions_grow_across_restarts_whatever_the_clock_does() {
        let disk = Arc::new(PowerCutDisk::new());
        disk.create_dir("spool".as_ref()).unwrap();
        let mailbox = "2001".parse().unwrap();
        let mut last = 0;
        for now in [1_700_000_000_000_000, 1_700_000_000_000_001, 1_600_000_000_000_000, -5, i64::MAX, 7] {
            let versions = Arc::new(Versions::new(Arc::clone(&disk) as Arc<dyn Disk>, "spool".into()));
            versions.recall().await;
            for _ in 0..3 {
                let next = versions.next(&mailbox, now).await;
                assert!(next > last, "{next} follows {last}");
                last = next;
            }
        }
    }

    #[tokio::test]
    async fn a_disk_that_fails_holds_up_no_lamp() {
        let disk = Arc::new(FaultyDisk::new(Arc::new(PowerCutDisk::new())));
        disk.fail(Fault::after(0, io::ErrorKind::StorageFull).lasting());
        let versions = Arc::new(Versions::new(disk, "spool".into()));
        versions.recall().await;
        let mailbox = "2001".parse().unwrap();
        assert_eq!((versions.next(&mailbox, 5).await, versions.next(&mailbox, 5).await), (5, 6));
    }
}
