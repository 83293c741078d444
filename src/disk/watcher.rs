//! [`Watcher`]: reports which names are added to folders and removed from them, so that a folder need not be read again and again.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::MutexGuard;

use async_trait::async_trait;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use tokio::net::unix::pipe;
use tokio::sync::Notify;

use crate::lock::Lock;

/// Reports which names are added to watched folders and removed from them, by any process.
///
/// [`changes`](Self::changes) answers at once, for a caller who knows the folders; [`changed`](Self::changed) waits, for a caller who wants
/// to know where to look.
///
/// # Contract
///
/// - **Complete.** When a call that changed a name in a watched folder has returned, the next [`changes`](Self::changes) of this folder
///   reports it or answers [`FolderChanges::Unknown`], and [`changed`](Self::changed) answers this folder or [`ChangedFolders::Any`].
/// - **In order.** The changes of one folder are reported in the order in which they were made.
#[async_trait]
pub trait Watcher: Debug + Send + Sync + 'static {
    /// Watches the folder at `path` from now on, if it is not watched yet. Blocks.
    ///
    /// Answers the same number as long as the same folder is there, and another number when another folder has taken its place.
    ///
    /// # Errors
    ///
    /// Any error of the file system; also when no more folders can be watched.
    fn watch_folder(&self, path: &Path) -> io::Result<WatchedFolder>;

    /// Stops watching these folders. Blocks.
    fn forget(&self, folders: &[WatchedFolder]);

    /// Reports the changes in each of `folders` since the call that answered `since` as its [turn](ChangeReport::turn); zero for the first
    /// call. All folders are seen at one moment. Blocks.
    ///
    /// # Errors
    ///
    /// Any error of the file system. The folders must be read then.
    fn changes(&self, folders: &[WatchedFolder], since: u64) -> io::Result<ChangeReport>;

    /// Waits until names were added to watched folders or removed from them, or a watched folder itself was removed, and answers which
    /// folders these are. A change that [`changes`](Self::changes) has reported is answered, too.
    ///
    /// # Errors
    ///
    /// Any error of the file system; [`Unsupported`](io::ErrorKind::Unsupported) for a watcher without this method. After an error, no
    /// change is reported here any more.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O and time.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: what a dropped call has not answered is answered to the next call.
    async fn changed(&self) -> io::Result<ChangedFolders> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// The number of a watched folder. A folder that is removed and created again is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WatchedFolder(pub u64);

/// The answer of [`Watcher::changes`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChangeReport {
    /// The number of this call, which grows. The next call passes it to ask for what came after this one.
    pub turn: u64,
    /// The changes in each folder that was asked for, in the same order. It is [`FolderChanges::Unknown`] also where another caller
    /// asked for this folder in between.
    pub changes: Vec<FolderChanges>,
}

impl ChangeReport {
    /// The report of call number `turn`, with one entry for each folder that was asked for.
    pub fn new(turn: u64, changes: Vec<FolderChanges>) -> Self {
        Self { turn, changes }
    }
}

/// The changes in a folder. These are all the cases: a reader must handle each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FolderChanges {
    /// These names were added or removed, in this order; an empty list if nothing has changed.
    Names(Vec<NameChange>),
    /// The changes are not known: the folder must be read.
    Unknown,
}

/// A name that was added to a folder or removed from it; a rename is one of each. Names that are not UTF-8 are left out. These are all the
/// cases: a reader must handle each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameChange {
    /// The name is in the folder now.
    Added(String),
    /// The name is no longer in the folder.
    Removed(String),
}

/// The answer of [`Watcher::changed`]: where names were added or removed. These are all the cases: a reader must handle each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangedFolders {
    /// Names were added or removed in these folders.
    In(Vec<WatchedFolder>),
    /// Any folder may have changed: more happened than the watcher could remember.
    Any,
}

/// The operating system's watcher for local file systems: inotify.
#[derive(Debug)]
pub(super) struct OsWatcher {
    queue: OwnedFd,
    state: Lock<WatcherState>,
    /// Wakes a caller of `changed` when another thread has emptied the queue.
    noted: Notify,
}

#[derive(Debug, Default)]
struct WatcherState {
    folders: HashMap<i32, FolderState>,
    /// Renames of which only the first half was seen: the number that the second half will have, and the folder that the file has left.
    moving: HashMap<u32, i32>,
    turn: u64,
    /// The folders to be answered by `changed`.
    changed: BTreeSet<WatchedFolder>,
    /// Whether `changed` is to answer that any folder may have changed.
    any_changed: bool,
}

/// The changes that were taken from the queue for one folder and not asked for yet.
#[derive(Debug)]
struct FolderState {
    /// [`FolderChanges::Unknown`] until the folder was asked for once: no names are remembered that nobody asks for.
    changes: FolderChanges,
    /// The turn in which the folder was asked for last.
    asked_in: u64,
    /// How many names have left for a place that was not seen yet.
    moving: usize,
}

impl OsWatcher {
    /// A watcher for folders under `path`; an error where the file system does not report what other machines do.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { queue: queue(path)?, state: Lock::default(), noted: Notify::new() })
    }

    fn state(&self) -> MutexGuard<'_, WatcherState> {
        self.state.lock()
    }

    /// Takes events from the queue until it is empty, or at least `enough` were taken.
    fn drain(&self, state: &mut WatcherState, enough: usize) -> io::Result<()> {
        let mut buffer = [MaybeUninit::uninit(); QUEUE_BUFFER];
        let mut reader = inotify::Reader::new(&self.queue, &mut buffer);
        let mut taken = 0;
        // The reader takes many events from the queue at once, so those that it holds are handled, too: they would be lost with it.
        while taken < enough || !reader.is_buffer_empty() {
            match reader.next() {
                Ok(event) => state.handle_event(&event),
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            taken += 1;
        }
        Ok(())
    }

    /// The answer of `changed`; `None` if nothing has changed.
    fn take_changed(&self) -> io::Result<Option<ChangedFolders>> {
        let mut state = self.state();
        self.drain(&mut state, TAKEN_AT_ONCE)?;
        let folders = std::mem::take(&mut state.changed);
        if std::mem::take(&mut state.any_changed) {
            return Ok(Some(ChangedFolders::Any));
        }
        Ok((!folders.is_empty()).then(|| ChangedFolders::In(folders.into_iter().collect())))
    }
}

#[async_trait]
impl Watcher for OsWatcher {
    fn watch_folder(&self, path: &Path) -> io::Result<WatchedFolder> {
        let names = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVED_FROM | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
        let mut state = self.state();
        let descriptor = inotify::add_watch(&self.queue, path, names)?;
        let unknown = || FolderState { changes: FolderChanges::Unknown, asked_in: 0, moving: 0 };
        state.folders.entry(descriptor).or_insert_with(unknown);
        Ok(WatchedFolder(u64::try_from(descriptor).map_err(io::Error::other)?))
    }

    fn forget(&self, folders: &[WatchedFolder]) {
        let mut state = self.state();
        for folder in folders {
            state.changed.remove(folder);
            let Some(descriptor) = descriptor(*folder) else { continue };
            state.folders.remove(&descriptor);
            state.moving.retain(|_, left| *left != descriptor);
            // The system itself stops watching a folder that is removed.
            let _ = inotify::remove_watch(&self.queue, descriptor);
        }
    }

    fn changes(&self, folders: &[WatchedFolder], since: u64) -> io::Result<ChangeReport> {
        let mut state = self.state();
        self.drain(&mut state, usize::MAX)?;
        if state.any_changed || !state.changed.is_empty() {
            self.noted.notify_one();
        }
        state.turn += 1;
        let changes = folders.iter().map(|folder| state.take(*folder, since)).collect();
        Ok(ChangeReport { turn: state.turn, changes })
    }

    async fn changed(&self) -> io::Result<ChangedFolders> {
        // To the runtime, what can be read and only read is a pipe. It gets its own descriptor, for the runtime of this caller.
        let queue = pipe::Receiver::from_file_unchecked(self.queue.try_clone()?.into())?;
        loop {
            if let Some(changed) = self.take_changed()? {
                return Ok(changed);
            }
            tokio::select! {
                ready = queue.readable() => ready?,
                () = self.noted.notified() => {}
            }
            // Takes nothing, as no event fits into one byte; but the runtime learns when the queue is empty.
            let _ = queue.try_read(&mut [0]);
        }
    }
}

impl WatcherState {
    fn handle_event(&mut self, event: &inotify::Event<'_>) {
        let (descriptor, events, cookie) = (event.wd(), event.events(), event.cookie());
        if events.contains(ReadFlags::QUEUE_OVERFLOW) {
            self.any_changed = true;
            self.folders.values_mut().for_each(FolderState::lose);
        }
        if events.contains(ReadFlags::MOVED_TO)
            && let Some(left) = self.moving.remove(&cookie).and_then(|left| self.folders.get_mut(&left))
        {
            left.moving = left.moving.saturating_sub(1);
        }
        let Some(folder) = self.folders.get_mut(&descriptor) else { return };
        self.changed.extend(u64::try_from(descriptor).ok().map(WatchedFolder));
        if events.contains(ReadFlags::IGNORED) {
            self.folders.remove(&descriptor);
            return;
        }
        // Where the folder must be read anyway, it does not matter where its files have gone.
        if events.contains(ReadFlags::MOVED_FROM) && folder.changes != FolderChanges::Unknown {
            folder.moving += 1;
            self.moving.insert(cookie, descriptor);
        }
        let Some(name) = event.file_name().and_then(|name| name.to_str().ok()) else { return };
        if events.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
            folder.note(NameChange::Added(name.to_owned()));
        } else if events.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
            folder.note(NameChange::Removed(name.to_owned()));
        }
    }

    /// Hands out what was noted of a folder.
    ///
    /// A rename is reported in two halves, one after the other. When only the first half is there, a file would seem removed that is about
    /// to be added: then the folder must be read, which waits for the process that renames in it.
    fn take(&mut self, folder: WatchedFolder, since: u64) -> FolderChanges {
        let Some(descriptor) = descriptor(folder) else { return FolderChanges::Unknown };
        let Some(folder) = self.folders.get_mut(&descriptor) else { return FolderChanges::Unknown };
        let changes = std::mem::replace(&mut folder.changes, FolderChanges::Names(Vec::new()));
        let no_other_caller = std::mem::replace(&mut folder.asked_in, self.turn) == since;
        if std::mem::take(&mut folder.moving) > 0 {
            self.moving.retain(|_, left| *left != descriptor);
            return FolderChanges::Unknown;
        }
        if no_other_caller { changes } else { FolderChanges::Unknown }
    }
}

impl FolderState {
    fn note(&mut self, change: NameChange) {
        match &mut self.changes {
            FolderChanges::Names(names) if names.len() < CHANGES_REMEMBERED => names.push(change),
            FolderChanges::Names(_) => self.lose(),
            FolderChanges::Unknown => {}
        }
    }

    fn lose(&mut self) {
        self.changes = FolderChanges::Unknown;
    }
}

/// A queue of what happens under `path`; an error where the file system does not report what other machines do.
#[expect(clippy::useless_conversion, reason = "the number has 32 bits on 32-bit machines")]
fn queue(path: &Path) -> io::Result<OwnedFd> {
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
/// How many events are taken from the queue before a waiting caller gets an answer.
const TAKEN_AT_ONCE: usize = 4096;
/// How many changes of one folder are remembered until they are asked for; past them it is cheaper to read the folder.
const CHANGES_REMEMBERED: usize = 1024;
/// File systems that only this machine changes, by their numbers in the kernel: ext2 to ext4, XFS, btrfs, tmpfs, overlayfs, F2FS,
/// ZFS, bcachefs.
const LOCAL_FILE_SYSTEMS: [i64; 8] =
    [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x794C_7630, 0xF2F5_2010, 0x2FC1_2FC1, 0xCA45_1A4E];

#[cfg(test)]
mod tests {
    use std::fs;
    use std::future::Future as _;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    fn added(name: &str) -> NameChange {
        NameChange::Added(name.to_owned())
    }

    fn removed(name: &str) -> NameChange {
        NameChange::Removed(name.to_owned())
    }

    /// A folder with two watched folders.
    struct Tree {
        root: tempfile::TempDir,
        watcher: OsWatcher,
        folders: [WatchedFolder; 2],
        turn: u64,
    }

    impl Tree {
        /// `None` where the file system is not watched.
        fn new() -> Option<Self> {
            let root = tempfile::tempdir().unwrap();
            let Ok(watcher) = OsWatcher::open(root.path()) else {
                eprintln!("SKIPPED: the temporary folder is on a file system that is not watched");
                return None;
            };
            let folders = ["new", "cur"].map(|name| {
                fs::create_dir(root.path().join(name)).unwrap();
                watcher.watch_folder(&root.path().join(name)).unwrap()
            });
            Some(Self { root, watcher, folders, turn: 0 })
        }

        /// The same, whose changes were asked for once.
        fn asked() -> Option<Self> {
            let mut tree = Self::new()?;
            assert_eq!(tree.changes(), [FolderChanges::Unknown, FolderChanges::Unknown], "what was there before is not known");
            Some(tree)
        }

        fn changes(&mut self) -> Vec<FolderChanges> {
            let report = self.watcher.changes(&self.folders, self.turn).unwrap();
            self.turn = report.turn;
            report.changes
        }

        fn path(&self, name: &str) -> std::path::PathBuf {
            self.root.path().join(name)
        }

        fn new_folder(&self) -> ChangedFolders {
            ChangedFolders::In(vec![self.folders[0]])
        }
    }

    #[test]
    fn each_name_change_is_reported_once_and_in_order() {
        let Some(mut tree) = Tree::asked() else { return };
        fs::write(tree.path("new/a"), "a").unwrap();
        fs::rename(tree.path("new/a"), tree.path("cur/a:2,S")).unwrap();
        fs::rename(tree.path("cur/a:2,S"), tree.path("cur/a:2,T")).unwrap();
        fs::remove_file(tree.path("cur/a:2,T")).unwrap();
        let in_cur = vec![added("a:2,S"), removed("a:2,S"), added("a:2,T"), removed("a:2,T")];
        assert_eq!(tree.changes(), [FolderChanges::Names(vec![added("a"), removed("a")]), FolderChanges::Names(in_cur)]);
        assert_eq!(tree.changes(), [FolderChanges::Names(vec![]), FolderChanges::Names(vec![])]);
    }

    #[test]
    fn after_a_move_to_an_unwatched_folder_nothing_is_known() {
        let Some(mut tree) = Tree::asked() else { return };
        fs::write(tree.path("new/a"), "a").unwrap();
        tree.changes();
        fs::rename(tree.path("new/a"), tree.path("a")).unwrap();
        assert_eq!(tree.changes(), [FolderChanges::Unknown, FolderChanges::Names(vec![])]);
    }

    #[test]
    fn too_many_changes_are_not_known_one_by_one() {
        let Some(mut tree) = Tree::asked() else { return };
        for number in 0..=CHANGES_REMEMBERED {
            fs::write(tree.path(&format!("new/{number}")), "").unwrap();
        }
        assert_eq!(tree.changes(), [FolderChanges::Unknown, FolderChanges::Names(vec![])]);
    }

    #[test]
    fn another_folder_in_the_same_place_has_another_number() {
        let Some(mut tree) = Tree::asked() else { return };
        let new = tree.path("new");
        assert_eq!(tree.watcher.watch_folder(&new).unwrap(), tree.folders[0]);
        fs::rename(&new, tree.path("away")).unwrap();
        fs::create_dir(&new).unwrap();
        let other = tree.watcher.watch_folder(&new).unwrap();
        assert_ne!(other, tree.folders[0]);
        tree.folders = [other, tree.folders[1]];
        fs::write(new.join("a"), "").unwrap();
        assert_eq!(tree.changes(), [FolderChanges::Unknown, FolderChanges::Names(vec![])]);
        tree.watcher.forget(&[other]);
        assert_eq!(tree.changes()[0], FolderChanges::Unknown, "a folder that is not watched must be read");
    }

    #[test]
    fn changes_that_another_caller_got_are_not_known_here() {
        let Some(mut tree) = Tree::asked() else { return };
        fs::write(tree.path("new/a"), "").unwrap();
        tree.watcher.changes(&tree.folders[..1], tree.turn).unwrap();
        assert_eq!(tree.changes()[0], FolderChanges::Unknown);
    }

    #[test]
    fn no_names_are_remembered_that_nobody_asks_for() {
        let Some(tree) = Tree::new() else { return };
        fs::write(tree.path("new/a"), "").unwrap();
        assert_eq!(tree.watcher.take_changed().unwrap(), Some(tree.new_folder()));
        fs::rename(tree.path("new/a"), tree.path("a")).unwrap();
        assert_eq!(tree.watcher.take_changed().unwrap(), Some(tree.new_folder()));
        let state = tree.watcher.state();
        assert!(state.folders.values().all(|folder| folder.changes == FolderChanges::Unknown));
        assert!(state.moving.is_empty(), "{state:?}");
    }

    #[test]
    fn a_network_file_system_is_not_watched() {
        assert!(OsWatcher::open(Path::new("/proc")).is_err());
    }

    #[tokio::test]
    async fn a_waiter_is_woken_by_name_changes_and_nothing_else() {
        let Some(tree) = Tree::new() else { return };
        for step in 0..3 {
            let mut changed = pin!(tree.watcher.changed());
            assert!(changed.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "step {step}");
            match step {
                0 => fs::write(tree.path("new/a"), "a").unwrap(),
                1 => fs::rename(tree.path("new/a"), tree.path("new/b")).unwrap(),
                _ => fs::remove_dir_all(tree.path("new")).unwrap(),
            }
            assert_eq!(changed.await.unwrap(), tree.new_folder(), "step {step}");
            // The end of the folder is reported apart from that of its last name.
            while let Some(changed) = tree.watcher.take_changed().unwrap() {
                assert_eq!(changed, tree.new_folder());
            }
        }
    }

    #[tokio::test]
    async fn a_change_waits_for_a_caller_until_it_is_forgotten() {
        let Some(tree) = Tree::new() else { return };
        drop(tree.watcher.changed());
        fs::write(tree.path("new/a"), "a").unwrap();
        assert_eq!(tree.watcher.changed().await.unwrap(), tree.new_folder());
        fs::write(tree.path("new/b"), "b").unwrap();
        tree.watcher.forget(&tree.folders[..1]);
        fs::write(tree.path("new/c"), "c").unwrap();
        assert_eq!(tree.watcher.take_changed().unwrap(), None);
    }

    #[tokio::test]
    async fn a_change_that_was_reported_at_once_also_wakes_a_waiter() {
        let Some(mut tree) = Tree::asked() else { return };
        fs::write(tree.path("new/a"), "a").unwrap();
        assert_eq!(tree.changes()[0], FolderChanges::Names(vec![added("a")]));
        assert_eq!(tree.watcher.changed().await.unwrap(), tree.new_folder());
        fs::write(tree.path("new/b"), "b").unwrap();
        assert_eq!(tree.watcher.changed().await.unwrap(), tree.new_folder());
        assert_eq!(tree.changes()[0], FolderChanges::Names(vec![added("b")]), "and the other way round");
    }

    #[test]
    fn no_change_is_lost_when_more_come_than_are_taken_at_once() {
        let Some(tree) = Tree::new() else { return };
        for number in 0..TAKEN_AT_ONCE {
            // With names of this length, the buffer still has events when enough were taken.
            fs::write(tree.path(&format!("new/{number:020}")), "").unwrap();
        }
        fs::write(tree.path("cur/a"), "").unwrap();
        let mut answered = BTreeSet::new();
        while let Some(ChangedFolders::In(folders)) = tree.watcher.take_changed().unwrap() {
            answered.extend(folders);
        }
        assert_eq!(answered, BTreeSet::from(tree.folders));
    }

    #[tokio::test]
    async fn two_callers_may_wait_at_once() {
        let Some(tree) = Tree::new() else { return };
        let (mut one, mut other) = (pin!(tree.watcher.changed()), pin!(tree.watcher.changed()));
        for waiter in [&mut one, &mut other] {
            assert!(waiter.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        fs::write(tree.path("new/a"), "a").unwrap();
        assert_eq!(tokio::select! { changed = one => changed, changed = other => changed }.unwrap(), tree.new_folder());
    }

    #[tokio::test]
    async fn when_the_queue_overflows_any_folder_may_have_changed() {
        let Some(tree) = Tree::new() else { return };
        let most: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
        if most > 100_000 {
            eprintln!("SKIPPED: this machine's queue is too long to be filled");
            return;
        }
        // Two names in turn: the system merges only equal changes that follow one another.
        fs::write(tree.path("new/a"), "a").unwrap();
        for _ in 0..=most / 4 {
            fs::rename(tree.path("new/a"), tree.path("new/b")).unwrap();
            fs::rename(tree.path("new/b"), tree.path("new/a")).unwrap();
        }
        let mut answers = Vec::new();
        while let Some(changed) = tree.watcher.take_changed().unwrap() {
            answers.push(changed);
        }
        assert!(answers.contains(&ChangedFolders::Any), "{} answers", answers.len());
    }
}
