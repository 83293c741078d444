//! [`Arrivals`]: the messages that have ever arrived in a mailbox, with one small file each, which outlives the message.
//!
//! The file is named after the message's [`DeduplicationKey`] and holds a state and a time. It comes once the message is flushed, as `kept`; the
//! arrivals of an hour are links to one [`SharedRecord`](super::shared_record::SharedRecord). Only `kept` proves that the message has arrived: an
//! arrival that is open, torn or missing is in doubt, and then the mailbox itself is searched. `open` stands where a time had to be noted for
//! an arrival in doubt; earlier versions wrote it before each message, too.

use std::fmt;
use std::io;
use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};

use super::bad_entries::concerns_entry;
use super::context::StoreContext;
use crate::disk::{self, Disk};
use crate::store::DeduplicationKey;

/// The arrivals of one mailbox.
#[derive(Debug)]
pub(super) struct Arrivals {
    folder: PathBuf,
}

impl Arrivals {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(super) fn folder(&self) -> &PathBuf {
        &self.folder
    }

    /// Whether the message with this `key` is known to have been kept; `false` means that this is in doubt.
    pub(super) fn is_kept(&self, disk: &dyn Disk, key: DeduplicationKey) -> io::Result<bool> {
        self.kept_at(disk, key).map(|at| at.is_some())
    }

    /// The time in the arrival of the message with this `key`, if it is known to have been kept.
    pub(super) fn kept_at(&self, disk: &dyn Disk, key: DeduplicationKey) -> io::Result<Option<DateTime<Utc>>> {
        match disk::read(disk, &self.path(key)) {
            Ok(bytes) => {
                let record = ArrivalRecord::parse(&bytes).filter(|record| record.state == ArrivalState::Kept);
                Ok(record.map(|record| record.at))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound || disk::is_not_a_file(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The keys of all arrivals behind `after`, in order; also of those in doubt.
    pub(super) fn keys(&self, disk: &dyn Disk, after: Option<DeduplicationKey>) -> io::Result<Vec<DeduplicationKey>> {
        let mut keys: Vec<DeduplicationKey> = disk.list(&self.folder)?.iter().filter_map(|name| name.parse().ok()).collect();
        keys.retain(|key| Some(*key) > after);
        keys.sort_unstable();
        Ok(keys)
    }

    /// Notes that the message with this `key` is kept; to be called when the message is flushed. The note itself is not flushed.
    pub(super) fn keep(&self, context: &StoreContext, key: DeduplicationKey) -> io::Result<()> {
        let (disk, now, path) = (&context.disk, context.now(), self.path(key));
        match context.arrival_record.link(disk, &context.staging, (&path, now), record_text) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && self.is_kept(&**disk, key)? => Ok(()),
            Err(error) if disk::is_no_space(&error) => Err(error),
            // An arrival in doubt is there, or the file system has no links.
            Err(_) => self.write(&**disk, key, now),
        }
    }

    /// Notes that the message with this `key` is kept, and flushes the note; it is durable when the folder is flushed, too.
    pub(super) fn keep_durably(&self, context: &StoreContext, key: DeduplicationKey) -> io::Result<()> {
        if !self.is_kept(&*context.disk, key)? {
            self.keep(context, key)?;
        }
        context.disk.open(&self.path(key))?.sync()
    }

    /// Notes that the message with this `key` was deleted at `removed_at`, in a file of its own, and flushes it; it is durable when the folder is flushed, too.
    pub(super) fn import(&self, disk: &dyn Disk, key: DeduplicationKey, removed_at: DateTime<Utc>) -> io::Result<()> {
        if !self.is_kept(disk, key)? {
            self.write(disk, key, removed_at)?;
        }
        disk.open(&self.path(key))?.sync()
    }

    /// The file names of all arrivals, in order.
    pub(super) fn names(&self, disk: &dyn Disk) -> io::Result<Vec<String>> {
        let mut names = disk.list(&self.folder)?;
        names.retain(|name| name.parse::<DeduplicationKey>().is_ok());
        names.sort_unstable();
        Ok(names)
    }

    /// Removes the arrival named `name` if it is older than `window`; answers whether it did. An arrival of unknown age is dated now.
    pub(super) fn forget(&self, disk: &dyn Disk, name: &str, now: DateTime<Utc>, window: TimeDelta) -> io::Result<bool> {
        let path = self.folder.join(name);
        let bytes = match disk::read(disk, &path) {
            // Another process has removed it already; or it is not an arrival.
            Err(error) if error.kind() == io::ErrorKind::NotFound || concerns_entry(&error) => return Ok(false),
            read => read?,
        };
        match ArrivalRecord::parse(&bytes) {
            Some(record) if now - record.at > window => disk.remove(&path).map(|()| true),
            Some(_) => Ok(false),
            None => {
                disk.open(&path)?.write_all_at(ArrivalRecord { state: ArrivalState::Open, at: now }.to_string().as_bytes(), 0)?;
                Ok(false)
            }
        }
    }

    /// Removes the arrival of the message with this `key`, whatever its age; no error if there is none.
    pub(super) fn remove(&self, disk: &dyn Disk, key: DeduplicationKey) -> io::Result<()> {
        match disk.remove(&self.path(key)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// Writes a file of its own for an arrival that is kept.
    fn write(&self, disk: &dyn Disk, key: DeduplicationKey, at: DateTime<Utc>) -> io::Result<()> {
        let path = self.path(key);
        let file = match disk.create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => disk.open(&path)?,
            created => created?,
        };
        file.write_all_at(ArrivalRecord { state: ArrivalState::Kept, at }.to_string().as_bytes(), 0)
    }

    fn path(&self, key: DeduplicationKey) -> PathBuf {
        self.folder.join(key.to_string())
    }
}

/// The text of the record of an arrival that is kept.
pub(super) fn record_text(at: DateTime<Utc>) -> String {
    ArrivalRecord { state: ArrivalState::Kept, at }.to_string()
}

/// The contents of an arrival's file: `kept 00001743296380`, always as long, so that one record is written over another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ArrivalRecord {
    state: ArrivalState,
    at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ArrivalState {
    Open,
    Kept,
}

impl ArrivalRecord {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(bytes).ok()?.strip_suffix('\n')?;
        let (state, seconds) = line.split_once(' ')?;
        let state = match state {
            "open" => ArrivalState::Open,
            "kept" => ArrivalState::Kept,
            _ => return None,
        };
        if seconds.len() != SECONDS_DIGITS || !seconds.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Some(Self { state, at: DateTime::from_timestamp(seconds.parse().ok()?, 0)? })
    }
}

impl fmt::Display for ArrivalRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            ArrivalState::Open => "open",
            ArrivalState::Kept => "kept",
        };
        writeln!(f, "{state} {:0SECONDS_DIGITS$}", self.at.timestamp().max(0))
    }
}

const SECONDS_DIGITS: usize = 14;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_and_a_torn_one_is_in_doubt() {
        let kept = ArrivalRecord { state: ArrivalState::Kept, at: "2025-03-30T00:59:40Z".parse().unwrap() };
        let open = ArrivalRecord { state: ArrivalState::Open, ..kept };
        let text = kept.to_string();
        assert_eq!(text, "kept 00001743296380\n");
        assert_eq!(text.len(), open.to_string().len());
        for record in [kept, open] {
            assert_eq!(ArrivalRecord::parse(record.to_string().as_bytes()), Some(record));
        }
        for end in 0..text.len() {
            assert_eq!(ArrivalRecord::parse(&text.as_bytes()[..end]), None);
        }
        for torn in ["kept 00001743\0\0\0\0\0\0\n", "gone 00001743296380\n", "kept -0001743296380\n", "kept 99999999999999\n"] {
            assert_eq!(ArrivalRecord::parse(torn.as_bytes()), None, "{torn}");
        }
    }
}
