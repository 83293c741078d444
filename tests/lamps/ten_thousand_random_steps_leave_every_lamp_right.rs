//! After ten thousand random steps of callers, owners, other programs, outages, restarts and crashes, every lamp shows the state in the store.
//!
//! `VOICEMAIL_SEED` repeats the run with that seed; `VOICEMAIL_LIVES` sets the number of runs of 1000 steps each, ten by default.

#![allow(clippy::unwrap_used, clippy::future_not_send, reason = "these are tests")]

use crate::recorded_lamps;
use crate::support;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use recorded_lamps::{LampRecorder, SinkBehaviour, UnreliableStore};
use support::random::Random;
use support::{CENTRAL, Running, clock, mailbox, network, node, run, site, wav};
use tempfile::{TempDir, tempdir, tempdir_in};
use tokio::time::{sleep, timeout};
use voicemail::clock::ManualClock;
use voicemail::disk::{Disk, DiskFile, FaultyDisk, FreeSpace, InjectedFault, OsDisk, PowerCutDisk, Unsynced, Watcher};
use voicemail::message::{MailboxId, Status};
use voicemail::mwi::{CurrentState, MwiSource as _};
use voicemail::node::Node;
use voicemail::record::CallFacts;
use voicemail::store::{MaildirStore, MessageStore as _, StoreError};

const NUMBERS: [&str; 4] = ["2001", "2002", "2003", "2004"];
const STEPS: u32 = 1_000;

/// The disk of one life: the operating system's, which rings when names change, or one in memory, which does not, and loses in a
/// crash what was not flushed.
#[derive(Debug, Clone)]
enum TestDisk {
    Real(Arc<TempDir>),
    InMemory(PowerCutDisk),
}

impl TestDisk {
    fn disk(&self) -> Arc<dyn Disk> {
        match self {
            Self::Real(_) => Arc::new(OsDisk),
            Self::InMemory(disk) => Arc::new(disk.clone()),
        }
    }

    fn root(&self) -> PathBuf {
        match self {
            Self::Real(folder) => folder.path().to_owned(),
            Self::InMemory(_) => "/life".into(),
        }
    }
}

/// A shared disk as a disk.
#[derive(Debug)]
struct SharedDisk(Arc<dyn Disk>);

impl Disk for SharedDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.0.create(path)
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.0.open(path)
    }
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.link(from, to)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.0.create_dir(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.0.sync_dir(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.0.list(path)
    }
    fn free_space(&self, path: &Path) -> io::Result<FreeSpace> {
        self.0.free_space(path)
    }
    fn watch(&self, path: &Path) -> io::Result<Box<dyn Watcher>> {
        self.0.watch(path)
    }
}

/// A node and what it stands on, while it runs.
struct RunningNode {
    node: Node,
    running: Running,
    store: Arc<UnreliableStore<MaildirStore>>,
    /// The disk as its process sees it.
    disk: FaultyDisk,
}

/// One life with its dice.
struct RandomRun {
    seed: u64,
    dice: Random,
    disk_of_run: TestDisk,
    board: LampRecorder,
    clock: Arc<ManualClock>,
    running_node: Option<RunningNode>,
}

impl RandomRun {
    fn new(seed: u64) -> Self {
        let disk_of_run = if seed.is_multiple_of(5) {
            // Where files are in memory, if there is such a place: no power is cut here.
            TestDisk::Real(Arc::new(tempdir_in("/dev/shm").or_else(|_| tempdir()).unwrap()))
        } else {
            TestDisk::InMemory(PowerCutDisk::new())
        };
        let dice = Random::with_seed(seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        Self { seed, dice, disk_of_run, board: LampRecorder::default(), clock: clock(), running_node: None }
    }

    async fn store(&self, disk: &FaultyDisk) -> MaildirStore {
        let store = MaildirStore::builder(self.disk_of_run.root().join("store")).disk(disk.clone()).min_free_space(0);
        store.directory(Arc::new(network().directory())).open().await.unwrap()
    }

    /// The node, which starts if it does not run.
    async fn running_node(&mut self) -> &RunningNode {
        if self.running_node.is_none() {
            let disk = FaultyDisk::new(SharedDisk(self.disk_of_run.disk()));
            let store = UnreliableStore::new(self.store(&disk).await);
            let builder = node(CENTRAL, &self.disk_of_run.root()).disk(disk.clone()).min_free_space(0);
            let node = builder.store(Arc::clone(&store)).sink(self.board.clone()).clock(Arc::clone(&self.clock));
            let node = node.open().await.unwrap();
            let running = run(&node);
            self.running_node = Some(RunningNode { node, running, store, disk });
        }
        self.running_node.as_ref().unwrap()
    }

    async fn step(&mut self) {
        let number = NUMBERS[self.below(4)];
        let (seed, which, dice) = (self.below(1 << 30), self.below(1 << 30), self.below(100));
        let node = self.running_node().await.node.clone();
        let store = Arc::clone(&self.running_node().await.store);
        match dice {
            0..20 => deposit(&node, number, u32::try_from(seed).unwrap()).await,
            // Its owner hangs up when the store hangs.
            20..38 => drop(timeout(Duration::from_secs(5), handle(&node, &mailbox(number), seed, which)).await),
            38..60 => self.change_from_outside(number, seed, which),
            60..64 => store.down.store(seed.is_multiple_of(2), Ordering::SeqCst),
            64..66 => store.hangs.store(seed.is_multiple_of(3), Ordering::SeqCst),
            66..71 => {
                let moods = [
                    SinkBehaviour::Works,
                    SinkBehaviour::Works,
                    SinkBehaviour::Fails,
                    SinkBehaviour::Slow,
                    SinkBehaviour::Hangs,
                    SinkBehaviour::Panics,
                ];
                self.board.lamps().behaviour = moods[seed % 6];
            }
            71..74 => self.clock.advance(chrono::TimeDelta::seconds(i64::try_from(seed % 4_000).unwrap() - 2_000)),
            74..78 => self.ask(&node, number).await,
            78..80 => self.end(seed).await,
            _ => sleep(Duration::from_millis(u64::try_from(seed).unwrap() % 1_500)).await,
        }
    }

    /// Another program reads, shows again, removes, deletes or moves a message, or takes the whole mailbox away.
    fn change_from_outside(&self, number: &str, seed: usize, which: usize) {
        let (disk, mail) = (self.disk_of_run.disk(), self.disk_of_run.root().join("store/mail"));
        let home = mail.join(number);
        let names = |folder| disk.list(&home.join(folder)).unwrap_or_default().into_iter().map(move |name| (folder, name));
        let mut files: Vec<_> = names("new").chain(names("cur")).collect();
        files.sort_unstable();
        if files.is_empty() {
            return;
        }
        let (folder, name) = &files[which % files.len()];
        let (from, base) = (home.join(folder).join(name), name.split(":2,").next().unwrap());
        // Each may meet a file that the node has just moved: then nothing happens.
        let _ = match seed % 20 {
            0..8 => disk.rename(&from, &home.join("cur").join(format!("{base}:2,S"))),
            8..12 => disk.rename(&from, &home.join("cur").join(format!("{base}:2,"))),
            12..14 => disk.rename(&from, &home.join("cur").join(format!("{base}:2,ST"))),
            14..17 => disk.remove(&from),
            17..19 => disk.rename(&from, &mail.join(NUMBERS[which % 4]).join("new").join(format!("1752483912.{seed}.host"))),
            _ => {
                let aside = self.disk_of_run.root().join(format!("aside-{seed}"));
                disk.rename(&home, &aside)
            }
        };
    }

    /// A state that is looked up is newer than every state that was shown before.
    async fn ask(&self, node: &Node, number: &str) {
        let shown = self.board.shown(number).last().map(|(state, _)| state.version);
        if let CurrentState::Known(state) = node.current(&mailbox(number)).await {
            assert!(shown.is_none_or(|shown| shown < state.version), "seed {}: {state:?} after version {shown:?}", self.seed);
        }
    }

    /// The node stops, or dies.
    async fn end(&mut self, seed: usize) {
        let Some(RunningNode { running, store, disk: disk_of_process, .. }) = self.running_node.take() else { return };
        store.hangs.store(false, Ordering::SeqCst);
        if seed.is_multiple_of(2) {
            running.stop().await;
            return;
        }
        running.crash().await;
        // Threads that still work for the node die with its process.
        disk_of_process.fail(InjectedFault::after(0, io::ErrorKind::BrokenPipe).lasting());
        if let TestDisk::InMemory(disk) = &self.disk_of_run {
            disk.power_cut(if seed % 4 == 1 { Unsynced::Forgotten } else { Unsynced::NamesKept });
        }
    }

    /// All is well for longer than anything waits; then each lamp is compared with the store.
    async fn rest(&mut self, step: u32) {
        let running_node = self.running_node().await;
        running_node.store.down.store(false, Ordering::SeqCst);
        running_node.store.hangs.store(false, Ordering::SeqCst);
        self.board.lamps().behaviour = SinkBehaviour::Works;
        sleep(Duration::from_secs(400)).await;
        let seed = self.seed;
        assert_eq!(self.board.lamps().faults, Vec::<String>::new(), "seed {seed}, step {step}");
        let fresh = self.store(&FaultyDisk::new(SharedDisk(self.disk_of_run.disk()))).await;
        for number in NUMBERS {
            let says = fresh.summary(&mailbox(number)).await.unwrap();
            assert_eq!(self.board.summary(number), Some(says), "seed {seed}, step {step}, mailbox {number}");
        }
    }

    fn below(&mut self, most: u64) -> usize {
        usize::try_from(self.dice.below(most)).unwrap()
    }
}

async fn deposit(node: &Node, number: &str, seed: u32) {
    let facts = CallFacts::to(number.parse::<MailboxId>().unwrap());
    let facts = if seed.is_multiple_of(3) { facts.urgent() } else { facts };
    node.deposit_wav(&site("london"), facts, wav(1_000, seed).into()).await.unwrap();
}

/// An owner marks a message, or deletes those that were removed.
async fn handle(node: &Node, mailbox: &MailboxId, seed: usize, which: usize) -> Result<(), StoreError> {
    let store = node.store().unwrap();
    let entries = store.list(mailbox).await?;
    if seed.is_multiple_of(6) || entries.is_empty() {
        return store.expunge(mailbox).await.map(drop);
    }
    store.mark(mailbox, entries[which % entries.len()].head.id, [Status::New, Status::Old, Status::Removed][seed % 3]).await
}

async fn run_steps(seed: u64) {
    let mut random_run = RandomRun::new(seed);
    for step in 1..=STEPS {
        random_run.step().await;
        if step.is_multiple_of(250) {
            random_run.rest(step).await;
        }
    }
    if let Some(running_node) = random_run.running_node.take() {
        running_node.running.stop().await;
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|number| number.parse().unwrap())
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_random_steps_leave_every_lamp_right() {
    let (first, runs) = if let Some(seed) = number("VOICEMAIL_SEED") {
        (seed, 1)
    } else {
        let mut random = [0; 4];
        getrandom::fill(&mut random).unwrap();
        (u32::from_ne_bytes(random).into(), number("VOICEMAIL_LIVES").unwrap_or(10))
    };
    for seed in first..first + runs {
        println!("VOICEMAIL_SEED={seed} repeats this life");
        run_steps(seed).await;
    }
}
