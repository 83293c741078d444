//! A message that another program reads, moves, removes or puts into a Maildir changes the lamp, as if its owner had done it here.

#![allow(clippy::unwrap_used, clippy::future_not_send, reason = "these are tests")]

use crate::support;

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use support::{CENTRAL, clock, mailbox, network, node, run, site, soon, wav};
use tempfile::{TempDir, tempdir};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use voicemail::disk::{ChangeReport, ChangedFolders, Disk, DiskFile, FreeSpace, OsDisk, WatchedFolder, Watcher};
use voicemail::event::Event;
use voicemail::message::{MailboxId, Status};
use voicemail::mwi::{MwiError, MwiSink, MwiState};
use voicemail::node::Node;
use voicemail::record::CallFacts;
use voicemail::store::{MaildirStore, MessageStore as _};

/// The operating system's disk, which can do without what tells of changes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Telling {
    /// Rings at once.
    Watcher,
    /// Rings, but has forgotten which changes there were.
    Overflow,
    /// Says when a folder last changed.
    Times,
    /// Says nothing.
    Nothing,
}

impl Disk for Telling {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        OsDisk.create(path)
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        OsDisk.open(path)
    }
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        OsDisk.link(from, to)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        OsDisk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        OsDisk.remove(path)
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        OsDisk.create_dir(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        OsDisk.sync_dir(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        OsDisk.list(path)
    }
    fn free_space(&self, path: &Path) -> io::Result<FreeSpace> {
        OsDisk.free_space(path)
    }
    fn watch(&self, path: &Path) -> io::Result<Box<dyn Watcher>> {
        match self {
            Self::Watcher => OsDisk.watch(path),
            Self::Overflow => Ok(Box::new(Forgetful(OsDisk.watch(path)?))),
            Self::Times | Self::Nothing => Err(io::ErrorKind::Unsupported.into()),
        }
    }
    fn folder_changed(&self, path: &Path) -> io::Result<SystemTime> {
        if *self == Self::Nothing {
            return Err(io::ErrorKind::Unsupported.into());
        }
        // These tests take less time than file systems tell apart: another time for other names.
        let mut names = OsDisk.list(path)?;
        names.sort_unstable();
        let mut hasher = DefaultHasher::new();
        names.hash(&mut hasher);
        Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(hasher.finish() >> 32))
    }
}

/// A watcher that cannot remember as much as happens.
#[derive(Debug)]
struct Forgetful(Box<dyn Watcher>);

#[async_trait]
impl Watcher for Forgetful {
    fn watch_folder(&self, path: &Path) -> io::Result<WatchedFolder> {
        self.0.watch_folder(path)
    }
    fn forget(&self, folders: &[WatchedFolder]) {
        self.0.forget(folders);
    }
    fn changes(&self, folders: &[WatchedFolder], since: u64) -> io::Result<ChangeReport> {
        self.0.changes(folders, since)
    }
    async fn changed(&self) -> io::Result<ChangedFolders> {
        self.0.changed().await.map(|_| ChangedFolders::Any)
    }
}

/// Lamps that can be watched, and count how often they were told.
#[derive(Debug, Clone)]
struct Board(Arc<watch::Sender<Shown>>, Arc<Mutex<Vec<MwiState>>>);

type Shown = std::collections::BTreeMap<MailboxId, String>;

#[async_trait]
impl MwiSink for Board {
    async fn show(&self, state: &MwiState) -> Result<(), MwiError> {
        self.1.lock().unwrap().push(state.clone());
        self.0.send_modify(|shown| drop(shown.insert(state.mailbox.clone(), state.summary.to_string())));
        Ok(())
    }
}

impl Board {
    fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Shown::new())), Arc::default())
    }

    /// Waits until the lamp of `number` shows `summary`.
    async fn shows(&self, number: &str, summary: &str) {
        let mut shown = self.0.subscribe();
        let wanted = |shown: &Shown| shown.get(&mailbox(number)).is_some_and(|shows| shows == summary);
        let seen = tokio::time::timeout(Duration::from_secs(600), shown.wait_for(wanted)).await.map(drop);
        assert!(seen.is_ok(), "{number} should show {summary}: {:?}", self.0.borrow());
    }

    fn times_told(&self, number: &str) -> usize {
        self.1.lock().unwrap().iter().filter(|state| state.mailbox == mailbox(number)).count()
    }
}

/// A central node on a Maildir.
struct House {
    folder: TempDir,
    node: Node,
    board: Board,
}

impl House {
    async fn new(disk: Telling) -> Self {
        let folder = tempdir().unwrap();
        let store = MaildirStore::builder(folder.path().join("store")).disk(Arc::new(disk));
        let store = store.directory(Arc::new(network().directory())).open().await.unwrap();
        let board = Board::new();
        let node = node(CENTRAL, folder.path()).store(store).sink(board.clone()).clock(clock()).open().await.unwrap();
        Self { folder, node, board }
    }

    async fn deposit(&self, number: &str, seed: u32) {
        let facts = CallFacts::to(mailbox(number));
        self.node.deposit_wav(&site("london"), facts, wav(1_000, seed).into()).await.unwrap();
    }

    fn path(&self, number: &str) -> PathBuf {
        self.folder.path().join("store/mail").join(number)
    }

    /// All files of a mailbox.
    fn files(&self, number: &str) -> Vec<PathBuf> {
        let folders = ["new", "cur"].map(|folder| fs::read_dir(self.path(number).join(folder)).unwrap());
        folders.into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
    }

    /// Gives each message these flags, as an IMAP server does.
    fn flag(&self, number: &str, flags: &str) {
        for file in self.files(number) {
            let name = file.file_name().unwrap().to_str().unwrap();
            let base = name.split(":2,").next().unwrap();
            fs::rename(&file, self.path(number).join("cur").join(format!("{base}:2,{flags}"))).unwrap();
        }
    }
}

/// What another program may do, and the lamp after each.
async fn meddle(house: &House) {
    let (node, board) = (&house.node, &house.board);
    board.shows("2001", "0/0 (0/0)").await;
    house.deposit("2001", 1).await;
    board.shows("2001", "1/0 (0/0)").await;
    house.flag("2001", "S");
    board.shows("2001", "0/1 (0/0)").await;
    house.flag("2001", "");
    board.shows("2001", "1/0 (0/0)").await;
    house.flag("2001", "ST");
    board.shows("2001", "0/0 (0/0)").await;
    house.flag("2001", "S");
    board.shows("2001", "0/1 (0/0)").await;

    // Moved to another mailbox, whose owner has had none yet.
    let file = house.files("2001").remove(0);
    fs::create_dir(house.path("2002")).unwrap_or_default();
    for folder in ["tmp", "new", "cur"] {
        fs::create_dir(house.path("2002").join(folder)).unwrap_or_default();
    }
    fs::rename(&file, house.path("2002").join("new/1752483912.moved.host")).unwrap();
    board.shows("2001", "0/0 (0/0)").await;
    board.shows("2002", "1/0 (0/0)").await;

    // A mailbox put aside by an operator, and brought back.
    fs::rename(house.path("2002"), house.folder.path().join("aside")).unwrap();
    board.shows("2002", "0/0 (0/0)").await;
    fs::remove_dir_all(house.path("2002")).unwrap_or_default();
    fs::rename(house.folder.path().join("aside"), house.path("2002")).unwrap();
    board.shows("2002", "1/0 (0/0)").await;
    fs::remove_file(&house.files("2002")[0]).unwrap();
    board.shows("2002", "0/0 (0/0)").await;
    assert_eq!(node.store().unwrap().summary(&mailbox("2002")).await.unwrap().to_string(), "0/0 (0/0)");
}

#[tokio::test(start_paused = true)]
async fn whatever_the_disk_can_tell_the_lamp_follows() {
    for disk in [Telling::Watcher, Telling::Overflow, Telling::Times, Telling::Nothing] {
        let house = House::new(disk).await;
        let running = run(&house.node);
        meddle(&house).await;
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_is_shown_at_once_where_the_disk_tells_and_within_ten_seconds_where_it_does_not() {
    for (disk, limit) in [(Telling::Watcher, 1_000), (Telling::Times, 10_100), (Telling::Nothing, 10_100)] {
        let house = House::new(disk).await;
        let running = run(&house.node);
        house.deposit("2001", 1).await;
        house.board.shows("2001", "1/0 (0/0)").await;
        for round in 0..20_u64 {
            sleep(Duration::from_millis(10_000 + 733 * round)).await;
            let start = Instant::now();
            house.flag("2001", ["S", ""][usize::try_from(round % 2).unwrap()]);
            house.board.shows("2001", ["0/1 (0/0)", "1/0 (0/0)"][usize::try_from(round % 2).unwrap()]).await;
            assert!(start.elapsed() <= Duration::from_millis(limit), "{disk:?}: after {:?}", start.elapsed());
        }
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_fresh_mailbox_is_followed_at_once_from_its_first_second_on() {
    if OsDisk.watch(tempdir().unwrap().path()).is_err() {
        eprintln!("SKIPPED: the temporary folder is on a file system that is not watched");
        return;
    }
    for _ in 0..14 {
        let house = House::new(Telling::Watcher).await;
        let running = run(&house.node);
        // The node has just created it, to count it.
        house.board.shows("2001", "0/0 (0/0)").await;
        house.board.shows("2002", "0/0 (0/0)").await;
        house.deposit("2001", 1).await;
        house.board.shows("2001", "1/0 (0/0)").await;
        let start = Instant::now();
        fs::rename(house.files("2001").remove(0), house.path("2002").join("new/1752483912.moved.host")).unwrap();
        house.board.shows("2002", "1/0 (0/0)").await;
        house.board.shows("2001", "0/0 (0/0)").await;
        assert!(start.elapsed() <= Duration::from_secs(1), "after {:?}", start.elapsed());
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_bad_entry_is_one_event_and_the_lamp_follows_all_else() {
    let house = House::new(Telling::Watcher).await;
    let mut events = house.node.events();
    let running = run(&house.node);
    house.board.shows("2001", "0/0 (0/0)").await;
    let bad = house.path("2001").join("new/1752483912.folder.host");
    fs::create_dir(&bad).unwrap();
    house.deposit("2001", 1).await;
    house.board.shows("2001", "1/0 (0/0)").await;
    sleep(Duration::from_secs(300)).await;
    let mut reported = Vec::new();
    while let Ok(told) = events.try_recv() {
        if let Event::BadEntry { path, .. } = told.event {
            reported.push(path);
        }
    }
    assert_eq!(reported, [bad]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_node_does_itself_is_told_once() {
    for disk in [Telling::Watcher, Telling::Overflow, Telling::Times, Telling::Nothing] {
        let house = House::new(disk).await;
        let running = run(&house.node);
        house.board.shows("2001", "0/0 (0/0)").await;
        for seed in 1..=5 {
            house.deposit("2001", seed).await;
            sleep(Duration::from_secs(30)).await;
        }
        let store = house.node.store().unwrap();
        for entry in store.list(&mailbox("2001")).await.unwrap() {
            store.mark(&mailbox("2001"), entry.head.id, Status::Old).await.unwrap();
            sleep(Duration::from_secs(30)).await;
        }
        house.board.shows("2001", "0/5 (0/0)").await;
        assert_eq!(house.board.times_told("2001"), 11, "{disk:?}: after the start, and for each of ten changes");
        assert_eq!(house.board.times_told("2002"), 1, "{disk:?}: nothing happened there");
        running.stop().await;
    }
}

#[tokio::test]
async fn in_real_time_a_message_read_elsewhere_darkens_the_lamp_at_once() {
    if OsDisk.watch(tempdir().unwrap().path()).is_err() {
        eprintln!("SKIPPED: the temporary folder is on a file system that is not watched");
        return;
    }
    let house = House::new(Telling::Watcher).await;
    let running = run(&house.node);
    house.deposit("2001", 1).await;
    soon(house.board.shows("2001", "1/0 (0/0)")).await;
    house.flag("2001", "S");
    soon(house.board.shows("2001", "0/1 (0/0)")).await;
    running.stop().await;
}
