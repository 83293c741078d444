//! [`Staged`]: a message that is being written, outside all mailboxes, because an IMAP server would remove files from `tmp` that it takes for old.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use crate::disk::{self, Disk, DiskFile};
use crate::message::MessageId;

/// A message that is written and flushed, and in no mailbox yet. If it is dropped, its file is removed.
///
/// The file is locked as long as it is staged, which distinguishes it from the remains of a dead process.
#[derive(Debug)]
pub(super) struct Staged {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    size: u64,
    delivered: bool,
}

impl Staged {
    /// Writes `parts` one after the other into a new file in `folder` and flushes it.
    pub(super) fn write(
        disk: &Arc<dyn Disk>,
        folder: &Path,
        parts: impl IntoIterator<Item = io::Result<Bytes>>,
        modified: SystemTime,
    ) -> io::Result<Self> {
        let mut staged = Self::create(disk, folder)?;
        for part in parts {
            staged.append(&part?)?;
        }
        staged.flush(modified)?;
        Ok(staged)
    }

    /// Appends `bytes`.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.size)?;
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Flushes the file.
    pub(super) fn flush(&self, modified: SystemTime) -> io::Result<()> {
        self.file.set_modified(modified)?;
        self.file.sync()
    }

    /// The file, which can be read also after it was renamed or removed.
    pub(super) fn file(&self) -> Arc<dyn DiskFile> {
        Arc::clone(&self.file)
    }

    /// Renames the file to `to`, where it is visible.
    pub(super) fn deliver(mut self, to: &Path) -> io::Result<()> {
        self.disk.rename(&self.path, to)?;
        self.delivered = true;
        Ok(())
    }

    /// Where the file is, until it is delivered.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is a file in `folder`.
    pub(super) fn is_in(&self, folder: &Path) -> bool {
        self.path.parent() == Some(folder)
    }

    /// How many bytes it has.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// A new file in `folder`, empty.
    pub(super) fn create(disk: &Arc<dyn Disk>, folder: &Path) -> io::Result<Self> {
        loop {
            let path = folder.join(MessageId::random().to_string());
            let file = disk.create(&path)?.into();
            let staged = Self { disk: Arc::clone(disk), path, file, size: 0, delivered: false };
            staged.file.lock()?;
            // Before the lock was taken, another process that opens the store may have removed the file as one of a dead process.
            if staged.file.links()? > 0 {
                return Ok(staged);
            }
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.delivered {
            // A file that cannot be removed now is removed when the store is opened.
            let _ = self.disk.remove(&self.path);
        }
    }
}

/// Removes the files that dead processes have left in `folder`: no sender got an answer for them. Files that are being written are locked and
/// stay; their own process removes them.
pub(super) fn clean(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    for name in disk.list(folder)?.iter().filter(|name| name.parse::<MessageId>().is_ok()) {
        let path = folder.join(name);
        let removed = disk.open(&path).and_then(|file| if file.try_lock()? { disk.remove(&path) } else { Ok(()) });
        match removed {
            // An entry that is not a file was not written by a store.
            Err(error) if error.kind() != io::ErrorKind::NotFound && !disk::is_not_a_file(&error) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::PowerCutDisk;

    #[test]
    fn cleaning_removes_only_files_of_dead_processes() {
        let disk: Arc<dyn Disk> = Arc::new(PowerCutDisk::new());
        disk.create(&Path::new("/").join(MessageId::random().to_string())).unwrap();
        disk.create_dir(Path::new("/not ours")).unwrap();
        let parts = [Ok(Bytes::from_static(b"live"))];
        let staged = Staged::write(&disk, Path::new("/"), parts, SystemTime::UNIX_EPOCH).unwrap();
        clean(&*disk, Path::new("/")).unwrap();
        staged.deliver(Path::new("/delivered")).unwrap();
        assert_eq!(disk.list(Path::new("/")).unwrap(), ["delivered", "not ours"]);
    }
}
