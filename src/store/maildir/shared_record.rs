//! [`SharedRecord`]: one file for the arrivals of an hour.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};

use super::staging::Staged;
use crate::disk::Disk;
use crate::lock::Lock;

/// The record of the arrivals of one hour, in one file to which each of them is a link.
///
/// A link costs the file system an entry in a folder; a file of its own costs an inode and a block too. The file is flushed before the first link
/// to it. It is one of the staged files, so it is removed when the store is closed or its process has died; the links stay.
#[derive(Debug, Default)]
pub(super) struct SharedRecord(Lock<Option<Current>>);

#[derive(Debug)]
struct Current {
    file: Staged,
    /// The time in the record: the end of the hour, so that no arrival is forgotten early.
    until: DateTime<Utc>,
    links: u32,
}

impl SharedRecord {
    /// Makes `path` a link to a record for the time `now`. `record` returns the text of a record with a time.
    ///
    /// # Errors
    ///
    /// The error of the file system: [`AlreadyExists`](io::ErrorKind::AlreadyExists) if there is something at `path`; any, if it
    /// has no links.
    pub(super) fn link(
        &self,
        disk: &Arc<dyn Disk>,
        staging: &Path,
        (path, now): (&Path, DateTime<Utc>),
        record: impl FnOnce(DateTime<Utc>) -> String,
    ) -> io::Result<()> {
        let from = {
            let mut current = self.0.lock();
            let usable = current.take().filter(|current| current.is_for(now) && current.links < MAX_LINKS);
            let current = if let Some(usable) = usable {
                current.insert(usable)
            } else {
                let until = now + SHARED_FOR;
                let parts = [Ok(Bytes::from(record(until)))];
                current.insert(Current { file: Staged::write(disk, staging, parts, SystemTime::from(until))?, until, links: 0 })
            };
            current.links += 1;
            current.file.path().to_owned()
        };
        let linked = disk.link(&from, path);
        if matches!(&linked, Err(error) if error.kind() != io::ErrorKind::AlreadyExists) {
            // Someone removed the file, or it has too many links for this file system.
            self.0.lock().take_if(|current| current.file.path() == from);
        }
        linked
    }
}

impl Current {
    fn is_for(&self, now: DateTime<Utc>) -> bool {
        (self.until - SHARED_FOR..=self.until).contains(&now)
    }
}

const SHARED_FOR: TimeDelta = TimeDelta::hours(1);
/// ext4 allows a file 65 000 links.
const MAX_LINKS: u32 = 60_000;
