//! [`FreeSpaceCache`]: how much space the disk had when it was last asked.

use std::time::{Duration, Instant};

use crate::disk::FreeSpace;
use crate::lock::Lock;

/// How much space the disk had when it was last asked, so that a disk with plenty is not asked before each message.
#[derive(Debug, Default)]
pub(super) struct FreeSpaceCache(Lock<Option<(Instant, FreeSpace)>>);

impl FreeSpaceCache {
    /// Notes an answer of the disk.
    pub(super) fn handle_answer(&self, free: FreeSpace, now: Instant) {
        *self.0.lock() = Some((now, free));
    }

    /// Whether the disk certainly has space for `bytes`: it had a moment ago, and no program can have filled the rest since.
    pub(super) fn has_plenty(&self, bytes: u64, now: Instant) -> bool {
        let seen = *self.0.lock();
        seen.is_some_and(|(asked_at, free)| {
            now.saturating_duration_since(asked_at) < TRUSTED
                && free.bytes >= bytes.saturating_add(FILLED_MEANWHILE)
                && free.files >= FILES_MEANWHILE
        })
    }
}

/// How long an answer is trusted.
const TRUSTED: Duration = Duration::from_millis(250);
/// More bytes than any disk takes in that time.
const FILLED_MEANWHILE: u64 = 8 << 30;
/// More files than any file system creates in that time.
const FILES_MEANWHILE: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const MUCH: FreeSpace = FreeSpace { bytes: 64 << 30, files: 64 << 20 };

    #[test]
    fn an_answer_is_trusted_for_250_ms_if_there_is_plenty() {
        let (seen, start) = (FreeSpaceCache::default(), Instant::now());
        assert!(!seen.has_plenty(1, start), "the disk was not asked yet");
        seen.handle_answer(MUCH, start);
        assert!(seen.has_plenty(1, start + Duration::from_millis(249)));
        assert!(!seen.has_plenty(1, start + Duration::from_millis(250)));
        assert!(!seen.has_plenty(u64::MAX, start));
    }

    #[test]
    fn a_disk_that_might_be_full_by_now_is_asked() {
        let (seen, start) = (FreeSpaceCache::default(), Instant::now());
        for free in [FreeSpace { bytes: 8 << 30, ..MUCH }, FreeSpace { files: 1000, ..MUCH }] {
            seen.handle_answer(free, start);
            assert!(!seen.has_plenty(1, start), "{free:?}");
        }
    }
}
