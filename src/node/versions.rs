//! [`Versions`]: version numbers for the states of mailboxes, which grow even when the clock is set back.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::disk::{self, Disk};
use crate::lock::Lock;

/// Version numbers for the states of mailboxes: they grow, also across restarts and when the clock is set back.
///
/// A version is the time of day in microseconds, or one more than the last version. A file holds an upper bound of all versions so far; it
/// is some minutes ahead, so that it is rarely written, and the next start begins above it.
#[derive(Debug)]
pub(super) struct Versions {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    last: AtomicU64,
    /// The upper bound in the file.
    ceiling: AtomicU64,
    /// Held while the file is written; only by threads that may block.
    writing: Lock<()>,
}

impl Versions {
    /// Returns versions whose file is in `folder`.
    pub(super) fn new(disk: Arc<dyn Disk>, folder: PathBuf) -> Self {
        Self { disk, folder, last: AtomicU64::new(0), ceiling: AtomicU64::new(0), writing: Lock::default() }
    }

    /// Reads the upper bound of the versions before the last restart. A file that cannot be read counts as missing.
    pub(super) async fn load(self: &Arc<Self>) {
        let this = Arc::clone(self);
        let read = disk::blocking(move || disk::read(&*this.disk, &this.folder.join(FILE))).await;
        match read {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                let floor = text.rsplit(' ').next().and_then(|number| number.trim().parse().ok()).unwrap_or(0);
                self.ceiling.fetch_max(floor, Ordering::AcqRel);
                self.last.fetch_max(floor, Ordering::AcqRel);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(%error, "the versions that lamps were sent before the start are not known"),
        }
    }

    /// Returns the next version. It may be published only after [`persist`](Self::persist) has returned for it.
    pub(super) fn next(&self, now_micros: i64) -> u64 {
        let now = u64::try_from(now_micros).unwrap_or(0);
        let next = |last: u64| last.saturating_add(1).max(now);
        let (Ok(before) | Err(before)) = self.last.fetch_update(Ordering::AcqRel, Ordering::Acquire, |last| Some(next(last)));
        next(before)
    }

    /// Waits until no restart can return `version` again.
    pub(super) async fn persist(self: &Arc<Self>, version: u64) {
        let this = Arc::clone(self);
        if version > self.ceiling.load(Ordering::Acquire)
            && let Err(error) = disk::blocking(move || this.write_ceiling(version)).await
        {
            // After a restart a lamp may ignore states with lower versions; a lamp that is not updated is wrong now.
            tracing::warn!(%error, "the versions of the lamps' states cannot be written to disk");
        }
    }

    /// Writes an upper bound above `version` to the file. Blocks.
    fn write_ceiling(&self, version: u64) -> io::Result<()> {
        let _alone = self.writing.lock();
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
        file.write_all_at(format!("no lamp was sent a version above {next}\n").as_bytes(), 0)?;
        file.sync()?;
        self.disk.rename(&new, &path)?;
        self.disk.sync_dir(&self.folder)?;
        self.ceiling.store(next, Ordering::Release);
        Ok(())
    }
}

const FILE: &str = "lamps.txt";
const NEW_FILE: &str = "lamps.new";
/// Ten minutes, as versions follow the time of day in microseconds.
const AHEAD: u64 = 600_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{FaultyDisk, InjectedFault, PowerCutDisk};

    async fn next(versions: &Arc<Versions>, now_micros: i64) -> u64 {
        let version = versions.next(now_micros);
        versions.persist(version).await;
        version
    }

    #[tokio::test]
    async fn versions_grow_across_restarts_whatever_the_clock_does() {
        let disk = Arc::new(PowerCutDisk::new());
        disk.create_dir("spool".as_ref()).unwrap();
        let mut last = 0;
        for now in [1_700_000_000_000_000, 1_700_000_000_000_001, 1_600_000_000_000_000, -5, i64::MAX, 7] {
            let versions = Arc::new(Versions::new(Arc::clone(&disk) as Arc<dyn Disk>, "spool".into()));
            versions.load().await;
            for _ in 0..3 {
                let next = next(&versions, now).await;
                assert!(next > last, "{next} follows {last}");
                last = next;
            }
        }
    }

    #[tokio::test]
    async fn a_disk_that_fails_holds_up_no_lamp() {
        let disk = Arc::new(FaultyDisk::new(Arc::new(PowerCutDisk::new())));
        disk.fail(InjectedFault::after(0, io::ErrorKind::StorageFull).lasting());
        let versions = Arc::new(Versions::new(disk, "spool".into()));
        versions.load().await;
        assert_eq!((next(&versions, 5).await, next(&versions, 5).await), (5, 6));
    }
}
