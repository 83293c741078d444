//! [`Index`]: the files of one Maildir in memory, with the status and order of their messages. It does not access the disk.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::folders::MessageFile;
use super::name::{FileName, OwnName};
use crate::directory::MailboxLimits;
use crate::message::{Head, MessageId, Status, Summary, Urgency};
use crate::store::{DeduplicationKey, Entry, MailboxUsage, Position};

/// All files of one Maildir by their base names, and the messages among them by id, key, status and order.
///
/// The cost of a change does not grow with the number of files.
#[derive(Debug, Default)]
pub(super) struct Index {
    files: HashMap<Arc<str>, FileEntry>,
    /// Base names whose files have changed since the last [`settle`](Self::settle).
    touched: BTreeSet<Arc<str>>,
    /// Base names of other programs, whose files must be read.
    unread: BTreeSet<Arc<str>>,
    by_id: HashMap<MessageId, Arc<str>>,
    keys: HashMap<DeduplicationKey, usize>,
    by_status: [BTreeSet<Position>; GROUPS],
    usage: Usage,
}

/// The files of one base name, and the message in them.
#[derive(Debug, Default)]
struct FileEntry {
    names: Vec<FileName>,
    metadata: Option<Metadata>,
    head: Option<Head>,
    /// Whether the file is known to hold no voice message: it is left alone, and not counted.
    other: bool,
    /// The status that the message was counted at last.
    counted_at: Option<Status>,
}

/// The properties of a message that are known without its head.
#[derive(Debug, Clone)]
struct Metadata {
    id: MessageId,
    urgency: Urgency,
    recorded: (i64, u32),
    own: Option<OwnName>,
    length: Duration,
    bytes: u64,
}

/// A message and where its file is.
#[derive(Debug, Clone)]
pub(super) struct LocatedMessage {
    /// Its id in this mailbox.
    pub id: MessageId,
    /// Whether it is urgent.
    pub urgency: Urgency,
    /// The contents of its name, if this store gave it.
    pub own: Option<OwnName>,
    /// Its file.
    pub file: MessageFile,
}

/// How much a mailbox holds, without removed messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Usage {
    /// How many messages.
    pub messages: usize,
    /// How many milliseconds their sounds last.
    pub millis: u128,
    /// How many bytes their mails have.
    pub bytes: u128,
}

impl Usage {
    /// The same for a mailbox without limits.
    pub(super) fn of_mailbox(&self) -> MailboxUsage {
        let length = Duration::from_millis(u64::try_from(self.millis).unwrap_or(u64::MAX));
        MailboxUsage::new(self.messages, length).with_bytes(u64::try_from(self.bytes).unwrap_or(u64::MAX))
    }

    /// Whether a mailbox that holds this much must take no more messages.
    pub(super) fn reaches(&self, limits: &MailboxLimits) -> bool {
        limits.messages.is_some_and(|limit| self.messages >= limit)
            || limits.length.is_some_and(|limit| self.millis >= limit.as_millis())
            || limits.bytes.is_some_and(|limit| self.bytes >= u128::from(limit))
    }
}

impl Index {
    /// Notes that the file is there.
    pub(super) fn came(&mut self, file: FileName) {
        let base = self.touch(file.base());
        let names = &mut self.files.entry(base).or_default().names;
        if !names.contains(&file) {
            names.push(file);
        }
    }

    /// Whether the file is known to be there.
    pub(super) fn knows(&self, file: &FileName) -> bool {
        self.files.get(file.base()).is_some_and(|entry| entry.names.contains(file))
    }

    /// Notes that the file is no longer there.
    pub(super) fn gone(&mut self, file: &FileName) {
        let base = self.touch(file.base());
        if let Some(entry) = self.files.get_mut(&base) {
            entry.names.retain(|name| name != file);
        }
    }

    /// Notes that these files are there, and no others.
    pub(super) fn replace(&mut self, files: Vec<FileName>) {
        self.touched.extend(self.files.keys().map(Arc::clone));
        self.files.values_mut().for_each(|entry| entry.names.clear());
        for file in files {
            self.came(file);
        }
    }

    /// Whether a base name is known that none of `files` has.
    pub(super) fn misses(&self, files: &[FileName]) -> bool {
        let bases: HashSet<&str> = files.iter().map(FileName::base).collect();
        self.files.keys().any(|base| !bases.contains(&**base))
    }

    /// Counts every changed message at its present status. To be called after [`came`](Self::came), [`gone`](Self::gone) and the like.
    pub(super) fn settle(&mut self) {
        for base in std::mem::take(&mut self.touched) {
            let Some(entry) = self.files.get(&base) else { continue };
            let status = entry.names.iter().max().map(FileName::status);
            if entry.metadata.is_none() && !entry.other && status.is_some() {
                match OwnName::parse(&base) {
                    Some(own) => self.introduce(&base, Metadata::of_own(own), None),
                    None => drop(self.unread.insert(Arc::clone(&base))),
                }
            }
            self.recount(&base, status);
            if status.is_none() {
                self.drop_file(&base);
            }
        }
    }

    /// The base names of other programs whose files must be read, each with its file.
    pub(super) fn unread(&self) -> Vec<(Arc<str>, FileName)> {
        let file = |base: &Arc<str>| Some((Arc::clone(base), self.files.get(base)?.names.iter().max()?.clone()));
        self.unread.iter().filter_map(file).collect()
    }

    /// Notes the contents of the file with the base name `base`: a message and the size of its mail in bytes, or no message.
    pub(super) fn learn(&mut self, base: &Arc<str>, message: Option<(Head, u64)>) {
        self.unread.remove(base);
        let Some((head, bytes)) = message else {
            if let Some(entry) = self.files.get_mut(base) {
                entry.other = true;
            }
            return;
        };
        let metadata = Metadata {
            id: head.id,
            urgency: head.urgency,
            recorded: (head.recorded_at.instant.timestamp(), head.recorded_at.instant.timestamp_subsec_nanos()),
            own: None,
            length: head.length,
            bytes,
        };
        self.introduce(base, metadata, Some(head));
        let status = self.files.get(base).and_then(|entry| entry.names.iter().max()).map(FileName::status);
        self.recount(base, status);
    }

    /// Remembers the head of the message `id`.
    pub(super) fn set_head(&mut self, id: MessageId, head: Head) {
        if let Some(entry) = self.by_id.get(&id).and_then(|base| self.files.get_mut(base)) {
            entry.head = Some(head);
        }
    }

    /// The message `id` as a list shows it, if its head was read.
    pub(super) fn entry(&self, id: MessageId) -> Option<Entry> {
        let entry = self.files.get(self.by_id.get(&id)?)?;
        Some(Entry { head: entry.head.clone()?, status: entry.counted_at? })
    }

    /// The message `id`.
    pub(super) fn find(&self, id: MessageId) -> Option<LocatedMessage> {
        let entry = self.files.get(self.by_id.get(&id)?)?;
        let metadata = entry.metadata.as_ref()?;
        Some(LocatedMessage { id, urgency: metadata.urgency, own: metadata.own.clone(), file: MessageFile::among(&entry.names)? })
    }

    /// Whether a message with this key is there.
    pub(super) fn has_key(&self, key: DeduplicationKey) -> bool {
        self.keys.contains_key(&key)
    }

    /// The id of the message with this key. Looks at each message only if there is one.
    pub(super) fn id_of_key(&self, key: DeduplicationKey) -> Option<MessageId> {
        let has_key = |base: &Arc<str>| self.files.get(base)?.metadata.as_ref()?.own.as_ref().map(|own| own.key == key);
        let mut ids = self.has_key(key).then_some(&self.by_id).into_iter().flatten();
        ids.find(|(_, base)| has_key(base) == Some(true)).map(|(id, _)| *id)
    }

    /// The first `limit` messages by their keys, behind `after`. The message of another program has a key that is made of its base name.
    pub(super) fn by_key(&self, after: Option<DeduplicationKey>, limit: usize) -> Vec<(DeduplicationKey, LocatedMessage)> {
        let key = |(id, base): (&MessageId, &Arc<str>)| {
            let metadata = self.files.get(base)?.metadata.as_ref()?;
            let key = metadata.own.as_ref().map_or_else(|| key_of_base(base), |own| own.key);
            (Some(key) > after).then_some((key, *id))
        };
        let mut keys: Vec<(DeduplicationKey, MessageId)> = self.by_id.iter().filter_map(key).collect();
        keys.sort_unstable();
        // Of copies that another program has made, one is enough.
        keys.dedup_by_key(|(key, _)| *key);
        keys.truncate(limit);
        keys.into_iter().filter_map(|(key, id)| Some((key, self.find(id)?))).collect()
    }

    /// The positions of the messages with this status and urgency, in the order of recording.
    pub(super) fn by_status(&self, status: Status, urgency: Urgency) -> &BTreeSet<Position> {
        &self.by_status[group_of(status, urgency)]
    }

    /// The ids of all messages with one of these `statuses`.
    pub(super) fn ids(&self, statuses: &[Status]) -> Vec<MessageId> {
        let positions =
            statuses.iter().flat_map(|status| [Urgency::Urgent, Urgency::Normal].map(|urgency| self.by_status(*status, urgency)));
        positions.flatten().map(|position| position.id).collect()
    }

    /// How many messages wait.
    pub(super) fn summary(&self) -> Summary {
        let count = |status, urgency| u32::try_from(self.by_status(status, urgency).len()).unwrap_or(u32::MAX);
        let (urgent_new, urgent_old) = (count(Status::New, Urgency::Urgent), count(Status::Old, Urgency::Urgent));
        Summary {
            new: count(Status::New, Urgency::Normal).saturating_add(urgent_new),
            old: count(Status::Old, Urgency::Normal).saturating_add(urgent_old),
            urgent_new,
            urgent_old,
        }
    }

    /// How much is usage.
    pub(super) fn usage(&self) -> Usage {
        self.usage
    }

    /// How many base names are known.
    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    fn touch(&mut self, base: &str) -> Arc<str> {
        let base = self.files.get_key_value(base).map_or_else(|| Arc::from(base), |(base, _)| Arc::clone(base));
        self.touched.insert(Arc::clone(&base));
        base
    }

    /// Notes the metadata of the message of `base`, under an id that is free.
    fn introduce(&mut self, base: &Arc<str>, mut metadata: Metadata, head: Option<Head>) {
        if self.by_id.get(&metadata.id).is_some_and(|other| other != base) {
            metadata.id = id_of_base(base);
        }
        self.by_id.insert(metadata.id, Arc::clone(base));
        if let Some(own) = &metadata.own {
            *self.keys.entry(own.key).or_default() += 1;
        }
        if let Some(entry) = self.files.get_mut(base) {
            entry.head = head.map(|head| Head { id: metadata.id, ..head });
            entry.metadata = Some(metadata);
        }
    }

    /// Counts the message of `base` at `status`, and no longer at the status before.
    fn recount(&mut self, base: &Arc<str>, status: Option<Status>) {
        let Some(entry) = self.files.get_mut(base) else { return };
        let Some(metadata) = &entry.metadata else { return };
        let before = std::mem::replace(&mut entry.counted_at, status);
        if before == status {
            return;
        }
        let position = Position::new(metadata.recorded.0, metadata.recorded.1, metadata.id);
        if let Some(before) = before {
            self.by_status[group_of(before, metadata.urgency)].remove(&position);
        }
        if let Some(status) = status {
            self.by_status[group_of(status, metadata.urgency)].insert(position);
        }
        let holds = |status: Option<Status>| status.is_some_and(|status| status != Status::Removed);
        match (holds(before), holds(status)) {
            (false, true) => self.usage.add(metadata),
            (true, false) => self.usage.subtract(metadata),
            (true, true) | (false, false) => {}
        }
    }

    fn drop_file(&mut self, base: &Arc<str>) {
        self.unread.remove(base);
        let Some(metadata) = self.files.remove(base).and_then(|entry| entry.metadata) else { return };
        self.by_id.remove(&metadata.id);
        if let Some(own) = metadata.own
            && let Some(count) = self.keys.get_mut(&own.key)
        {
            *count -= 1;
            if *count == 0 {
                self.keys.remove(&own.key);
            }
        }
    }
}

impl LocatedMessage {
    /// Its status.
    pub(super) fn status(&self) -> Status {
        self.file.name.status()
    }
}

impl Metadata {
    fn of_own(own: OwnName) -> Self {
        let OwnName { id, urgency, recorded, length, bytes, .. } = own;
        Self { id, urgency, recorded, own: Some(own), length, bytes }
    }
}

impl Usage {
    fn add(&mut self, metadata: &Metadata) {
        self.messages += 1;
        self.millis += metadata.length.as_millis();
        self.bytes += u128::from(metadata.bytes);
    }

    fn subtract(&mut self, metadata: &Metadata) {
        self.messages -= 1;
        self.millis -= metadata.length.as_millis();
        self.bytes -= u128::from(metadata.bytes);
    }
}

/// An id for a message whose own id is taken: it stays the same as long as the base name does.
fn id_of_base(base: &str) -> MessageId {
    let hash: [u8; 32] = Sha256::digest(base).into();
    let (id, _) = hash.split_first_chunk().expect("16 bytes are the beginning of 32");
    MessageId::from_bytes(*id)
}

/// The key of a message that another program has put here: it stays the same as long as the base name does.
fn key_of_base(base: &str) -> DeduplicationKey {
    DeduplicationKey::from_bytes(*id_of_base(base).as_bytes())
}

/// Which of the six groups.
fn group_of(status: Status, urgency: Urgency) -> usize {
    let row = match status {
        Status::New => 0,
        Status::Old => 2,
        Status::Removed => 4,
    };
    match urgency {
        Urgency::Urgent => row,
        Urgency::Normal => row + 1,
    }
}

const GROUPS: usize = 6;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::name::Folder;
    use super::*;

    /// The names that three messages go by in any folder: two of this store, one of which has a twin with its id and key.
    fn file(which: usize, folder: Folder, flags: &str) -> FileName {
        let tags = ["N5L1500B100", "UL2000B200", "UL2000B200"][which];
        let id = ["a", "b", "b"][which].repeat(64);
        let base = format!("1743296380.{id}{tags}.host{which}");
        let name = if flags.is_empty() { base } else { format!("{base}:2,{flags}") };
        FileName::parse(folder, name).unwrap()
    }

    fn files() -> impl Strategy<Value = FileName> {
        let folder = prop_oneof![Just(Folder::New), Just(Folder::Cur)];
        (0..3_usize, folder, prop_oneof![Just(""), Just("S"), Just("T"), Just("FT")])
            .prop_map(|(which, folder, flags)| file(which, folder, flags))
    }

    /// All answers of an index, except which of two twins has the id of both.
    fn account(index: &Index) -> (Summary, Usage, Vec<(usize, usize)>, usize) {
        let statuses = [Status::New, Status::Old, Status::Removed];
        let counts = statuses
            .map(|status| (index.by_status(status, Urgency::Urgent).len(), index.by_status(status, Urgency::Normal).len()));
        for id in index.ids(&statuses) {
            assert_eq!(index.find(id).unwrap().id, id);
        }
        (index.summary(), index.usage(), counts.to_vec(), index.len())
    }

    proptest! {
        #[test]
        fn changes_one_by_one_give_the_same_as_a_new_index(
            steps in proptest::collection::vec((any::<bool>(), files(), any::<bool>()), 0..60)
        ) {
            let (mut index, mut there) = (Index::default(), BTreeSet::new());
            for (comes, file, settles) in steps {
                if comes {
                    there.insert(file.clone());
                    index.came(file);
                } else {
                    there.remove(&file);
                    index.gone(&file);
                }
                if settles {
                    index.settle();
                    let mut whole = Index::default();
                    whole.replace(there.iter().cloned().collect());
                    whole.settle();
                    prop_assert_eq!(account(&index), account(&whole));
                }
            }
            index.replace(Vec::new());
            index.settle();
            prop_assert_eq!(account(&index), account(&Index::default()));
            prop_assert!(index.by_id.is_empty() && index.keys.is_empty() && index.unread.is_empty());
        }
    }

    #[test]
    fn usage_is_counted_from_names_and_a_twin_gets_another_id() {
        let mut index = Index::default();
        index.replace(vec![file(0, Folder::New, ""), file(1, Folder::Cur, "S"), file(2, Folder::Cur, "T")]);
        index.settle();
        assert_eq!(index.summary().to_string(), "1/1 (0/1)");
        assert_eq!(index.usage(), Usage { messages: 2, millis: 3500, bytes: 300 });
        let twins = index.by_status(Status::Removed, Urgency::Urgent).iter().chain(index.by_status(Status::Old, Urgency::Urgent));
        assert_eq!(twins.map(|position| position.id).collect::<BTreeSet<_>>().len(), 2);
        assert!(index.unread().is_empty());
    }
}
