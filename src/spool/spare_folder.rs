//! [`clean_spare_folder`]: what an earlier run has left in the folder of spare files. Everything here blocks.

use std::io;
use std::path::{Path, PathBuf};

use super::file::Pieces;
use super::head::{HeadSize, is_settled, is_sound_file, read_head};
use super::name::EXTENSION;
use super::{RECORDING, SPARE};
use crate::disk::{self, Disk, DiskFile};
use crate::message::{ContentDigest, MessageId};

/// Removes the spare files of an earlier run, and returns the paths of all files that are none, with the reasons.
///
/// A file that has a message becomes a recording again, under its own name: a sound that was given whole and not queued yet, or one that was
/// sent just before a crash, which is sent again and stored once by the receiver. So does the file of a call that a power cut gave its name
/// as a spare file back.
pub(super) fn clean_spare_folder(disk: &dyn Disk, root: &Path) -> io::Result<Vec<(PathBuf, String)>> {
    let mut others = Vec::new();
    for name in disk.list(&root.join(SPARE))? {
        let path = root.join(SPARE).join(&name);
        match look(disk, &path, &name) {
            Ok(FolderEntry::Spare) => disk.remove(&path)?,
            Ok(FolderEntry::Recording(id)) => {
                let recording = root.join(RECORDING).join(format!("{id}{EXTENSION}"));
                match disk.link(&path, &recording) {
                    Ok(()) => disk.sync_dir(&root.join(RECORDING)).and_then(|()| disk.remove(&path))?,
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                        others.push((path, "a recording has the name of this one".to_owned()));
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(FolderEntry::Foreign(reason)) => others.push((path, reason)),
            Err(error) if disk::is_not_a_file(&error) => others.push((path, error.to_string())),
            Err(error) => return Err(error),
        }
    }
    Ok(others)
}

/// Returns a number above those of all spare files that could not be removed, so that none is replaced.
pub(super) fn first_free(disk: &dyn Disk, root: &Path) -> io::Result<u64> {
    let names = disk.list(&root.join(SPARE))?;
    let last = names.iter().filter_map(|name| name.parse::<u64>().ok()).max();
    Ok(last.map_or(0, |last| last.wrapping_add(1)))
}

/// The kind of a file in the folder of spare files.
enum FolderEntry {
    /// The file has no message, or its message has another name in the right folder, or only a part of a message reached the disk and its
    /// sender had no answer.
    Spare,
    /// The file is a recording, finished or not.
    Recording(MessageId),
    /// The file is anything else, for the reason given.
    Foreign(String),
}

fn look(disk: &dyn Disk, path: &Path, name: &str) -> io::Result<FolderEntry> {
    if name.parse::<u64>().is_err() {
        return Ok(FolderEntry::Foreign("it is not a spare file of the spool".to_owned()));
    }
    let file = disk.open(path)?;
    if file.is_empty()? || file.links()? > 1 || is_never_answered(&*file)? {
        return Ok(FolderEntry::Spare);
    }
    match read_head(&*file) {
        Ok(head) => Ok(FolderEntry::Recording(head.head.id)),
        Err(error) if is_settled(&error) => Ok(FolderEntry::Spare),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(FolderEntry::Foreign(error.to_string())),
        Err(error) => Err(error),
    }
}

/// Whether the file was to hold a sound that is given whole, and not all of it is there: its sender had no answer, and the rest of the file
/// may be an earlier sound.
pub(super) fn is_never_answered(file: &dyn DiskFile) -> io::Result<bool> {
    let len = file.len()?;
    let first_lines = HeadSize::Small.bytes();
    let start = file.read_at(0, usize::try_from(len).map_or(first_lines, |len| len.min(first_lines)))?;
    if !is_sound_file(&start) {
        return Ok(false);
    }
    let head = match read_head(file) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(true),
        head => head?,
    };
    let Some((sound_len, digest)) = head.audio else { return Ok(true) };
    let is_there = len.checked_sub(head.len()).is_some_and(|written| written >= sound_len);
    Ok(!is_there || ContentDigest::of_parts(Pieces { file, start: head.len(), at: 0, end: sound_len })? != digest)
}
