//! Ten thousand steps of callers, owners, other programs, outages, restarts and crashes: every lamp ends at what the store says.
//!
//! `VOICEMAIL_SEED` repeats the life with that seed; `VOICEMAIL_LIVES` asks for so many lives of 1000 steps each, ten without it.

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
use voicemail::disk::{Disk, DiskFile, FreeSpace, OsDisk, PowerCutDisk, Unsynced, Watcher};
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
enum World {
    Real(Arc<TempDir>),
    InMemory(PowerCutDisk),
}

impl World {
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
struct Shared(Arc<dyn Disk>);

impl Disk for Shared {
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
struct Alive {
    node: Node,
    running: Running,
    store: Arc<UnreliableStore<MaildirStore>>,
}

/// One life with its dice.
struct Life {
    seed: u64,
    dice: Random,
    world: World,
    board: LampRecorder,
    clock: Arc<ManualClock>,
    alive: Option<Alive>,
}

impl Life {
    fn new(seed: u64) -> Self {
        let world = if seed.is_multiple_of(5) {
            // Where files are in memory, if there is such a place: no power is cut here.
            World::Real(Arc::new(tempdir_in("/dev/shm").or_else(|_| tempdir()).unwrap()))
        } else {
            World::InMemory(PowerCutDisk::new())
        };
        let dice = Random::with_seed(seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        Self { seed, dice, world, board: LampRecorder::default(), clock: clock(), alive: None }
    }

    async fn store(&self) -> MaildirStore {
        let store = MaildirStore::builder(self.world.root().join("store")).disk(self.world.disk()).min_free_space(0);
        store.directory(Arc::new(network().directory())).open().await.unwrap()
    }

    /// The node, which starts if it does not run.
    async fn alive(&mut self) -> &Alive {
        if self.alive.is_none() {
            let store = UnreliableStore::new(self.store().await);
            let builder = node(CENTRAL, &self.world.root()).disk(Shared(self.world.disk())).min_free_space(0);
            let node = builder.store(Arc::clone(&store)).sink(self.board.clone()).clock(Arc::clone(&self.clock));
            let node = node.open().await.unwrap();
            let running = run(&node);
            self.alive = Some(Alive { node, running, store });
        }
        self.alive.as_ref().unwrap()
    }

    async fn step(&mut self) {
        let number = NUMBERS[self.below(4)];
        let (seed, which, dice) = (self.below(1 << 30), self.below(1 << 30), self.below(100));
        let node = self.alive().await.node.clone();
        let store = Arc::clone(&self.alive().await.store);
        match dice {
            0..20 => deposit(&node, number, u32::try_from(seed).unwrap()).await,
            // Its owner hangs up when the store hangs.
            20..38 => drop(timeout(Duration::from_secs(5), handle(&node, &mailbox(number), seed, which)).await),
            38..60 => self.meddle(number, seed, which),
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
    fn meddle(&self, number: &str, seed: usize, which: usize) {
        let (disk, mail) = (self.world.disk(), self.world.root().join("store/mail"));
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
                let aside = self.world.root().join(format!("aside-{seed}"));
                disk.rename(&home, &aside)
            }
        };
    }

    /// Whoever asks is told nothing older than what was told before.
    async fn ask(&self, node: &Node, number: &str) {
        let told = self.board.shown(number).last().map(|(state, _)| state.version);
        if let CurrentState::Known(state) = node.current(&mailbox(number)).await {
            assert!(told.is_none_or(|told| told < state.version), "seed {}: {state:?} after version {told:?}", self.seed);
        }
    }

    /// The node stops, or dies.
    async fn end(&mut self, seed: usize) {
        let Some(Alive { running, store, .. }) = self.alive.take() else { return };
        store.hangs.store(false, Ordering::SeqCst);
        if seed.is_multiple_of(2) {
            running.stop().await;
            return;
        }
        running.crash().await;
        if let World::InMemory(disk) = &self.world {
            disk.power_cut(if seed % 4 == 1 { Unsynced::Forgotten } else { Unsynced::NamesKept });
        }
    }

    /// All is well for longer than anything waits; then each lamp is compared with the store.
    async fn rest(&mut self, step: u32) {
        let alive = self.alive().await;
        alive.store.down.store(false, Ordering::SeqCst);
        alive.store.hangs.store(false, Ordering::SeqCst);
        self.board.lamps().behaviour = SinkBehaviour::Works;
        sleep(Duration::from_secs(400)).await;
        let seed = self.seed;
        assert_eq!(self.board.lamps().faults, Vec::<String>::new(), "seed {seed}, step {step}");
        let fresh = self.store().await;
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

/// What an owner does: marks a message, or deletes what was removed.
async fn handle(node: &Node, mailbox: &MailboxId, seed: usize, which: usize) -> Result<(), StoreError> {
    let store = node.store().unwrap();
    let entries = store.list(mailbox).await?;
    if seed.is_multiple_of(6) || entries.is_empty() {
        return store.expunge(mailbox).await.map(drop);
    }
    store.mark(mailbox, entries[which % entries.len()].head.id, [Status::New, Status::Old, Status::Removed][seed % 3]).await
}

async fn live(seed: u64) {
    let mut life = Life::new(seed);
    for step in 1..=STEPS {
        life.step().await;
        if step.is_multiple_of(250) {
            life.rest(step).await;
        }
    }
    if let Some(alive) = life.alive.take() {
        alive.running.stop().await;
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|number| number.parse().unwrap())
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_random_steps_leave_every_lamp_right() {
    let (first, lives) = if let Some(seed) = number("VOICEMAIL_SEED") {
        (seed, 1)
    } else {
        let mut random = [0; 4];
        getrandom::fill(&mut random).unwrap();
        (u32::from_ne_bytes(random).into(), number("VOICEMAIL_LIVES").unwrap_or(10))
    };
    for seed in first..first + lives {
        println!("VOICEMAIL_SEED={seed} repeats this life");
        live(seed).await;
    }
}
