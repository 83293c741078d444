//! [`FaultyDisk`].

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::disk::{Bell, Disk, DiskFile, Listing, Room, Told, Watch, WatchedFolder};

/// Another disk, which counts what is asked of it and fails as planned; clones are the same disk.
///
/// A failing write has written half of its bytes. All other operations that fail have done nothing.
///
/// ```
/// use std::io::ErrorKind;
/// use std::path::Path;
/// use std::sync::Arc;
/// use voicemail::disk::{Disk, Fault, FaultyDisk, PowerCutDisk};
///
/// let disk = FaultyDisk::new(Arc::new(PowerCutDisk::new()));
/// disk.fail(Fault::after(1, ErrorKind::StorageFull));
/// assert!(disk.create_dir(Path::new("/mail")).is_ok());
/// assert_eq!(disk.create_dir(Path::new("/more")).unwrap_err().kind(), ErrorKind::StorageFull);
/// assert!(disk.create_dir(Path::new("/more")).is_ok());
/// ```
#[derive(Debug, Clone)]
pub struct FaultyDisk {
    disk: Arc<dyn Disk>,
    faults: Arc<Faults>,
}

impl FaultyDisk {
    /// `disk`, without a fault yet.
    pub fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk, faults: Arc::default() }
    }

    /// Fails like this from now on, and no longer like any fault before.
    pub fn fail(&self, fault: Fault) {
        *self.faults.lock() = Plan { fault: Some(fault), met: 0 };
    }

    /// Fails no more. Answers how often the last fault was met.
    pub fn mend(&self) -> u64 {
        std::mem::take(&mut *self.faults.lock()).met
    }

    /// How often each operation was asked for since this disk was made, also where it failed.
    pub fn counts(&self) -> BTreeMap<Operation, u64> {
        self.faults.counts().clone()
    }

    /// Answers `room` to [`Disk::room`] from now on, whatever the disk below has.
    pub fn pretend_room(&self, room: Room) {
        self.faults.lock_room().replace(room);
    }
}

/// Which operations fail, and how.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    after: u64,
    kind: io::ErrorKind,
    lasting: bool,
    only: fn(Operation) -> bool,
}

impl Fault {
    /// `operations` succeed and the next one fails with `kind`.
    pub fn after(operations: u64, kind: io::ErrorKind) -> Self {
        Self { after: operations, kind, lasting: false, only: |_| true }
    }

    /// So do all after it: a disk that is gone, or a process that was killed.
    #[must_use]
    pub fn lasting(self) -> Self {
        Self { lasting: true, ..self }
    }

    /// Neither counts nor fails any operation but these.
    #[must_use]
    pub fn only(self, only: fn(Operation) -> bool) -> Self {
        Self { only, ..self }
    }
}

/// What a disk is asked to do: a method of [`Disk`], [`DiskFile`] or [`Watch`], by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is documented at the method it is named after")]
#[non_exhaustive]
pub enum Operation {
    Create,
    Open,
    Link,
    Rename,
    Remove,
    CreateDir,
    SyncDir,
    List,
    IsFile,
    Room,
    ReadExactAt,
    WriteAllAt,
    Len,
    Clear,
    Links,
    Changed,
    SetModified,
    Sync,
    Lock,
    WatchFolder,
    WatchChanges,
}

impl Operation {
    /// Whether it can fail because no room is left.
    pub fn needs_room(self) -> bool {
        match self {
            Self::Create | Self::Link | Self::Rename | Self::CreateDir | Self::WriteAllAt | Self::Sync => true,
            Self::Open
            | Self::Remove
            | Self::SyncDir
            | Self::List
            | Self::IsFile
            | Self::Room
            | Self::ReadExactAt
            | Self::Len
            | Self::Clear
            | Self::Links
            | Self::Changed
            | Self::SetModified
            | Self::Lock
            | Self::WatchFolder
            | Self::WatchChanges => false,
        }
    }
}

impl Disk for FaultyDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.faults.meet(Operation::Create)?;
        Ok(self.file(self.disk.create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.faults.meet(Operation::Open)?;
        Ok(self.file(self.disk.open(path)?))
    }

    fn open_to_read(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.faults.meet(Operation::Open)?;
        Ok(self.file(self.disk.open_to_read(path)?))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.faults.meet(Operation::Link)?;
        self.disk.link(from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.faults.meet(Operation::Rename)?;
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.faults.meet(Operation::Remove)?;
        self.disk.remove(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.faults.meet(Operation::CreateDir)?;
        self.disk.create_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.faults.meet(Operation::SyncDir)?;
        self.disk.sync_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.faults.meet(Operation::List)?;
        self.disk.list(path)
    }

    fn list_files(&self, path: &Path) -> io::Result<Listing> {
        self.faults.meet(Operation::List)?;
        self.disk.list_files(path)
    }

    /// What the disk below says; it is counted and meets no fault.
    fn is_file(&self, path: &Path) -> io::Result<bool> {
        self.faults.count(Operation::IsFile);
        self.disk.is_file(path)
    }

    fn room(&self, path: &Path) -> io::Result<Room> {
        self.faults.meet(Operation::Room)?;
        let pretended = *self.faults.lock_room();
        pretended.map_or_else(|| self.disk.room(path), Ok)
    }

    /// The watch of the disk below; what is asked of it is counted and meets no fault.
    fn watch(&self, path: &Path) -> io::Result<Box<dyn Watch>> {
        Ok(Box::new(CountedWatch { watch: self.disk.watch(path)?, faults: Arc::clone(&self.faults) }))
    }

    /// The bell of the disk below; it costs no operation and meets no fault.
    fn bell(&self, path: &Path) -> io::Result<Box<dyn Bell>> {
        self.disk.bell(path)
    }

    /// What the disk below says; it costs no operation and meets no fault.
    fn folder_changed(&self, path: &Path) -> io::Result<SystemTime> {
        self.disk.folder_changed(path)
    }
}

impl FaultyDisk {
    fn file(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(FaultyFile { file, faults: Arc::clone(&self.faults) })
    }
}

#[derive(Debug)]
struct FaultyFile {
    file: Box<dyn DiskFile>,
    faults: Arc<Faults>,
}

impl DiskFile for FaultyFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.faults.meet(Operation::ReadExactAt)?;
        self.file.read_exact_at(buffer, offset)
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.faults.meet(Operation::ReadExactAt)?;
        self.file.read_at(offset, len)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let met = self.faults.meet(Operation::WriteAllAt);
        let written = if met.is_ok() { bytes } else { &bytes[..bytes.len() / 2] };
        self.file.write_all_at(written, offset).and(met)
    }

    fn len(&self) -> io::Result<u64> {
        self.faults.meet(Operation::Len)?;
        self.file.len()
    }

    fn clear(&self) -> io::Result<()> {
        self.faults.meet(Operation::Clear)?;
        self.file.clear()
    }

    fn links(&self) -> io::Result<u64> {
        self.faults.meet(Operation::Links)?;
        self.file.links()
    }

    fn set_modified(&self, modified: SystemTime) -> io::Result<()> {
        self.faults.meet(Operation::SetModified)?;
        self.file.set_modified(modified)
    }

    fn changed(&self) -> io::Result<SystemTime> {
        self.faults.meet(Operation::Changed)?;
        self.file.changed()
    }

    fn sync(&self) -> io::Result<()> {
        self.faults.meet(Operation::Sync)?;
        self.file.sync()
    }

    fn lock(&self) -> io::Result<()> {
        self.faults.meet(Operation::Lock)?;
        self.file.lock()
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.faults.meet(Operation::Lock)?;
        self.file.try_lock()
    }
}

#[derive(Debug)]
struct CountedWatch {
    watch: Box<dyn Watch>,
    faults: Arc<Faults>,
}

impl Watch for CountedWatch {
    fn folder(&self, path: &Path) -> io::Result<WatchedFolder> {
        self.faults.count(Operation::WatchFolder);
        self.watch.folder(path)
    }

    fn changes(&self, folders: &[WatchedFolder], since: u64) -> io::Result<Told> {
        self.faults.count(Operation::WatchChanges);
        self.watch.changes(folders, since)
    }

    fn forget(&self, folders: &[WatchedFolder]) {
        self.watch.forget(folders);
    }
}

/// The fault to come and the operations so far, shared by a disk and its files.
#[derive(Debug, Default)]
struct Faults {
    plan: Mutex<Plan>,
    counts: Mutex<BTreeMap<Operation, u64>>,
    room: Mutex<Option<Room>>,
}

#[derive(Debug, Default)]
struct Plan {
    fault: Option<Fault>,
    met: u64,
}

impl Faults {
    fn lock(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_room(&self) -> MutexGuard<'_, Option<Room>> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<Operation, u64>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, operation: Operation) {
        *self.counts().entry(operation).or_default() += 1;
    }

    fn meet(&self, operation: Operation) -> io::Result<()> {
        self.count(operation);
        let mut plan = self.lock();
        let Plan { fault: Some(fault), met } = &mut *plan else { return Ok(()) };
        if !(fault.only)(operation) {
            return Ok(());
        }
        if fault.after > 0 {
            fault.after -= 1;
            return Ok(());
        }
        if *met > 0 && !fault.lasting {
            return Ok(());
        }
        *met += 1;
        Err(fault.kind.into())
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;
    use crate::disk::PowerCutDisk;

    fn disk() -> FaultyDisk {
        FaultyDisk::new(Arc::new(PowerCutDisk::new()))
    }

    #[test]
    fn a_lasting_fault_lasts_until_it_is_mended() {
        let disk = disk();
        disk.fail(Fault::after(0, ErrorKind::StorageFull).lasting().only(Operation::needs_room));
        for _ in 0..2 {
            assert_eq!(disk.create(Path::new("/a")).unwrap_err().kind(), ErrorKind::StorageFull);
            assert!(disk.list(Path::new("/")).unwrap().is_empty());
        }
        assert_eq!(disk.mend(), 2);
        assert!(disk.create(Path::new("/a")).is_ok());
    }

    #[test]
    fn a_failing_write_has_written_half() {
        let disk = disk();
        let file = disk.create(Path::new("/a")).unwrap();
        disk.fail(Fault::after(0, ErrorKind::Other));
        assert!(file.write_all_at(b"abcd", 0).is_err());
        assert_eq!(file.len().unwrap(), 2);
    }
}
