//! What has ever arrived in a mailbox: one small file for each message, which outlives the message.
//!
//! The file is named after the message's [`Key`] and says when. It is written before its message is put into the mailbox, as
//! `open`, so that room for it is there; and once the message is flushed, as `kept`. Only `kept` answers for anything: an arrival
//! that is open, torn or gone is in doubt, and the mailbox itself is asked.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};

use super::bad_entries::concerns_entry;
use crate::disk::{self, Disk, DiskFile};
use crate::message::{InvalidMessageId, Message, MessageId, Origin};

/// What makes a message the same in its mailbox: 128 bits of the SHA-256 of origin, id and audio digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key(MessageId);

impl Key {
    /// The key of `message` from `origin`.
    pub(super) fn of(origin: &Origin, message: &Message) -> Self {
        let origin = origin.to_string();
        let mut hasher = Sha256::new();
        hasher.update(origin.len().to_le_bytes());
        hasher.update(origin);
        hasher.update(message.id().as_bytes());
        hasher.update(message.audio().digest().as_bytes());
        let hash: [u8; 32] = hasher.finalize().into();
        let (key, _) = hash.split_first_chunk().expect("16 bytes are the beginning of 32");
        Self::from_bytes(*key)
    }

    pub(super) const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(MessageId::from_bytes(bytes))
    }

    /// An id for a message that cannot be kept under its own: the same whenever the same message comes.
    pub(super) fn as_id(self) -> MessageId {
        self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Key {
    type Err = InvalidMessageId;

    fn from_str(text: &str) -> Result<Self, InvalidMessageId> {
        text.parse().map(Self)
    }
}

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

    /// Whether the message of `key` is known to have been kept; `false` is doubt.
    pub(super) fn is_kept(&self, disk: &dyn Disk, key: Key) -> io::Result<bool> {
        match disk::read(disk, &self.path(key)) {
            Ok(bytes) => Ok(ArrivalRecord::parse(&bytes).is_some_and(|record| record.state == ArrivalState::Kept)),
            Err(error) if error.kind() == io::ErrorKind::NotFound || disk::is_not_a_file(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Notes that the message of `key` is about to be kept.
    pub(super) fn begin(&self, disk: &dyn Disk, key: Key, now: DateTime<Utc>) -> io::Result<PendingArrival> {
        let file = self.write(disk, key, ArrivalRecord { state: ArrivalState::Open, at: now })?;
        Ok(PendingArrival { file, at: now })
    }

    /// Takes back what [`begin`](Self::begin) noted, as far as that can be done; what stays is in doubt and does no harm.
    pub(super) fn withdraw(&self, disk: &dyn Disk, key: Key) {
        let _ = disk.remove(&self.path(key));
    }

    /// Notes that the message of `key` is kept; to be called when it is flushed. The note itself is not.
    pub(super) fn keep(&self, disk: &dyn Disk, key: Key, now: DateTime<Utc>) -> io::Result<()> {
        self.write(disk, key, ArrivalRecord { state: ArrivalState::Kept, at: now }).map(drop)
    }

    /// The same, durable once the folder is flushed too.
    pub(super) fn keep_for_good(&self, disk: &dyn Disk, key: Key, now: DateTime<Utc>) -> io::Result<()> {
        if self.is_kept(disk, key)? {
            return disk.open(&self.path(key))?.sync();
        }
        self.write(disk, key, ArrivalRecord { state: ArrivalState::Kept, at: now })?.sync()
    }

    /// The file names of all arrivals, in order.
    pub(super) fn names(&self, disk: &dyn Disk) -> io::Result<Vec<String>> {
        let mut names = disk.list(&self.folder)?;
        names.retain(|name| name.parse::<Key>().is_ok());
        names.sort_unstable();
        Ok(names)
    }

    /// Removes the arrival named `name` if it is older than `remember`; answers whether it did. One of unknown age gets an age.
    pub(super) fn forget(&self, disk: &dyn Disk, name: &str, now: DateTime<Utc>, remember: TimeDelta) -> io::Result<bool> {
        let path = self.folder.join(name);
        let bytes = match disk::read(disk, &path) {
            // Another process was first; or it is none, and says nothing.
            Err(error) if error.kind() == io::ErrorKind::NotFound || concerns_entry(&error) => return Ok(false),
            read => read?,
        };
        match ArrivalRecord::parse(&bytes) {
            Some(record) if now - record.at > remember => disk.remove(&path).map(|()| true),
            Some(_) => Ok(false),
            None => {
                disk.open(&path)?.write_all_at(ArrivalRecord { state: ArrivalState::Open, at: now }.to_string().as_bytes(), 0)?;
                Ok(false)
            }
        }
    }

    fn write(&self, disk: &dyn Disk, key: Key, record: ArrivalRecord) -> io::Result<Box<dyn DiskFile>> {
        let path = self.path(key);
        let file = match disk.create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => disk.open(&path)?,
            created => created?,
        };
        file.write_all_at(record.to_string().as_bytes(), 0)?;
        Ok(file)
    }

    fn path(&self, key: Key) -> PathBuf {
        self.folder.join(key.to_string())
    }
}

/// An arrival whose message is on its way into the mailbox.
#[derive(Debug)]
pub(super) struct PendingArrival {
    file: Box<dyn DiskFile>,
    at: DateTime<Utc>,
}

impl PendingArrival {
    /// Notes that the message is kept; to be called when it is flushed. The note itself is not.
    pub(super) fn keep(self) -> io::Result<()> {
        self.file.write_all_at(ArrivalRecord { state: ArrivalState::Kept, at: self.at }.to_string().as_bytes(), 0)
    }
}

/// What an arrival's file says: `kept 00001743296380`, always as long, so that one is written over another.
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
