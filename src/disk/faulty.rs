//! [`FaultyDisk`].

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, MutexGuard};
use std::time::SystemTime;

use async_trait::async_trait;

use crate::disk::{ChangeReport, ChangedFolders, Disk, DiskFile, FreeSpace, Listing, WatchedFolder, Watcher};
use crate::lock::Lock;

/// A disk around another one, which counts the operations and fails as planned; clones are the same disk.
///
/// A failing write has written half of its bytes. All other operations that fail have done nothing.
///
/// ```
/// use std::io::ErrorKind;
/// use std::path::Path;
/// use voicemail::disk::{Disk, InjectedFault, FaultyDisk, PowerCutDisk};
///
/// let disk = FaultyDisk::new(PowerCutDisk::new());
/// disk.fail(InjectedFault::after(1, ErrorKind::StorageFull));
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
    /// Wraps `disk`; no operation fails until [`fail`](Self::fail) is called.
    pub fn new(disk: impl Disk) -> Self {
        Self { disk: Arc::new(disk), faults: Arc::default() }
    }

    /// Makes operations fail as `fault` says from now on, instead of as an earlier fault says.
    pub fn fail(&self, fault: InjectedFault) {
        *self.faults.plan.lock() = FaultPlan { fault: Some(fault), met: 0 };
    }

    /// Lets all operations succeed again. Answers how many operations the last fault has made fail.
    pub fn mend(&self) -> u64 {
        std::mem::take(&mut *self.faults.plan.lock()).met
    }

    /// How often each operation was called since this disk was made, including calls that failed.
    pub fn counts(&self) -> BTreeMap<Operation, u64> {
        self.faults.counts().clone()
    }

    /// Makes [`Disk::free_space`] answer `free_space` from now on, whatever the inner disk has.
    pub fn pretend_free_space(&self, free_space: FreeSpace) {
        self.faults.free_space.lock().replace(free_space);
    }
}

/// A fault for a [`FaultyDisk`]: which operations fail, and with which error.
#[derive(Debug, Clone, Copy)]
pub struct InjectedFault {
    after: u64,
    kind: io::ErrorKind,
    lasting: bool,
    only: fn(Operation) -> bool,
}

impl InjectedFault {
    /// A fault of one operation: so many `operations` succeed before it, and it fails with `kind`.
    pub fn after(operations: u64, kind: io::ErrorKind) -> Self {
        Self { after: operations, kind, lasting: false, only: |_| true }
    }

    /// Makes all operations after the first failing one fail, too: a disk that is gone, or a process that was killed.
    #[must_use]
    pub fn lasting(self) -> Self {
        Self { lasting: true, ..self }
    }

    /// Restricts the fault to the operations for which `only` is true; only these count for [`after`](Self::after).
    #[must_use]
    pub fn only(self, only: fn(Operation) -> bool) -> Self {
        Self { only, ..self }
    }
}

/// An operation of a disk: a method of [`Disk`], [`DiskFile`] or [`Watcher`], by its name.
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
    FreeSpace,
    FolderChanged,
    ReadExactAt,
    WriteAllAt,
    Len,
    SetLen,
    Links,
    Changed,
    SetModified,
    Sync,
    Lock,
    WatchFolder,
    WatchChanges,
}

impl Operation {
    /// Whether the operation can fail because no space is left.
    pub fn needs_space(self) -> bool {
        match self {
            Self::Create | Self::Link | Self::Rename | Self::CreateDir | Self::WriteAllAt | Self::Sync => true,
            Self::Open
            | Self::Remove
            | Self::SyncDir
            | Self::List
            | Self::IsFile
            | Self::FreeSpace
            | Self::FolderChanged
            | Self::ReadExactAt
            | Self::Len
            | Self::SetLen
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

    /// The answer of the inner disk; the operation is counted and meets no fault.
    fn is_file(&self, path: &Path) -> io::Result<bool> {
        self.faults.count(Operation::IsFile);
        self.disk.is_file(path)
    }

    fn free_space(&self, path: &Path) -> io::Result<FreeSpace> {
        self.faults.meet(Operation::FreeSpace)?;
        let pretended = *self.faults.free_space.lock();
        pretended.map_or_else(|| self.disk.free_space(path), Ok)
    }

    /// The watcher of the inner disk; its operations are counted and meet no fault.
    fn watch(&self, path: &Path) -> io::Result<Box<dyn Watcher>> {
        Ok(Box::new(CountedWatcher { watcher: self.disk.watch(path)?, faults: Arc::clone(&self.faults) }))
    }

    /// The answer of the inner disk; the operation is counted and meets no fault.
    fn folder_changed(&self, path: &Path) -> io::Result<SystemTime> {
        self.faults.count(Operation::FolderChanged);
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

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.faults.meet(Operation::SetLen)?;
        self.file.set_len(len)
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
struct CountedWatcher {
    watcher: Box<dyn Watcher>,
    faults: Arc<Faults>,
}

#[async_trait]
impl Watcher for CountedWatcher {
    fn watch_folder(&self, path: &Path) -> io::Result<WatchedFolder> {
        self.faults.count(Operation::WatchFolder);
        self.watcher.watch_folder(path)
    }

    fn forget(&self, folders: &[WatchedFolder]) {
        self.watcher.forget(folders);
    }

    fn changes(&self, folders: &[WatchedFolder], since: u64) -> io::Result<ChangeReport> {
        self.faults.count(Operation::WatchChanges);
        self.watcher.changes(folders, since)
    }

    async fn changed(&self) -> io::Result<ChangedFolders> {
        self.watcher.changed().await
    }
}

/// The planned fault and the operations so far, shared by a disk and its files.
#[derive(Debug, Default)]
struct Faults {
    plan: Lock<FaultPlan>,
    counts: Lock<BTreeMap<Operation, u64>>,
    free_space: Lock<Option<FreeSpace>>,
}

#[derive(Debug, Default)]
struct FaultPlan {
    fault: Option<InjectedFault>,
    met: u64,
}

impl Faults {
    fn counts(&self) -> MutexGuard<'_, BTreeMap<Operation, u64>> {
        self.counts.lock()
    }

    fn count(&self, operation: Operation) {
        *self.counts().entry(operation).or_default() += 1;
    }

    fn meet(&self, operation: Operation) -> io::Result<()> {
        self.count(operation);
        let mut plan = self.plan.lock();
        let FaultPlan { fault: Some(fault), met } = &mut *plan else { return Ok(()) };
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
        FaultyDisk::new(PowerCutDisk::new())
    }

    #[test]
    fn a_lasting_fault_lasts_until_it_is_mended() {
        let disk = disk();
        disk.fail(InjectedFault::after(0, ErrorKind::StorageFull).lasting().only(Operation::needs_space));
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
        disk.fail(InjectedFault::after(0, ErrorKind::Other));
        assert!(file.write_all_at(b"abcd", 0).is_err());
        assert_eq!(file.len().unwrap(), 2);
    }
}
