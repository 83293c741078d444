//! [`Watch`]: which names come and go in folders, told by the disk, so that a folder need not be read again and again.

use std::collections::HashMap;
use std::fmt::Debug;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

/// Tells which names come and go in folders, whoever makes them come and go.
///
/// # Contract
///
/// - **Complete.** After a change of names has returned to whoever made it, the next [`changes`](Self::changes) tells it, or
///   answers [`Changes::Unknown`].
/// - **In order.** The changes of one folder are told in the order in which they were made.
pub trait Watch: Debug + Send + Sync + 'static {
    /// Watches the folder at `path` from now on, if it is not watched yet.
    ///
    /// Answers the same number as long as the same folder is there, and another one when another has taken its place.
    ///
    /// # Errors
    ///
    /// Whatever the file system says; also when no more folders can be watched.
    fn folder(&self, path: &Path) -> io::Result<WatchedFolder>;

    /// What has changed in each of `folders` since the call that answered `since`, all seen at one moment; zero for the first call.
    ///
    /// # Errors
    ///
    /// Whatever the file system says. Nothing is known of the folders then.
    fn changes(&self, folders: &[WatchedFolder], since: u64) -> io::Result<Told>;

    /// Watches these folders no longer.
    fn forget(&self, folders: &[WatchedFolder]);
}

/// A folder that is watched, as long as it is the same folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WatchedFolder(pub u64);

/// What a [`Watch`] told of some folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The number of this call, which grows: the next one asks for what came after it.
    pub turn: u64,
    /// What has changed, for each folder that was asked for. [`Changes::Unknown`] also where somebody else was told meanwhile.
    pub changes: Vec<Changes>,
}

/// What has changed in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changes {
    /// These names, in this order.
    Names(Vec<Change>),
    /// Anything may have: the folder must be read.
    Unknown,
}

/// A name has come or gone. Names that are no UTF-8 are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The name stands in the folder.
    Came(String),
    /// It no longer does.
    Gone(String),
}

/// The operating system's account of its local file systems: inotify.
#[derive(Debug)]
pub(super) struct OsWatch {
    queue: OwnedFd,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    seen: HashMap<i32, Seen>,
    /// Renames of which only the first half was told: the number that the second half will have, and the folder left.
    moving: HashMap<u32, i32>,
    turn: u64,
}

/// What was taken from the queue for one folder and not asked for yet.
#[derive(Debug)]
struct Seen {
    changes: Changes,
    /// Up to which turn all was told.
    told: u64,
    /// How many names have left for a place that was not told yet.
    moving: usize,
}

impl OsWatch {
    /// A watch for folders under `path`; an error where the file system does not tell what other machines do.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { queue: queue(path)?, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes all that the queue has.
    fn drain(&self, State { seen, moving, .. }: &mut State) -> io::Result<()> {
        let mut buffer = [MaybeUninit::uninit(); QUEUE_BUFFER];
        let mut reader = inotify::Reader::new(&self.queue, &mut buffer);
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let (descriptor, events, cookie) = (event.wd(), event.events(), event.cookie());
            if events.contains(ReadFlags::QUEUE_OVERFLOW) {
                seen.values_mut().for_each(Seen::lose);
            }
            if events.contains(ReadFlags::IGNORED) {
                seen.remove(&descriptor);
                continue;
            }
            if events.contains(ReadFlags::MOVED_TO)
                && let Some(left) = moving.remove(&cookie).and_then(|left| seen.get_mut(&left))
            {
                left.moving = left.moving.saturating_sub(1);
            }
            let Some(folder) = seen.get_mut(&descriptor) else { continue };
            if events.contains(ReadFlags::MOVED_FROM) {
                folder.moving += 1;
                moving.insert(cookie, descriptor);
            }
            let Some(name) = event.file_name().and_then(|name| name.to_str().ok()) else { continue };
            if events.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
                folder.note(Change::Came(name.to_owned()));
            } else if events.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
                folder.note(Change::Gone(name.to_owned()));
            }
        }
    }
}

impl Watch for OsWatch {
    fn folder(&self, path: &Path) -> io::Result<WatchedFolder> {
        let names = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVED_FROM | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
        let mut state = self.state();
        let descriptor = inotify::add_watch(&self.queue, path, names)?;
        state.seen.entry(descriptor).or_insert_with(|| Seen { changes: Changes::Unknown, told: 0, moving: 0 });
        Ok(WatchedFolder(u64::try_from(descriptor).map_err(io::Error::other)?))
    }

    fn changes(&self, folders: &[WatchedFolder], since: u64) -> io::Result<Told> {
        let mut state = self.state();
        self.drain(&mut state)?;
        state.turn += 1;
        let changes = folders.iter().map(|folder| state.take(*folder, since)).collect();
        Ok(Told { turn: state.turn, changes })
    }

    fn forget(&self, folders: &[WatchedFolder]) {
        let mut state = self.state();
        for folder in folders.iter().filter_map(|folder| descriptor(*folder)) {
            state.seen.remove(&folder);
            state.moving.retain(|_, left| *left != folder);
            // One that is gone was taken off the list by the system.
            let _ = inotify::remove_watch(&self.queue, folder);
        }
    }
}

impl Seen {
    fn note(&mut self, change: Change) {
        match &mut self.changes {
            Changes::Names(names) if names.len() < CHANGES_REMEMBERED => names.push(change),
            Changes::Names(_) => self.lose(),
            Changes::Unknown => {}
        }
    }

    fn lose(&mut self) {
        self.changes = Changes::Unknown;
    }
}

impl State {
    /// Hands out what was noted of a folder.
    ///
    /// A rename is told in two halves, one after the other. When only the first half is there, a file would seem gone that is about
    /// to turn up: then the folder must be read, which waits for whoever renames in it.
    fn take(&mut self, folder: WatchedFolder, since: u64) -> Changes {
        let Some(descriptor) = descriptor(folder) else { return Changes::Unknown };
        let Some(seen) = self.seen.get_mut(&descriptor) else { return Changes::Unknown };
        let changes = std::mem::replace(&mut seen.changes, Changes::Names(Vec::new()));
        let nobody_else_was_told = std::mem::replace(&mut seen.told, self.turn) == since;
        if std::mem::take(&mut seen.moving) > 0 {
            self.moving.retain(|_, left| *left != descriptor);
            return Changes::Unknown;
        }
        if nobody_else_was_told { changes } else { Changes::Unknown }
    }
}

/// A queue of what happens under `path`; an error where the file system does not tell what other machines do.
#[expect(clippy::useless_conversion, reason = "the number has 32 bits on 32-bit machines")]
pub(super) fn queue(path: &Path) -> io::Result<OwnedFd> {
    let kind = i64::from(rustix::fs::statfs(path)?.f_type) & 0xffff_ffff;
    if !LOCAL_FILE_SYSTEMS.contains(&kind) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    Ok(inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?)
}

fn descriptor(folder: WatchedFolder) -> Option<i32> {
    i32::try_from(folder.0).ok()
}

const QUEUE_BUFFER: usize = 4096;
/// How many changes of one folder are remembered until somebody asks; past them it is cheaper to read the folder.
const CHANGES_REMEMBERED: usize = 1024;
/// File systems that only this machine changes, by their numbers in the kernel: ext2 to ext4, XFS, btrfs, tmpfs, overlayfs, F2FS,
/// ZFS, bcachefs.
const LOCAL_FILE_SYSTEMS: [i64; 8] =
    [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x794C_7630, 0xF2F5_2010, 0x2FC1_2FC1, 0xCA45_1A4E];

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn came(name: &str) -> Change {
        Change::Came(name.to_owned())
    }

    fn gone(name: &str) -> Change {
        Change::Gone(name.to_owned())
    }

    /// A folder with two folders, watched.
    struct Watched {
        root: tempfile::TempDir,
        watch: OsWatch,
        folders: [WatchedFolder; 2],
        turn: u64,
    }

    impl Watched {
        /// `None` where the file system does not tell.
        fn new() -> Option<Self> {
            let root = tempfile::tempdir().unwrap();
            let Ok(watch) = OsWatch::open(root.path()) else {
                eprintln!("SKIPPED: the temporary folder is on a file system that is not watched");
                return None;
            };
            let folders = ["new", "cur"].map(|name| {
                fs::create_dir(root.path().join(name)).unwrap();
                watch.folder(&root.path().join(name)).unwrap()
            });
            let mut watched = Self { root, watch, folders, turn: 0 };
            assert_eq!(watched.told(), [Changes::Unknown, Changes::Unknown], "what was there before is not known");
            Some(watched)
        }

        fn told(&mut self) -> Vec<Changes> {
            let told = self.watch.changes(&self.folders, self.turn).unwrap();
            self.turn = told.turn;
            told.changes
        }

        fn path(&self, name: &str) -> std::path::PathBuf {
            self.root.path().join(name)
        }
    }

    #[test]
    fn names_that_come_and_go_are_told_once_and_in_order() {
        let Some(mut watched) = Watched::new() else { return };
        fs::write(watched.path("new/a"), "a").unwrap();
        fs::rename(watched.path("new/a"), watched.path("cur/a:2,S")).unwrap();
        fs::rename(watched.path("cur/a:2,S"), watched.path("cur/a:2,T")).unwrap();
        fs::remove_file(watched.path("cur/a:2,T")).unwrap();
        let in_cur = vec![came("a:2,S"), gone("a:2,S"), came("a:2,T"), gone("a:2,T")];
        assert_eq!(watched.told(), [Changes::Names(vec![came("a"), gone("a")]), Changes::Names(in_cur)]);
        assert_eq!(watched.told(), [Changes::Names(vec![]), Changes::Names(vec![])]);
    }

    #[test]
    fn a_file_that_left_for_a_place_not_watched_must_be_looked_for() {
        let Some(mut watched) = Watched::new() else { return };
        fs::write(watched.path("new/a"), "a").unwrap();
        watched.told();
        fs::rename(watched.path("new/a"), watched.path("a")).unwrap();
        assert_eq!(watched.told(), [Changes::Unknown, Changes::Names(vec![])]);
    }

    #[test]
    fn more_changes_than_are_remembered_are_no_longer_known_one_by_one() {
        let Some(mut watched) = Watched::new() else { return };
        for number in 0..=CHANGES_REMEMBERED {
            fs::write(watched.path(&format!("new/{number}")), "").unwrap();
        }
        assert_eq!(watched.told(), [Changes::Unknown, Changes::Names(vec![])]);
    }

    #[test]
    fn another_folder_in_the_same_place_has_another_number() {
        let Some(mut watched) = Watched::new() else { return };
        let new = watched.path("new");
        assert_eq!(watched.watch.folder(&new).unwrap(), watched.folders[0]);
        fs::rename(&new, watched.path("away")).unwrap();
        fs::create_dir(&new).unwrap();
        let other = watched.watch.folder(&new).unwrap();
        assert_ne!(other, watched.folders[0]);
        watched.folders = [other, watched.folders[1]];
        fs::write(new.join("a"), "").unwrap();
        assert_eq!(watched.told(), [Changes::Unknown, Changes::Names(vec![])]);
        watched.watch.forget(&[other]);
        assert_eq!(watched.told()[0], Changes::Unknown, "a folder that is not watched must be read");
    }

    #[test]
    fn what_somebody_else_was_told_is_not_known_here() {
        let Some(mut watched) = Watched::new() else { return };
        fs::write(watched.path("new/a"), "").unwrap();
        watched.watch.changes(&watched.folders[..1], watched.turn).unwrap();
        assert_eq!(watched.told()[0], Changes::Unknown);
    }

    #[test]
    fn a_file_system_that_others_change_unseen_is_not_watched() {
        assert!(OsWatch::open(Path::new("/proc")).is_err());
    }
}
