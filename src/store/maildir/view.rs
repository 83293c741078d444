//! What is known of the messages in one Maildir, so that no file is opened twice.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::folders::{Folders, Found};
use super::name::{FileName, OwnName};
use crate::disk::{self, Disk};
use crate::message::{Caller, ClockQuality, ClockSource, Ending, Head, MessageId, Privacy, RecordedAt, Status, Urgency};
use crate::store::Entry;
use crate::wire;

/// Remembers, by base name, what was read of each message; knows no more messages than there are files.
#[derive(Debug, Default)]
pub(super) struct View {
    known: HashMap<String, Known>,
}

#[derive(Debug)]
enum Known {
    /// A message of ours: its name tells what a summary needs.
    Own(OwnName, Option<Head>),
    /// A message that another program put here.
    Foreign(Head),
    /// A file that is no voice message: it is left alone, and counts nowhere.
    Other,
}

/// A message in a mailbox.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// The id it goes by.
    pub id: MessageId,
    /// Whether it comes before others.
    pub urgency: Urgency,
    /// What its name tells, if this store gave it.
    pub own: Option<OwnName>,
    /// Its file.
    pub found: Found,
}

impl Seen {
    /// Where it stands.
    pub(super) fn status(&self) -> Status {
        self.found.file.status()
    }
}

impl View {
    /// All messages, in the order of their base names. Opens only files of other programs, of at most `max_bytes`, and each once.
    pub(super) fn messages(&mut self, disk: &dyn Disk, folders: &Folders, max_bytes: u64) -> io::Result<Vec<Seen>> {
        let found = self.look(disk, folders)?;
        self.meet(disk, folders, &found, max_bytes)?;
        let seen = |(base, found): (String, Found)| {
            let (id, urgency, own) = match self.known.get(&base)? {
                Known::Own(own, _) => (own.id, own.urgency, Some(own.clone())),
                Known::Foreign(head) => (head.id, head.urgency, None),
                Known::Other => return None,
            };
            Some(Seen { id, urgency, own, found })
        };
        Ok(found.into_iter().filter_map(seen).collect())
    }

    /// All messages as a list shows them, in the order of their recording. Opens what was not opened before.
    pub(super) fn entries(&mut self, disk: &dyn Disk, folders: &Folders, max_bytes: u64) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for seen in self.messages(disk, folders, max_bytes)? {
            if let Some(head) = self.head(disk, folders, &seen)? {
                entries.push(Entry { head, status: seen.status() });
            }
        }
        entries.sort_by_key(|entry| (entry.head.recorded_at.instant, entry.head.id));
        Ok(entries)
    }

    /// The files that are there now.
    ///
    /// A file that is renamed while its folder is read may be missed. So when one is missing that was there before, a second look
    /// must confirm that it is gone.
    fn look(&mut self, disk: &dyn Disk, folders: &Folders) -> io::Result<BTreeMap<String, Found>> {
        let mut found = folders.list(disk)?;
        if self.known.keys().any(|base| !found.contains_key(base)) {
            for (base, file) in folders.list(disk)? {
                found.entry(base).or_insert(file);
            }
            self.known.retain(|base, _| found.contains_key(base));
        }
        Ok(found)
    }

    /// Gets to know the files that were not there before.
    fn meet(&mut self, disk: &dyn Disk, folders: &Folders, found: &BTreeMap<String, Found>, max_bytes: u64) -> io::Result<()> {
        let mut foreign = Vec::new();
        for (base, found) in found.iter().filter(|(base, _)| !self.known.contains_key(*base)).collect::<Vec<_>>() {
            match OwnName::parse(base) {
                Some(own) => {
                    self.known.insert(base.clone(), Known::Own(own, None));
                }
                None => foreign.push((base, &found.file)),
            }
        }
        if foreign.is_empty() {
            return Ok(());
        }
        let mut taken: HashSet<MessageId> = self.known.values().filter_map(Known::id).collect();
        for (base, file) in foreign {
            let Some(bytes) = folders.follow(disk, file, |file| read(disk, folders, file, max_bytes))? else { continue };
            let known = match bytes.map(Bytes::from).map(|mail| wire::decode(&mail)) {
                Some(Ok(message)) => {
                    let mut head = message.head().clone();
                    if !taken.insert(head.id) {
                        head.id = id_of_base(base);
                        taken.insert(head.id);
                    }
                    Known::Foreign(head)
                }
                Some(Err(_)) | None => Known::Other,
            };
            self.known.insert(base.clone(), known);
        }
        Ok(())
    }

    /// What is known of the message without its sound; `None` if it is gone by now.
    fn head(&mut self, disk: &dyn Disk, folders: &Folders, seen: &Seen) -> io::Result<Option<Head>> {
        let base = seen.found.file.base();
        match self.known.get_mut(base) {
            Some(Known::Foreign(head) | Known::Own(_, Some(head))) => Ok(Some(head.clone())),
            Some(Known::Own(own, head)) => {
                let Some(block) = folders.follow(disk, &seen.found.file, |file| read_start(disk, folders, file))? else {
                    return Ok(None);
                };
                Ok(Some(head.insert(own_head(own, &block)).clone()))
            }
            Some(Known::Other) | None => Ok(None),
        }
    }
}

impl Known {
    fn id(&self) -> Option<MessageId> {
        match self {
            Self::Own(own, _) => Some(own.id),
            Self::Foreign(head) => Some(head.id),
            Self::Other => None,
        }
    }
}

/// The head of a message of ours. Where file and name differ, the name is right: a message may be kept under an id of its own.
///
/// A message whose file is damaged is shown by what its name tells, rather than hidden.
fn own_head(own: &OwnName, mail: &[u8]) -> Head {
    let head = wire::decode_head(mail).unwrap_or_else(|_| Head {
        id: own.id,
        caller: Caller::default(),
        recorded_at: RecordedAt {
            instant: chrono::DateTime::from_timestamp(own.recorded_secs, 0).unwrap_or_default(),
            zone: chrono_tz::UTC,
            quality: ClockQuality::unknown(ClockSource::System),
        },
        site: None,
        urgency: own.urgency,
        privacy: Privacy::Normal,
        length: std::time::Duration::ZERO,
        ending: Ending::Complete,
    });
    Head { id: own.id, urgency: own.urgency, ..head }
}

/// The whole file; `None` if it has more than `max_bytes`.
fn read(disk: &dyn Disk, folders: &Folders, file: &FileName, max_bytes: u64) -> io::Result<Option<Vec<u8>>> {
    let path = folders.path(file);
    if disk.open(&path)?.len()? > max_bytes {
        return Ok(None);
    }
    disk::read(disk, &path).map(Some)
}

/// As much of the file as a header block may have.
fn read_start(disk: &dyn Disk, folders: &Folders, file: &FileName) -> io::Result<Vec<u8>> {
    let file = disk.open(&folders.path(file))?;
    let len = usize::try_from(file.len()?).unwrap_or(usize::MAX).min(wire::HEAD_LIMIT);
    let mut start = vec![0; len];
    file.read_exact_at(&mut start, 0)?;
    Ok(start)
}

/// An id for a message whose own is taken: it stays the same as long as the base name does.
fn id_of_base(base: &str) -> MessageId {
    let hash: [u8; 32] = Sha256::digest(base).into();
    let (id, _) = hash.split_first_chunk().expect("16 bytes are the beginning of 32");
    MessageId::from_bytes(*id)
}
