//! [`View`]: the messages of one Maildir in memory, so that no folder is read again without need, and no file is opened twice.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::bad_entries::{BadEntries, concerns_entry};
use super::folders::{Folders, MaildirListing};
use super::index::{Index, LocatedMessage};
use super::name::{FileName, Folder, OwnName};
use crate::disk::{self, Disk, FolderChanges, NameChange, WatchedFolder, Watcher};
use crate::message::{
    CallDetails, Caller, ClockQuality, ClockSource, EndReason, Head, MessageId, MessageKind, Privacy, RecordedAt,
};
use crate::store::{Entry, Page, Query};
use crate::wire;

/// One Maildir as it was at the last look.
///
/// Where the disk reports changes, a look handles only these; elsewhere it reads the folders each time.
#[derive(Debug)]
pub(super) struct View {
    index: Index,
    watcher: Option<Arc<dyn Watcher>>,
    watched: Option<[WatchedFolder; 2]>,
    /// The turn of the watcher up to which the index is right; zero if the folders must be read.
    turn: u64,
}

/// The folders that a view looks at, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct ViewSource<'a> {
    pub disk: &'a dyn Disk,
    pub folders: &'a Folders,
    /// How many bytes a file of another program may have to be opened.
    pub max_bytes: u64,
    /// The log of skipped entries.
    pub bad: &'a BadEntries,
}

impl View {
    pub(super) fn new(watcher: Option<Arc<dyn Watcher>>) -> Self {
        Self { index: Index::default(), watcher, watched: None, turn: 0 }
    }

    /// Brings the index up to date. Opens only files of other programs, and each once.
    pub(super) fn look(&mut self, source: ViewSource<'_>) -> io::Result<&mut Index> {
        let report = self.ask(source.folders);
        // An error on the way means that the folders must be read next time.
        self.turn = 0;
        match &report {
            Some(ViewChanges { changes: Some(changes), .. }) => {
                for (folder, change) in changes {
                    self.change(source, *folder, change);
                }
            }
            Some(ViewChanges { changes: None, .. }) | None => self.read(source)?,
        }
        self.turn = report.map_or(0, |report| report.turn);
        self.index.settle();
        self.meet(source)?;
        Ok(&mut self.index)
    }

    /// Adds a file by `deliver`, and notes it, because another program may rename it before the next look.
    pub(super) fn put(&mut self, file: FileName, deliver: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        deliver()?;
        self.index.came(file);
        self.index.settle();
        Ok(())
    }

    /// The messages that `query` asks for. Opens only files that it shows and that were not opened before.
    pub(super) fn page(&mut self, source: ViewSource<'_>, query: &Query) -> io::Result<Page> {
        let index = self.look(source)?;
        let (ids, next) = query.choose(|status, urgency| index.by_status(status, urgency));
        let total = query.total(|status, urgency| index.by_status(status, urgency));
        let mut entries = Vec::with_capacity(ids.len());
        for id in ids {
            entries.extend(entry(index, source, id)?);
        }
        Ok(Page { entries, next, total })
    }

    /// The message `id`, if it is there. Opens only its file, and only if that was not opened before.
    pub(super) fn entry(&mut self, source: ViewSource<'_>, id: MessageId) -> io::Result<Option<Entry>> {
        entry(self.look(source)?, source, id)
    }

    /// Asks the disk for changes; `None` if it does not report any.
    fn ask(&mut self, folders: &Folders) -> Option<ViewChanges> {
        let watcher = self.watcher.as_deref()?;
        let now =
            [watcher.watch_folder(folders.folder(Folder::New)).ok()?, watcher.watch_folder(folders.folder(Folder::Cur)).ok()?];
        if let Some(before) = self.watched.replace(now).filter(|before| *before != now) {
            let left: Vec<_> = before.into_iter().filter(|folder| !now.contains(folder)).collect();
            watcher.forget(&left);
            self.turn = 0;
        }
        let report = watcher.changes(&now, self.turn).ok()?;
        let mut changes = Some(Vec::new());
        for (folder, of_folder) in [Folder::New, Folder::Cur].into_iter().zip(report.changes) {
            changes = match (changes, of_folder) {
                (Some(mut all), FolderChanges::Names(names)) => {
                    all.extend(names.into_iter().map(|name| (folder, name)));
                    Some(all)
                }
                (_, FolderChanges::Unknown) | (None, FolderChanges::Names(_)) => None,
            };
        }
        Some(ViewChanges { turn: report.turn, changes })
    }

    fn change(&mut self, source: ViewSource<'_>, folder: Folder, change: &NameChange) {
        let (NameChange::Added(name) | NameChange::Removed(name)) = change;
        let Some(file) = FileName::parse(folder, name.clone()) else { return };
        match change {
            NameChange::Removed(_) => self.index.gone(&file),
            NameChange::Added(_)
                if !self.index.knows(&file) && matches!(source.disk.is_file(&source.folders.path(&file)), Ok(false)) =>
            {
                source.bad.note_other(source.disk, &source.folders.path(&file));
            }
            NameChange::Added(_) => self.index.came(file),
        }
    }

    /// Reads the folders.
    ///
    /// A file that is renamed while its folder is read may be missed. So if a file is missing that was there before, the folders are read
    /// some more times to confirm that it is gone.
    fn read(&mut self, source: ViewSource<'_>) -> io::Result<()> {
        let MaildirListing { mut files, others } = source.folders.list(source.disk)?;
        for path in &others {
            source.bad.note_other(source.disk, path);
        }
        for _ in 1..LOOKS_AT_MOST {
            if !self.index.misses(&files) {
                break;
            }
            let again = source.folders.list(source.disk)?.files;
            let located: HashSet<&str> = files.iter().map(FileName::base).collect();
            let missed: Vec<_> = again.into_iter().filter(|file| !located.contains(file.base())).collect();
            files.extend(missed);
        }
        self.index.replace(files);
        Ok(())
    }

    /// Reads the files that other programs have put here, as far as they were not read before.
    fn meet(&mut self, source: ViewSource<'_>) -> io::Result<()> {
        for (base, file) in self.index.unread() {
            let bytes = match source.folders.with_renames(source.disk, &file, |file| read(source, file)) {
                Ok(Some(bytes)) => bytes,
                Ok(None) => continue,
                Err(error) if concerns_entry(&error) => {
                    source.bad.note(&source.folders.path(&file), &error);
                    if disk::is_not_a_file(&error) {
                        self.index.learn(&base, None);
                    }
                    // Other files are tried again: an operator may make them readable.
                    continue;
                }
                Err(error) => return Err(error),
            };
            let message = bytes.map(Bytes::from).and_then(|mail| {
                let message = wire::decode(&mail).ok()?;
                Some((message.head().clone(), mail.len() as u64))
            });
            self.index.learn(&base, message);
        }
        Ok(())
    }
}

impl Drop for View {
    fn drop(&mut self) {
        if let (Some(watcher), Some(folders)) = (&self.watcher, &self.watched) {
            watcher.forget(folders);
        }
    }
}

/// The changes of a Maildir's folders that the disk reported.
struct ViewChanges {
    turn: u64,
    /// The changes in order; `None` if they are not known.
    changes: Option<Vec<(Folder, NameChange)>>,
}

/// The message `id` as a list shows it; `None` if it is gone by now.
fn entry(index: &mut Index, source: ViewSource<'_>, id: MessageId) -> io::Result<Option<Entry>> {
    if let Some(entry) = index.entry(id) {
        return Ok(Some(entry));
    }
    let Some(located) = index.find(id) else { return Ok(None) };
    let head = read_head(index, source, &located)?;
    Ok(head.map(|head| Entry { head, status: located.status() }))
}

/// Reads and remembers the head of the message; `None` if the file is gone by now.
fn read_head(index: &mut Index, source: ViewSource<'_>, located: &LocatedMessage) -> io::Result<Option<Head>> {
    let Some(own) = &located.own else { return Ok(None) };
    let block = match source.folders.with_renames(source.disk, &located.file.name, |file| read_start(source, file)) {
        Ok(Some(block)) => block,
        Ok(None) => return Ok(None),
        Err(error) if concerns_entry(&error) => {
            source.bad.note(&source.folders.path(&located.file.name), &error);
            return Ok(Some(own_head(located.id, own, b"")));
        }
        Err(error) => return Err(error),
    };
    let head = own_head(located.id, own, &block);
    index.set_head(located.id, head.clone());
    Ok(Some(head))
}

/// The head of a message that this store has put here. Where file and name differ, the name is right: a message may be kept under a different id.
///
/// A message whose file is damaged is not hidden: its head is made of its name.
fn own_head(id: MessageId, own: &OwnName, mail: &[u8]) -> Head {
    let (secs, nanos) = own.recorded;
    let head = wire::decode_head(mail).unwrap_or_else(|_| Head {
        id,
        caller: Caller::default(),
        recorded_at: RecordedAt {
            instant: chrono::DateTime::from_timestamp(secs, nanos).unwrap_or_default(),
            zone: chrono_tz::UTC,
            quality: ClockQuality::unknown(ClockSource::System),
        },
        site: None,
        urgency: own.urgency,
        privacy: Privacy::Normal,
        length: own.length,
        end_reason: EndReason::Complete,
        call_details: CallDetails::default(),
        language: None,
        receipt: None,
        kind: MessageKind::Voice,
    });
    // The part of the mail that was read may end before its sound does, or the header of the sound may be wrong.
    let is_right = own.length.is_zero() || head.length.as_millis() == own.length.as_millis();
    let length = if is_right { head.length } else { own.length };
    Head { id, urgency: own.urgency, length, ..head }
}

/// The whole file; `None` if it is too large to be opened.
fn read(source: ViewSource<'_>, file: &FileName) -> io::Result<Option<Vec<u8>>> {
    let path = source.folders.path(file);
    if source.disk.open_to_read(&path)?.len()? > source.max_bytes {
        return Ok(None);
    }
    disk::read(source.disk, &path).map(Some)
}

/// The beginning of the file with its header block, which is at most [`wire::HEAD_LIMIT`] and mostly far shorter.
fn read_start(source: ViewSource<'_>, file: &FileName) -> io::Result<Vec<u8>> {
    let file = source.disk.open_to_read(&source.folders.path(file))?;
    let whole = usize::try_from(file.len()?).unwrap_or(usize::MAX);
    let read = |len: usize| {
        let mut start = vec![0; len.min(whole)];
        file.read_exact_at(&mut start, 0).map(|()| start)
    };
    let start = read(USUAL_HEAD)?;
    if wire::decode_head(&start) == Err(wire::DecodeError::HeaderCutShort) { read(wire::HEAD_LIMIT) } else { Ok(start) }
}

/// How often a folder is read before a file that was there counts as gone. A program that renames as fast as it can hides a file from one
/// look in twenty or so.
const LOOKS_AT_MOST: usize = 8;
/// A size that most header blocks fit into, in bytes.
const USUAL_HEAD: usize = 4096;
