//! [`FreeSpaceCache`]: how much room the disk had when it was last asked.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::disk::FreeSpace;

/// How much room the disk had when it was last asked, so that a disk with plenty is not asked before each message.
#[derive(Debug, Default)]
pub(super) struct FreeSpaceCache(Mutex<Option<(Instant, FreeSpace)>>);

impl FreeSpaceCache {
    /// The disk has answered.
    pub(super) fn handle_answer(&self, free: FreeSpace, now: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, free));
    }

    /// Whether it has room for `bytes` beyond doubt: it had a moment ago, and nobody can have filled the rest since.
    pub(super) fn has_plenty(&self, bytes: u64, now: Instant) -> bool {
        let seen = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
    fn an_answer_is_trusted_for_a_quarter_of_a_second_where_there_is_plenty() {
        let (seen, start) = (FreeSpaceCache::default(), Instant::now());
        assert!(!seen.has_plenty(1, start), "nobody has asked yet");
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
