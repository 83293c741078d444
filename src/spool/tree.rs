//! The spool's folders: how they are opened, also after a crash or a power cut, and how a file is moved between them.
//!
//! Everything here blocks.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use chrono::{DateTime, Utc};

use super::head::MAX_HEAD_LEN;
use super::name::{EXTENSION, EntryName};
use super::parking::note_name;
use super::quarantine::{QuarantinedFile, quarantine};
use super::relayed::{clean_said, read_relayed};
use super::spare_folder::{clean_spare_folder, first_free};
use super::{PARKED, QUEUE, RECORDING, SPARE, SpoolShared, UNREADABLE};
use crate::disk::{self, Disk, DiskFile};

/// Creates the folders that are missing; returns the file to lock before any other file is changed.
pub(super) fn prepare_tree(disk: &dyn Disk, root: &Path) -> io::Result<Box<dyn DiskFile>> {
    for folder in [RECORDING, QUEUE, PARKED, UNREADABLE, SPARE] {
        disk::create_dirs(disk, &root.join(folder))?;
    }
    // The folders may come from a run that crashed before it could flush them.
    disk.sync_dir(root)?;
    if let Some(parent) = root.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        disk.sync_dir(parent)?;
    }
    open_or_create(disk, &root.join("lock"))
}

/// Reads the names of the messages that wait for each destination.
///
/// Once the folders exist, a full disk does not prevent reading: waiting messages can be sent, which frees space.
pub(super) fn read_tree(disk: &dyn Disk, root: &Path) -> io::Result<TreeContents> {
    if let Err(error) = write_readme(disk, root) {
        tracing::warn!(%error, "the spool's README.txt could not be written");
    }
    let mut found = TreeContents::default();
    match clean_spare_folder(disk, root) {
        Ok(others) => {
            for (path, reason) in &others {
                found.quarantine(disk, root, path, reason);
            }
        }
        Err(error) => tracing::warn!(%error, "spare files of an earlier run could not be removed"),
    }
    found.next_spare = first_free(disk, root)?;
    found.relayed = read_relayed(disk, root)?;
    let names = disk.list(&root.join(PARKED))?;
    let parked: HashSet<EntryName> = names.iter().filter_map(|name| name.parse().ok()).collect();
    clean_said(disk, &root.join(PARKED), &names, parked.iter().map(EntryName::id));
    for destination in disk.list(&root.join(QUEUE))? {
        let folder = root.join(QUEUE).join(&destination);
        let names = match disk.list(&folder) {
            // A file among the folders is no queue, and a symbolic link may lead nowhere.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotADirectory | io::ErrorKind::NotFound) => continue,
            names => names?,
        };
        let mut waiting = Vec::with_capacity(names.len());
        for name in names {
            match name.parse() {
                Ok(entry) => waiting.push(entry),
                // If it stayed here with a damaged name, it would never be sent.
                Err(()) if is_message_file(&name) => {
                    found.quarantine(disk, root, &folder.join(name), "its name is not the name of a waiting message");
                }
                Err(()) => {}
            }
        }
        let in_both: Vec<_> = waiting.iter().filter(|name| parked.contains(name)).collect();
        if !in_both.is_empty() {
            disk.sync_dir(&folder)?;
            in_both.into_iter().try_for_each(|name| unpark(disk, root, &folder, name, &mut found))?;
        }
        found.queues.push((destination, waiting));
    }
    Ok(found)
}

/// The contents of the folders when the spool was opened.
#[derive(Debug, Default)]
pub(super) struct TreeContents {
    /// The destinations, each with the names of the messages that wait for it.
    pub(super) queues: Vec<(String, Vec<EntryName>)>,
    /// The destinations, each with the times at which messages for it were relayed.
    pub(super) relayed: Vec<(String, Vec<DateTime<Utc>>)>,
    /// The files that were moved to `unreadable/`.
    pub(super) quarantined: Vec<QuarantinedFile>,
    /// The number of the next spare file.
    pub(super) next_spare: u64,
}

impl TreeContents {
    /// Moves the file at `path` to `unreadable/`. If that fails now, as on a full disk, the next start tries again.
    fn quarantine(&mut self, disk: &dyn Disk, root: &Path, path: &Path, reason: &str) {
        match quarantine(disk, root, path, reason.to_owned()) {
            Ok(aside) => self.quarantined.push(aside),
            Err(error) => tracing::warn!(path = %path.display(), %error, reason, "a file could not be moved to unreadable/"),
        }
    }
}

impl SpoolShared {
    /// Moves the file `name` from one folder to another so that a power cut at any moment leaves it in one of them, or in both.
    ///
    /// When this has returned, its place in the second folder is durable; its removal from the first is durable once that folder is flushed
    /// too. After an error it is where it was. If another file has its name in the second folder, it is moved to `unreadable/`.
    pub(super) fn move_file(&self, from: &Path, to: &Path, name: &str) -> io::Result<()> {
        let disk = &*self.disk;
        // Two calls that move one file must not remove each other's name.
        let _alone = self.moving.lock();
        let linked = disk.link(&from.join(name), &to.join(name));
        match &linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return linked,
            Err(_) if !is_same_file(disk, &from.join(name), &to.join(name))? => {
                let aside = quarantine(disk, &self.root, &from.join(name), NAME_CONFLICT.to_owned())?;
                self.events.emit(aside.into_event());
                return Ok(());
            }
            // An earlier run of the node was cut off after this step.
            Err(_) | Ok(()) => {}
        }
        let moved = self.flush.sync_dir(disk, to).and_then(|()| disk.remove(&from.join(name)));
        if moved.is_err()
            && linked.is_ok()
            && let Err(error) = disk.remove(&to.join(name))
        {
            tracing::warn!(name, %error, "a message is in two folders; the next start makes it wait");
        }
        moved
    }
}

/// Removes the parked name of a message that is also queued: its parking or its release was cut off before it was reported. To send it
/// again does no harm. If the parked file is another one with the same name, it is moved to `unreadable/`.
fn unpark(disk: &dyn Disk, root: &Path, waiting: &Path, name: &EntryName, found: &mut TreeContents) -> io::Result<()> {
    let parked = root.join(PARKED);
    let path = parked.join(name.to_string());
    if !is_same_file(disk, &path, &waiting.join(name.to_string()))? {
        found.quarantine(disk, root, &path, NAME_CONFLICT);
        return Ok(());
    }
    disk.remove(&path)?;
    match disk.remove(&parked.join(note_name(name))) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether two names lead to one file, as after a move that was cut off, or to two files with the same message.
pub(super) fn is_same_file(disk: &dyn Disk, one: &Path, other: &Path) -> io::Result<bool> {
    let open = |path| match disk.open_to_read(path) {
        Err(error) if disk::is_not_a_file(&error) => Ok(None),
        opened => opened.map(Some),
    };
    let (Some(one), Some(other)) = (open(one)?, open(other)?) else { return Ok(false) };
    let (links, len) = (one.links()?, one.len()?);
    if links < 2 || (links, len) != (other.links()?, other.len()?) {
        return Ok(false);
    }
    let head = usize::try_from(len).map_or(MAX_HEAD_LEN, |len| len.min(MAX_HEAD_LEN));
    Ok(one.read_at(0, head)? == other.read_at(0, head)?)
}

/// Whether the file has a name like those that the spool gives.
fn is_message_file(name: &str) -> bool {
    name.ends_with(EXTENSION) && !name.starts_with('.')
}

/// Writes the file that describes the folders to an operator.
fn write_readme(disk: &dyn Disk, root: &Path) -> io::Result<()> {
    let readme = open_or_create(disk, &root.join("README.txt"))?;
    if readme.len()? != README.len() as u64 {
        readme.write_all_at(README.as_bytes(), 0)?;
    }
    Ok(())
}

/// Opens a file, or creates it if it is missing; two calls at once get the same file.
fn open_or_create(disk: &dyn Disk, path: &Path) -> io::Result<Box<dyn DiskFile>> {
    match disk.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match disk.create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => disk.open(path),
            created => created,
        },
        opened => opened,
    }
}

/// The reason to quarantine a file that cannot be moved because another one has its name.
pub(super) const NAME_CONFLICT: &str = "another file has its name in the folder where it belongs";

const README: &str = "\
This folder holds voice messages that wait to be forwarded to another voicemail node.

recording/    calls being recorded just now
queue/NODE/   finished messages waiting for NODE, in the order in which they go: 0-... urgent, 1-... normal, oldest first
relayed/NODE/ messages that a mail server has accepted, until NODE sends its receipt; what it wrote last is in ID.said
parked/       messages that were refused for good or put aside; the .txt beside each says why
unreadable/   files that are no messages, or not the one that their name says; the node's events say why
spare/        files for the next messages: a sound that was sent stays in one for a minute at most
greetings/    what owners say to their callers, as sound files; kept by the node, and not waiting for anything

  head -20 FILE             shows what is known of a message
  tail -c +1025 FILE >x.wav  gives the recording itself

Nothing here may be changed by hand while a node runs. While none runs, a file may be moved between
queue/NODE/ and parked/ without a change of its name.
";

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::disk::{FaultyDisk, InjectedFault, PowerCutDisk};

    #[test]
    fn a_file_that_another_start_creates_in_between_is_opened() {
        let disk = FaultyDisk::new(Arc::new(PowerCutDisk::new()));
        let path = Path::new("lock");
        open_or_create(&disk, path).unwrap().write_all_at(b"the first", 0).unwrap();
        // The first look comes before the other start has created it.
        disk.fail(InjectedFault::after(0, io::ErrorKind::NotFound));
        assert_eq!(open_or_create(&disk, path).unwrap().len().unwrap(), 9);
        assert_eq!(disk.mend(), 1);
    }
}
