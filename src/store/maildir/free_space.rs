//! [`FreeSpaceCache`]: how much space the disk had when it was last asked.

use std::time::{Duration, Instant};

use crate::disk::FreeSpace;
use crate::lock::Lock;

/// How much space the disk had when it was last asked, so that it is not asked before each message.
#[derive(Debug, Default)]
pub(super) struct FreeSpaceCache(Lock<Option<(Instant, FreeSpace)>>);

impl FreeSpaceCache {
    /// Notes an answer of the disk.
    pub(super) fn handle_answer(&self, free: FreeSpace, now: Instant) {
        *self.0.lock() = Some((now, free));
    }

    /// Whether the disk certainly has space for `bytes`: it had a moment ago, and no program can have filled the rest since.
    pub(super) fn has_plenty(&self, bytes: u64, now: Instant) -> bool {
        self.age(now).is_some_and(|(age, free)| age < trusted_for(bytes, free))
    }

    /// Whether the disk has plenty of space for `bytes`, and the answer is trusted for some more time. A thread that may block asks the disk
    /// when this is false, so that async callers need no hand-over for it.
    pub(super) fn is_fresh(&self, bytes: u64, now: Instant) -> bool {
        self.age(now).is_some_and(|(age, free)| age < trusted_for(bytes, free) / 2)
    }

    /// The last answer, and how old it is.
    fn age(&self, now: Instant) -> Option<(Duration, FreeSpace)> {
        let (asked_at, free) = (*self.0.lock())?;
        Some((now.saturating_duration_since(asked_at), free))
    }
}

/// For how long after an answer the disk has space for `bytes`, whatever other programs do.
fn trusted_for(bytes: u64, free: FreeSpace) -> Duration {
    let trusted = TRUSTED.iter().find(|(_, filled_meanwhile, files_meanwhile)| {
        free.bytes >= bytes.saturating_add(*filled_meanwhile) && free.files >= *files_meanwhile
    });
    trusted.map_or(Duration::ZERO, |(time, ..)| *time)
}

/// How long an answer is trusted, with more bytes than any disk takes in that time, and more files than any file system creates in it.
/// An ext4 of less than 16 GB has never a million files left, so it is trusted for the shorter time.
const TRUSTED: [(Duration, u64, u64); 2] =
    [(Duration::from_millis(250), 8 << 30, 1 << 20), (Duration::from_millis(25), 1 << 30, 1 << 14)];

#[cfg(test)]
mod tests {
    use super::*;

    const MUCH: FreeSpace = FreeSpace { bytes: 64 << 30, files: 64 << 20 };
    /// An empty ext4 of 8 GB.
    const SMALL: FreeSpace = FreeSpace { bytes: 7 << 30, files: 500_000 };

    #[test]
    fn an_answer_is_trusted_for_250_ms_or_25_on_a_small_disk() {
        for (free, millis) in [(MUCH, 250), (SMALL, 25), (FreeSpace { files: 500_000, ..MUCH }, 25)] {
            let (seen, start) = (FreeSpaceCache::default(), Instant::now());
            assert!(!seen.has_plenty(1, start), "the disk was not asked yet");
            seen.handle_answer(free, start);
            assert!(seen.has_plenty(1, start + Duration::from_millis(millis - 1)));
            assert!(!seen.has_plenty(1, start + Duration::from_millis(millis)));
            assert!(!seen.has_plenty(u64::MAX, start));
        }
    }

    #[test]
    fn an_answer_is_fresh_for_half_the_time_that_it_is_trusted() {
        let (seen, start) = (FreeSpaceCache::default(), Instant::now());
        assert!(!seen.is_fresh(1, start), "the disk was not asked yet");
        seen.handle_answer(SMALL, start);
        assert!(seen.is_fresh(1, start + Duration::from_millis(12)));
        assert!(!seen.is_fresh(1, start + Duration::from_millis(13)));
    }

    #[test]
    fn a_disk_that_might_be_full_by_now_is_asked() {
        let (seen, start) = (FreeSpaceCache::default(), Instant::now());
        for free in [FreeSpace { bytes: 1 << 30, ..MUCH }, FreeSpace { files: 16_383, ..MUCH }] {
            seen.handle_answer(free, start);
            assert!(!seen.has_plenty(1, start), "{free:?}");
        }
    }
}
