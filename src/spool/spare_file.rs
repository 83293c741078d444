//! [`SpareFile`]: a file that no message needs any more, with the sound that it had.
//!
//! A file that is written over costs the disk less than a new one, and less than one that was emptied: its blocks need not be freed and
//! taken again. So a delivered message's sound stays in its file until the next one is written over it, or for [`SOUND_STAYS`].
//!
//! No caller's words can get into another one's message by that, wherever a crash or a power cut comes:
//!
//! - **Only sounds that were given whole are written over an old one**, and only over another such sound. Their head has length and
//!   digest of the sound and a check of its own lines, and is written last. As long as not all of it is flushed, the file has only a name
//!   in `spare/`. The next start makes a message of it only if head and sound match, and removes it otherwise: its sender had no answer.
//! - **A file is cut to the new sound's length** before that is written, so nothing follows the sound.
//! - **The file of a call is emptied before it is used**, because what is in it after a crash is taken for the call's sound.
//! - **The head of a delivered message is written over at once.** A power cut that gives the file its name in a queue back does not give the
//!   message back.
//!
//! Everything here blocks.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::head::{is_sound_file, settled_head};
use crate::disk::{Disk, DiskFile};

/// One file in the folder of spare files, open.
#[derive(Debug)]
pub(super) struct SpareFile {
    pub(super) path: PathBuf,
    pub(super) file: Box<dyn DiskFile>,
    /// How many bytes of its last message are still in it.
    len: u64,
    /// Since when it is spare.
    since: Instant,
}

impl SpareFile {
    /// The file at `path`, which has `len` bytes of a message that is settled.
    pub(super) fn new(path: PathBuf, file: Box<dyn DiskFile>, len: u64, since: Instant) -> Self {
        Self { path, file, len, since }
    }

    /// Removes the message from the file: all of it, or only its head if the next sound may be written over this one.
    pub(super) fn settle(&mut self, keep: Keep) -> io::Result<()> {
        let settled = settled_head();
        if keep == Keep::Sound && self.len >= settled.len() as u64 && is_sound_file(&self.file.read_at(0, settled.len())?) {
            return self.file.write_all_at(&settled, 0);
        }
        self.cut(0)
    }

    /// Cuts the file to at most `len` bytes, and writes a message over what is left. If that fails the file is removed.
    pub(super) fn write_over(
        mut self,
        disk: &dyn Disk,
        len: u64,
        write: impl FnOnce(&dyn DiskFile) -> io::Result<()>,
    ) -> Option<Self> {
        if self.cut(len).and_then(|()| write(&*self.file)).is_err() {
            // It may be gone already.
            let _ = disk.remove(&self.path);
            return None;
        }
        Some(self)
    }

    /// Renames the file to `path`. If that fails it is removed.
    pub(super) fn move_to(self, disk: &dyn Disk, path: &Path) -> Option<Box<dyn DiskFile>> {
        if disk.rename(&self.path, path).is_err() {
            let _ = disk.remove(&self.path);
            return None;
        }
        Some(self.file)
    }

    /// Cuts the file to at most `len` bytes.
    pub(super) fn cut(&mut self, len: u64) -> io::Result<()> {
        if self.len > len {
            self.file.set_len(len)?;
            self.len = len;
        }
        Ok(())
    }

    /// When the sound in it has stayed long enough; `None` if there is no sound in it.
    pub(super) fn cut_at(&self) -> Option<Instant> {
        (self.len > 0).then(|| self.since + SOUND_STAYS)
    }
}

/// The part of a settled message that stays in a spare file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// Nothing.
    Nothing,
    /// The sound, if it was given whole: another one may be written over it.
    Sound,
}

/// How long a sound that was delivered stays in a spare file that nobody uses.
pub(super) const SOUND_STAYS: Duration = Duration::from_secs(60);
