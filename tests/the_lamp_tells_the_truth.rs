//! Whatever happens to mailboxes, stores, sinks and nodes: once things are quiet, each lamp shows what the store says.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use support::{CENTRAL, Running, clock, mailbox, node, run, site, wav};
use tempfile::tempdir;
use tokio::time::{Instant, sleep};
use voicemail::event::Event;
use voicemail::message::{MailboxId, Message, MessageId, Origin, Status, Summary};
use voicemail::mwi::{MwiError, MwiSink, MwiState};
use voicemail::node::Node;
use voicemail::record::CallFacts;
use voicemail::store::{Deposit, Entry, MemoryStore, MessageStore, StoreError};

/// A store that is out of order at times.
#[derive(Debug)]
struct Unsteady {
    store: MemoryStore,
    down: AtomicBool,
    hangs: AtomicBool,
}

impl Unsteady {
    fn new() -> Arc<Self> {
        let store = MemoryStore::new((2001..=2009).map(|number| mailbox(&number.to_string())));
        Arc::new(Self { store, down: AtomicBool::new(false), hangs: AtomicBool::new(false) })
    }

    async fn up(&self) -> Result<&MemoryStore, StoreError> {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let down = || StoreError::Unavailable("out of order".into());
        if self.down.load(Ordering::SeqCst) { Err(down()) } else { Ok(&self.store) }
    }
}

#[async_trait]
impl MessageStore for Unsteady {
    async fn deposit(&self, mailbox: &MailboxId, origin: &Origin, message: &Message) -> Result<Deposit, StoreError> {
        self.up().await?.deposit(mailbox, origin, message).await
    }
    async fn list(&self, mailbox: &MailboxId) -> Result<Vec<Entry>, StoreError> {
        self.up().await?.list(mailbox).await
    }
    async fn retrieve(&self, mailbox: &MailboxId, id: MessageId) -> Result<Message, StoreError> {
        self.up().await?.retrieve(mailbox, id).await
    }
    async fn mark(&self, mailbox: &MailboxId, id: MessageId, status: Status) -> Result<(), StoreError> {
        self.up().await?.mark(mailbox, id, status).await
    }
    async fn expunge(&self, mailbox: &MailboxId) -> Result<usize, StoreError> {
        self.up().await?.expunge(mailbox).await
    }
    async fn summary(&self, mailbox: &MailboxId) -> Result<Summary, StoreError> {
        self.up().await?.summary(mailbox).await
    }
}

/// How lamps behave.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum Mood {
    #[default]
    Well,
    Fails,
    Slow,
    Hangs,
    Panics,
}

/// Lamps that remember what each was told, and when; they outlive the node, as telephones do.
#[derive(Debug, Clone, Default)]
struct Board(Arc<Mutex<Lamps>>);

#[derive(Debug, Default)]
struct Lamps {
    mood: Mood,
    told: BTreeMap<MailboxId, Vec<(MwiState, Instant)>>,
    /// Each state that came with no higher version than one before it.
    faults: Vec<String>,
}

impl Board {
    fn lamps(&self) -> std::sync::MutexGuard<'_, Lamps> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn told(&self, number: &str) -> Vec<(MwiState, Instant)> {
        self.lamps().told.get(&mailbox(number)).cloned().unwrap_or_default()
    }

    fn shows(&self, number: &str) -> Option<Summary> {
        self.told(number).last().map(|(state, _)| state.summary)
    }
}

#[async_trait]
impl MwiSink for Board {
    async fn show(&self, state: &MwiState) -> Result<(), MwiError> {
        let mood = self.lamps().mood;
        match mood {
            Mood::Well => {}
            Mood::Fails => return Err(MwiError::Unavailable("the telephone is off".into())),
            Mood::Slow => sleep(Duration::from_millis(700)).await,
            Mood::Hangs => std::future::pending().await,
            // As `panic!`, without its noise in the output.
            Mood::Panics => std::panic::resume_unwind(Box::new("a telephone that nobody tested")),
        }
        let mut lamps = self.lamps();
        let told = lamps.told.entry(state.mailbox.clone()).or_default();
        let newest = told.last().map(|(last, _)| last.version);
        told.push((state.clone(), Instant::now()));
        if newest.is_some_and(|newest| newest >= state.version) {
            lamps.faults.push(format!("{state:?} after version {newest:?}"));
        }
        Ok(())
    }
}

async fn central(folder: &Path, store: &Arc<Unsteady>, board: &Board, clock: &Arc<voicemail::clock::ManualClock>) -> Node {
    let node = node(CENTRAL, folder).store(Arc::clone(store)).sink(board.clone()).clock(Arc::clone(clock));
    node.open().await.unwrap()
}

async fn deposit(node: &Node, number: &str, seed: u32) {
    let facts = CallFacts::to(mailbox(number));
    let facts = if seed.is_multiple_of(3) { facts.urgent() } else { facts };
    node.deposit_wav(&site("london"), facts, wav(1_000, seed).into()).await.unwrap();
}

/// Random numbers that a seed repeats.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

const NUMBERS: [&str; 4] = ["2001", "2002", "2003", "2004"];

/// One random step.
async fn step(dice: &mut Dice, node: &Node, store: &Unsteady, board: &Board, clock: &voicemail::clock::ManualClock) {
    let number = NUMBERS[usize::try_from(dice.below(4)).unwrap()];
    let watched = node.store().unwrap();
    match dice.below(20) {
        0..=6 => deposit(node, number, u32::try_from(dice.below(1 << 30)).unwrap()).await,
        7..=10 => {
            let entries = watched.list(&mailbox(number)).await.unwrap_or_default();
            if !entries.is_empty() {
                let entry = &entries[usize::try_from(dice.below(entries.len() as u64)).unwrap()];
                let status = [Status::New, Status::Old, Status::Removed][usize::try_from(dice.below(3)).unwrap()];
                let _ = watched.mark(&mailbox(number), entry.head.id, status).await;
            }
        }
        11 => drop(watched.expunge(&mailbox(number)).await),
        12 => store.down.store(dice.below(2) == 0, Ordering::SeqCst),
        13 => {
            let moods = [Mood::Well, Mood::Well, Mood::Fails, Mood::Slow, Mood::Hangs, Mood::Panics];
            board.lamps().mood = moods[usize::try_from(dice.below(6)).unwrap()];
        }
        14 => clock.advance(chrono::TimeDelta::seconds(i64::try_from(dice.below(4_000)).unwrap() - 2_000)),
        _ => sleep(Duration::from_millis(dice.below(1_500))).await,
    }
}

async fn quiet(store: &Unsteady, board: &Board) {
    store.down.store(false, Ordering::SeqCst);
    board.lamps().mood = Mood::Well;
    // The longest wait of a lamp or a message that failed again and again.
    sleep(Duration::from_secs(400)).await;
}

/// Runs `steps` random steps with restarts in between.
async fn random_life(seed: u64, steps: u32) {
    let folder = tempdir().unwrap();
    let (store, board, clock) = (Unsteady::new(), Board::default(), clock());
    let mut dice = Dice(seed);
    let mut running: Option<(Node, Running)> = None;
    for count in 1..=steps {
        if running.is_none() {
            let node = central(folder.path(), &store, &board, &clock).await;
            running = Some((node.clone(), run(&node)));
        }
        let node = running.as_ref().unwrap().0.clone();
        step(&mut dice, &node, &store, &board, &clock).await;
        let at_rest = count.is_multiple_of(100) || count == steps;
        if at_rest {
            quiet(&store, &board).await;
            compare(seed, count, &store, &board).await;
        }
        if dice.below(60) == 0 {
            drop(node);
            let (node, task) = running.take().unwrap();
            drop(node);
            task.stop().await;
        }
    }
    if let Some((_, task)) = running {
        task.stop().await;
    }
    compare(seed, steps, &store, &board).await;
}

async fn compare(seed: u64, count: u32, store: &Unsteady, board: &Board) {
    assert_eq!(board.lamps().faults, Vec::<String>::new(), "seed {seed}, step {count}");
    for number in NUMBERS {
        let says = store.store.summary(&mailbox(number)).await.unwrap();
        assert_eq!(board.shows(number), Some(says), "seed {seed}, step {count}, mailbox {number}");
    }
}

#[tokio::test(start_paused = true)]
async fn once_things_are_quiet_each_lamp_shows_what_the_store_says() {
    for seed in 1..=4u64 {
        random_life(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed), 500).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_change_is_told_at_once_and_then_at_most_one_a_second() {
    let folder = tempdir().unwrap();
    let (store, board, clock) = (Unsteady::new(), Board::default(), clock());
    let node = central(folder.path(), &store, &board, &clock).await;
    let running = run(&node);
    sleep(Duration::from_secs(5)).await;
    let before = board.told("2001").len();
    let start = Instant::now();
    for seed in 0..60 {
        deposit(&node, "2001", seed).await;
        sleep(Duration::from_millis(50)).await;
    }
    sleep(Duration::from_secs(2)).await;
    let told = board.told("2001").split_off(before);
    let waits: Vec<u128> = told.iter().map(|(_, at)| (*at - start).as_millis() / 100).collect();
    assert_eq!(waits, [0, 10, 20, 30], "in tenths of a second");
    assert_eq!(told.last().unwrap().0.summary.new, 60);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_that_cannot_be_counted_is_not_shown_at_all() {
    let folder = tempdir().unwrap();
    let (store, board, clock) = (Unsteady::new(), Board::default(), clock());
    store.down.store(true, Ordering::SeqCst);
    let node = central(folder.path(), &store, &board, &clock).await;
    let mut events = node.events();
    let running = run(&node);
    deposit(&node, "2001", 1).await;
    sleep(Duration::from_secs(100)).await;
    assert_eq!(board.shows("2001"), None);
    let failed = support::event(&mut events, |event| match event {
        Event::LampFailed { mailbox, .. } => Some(mailbox),
        _ => None,
    });
    failed.await;
    store.down.store(false, Ordering::SeqCst);
    sleep(Duration::from_secs(400)).await;
    assert_eq!(board.shows("2001").unwrap().new, 1);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_change_while_the_node_stops_is_told_before_it_ends() {
    let folder = tempdir().unwrap();
    let (store, board, clock) = (Unsteady::new(), Board::default(), clock());
    let node = central(folder.path(), &store, &board, &clock).await;
    let running = run(&node);
    sleep(Duration::from_secs(5)).await;
    board.lamps().mood = Mood::Slow;
    deposit(&node, "2001", 1).await;
    sleep(Duration::from_millis(100)).await;
    deposit(&node, "2001", 2).await;
    running.stop().await;
    assert_eq!(board.shows("2001").unwrap().new, 2);
    let told = board.told("2001");
    let last_two = &told[told.len() - 2..];
    assert!(last_two[1].1 - last_two[0].1 >= Duration::from_secs(1), "not twice within a second");
}

#[tokio::test(start_paused = true)]
async fn a_lamp_that_hangs_or_panics_neither_stops_the_node_nor_its_end() {
    let folder = tempdir().unwrap();
    for mood in [Mood::Hangs, Mood::Panics] {
        let (store, board, clock) = (Unsteady::new(), Board::default(), clock());
        board.lamps().mood = mood;
        let node = central(folder.path(), &store, &board, &clock).await;
        let running = run(&node);
        deposit(&node, "2001", 1).await;
        sleep(Duration::from_secs(30)).await;
        let start = Instant::now();
        running.stop().await;
        assert!(start.elapsed() < Duration::from_secs(25), "{mood:?}: took {:?}", start.elapsed());
        assert_eq!(store.store.summary(&mailbox("2001")).await.unwrap().new, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_holds_up_caller_node_and_lamp_only_so_long() {
    let folder = tempdir().unwrap();
    let (store, board, clock) = (Unsteady::new(), Board::default(), clock());
    let node = central(folder.path(), &store, &board, &clock).await;
    let running = run(&node);
    sleep(Duration::from_secs(5)).await;
    store.hangs.store(true, Ordering::SeqCst);
    let start = Instant::now();
    deposit(&node, "2001", 1).await;
    assert!(start.elapsed() < Duration::from_secs(11), "kept after {:?}", start.elapsed());
    assert_eq!(node.spool().state()[0].depth, 1, "it waits in the spool");
    let start = Instant::now();
    running.stop().await;
    assert!(start.elapsed() < Duration::from_secs(90), "stopped after {:?}", start.elapsed());
    drop(node);

    store.hangs.store(false, Ordering::SeqCst);
    let node = central(folder.path(), &store, &board, &clock).await;
    let running = run(&node);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(board.shows("2001").unwrap().new, 1);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn versions_grow_across_restarts_though_the_clock_goes_back() {
    let folder = tempdir().unwrap();
    let (store, board, clock) = (Unsteady::new(), Board::default(), clock());
    for _ in 0..3 {
        let node = central(folder.path(), &store, &board, &clock).await;
        let running = run(&node);
        deposit(&node, "2001", 1).await;
        sleep(Duration::from_secs(2)).await;
        running.stop().await;
        clock.advance(chrono::TimeDelta::days(-1));
    }
    assert_eq!(board.shows("2001").unwrap().new, 3);
    assert_eq!(board.lamps().faults, Vec::<String>::new());
}
