//! Files that are no messages: they are moved to `unreadable/`, and never removed. Everything here blocks.

use std::io;
use std::path::Path;

use super::{Spool, UNREADABLE};
use crate::disk::{self, Disk};
use crate::event::Event;

/// A file that was moved to `unreadable/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct QuarantinedFile {
    /// The name of the file in `unreadable/`.
    pub(super) file: String,
    /// Why the file was moved there.
    pub(super) reason: String,
}

impl QuarantinedFile {
    pub(super) fn into_event(self) -> Event {
        let Self { file, reason } = self;
        Event::Unreadable { file, reason }
    }
}

impl Spool {
    /// Moves the file at `path` to `unreadable/`, unchanged, and reports it.
    pub(super) fn quarantine(&self, path: &Path, reason: String) -> io::Result<()> {
        let _alone = self.shared.moving.lock();
        let aside = quarantine(&*self.shared.disk, &self.shared.root, path, reason)?;
        self.shared.events.emit(aside.into_event());
        Ok(())
    }
}

/// Moves the file at `path` to `unreadable/` of the spool at `root`. No file there is replaced: the second of two files with one name gets
/// a number. A power cut at any moment leaves the file in one of the two folders, or in both.
pub(super) fn quarantine(disk: &dyn Disk, root: &Path, path: &Path, reason: String) -> io::Result<QuarantinedFile> {
    let folder = root.join(UNREADABLE);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let taken = disk.list(&folder)?;
    if taken.contains(&name) && have_same_bytes(disk, path, &folder.join(&name)) {
        // An earlier run of the node was cut off after this step.
        disk.sync_dir(&folder).and_then(|()| disk.remove(path))?;
        return Ok(QuarantinedFile { file: name, reason });
    }
    let numbered = (1..).map(|number: u64| format!("{name}.{number}"));
    let file = std::iter::once(name.clone()).chain(numbered).find(|name| !taken.contains(name)).unwrap_or(name);
    let to = folder.join(&file);
    match disk.link(path, &to) {
        Ok(()) => {
            let moved = disk.sync_dir(&folder).and_then(|()| disk.remove(path));
            if moved.is_err() {
                // It stays where it is, and is moved the next time.
                let _ = disk.remove(&to);
            }
            moved?;
        }
        // The name was taken in between: the next attempt uses another one.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
        // A folder, for example, cannot have two names.
        Err(_) => disk.rename(path, &to).and_then(|()| disk.sync_dir(&folder))?,
    }
    Ok(QuarantinedFile { file, reason })
}

/// Whether both are files with the same bytes, so that one of the two may be removed.
fn have_same_bytes(disk: &dyn Disk, one: &Path, other: &Path) -> bool {
    let len = |path| disk.open(path).and_then(|file| file.len()).ok();
    let alike_long = len(one).is_some_and(|bytes| bytes <= MAX_COMPARED && len(other) == Some(bytes));
    alike_long && disk::read(disk, one).is_ok_and(|bytes| disk::read(disk, other).is_ok_and(|others| bytes == others))
}

/// Longer files count as different.
const MAX_COMPARED: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{PowerCutDisk, Unsynced};

    fn write(disk: &PowerCutDisk, path: &str, bytes: &[u8]) {
        let file = disk.create(Path::new(path)).unwrap();
        file.write_all_at(bytes, 0).unwrap();
        file.sync().unwrap();
    }

    #[test]
    fn a_quarantined_file_replaces_nothing_and_survives_a_power_cut() {
        let disk = PowerCutDisk::new();
        for folder in ["/queue", "/unreadable"] {
            disk.create_dir(Path::new(folder)).unwrap();
        }
        disk.sync_dir(Path::new("/")).unwrap();
        for (bytes, expected) in [("one", "x"), ("two", "x.1"), ("one", "x"), ("three", "x.2")] {
            write(&disk, "/queue/x", bytes.as_bytes());
            let aside = quarantine(&disk, Path::new("/"), Path::new("/queue/x"), "bad".to_owned()).unwrap();
            assert_eq!(aside, QuarantinedFile { file: expected.to_owned(), reason: "bad".to_owned() });
            disk.sync_dir(Path::new("/queue")).unwrap();
            disk.power_cut(Unsynced::Forgotten);
            assert_eq!(disk.list(Path::new("/queue")).unwrap(), [""; 0]);
            assert_eq!(disk::read(&disk, &Path::new("/unreadable").join(expected)).unwrap(), bytes.as_bytes());
        }
        assert_eq!(disk.list(Path::new("/unreadable")).unwrap(), ["x", "x.1", "x.2"]);
    }
}
