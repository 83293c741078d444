//! The computer of a [`PowerCutDisk`](super::PowerCutDisk): its power, and the folders and files on its disk.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::path::{Component, Path};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::disk::{FreeSpace, NameChange};

/// A machine with a disk, running or cut off.
#[derive(Debug)]
pub(super) struct Machine {
    state: Mutex<MachineState>,
    unlocked: Condvar,
}

impl Machine {
    pub(super) fn new() -> Self {
        let state = MachineState {
            nodes: HashMap::from([(ROOT, Node::Folder(Folder::default()))]),
            next: ROOT + 1,
            boots: 0,
            operations_left: None,
            free_space: FreeSpace { bytes: u64::MAX, files: u64::MAX },
            waiting: 0,
        };
        Self { state: Mutex::new(state), unlocked: Condvar::new() }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, MachineState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, for one more operation; an error if the power is off.
    pub(super) fn powered(&self) -> io::Result<MutexGuard<'_, MachineState>> {
        let mut state = self.state();
        if let Some(left) = &mut state.operations_left {
            *left = left.checked_sub(1).ok_or_else(no_power)?;
        }
        Ok(state)
    }

    /// Waits until a lock may have become free.
    pub(super) fn wait_for_unlock<'a>(&self, mut state: MutexGuard<'a, MachineState>) -> MutexGuard<'a, MachineState> {
        state.waiting += 1;
        state = self.unlocked.wait(state).unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        state
    }

    /// Wakes all callers that wait for a lock.
    pub(super) fn unlocked(&self) {
        self.unlocked.notify_all();
    }
}

/// Everything on the disk, synced or not.
#[derive(Debug)]
pub(super) struct MachineState {
    pub nodes: HashMap<u64, Node>,
    pub next: u64,
    /// How often the power came back: a file opened before is closed.
    pub boots: u64,
    pub operations_left: Option<u64>,
    pub free_space: FreeSpace,
    /// How many callers wait for a lock.
    pub waiting: usize,
}

#[derive(Debug)]
pub(super) enum Node {
    Folder(Folder),
    File(File),
}

#[derive(Debug, Default)]
pub(super) struct Folder {
    pub names: BTreeMap<String, u64>,
    pub synced: BTreeMap<String, u64>,
    /// Every change of names since the folder was created.
    pub changes: Vec<NameChange>,
}

impl Folder {
    pub(super) fn insert(&mut self, name: String, node: u64) {
        self.changes.push(NameChange::Added(name.clone()));
        self.names.insert(name, node);
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.changes.push(NameChange::Removed(name.to_owned()));
        self.names.remove(name);
    }
}

#[derive(Debug, Default)]
pub(super) struct File {
    pub now: Content,
    pub synced: Content,
    /// The changes of length since the last sync.
    pub cut: Option<Cut>,
    pub locked_by: Option<u64>,
}

/// The contents of a file around its changes of length. Lengths are in the journal, as names are, and what is written behind a cut goes to
/// another place on the disk.
#[derive(Debug)]
pub(super) struct Cut {
    /// Before the first one since the last sync.
    pub before: Vec<u8>,
    /// After the last one.
    pub after: Vec<u8>,
}

impl File {
    /// Undoes the changes of length since the last sync.
    pub(super) fn lose_lengths(&mut self) {
        if let Some(cut) = self.cut.take() {
            self.now.bytes = cut.before;
        }
        self.now.bytes.truncate(self.synced.bytes.len());
    }

    /// Undoes what was written into every other sector since the last sync, from the sector `first` on: the earlier contents come back,
    /// except those that were cut off.
    pub(super) fn lose_sectors(&mut self, first: usize) {
        let before = self.cut.as_ref().map_or(&self.synced.bytes, |cut| &cut.after);
        for (number, sector) in self.now.bytes.chunks_mut(SECTOR).enumerate().skip(first).step_by(2) {
            let old = before.get(number * SECTOR..).unwrap_or_default();
            for (at, byte) in sector.iter_mut().enumerate() {
                *byte = old.get(at).copied().unwrap_or(0);
            }
        }
    }
}

#[derive(Debug, Default, Clone)]
pub(super) struct Content {
    pub bytes: Vec<u8>,
    pub modified: Option<SystemTime>,
}

impl MachineState {
    /// The folder or file at `path`.
    pub(super) fn find(&self, path: &Path) -> io::Result<u64> {
        let mut node = ROOT;
        for component in path.components() {
            match component {
                Component::Normal(name) => {
                    node = *self.folder(node)?.names.get(text(name)?).ok_or(ErrorKind::NotFound)?;
                }
                Component::RootDir | Component::CurDir => {}
                Component::ParentDir | Component::Prefix(_) => return Err(ErrorKind::InvalidInput.into()),
            }
        }
        Ok(node)
    }

    /// The folder that `path` is in, and its name there.
    pub(super) fn place(&self, path: &Path) -> io::Result<(u64, String)> {
        let name = text(path.file_name().ok_or(ErrorKind::InvalidInput)?)?;
        let folder = self.find(path.parent().unwrap_or(Path::new("")))?;
        self.folder(folder)?;
        Ok((folder, name.to_owned()))
    }

    /// An error if the name is taken.
    pub(super) fn free(&self, folder: u64, name: &str) -> io::Result<()> {
        if self.folder(folder)?.names.contains_key(name) { Err(ErrorKind::AlreadyExists.into()) } else { Ok(()) }
    }

    /// Puts `node` at `path`, which must be free.
    pub(super) fn add(&mut self, path: &Path, node: Node) -> io::Result<u64> {
        let (folder, name) = self.place(path)?;
        self.free(folder, &name)?;
        self.next += 1;
        let id = self.next;
        self.nodes.insert(id, node);
        self.folder_mut(folder)?.insert(name, id);
        Ok(id)
    }

    pub(super) fn folder(&self, node: u64) -> io::Result<&Folder> {
        match self.nodes.get(&node) {
            Some(Node::Folder(folder)) => Ok(folder),
            Some(Node::File(_)) => Err(ErrorKind::NotADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn folder_mut(&mut self, node: u64) -> io::Result<&mut Folder> {
        match self.nodes.get_mut(&node) {
            Some(Node::Folder(folder)) => Ok(folder),
            Some(Node::File(_)) => Err(ErrorKind::NotADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn file(&self, node: u64) -> io::Result<&File> {
        match self.nodes.get(&node) {
            Some(Node::File(file)) => Ok(file),
            Some(Node::Folder(_)) => Err(ErrorKind::IsADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn file_mut(&mut self, node: u64) -> io::Result<&mut File> {
        match self.nodes.get_mut(&node) {
            Some(Node::File(file)) => Ok(file),
            Some(Node::Folder(_)) => Err(ErrorKind::IsADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    /// How many names lead to `node`.
    pub(super) fn links(&self, node: u64) -> u64 {
        let folders = self.nodes.values().filter_map(|node| if let Node::Folder(folder) = node { Some(folder) } else { None });
        folders.flat_map(|folder| folder.names.values()).map(|name| u64::from(*name == node)).sum()
    }

    /// Drops all folders and files that have no name any more.
    pub(super) fn drop_unreachable(&mut self) {
        let mut reachable = HashMap::new();
        let mut waiting = vec![ROOT];
        while let Some(id) = waiting.pop() {
            if let Some(node) = self.nodes.remove(&id) {
                if let Node::Folder(folder) = &node {
                    waiting.extend(folder.names.values());
                }
                reachable.insert(id, node);
            }
        }
        self.nodes = reachable;
    }
}

fn text(name: &OsStr) -> io::Result<&str> {
    name.to_str().ok_or_else(|| ErrorKind::InvalidFilename.into())
}

/// The answer of every operation while the power is off.
pub(super) fn no_power() -> io::Error {
    io::Error::other("the power is off")
}

const ROOT: u64 = 0;
/// In bytes.
const SECTOR: usize = 512;
