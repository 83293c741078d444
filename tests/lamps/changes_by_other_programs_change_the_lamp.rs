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

/// The operating system's disk, with one way to report changes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum ReportingDisk {
    /// Reports a changed folder at once.
    Watcher,
    /// Reports at once that there was a change, but not in which folder.
    Overflow,
    /// Returns the time of the last change of a folder.
    Times,
    /// Reports nothing.
    Nothing,
}

impl Disk for ReportingDisk {
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
        // These tests take less time than the resolution of file times, so the time is derived from the names.
        let mut names = OsDisk.list(path)?;
        names.sort_unstable();
        let mut hasher = DefaultHasher::new();
        names.hash(&mut hasher);
        Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(hasher.finish() >> 32))
    }
}

/// A watcher whose queue overflows at every change.
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

/// A sink whose states can be awaited and counted.
#[derive(Debug, Clone)]
struct WatchedLamps(Arc<watch::Sender<ShownStates>>, Arc<Mutex<Vec<MwiState>>>);

type ShownStates = std::collections::BTreeMap<MailboxId, String>;

#[async_trait]
impl MwiSink for WatchedLamps {
    async fn show(&self, state: &MwiState) -> Result<(), MwiError> {
        self.1.lock().unwrap().push(state.clone());
        self.0.send_modify(|shown| drop(shown.insert(state.mailbox.clone(), state.summary.to_string())));
        Ok(())
    }
}

impl WatchedLamps {
    fn new() -> Self {
        Self(Arc::new(watch::Sender::new(ShownStates::new())), Arc::default())
    }

    /// Waits until the lamp of `number` shows `summary`.
    async fn shows(&self, number: &str, summary: &str) {
        let mut shown = self.0.subscribe();
        let wanted = |shown: &ShownStates| shown.get(&mailbox(number)).is_some_and(|shows| shows == summary);
        let seen = tokio::time::timeout(Duration::from_secs(600), shown.wait_for(wanted)).await.map(drop);
        assert!(seen.is_ok(), "{number} should show {summary}: {:?}", self.0.borrow());
    }

    fn times_shown(&self, number: &str) -> usize {
        self.1.lock().unwrap().iter().filter(|state| state.mailbox == mailbox(number)).count()
    }
}

/// A central node on a Maildir.
struct MaildirNode {
    folder: TempDir,
    node: Node,
    lamps: WatchedLamps,
}

impl MaildirNode {
    async fn new(disk: ReportingDisk) -> Self {
        let folder = tempdir().unwrap();
        let store = MaildirStore::builder(folder.path().join("store")).disk(Arc::new(disk));
        let store = store.directory(Arc::new(network().directory())).open().await.unwrap();
        let lamps = WatchedLamps::new();
        let node = node(CENTRAL, folder.path()).store(store).sink(lamps.clone()).clock(clock()).open().await.unwrap();
        Self { folder, node, lamps }
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

/// Makes the changes that another program may make, and checks the lamp after each.
async fn change_from_outside(central: &MaildirNode) {
    let (node, lamps) = (&central.node, &central.lamps);
    lamps.shows("2001", "0/0 (0/0)").await;
    central.deposit("2001", 1).await;
    lamps.shows("2001", "1/0 (0/0)").await;
    central.flag("2001", "S");
    lamps.shows("2001", "0/1 (0/0)").await;
    central.flag("2001", "");
    lamps.shows("2001", "1/0 (0/0)").await;
    central.flag("2001", "ST");
    lamps.shows("2001", "0/0 (0/0)").await;
    central.flag("2001", "S");
    lamps.shows("2001", "0/1 (0/0)").await;

    // Moved to another mailbox, whose owner has had none yet.
    let file = central.files("2001").remove(0);
    fs::create_dir(central.path("2002")).unwrap_or_default();
    for folder in ["tmp", "new", "cur"] {
        fs::create_dir(central.path("2002").join(folder)).unwrap_or_default();
    }
    fs::rename(&file, central.path("2002").join("new/1752483912.moved.host")).unwrap();
    lamps.shows("2001", "0/0 (0/0)").await;
    lamps.shows("2002", "1/0 (0/0)").await;

    // A mailbox put aside by an operator, and brought back.
    fs::rename(central.path("2002"), central.folder.path().join("aside")).unwrap();
    lamps.shows("2002", "0/0 (0/0)").await;
    // The node creates the folder again whenever it counts the mailbox.
    while fs::rename(central.folder.path().join("aside"), central.path("2002")).is_err() {
        fs::remove_dir_all(central.path("2002")).unwrap_or_default();
    }
    lamps.shows("2002", "1/0 (0/0)").await;
    fs::remove_file(&central.files("2002")[0]).unwrap();
    lamps.shows("2002", "0/0 (0/0)").await;
    assert_eq!(node.store().unwrap().summary(&mailbox("2002")).await.unwrap().to_string(), "0/0 (0/0)");
}

#[tokio::test(start_paused = true)]
async fn the_lamp_follows_whatever_changes_the_disk_reports() {
    for disk in [ReportingDisk::Watcher, ReportingDisk::Overflow, ReportingDisk::Times, ReportingDisk::Nothing] {
        let central = MaildirNode::new(disk).await;
        let running = run(&central.node);
        change_from_outside(&central).await;
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_is_shown_at_once_or_within_10_s_without_a_watcher() {
    for (disk, limit) in [(ReportingDisk::Watcher, 1_000), (ReportingDisk::Times, 10_100), (ReportingDisk::Nothing, 10_100)] {
        let central = MaildirNode::new(disk).await;
        let running = run(&central.node);
        central.deposit("2001", 1).await;
        central.lamps.shows("2001", "1/0 (0/0)").await;
        for round in 0..20_u64 {
            sleep(Duration::from_millis(10_000 + 733 * round)).await;
            let start = Instant::now();
            central.flag("2001", ["S", ""][usize::try_from(round % 2).unwrap()]);
            central.lamps.shows("2001", ["0/1 (0/0)", "1/0 (0/0)"][usize::try_from(round % 2).unwrap()]).await;
            assert!(start.elapsed() <= Duration::from_millis(limit), "{disk:?}: after {:?}", start.elapsed());
        }
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_mailbox_is_watched_from_its_first_second_on() {
    if OsDisk.watch(tempdir().unwrap().path()).is_err() {
        eprintln!("SKIPPED: the temporary folder is on a file system that is not watched");
        return;
    }
    for _ in 0..14 {
        let central = MaildirNode::new(ReportingDisk::Watcher).await;
        let running = run(&central.node);
        // The node has just created it, to count it.
        central.lamps.shows("2001", "0/0 (0/0)").await;
        central.lamps.shows("2002", "0/0 (0/0)").await;
        central.deposit("2001", 1).await;
        central.lamps.shows("2001", "1/0 (0/0)").await;
        let start = Instant::now();
        fs::rename(central.files("2001").remove(0), central.path("2002").join("new/1752483912.moved.host")).unwrap();
        central.lamps.shows("2002", "1/0 (0/0)").await;
        central.lamps.shows("2001", "0/0 (0/0)").await;
        assert!(start.elapsed() <= Duration::from_secs(1), "after {:?}", start.elapsed());
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_bad_entry_is_one_event_and_the_lamp_follows_all_else() {
    let central = MaildirNode::new(ReportingDisk::Watcher).await;
    let mut events = central.node.events();
    let running = run(&central.node);
    central.lamps.shows("2001", "0/0 (0/0)").await;
    let bad = central.path("2001").join("new/1752483912.folder.host");
    fs::create_dir(&bad).unwrap();
    central.deposit("2001", 1).await;
    central.lamps.shows("2001", "1/0 (0/0)").await;
    sleep(Duration::from_secs(300)).await;
    let mut reported = Vec::new();
    while let Ok(occurrence) = events.try_recv() {
        if let Event::BadEntry { path, .. } = occurrence.event {
            reported.push(path);
        }
    }
    assert_eq!(reported, [bad]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn changes_by_the_node_itself_are_shown_once() {
    for disk in [ReportingDisk::Watcher, ReportingDisk::Overflow, ReportingDisk::Times, ReportingDisk::Nothing] {
        let central = MaildirNode::new(disk).await;
        let running = run(&central.node);
        central.lamps.shows("2001", "0/0 (0/0)").await;
        for seed in 1..=5 {
            central.deposit("2001", seed).await;
            sleep(Duration::from_secs(30)).await;
        }
        let store = central.node.store().unwrap();
        for entry in store.list(&mailbox("2001")).await.unwrap() {
            store.mark(&mailbox("2001"), entry.head.id, Status::Old).await.unwrap();
            sleep(Duration::from_secs(30)).await;
        }
        central.lamps.shows("2001", "0/5 (0/0)").await;
        assert_eq!(central.lamps.times_shown("2001"), 11, "{disk:?}: after the start, and for each of ten changes");
        assert_eq!(central.lamps.times_shown("2002"), 1, "{disk:?}: nothing happened there");
        running.stop().await;
    }
}

#[tokio::test]
async fn in_real_time_a_message_read_elsewhere_turns_off_the_lamp() {
    if OsDisk.watch(tempdir().unwrap().path()).is_err() {
        eprintln!("SKIPPED: the temporary folder is on a file system that is not watched");
        return;
    }
    let central = MaildirNode::new(ReportingDisk::Watcher).await;
    let running = run(&central.node);
    central.deposit("2001", 1).await;
    soon(central.lamps.shows("2001", "1/0 (0/0)")).await;
    central.flag("2001", "S");
    soon(central.lamps.shows("2001", "0/1 (0/0)")).await;
    running.stop().await;
}
