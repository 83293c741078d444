//! [`PowerCutDisk`].

mod machine;

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Arc, MutexGuard};
use std::time::SystemTime;

use self::machine::{Cut, File, Folder, Machine, MachineState, Node, no_power};
use crate::disk::{ChangeReport, Disk, DiskFile, FolderChanges, FreeSpace, Listing, WatchedFolder, Watcher};
use crate::lock::Lock;

/// A disk in memory that forgets, at a power cut, all that was not synced; clones are the same disk.
///
/// It is as forgetful as the contract of [`Disk`] allows, so what survives on it survives on a real one: a synced file whose name
/// is not synced is gone, and a synced name whose file is not synced leads to an empty file.
///
/// ```
/// use std::path::Path;
/// use voicemail::disk::{Disk, PowerCutDisk, Unsynced};
///
/// let disk = PowerCutDisk::new();
/// let file = disk.create(Path::new("/note")).unwrap();
/// file.write_all_at(b"call back", 0).unwrap();
/// disk.sync_dir(Path::new("/")).unwrap();
/// disk.power_cut(Unsynced::Forgotten);
/// assert!(file.sync().is_err(), "a file that was open before the cut is gone with its process");
/// assert_eq!(disk.open(Path::new("/note")).unwrap().len().unwrap(), 0);
/// ```
#[derive(Debug, Clone)]
pub struct PowerCutDisk {
    machine: Arc<Machine>,
}

impl PowerCutDisk {
    /// An empty disk with plenty of space. Relative paths start at its root, too.
    pub fn new() -> Self {
        Self { machine: Arc::new(Machine::new()) }
    }

    /// Turns the power off after `operations` more operations: every later one fails, until [`power_cut`](Self::power_cut).
    pub fn power_off_after(&self, operations: u64) {
        self.machine.state().operations_left = Some(operations);
    }

    /// Cuts the power and turns it on again. Files that are open fail from now on, and their locks are free.
    ///
    /// Answers whether the power was off already because of [`power_off_after`](Self::power_off_after).
    pub fn power_cut(&self, unsynced: Unsynced) -> bool {
        let mut state = self.machine.state();
        let was_off = state.operations_left.take() == Some(0);
        state.boots += 1;
        for node in state.nodes.values_mut() {
            match node {
                Node::Folder(folder) => match unsynced {
                    Unsynced::Forgotten | Unsynced::ContentsKept => folder.names.clone_from(&folder.synced),
                    Unsynced::NamesKept | Unsynced::EvenSectorsKept | Unsynced::OddSectorsKept => {
                        folder.synced.clone_from(&folder.names);
                    }
                },
                Node::File(file) => {
                    match unsynced {
                        Unsynced::Forgotten | Unsynced::NamesKept => file.now.clone_from(&file.synced),
                        Unsynced::ContentsKept => file.lose_lengths(),
                        Unsynced::EvenSectorsKept => file.lose_sectors(1),
                        Unsynced::OddSectorsKept => file.lose_sectors(0),
                    }
                    file.synced.clone_from(&file.now);
                    file.cut = None;
                    file.locked_by = None;
                }
            }
        }
        state.drop_unreachable();
        self.machine.unlocked();
        was_off
    }

    /// Sets the answer of [`Disk::free_space`].
    pub fn set_free_space(&self, free_space: FreeSpace) {
        self.machine.state().free_space = free_space;
    }

    /// How many callers wait for a lock now.
    pub fn waiting(&self) -> usize {
        self.machine.state().waiting
    }

    /// When the file at `path` was last modified, as set by [`DiskFile::set_modified`]; `None` if there is no file or no time was set.
    pub fn modified(&self, path: &Path) -> Option<SystemTime> {
        let state = self.machine.state();
        let node = state.find(path).ok()?;
        state.file(node).ok()?.now.modified
    }
}

impl Default for PowerCutDisk {
    fn default() -> Self {
        Self::new()
    }
}

/// The names and file contents, of those that were not synced, that a power cut loses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unsynced {
    /// Names and contents are lost, which is the least that a file system promises.
    Forgotten,
    /// Names are kept and contents lost, as by a file system that writes its journal early and its data late.
    NamesKept,
    /// Names and lengths are lost and contents kept, as by a file system that writes its data early and its journal late.
    ContentsKept,
    /// Names and lengths are kept. Of contents only every other sector of 512 bytes was written, the first one among them: the power went
    /// while the disk wrote.
    EvenSectorsKept,
    /// The same with the other sectors: the first one was not written.
    OddSectorsKept,
}

impl Disk for PowerCutDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.machine.powered()?;
        let node = state.add(path, Node::File(File::default()))?;
        Ok(self.handle(&mut state, node))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.machine.powered()?;
        let node = state.find(path)?;
        state.file(node)?;
        Ok(self.handle(&mut state, node))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.machine.powered()?;
        let node = state.find(from)?;
        state.file(node)?;
        let (folder, name) = state.place(to)?;
        state.free(folder, &name)?;
        state.folder_mut(folder)?.insert(name, node);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.machine.powered()?;
        let node = state.find(from)?;
        let ((from_folder, from_name), (to_folder, to_name)) = (state.place(from)?, state.place(to)?);
        match state.folder(to_folder)?.names.get(&to_name) {
            // POSIX rename: two names of one file both stay.
            Some(target) if *target == node => return Ok(()),
            Some(target) if state.file(*target).is_err() || state.file(node).is_err() => {
                return Err(ErrorKind::IsADirectory.into());
            }
            _ => {}
        }
        state.folder_mut(from_folder)?.remove(&from_name);
        state.folder_mut(to_folder)?.insert(to_name, node);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.machine.powered()?;
        let node = state.find(path)?;
        state.file(node)?;
        let (folder, name) = state.place(path)?;
        state.folder_mut(folder)?.remove(&name);
        Ok(())
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.machine.powered()?.add(path, Node::Folder(Folder::default())).map(drop)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.machine.powered()?;
        let node = state.find(path)?;
        let folder = state.folder_mut(node)?;
        folder.synced.clone_from(&folder.names);
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let state = self.machine.powered()?;
        let node = state.find(path)?;
        Ok(state.folder(node)?.names.keys().cloned().collect())
    }

    fn list_files(&self, path: &Path) -> io::Result<Listing> {
        let state = self.machine.powered()?;
        let mut listing = Listing::default();
        for (name, node) in &state.folder(state.find(path)?)?.names {
            let names = if state.file(*node).is_ok() { &mut listing.files } else { &mut listing.others };
            names.push(name.clone());
        }
        Ok(listing)
    }

    /// Whether a file is at `path`; the operation is not counted.
    fn is_file(&self, path: &Path) -> io::Result<bool> {
        let state = self.machine.state();
        let node = state.find(path)?;
        Ok(state.file(node).is_ok())
    }

    fn free_space(&self, path: &Path) -> io::Result<FreeSpace> {
        let state = self.machine.powered()?;
        state.find(path)?;
        Ok(state.free_space)
    }

    fn watch(&self, _: &Path) -> io::Result<Box<dyn Watcher>> {
        let boot = self.machine.state().boots;
        Ok(Box::new(MachineWatcher { machine: Arc::clone(&self.machine), boot, reported: Lock::default() }))
    }
}

impl PowerCutDisk {
    fn handle(&self, state: &mut MachineState, node: u64) -> Box<dyn DiskFile> {
        state.next += 1;
        Box::new(Handle { machine: Arc::clone(&self.machine), node, id: state.next, boot: state.boots })
    }
}

/// The watcher of a process of the machine's present run. Its operations are not counted, and it cannot wait for changes.
#[derive(Debug)]
struct MachineWatcher {
    machine: Arc<Machine>,
    boot: u64,
    reported: Lock<Reported>,
}

/// The changes that a watcher has reported so far.
#[derive(Debug, Default)]
struct Reported {
    turn: u64,
    /// For each folder, in which turn it was asked for last, and how many of its changes were reported by then.
    folders: HashMap<WatchedFolder, (u64, usize)>,
}

impl MachineWatcher {
    fn powered(&self) -> io::Result<MutexGuard<'_, MachineState>> {
        let state = self.machine.state();
        if state.boots == self.boot && state.operations_left != Some(0) { Ok(state) } else { Err(no_power()) }
    }
}

impl Watcher for MachineWatcher {
    fn watch_folder(&self, path: &Path) -> io::Result<WatchedFolder> {
        let state = self.powered()?;
        let node = state.find(path)?;
        state.folder(node).map(|_| WatchedFolder(node))
    }

    fn forget(&self, folders: &[WatchedFolder]) {
        self.reported.lock().folders.retain(|folder, _| !folders.contains(folder));
    }

    fn changes(&self, folders: &[WatchedFolder], since: u64) -> io::Result<ChangeReport> {
        let state = self.powered()?;
        let mut reported = self.reported.lock();
        reported.turn += 1;
        let turn = reported.turn;
        let mut changes = Vec::new();
        for folder in folders {
            let all = &state.folder(folder.0)?.changes;
            let before = reported.folders.insert(*folder, (turn, all.len()));
            changes.push(match before {
                Some((last, up_to)) if last == since => FolderChanges::Names(all[up_to..].to_vec()),
                Some(_) | None => FolderChanges::Unknown,
            });
        }
        Ok(ChangeReport { turn, changes })
    }
}

/// A file that a process of the machine's present run has open.
#[derive(Debug)]
struct Handle {
    machine: Arc<Machine>,
    node: u64,
    id: u64,
    boot: u64,
}

impl Handle {
    fn powered(&self) -> io::Result<MutexGuard<'_, MachineState>> {
        let state = self.machine.powered()?;
        if state.boots == self.boot { Ok(state) } else { Err(no_power()) }
    }
}

impl DiskFile for Handle {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let state = self.powered()?;
        let bytes = &state.file(self.node)?.now.bytes;
        let range = range(offset, buffer.len())?;
        buffer.copy_from_slice(bytes.get(range).ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.powered()?;
        let content = &mut state.file_mut(self.node)?.now.bytes;
        let range = range(offset, bytes.len())?;
        if content.len() < range.end {
            content.resize(range.end, 0);
        }
        content[range].copy_from_slice(bytes);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.powered()?.file(self.node)?.now.bytes.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = range(len, 0)?.start;
        let mut state = self.powered()?;
        let file = state.file_mut(self.node)?;
        let before = file.now.bytes.clone();
        file.now.bytes.resize(len, 0);
        let before = file.cut.take().map_or(before, |cut| cut.before);
        file.cut = Some(Cut { before, after: file.now.bytes.clone() });
        Ok(())
    }

    fn links(&self) -> io::Result<u64> {
        Ok(self.powered()?.links(self.node))
    }

    fn set_modified(&self, modified: SystemTime) -> io::Result<()> {
        self.powered()?.file_mut(self.node)?.now.modified = Some(modified);
        Ok(())
    }

    /// The time that was [set](DiskFile::set_modified), or the beginning of 1970: this disk has no clock.
    fn changed(&self) -> io::Result<SystemTime> {
        Ok(self.powered()?.file(self.node)?.now.modified.unwrap_or(SystemTime::UNIX_EPOCH))
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.powered()?;
        let file = state.file_mut(self.node)?;
        file.synced.clone_from(&file.now);
        file.cut = None;
        Ok(())
    }

    fn lock(&self) -> io::Result<()> {
        let mut state = self.powered()?;
        while state.file(self.node)?.locked_by.is_some_and(|holder| holder != self.id) {
            state = self.machine.wait_for_unlock(state);
            if state.boots != self.boot {
                return Err(no_power());
            }
        }
        state.file_mut(self.node)?.locked_by = Some(self.id);
        Ok(())
    }

    fn try_lock(&self) -> io::Result<bool> {
        let mut state = self.powered()?;
        let file = state.file_mut(self.node)?;
        let free = file.locked_by.is_none_or(|holder| holder == self.id);
        if free {
            file.locked_by = Some(self.id);
        }
        Ok(free)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut state = self.machine.state();
        if let Ok(file) = state.file_mut(self.node)
            && file.locked_by == Some(self.id)
        {
            file.locked_by = None;
            self.machine.unlocked();
        }
    }
}

fn range(offset: u64, len: usize) -> io::Result<std::ops::Range<usize>> {
    let start = usize::try_from(offset).map_err(|_| ErrorKind::FileTooLarge)?;
    Ok(start..start.checked_add(len).ok_or(ErrorKind::FileTooLarge)?)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::disk::{create_dirs, read};

    fn write(disk: &PowerCutDisk, path: &str, bytes: &[u8]) -> Box<dyn DiskFile> {
        let file = disk.create(Path::new(path)).unwrap();
        file.write_all_at(bytes, 0).unwrap();
        file
    }

    #[test]
    fn a_file_survives_when_it_and_its_name_were_synced() {
        let disk = PowerCutDisk::new();
        create_dirs(&disk, Path::new("/mail/new")).unwrap();
        write(&disk, "/mail/new/both", b"both").sync().unwrap();
        disk.sync_dir(Path::new("/mail/new")).unwrap();
        write(&disk, "/mail/new/content", b"content").sync().unwrap();
        disk.power_cut(Unsynced::Forgotten);
        assert_eq!(disk.list(Path::new("/mail/new")).unwrap(), ["both"]);
        assert_eq!(read(&disk, Path::new("/mail/new/both")).unwrap(), b"both");
    }

    #[test]
    fn a_kept_name_leads_to_the_synced_part_of_its_file() {
        let disk = PowerCutDisk::new();
        let file = write(&disk, "/a", b"old");
        file.sync().unwrap();
        file.write_all_at(b"newer", 0).unwrap();
        write(&disk, "/b", b"never synced");
        disk.power_cut(Unsynced::NamesKept);
        assert_eq!(read(&disk, Path::new("/a")).unwrap(), b"old");
        assert_eq!(read(&disk, Path::new("/b")).unwrap(), b"");
    }

    #[test]
    fn a_torn_file_has_every_other_sector_of_what_was_written() {
        let torn = |unsynced, cut: bool| {
            let disk = PowerCutDisk::new();
            let file = write(&disk, "/a", &[1; 2048]);
            file.sync().unwrap();
            disk.sync_dir(Path::new("/")).unwrap();
            if cut {
                file.set_len(700).unwrap();
            }
            file.write_all_at(&[2; 1536], 0).unwrap();
            disk.power_cut(unsynced);
            let bytes = read(&disk, Path::new("/a")).unwrap();
            bytes.chunks(512).map(|sector| (sector[0], sector[sector.len() - 1])).collect::<Vec<_>>()
        };
        assert_eq!(torn(Unsynced::EvenSectorsKept, false), [(2, 2), (1, 1), (2, 2), (1, 1)]);
        assert_eq!(torn(Unsynced::OddSectorsKept, false), [(1, 1), (2, 2), (1, 1), (1, 1)]);
        // Nothing that was cut off comes back.
        assert_eq!(torn(Unsynced::EvenSectorsKept, true), [(2, 2), (1, 0), (2, 2)]);
        assert_eq!(torn(Unsynced::OddSectorsKept, true), [(1, 1), (2, 2), (0, 0)]);
        // A length that is lost brings back what was cut off.
        assert_eq!(torn(Unsynced::ContentsKept, false), [(2, 2), (2, 2), (2, 2), (1, 1)]);
        assert_eq!(torn(Unsynced::ContentsKept, true), [(1, 1); 4]);
    }

    #[test]
    fn a_rename_between_folders_is_durable_in_each_by_itself() {
        let disk = PowerCutDisk::new();
        create_dirs(&disk, Path::new("/from")).unwrap();
        create_dirs(&disk, Path::new("/to")).unwrap();
        write(&disk, "/from/a", b"a").sync().unwrap();
        disk.sync_dir(Path::new("/from")).unwrap();
        disk.rename(Path::new("/from/a"), Path::new("/to/a")).unwrap();
        disk.sync_dir(Path::new("/to")).unwrap();
        disk.power_cut(Unsynced::Forgotten);
        assert_eq!(read(&disk, Path::new("/from/a")).unwrap(), b"a");
        assert_eq!(read(&disk, Path::new("/to/a")).unwrap(), b"a");
    }

    #[test]
    fn names_are_taken_once() {
        let disk = PowerCutDisk::new();
        write(&disk, "/a", b"a");
        let taken = |result: io::Result<()>| result.unwrap_err().kind() == ErrorKind::AlreadyExists;
        assert!(taken(disk.create(Path::new("/a")).map(drop)));
        assert!(taken(disk.create_dir(Path::new("/a"))));
        write(&disk, "/b", b"b");
        assert!(taken(disk.link(Path::new("/a"), Path::new("/b"))));
        disk.rename(Path::new("/a"), Path::new("/b")).unwrap();
        assert_eq!(read(&disk, Path::new("/b")).unwrap(), b"a");
        assert_eq!(disk.remove(Path::new("/a")).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn the_power_goes_off_after_so_many_operations() {
        let disk = PowerCutDisk::new();
        disk.power_off_after(1);
        disk.create_dir(Path::new("/a")).unwrap();
        assert!(disk.list(Path::new("/")).is_err());
        assert!(disk.power_cut(Unsynced::NamesKept));
        assert_eq!(disk.list(Path::new("/")).unwrap(), ["a"]);
        assert!(!disk.power_cut(Unsynced::NamesKept));
    }

    #[test]
    fn a_lock_ends_with_its_file_or_with_the_power() {
        let disk = PowerCutDisk::new();
        let holder = write(&disk, "/lock", b"");
        holder.lock().unwrap();
        let wait = || {
            let other = disk.open(Path::new("/lock")).unwrap();
            let waiter = thread::spawn(move || other.lock());
            while disk.waiting() == 0 {
                assert!(!waiter.is_finished(), "a lock that is held was given away");
                thread::yield_now();
            }
            waiter
        };
        let waiter = wait();
        drop(holder);
        waiter.join().unwrap().unwrap();

        let holder = disk.open(Path::new("/lock")).unwrap();
        holder.lock().unwrap();
        let waiter = wait();
        disk.power_cut(Unsynced::NamesKept);
        assert!(waiter.join().unwrap().is_err());
        disk.open(Path::new("/lock")).unwrap().lock().unwrap();
        drop(holder);
    }
}
