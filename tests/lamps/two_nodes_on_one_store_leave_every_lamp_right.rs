//! Two central nodes use one store. After random steps of callers, owners, crashes, freezes and outages of the leases, no lamp has gone back, and each
//! one shows the state in the store: at the PBX that the holder of the lease notifies, and at the telephones that subscribe to either node.

#![allow(clippy::unwrap_used, clippy::future_not_send, reason = "these are tests")]

use crate::support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use support::random::Random;
use support::{CENTRAL, mailbox, node, site};
use tempfile::{TempDir, tempdir};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use voicemail::message::{Audio, AudioType, ClockQuality, ClockSource, MailboxId, Message, MessageId, Origin, RecordedAt};
use voicemail::message::{Status, Summary};
use voicemail::mwi::{CurrentState, FanOutSink, LampPermit, MemoryLeases, MwiError, MwiSink, MwiSource as _, MwiState};
use voicemail::node::{Node, NodeError};
use voicemail::store::{Deposit, MemoryStore, MessageStore as _, StoreError};

const NUMBERS: [&str; 4] = ["2001", "2002", "2003", "2004"];

/// The store that both nodes use, as one of them sees it: it hears of the changes of the other.
#[derive(Debug)]
struct SharedStore {
    store: Arc<MemoryStore>,
    own: usize,
    changes: Arc<Changes>,
}

/// The mailboxes that have changed, for each node.
#[derive(Debug, Default)]
struct Changes {
    unheard: [Mutex<BTreeSet<MailboxId>>; 2],
    noted: [Notify; 2],
}

impl SharedStore {
    fn note(&self, mailbox: &MailboxId) {
        let other = 1 - self.own;
        self.changes.unheard[other].lock().unwrap().insert(mailbox.clone());
        self.changes.noted[other].notify_one();
    }
}

#[async_trait]
impl voicemail::store::StoreWrapper for SharedStore {
    type Inner = MemoryStore;

    fn inner(&self) -> &MemoryStore {
        &self.store
    }

    async fn deposit(&self, mailbox: &MailboxId, origin: &Origin, message: &Message) -> Result<Deposit, StoreError> {
        let deposit = self.inner().deposit(mailbox, origin, message).await;
        self.note(mailbox);
        deposit
    }

    async fn mark(&self, mailbox: &MailboxId, id: MessageId, status: Status) -> Result<(), StoreError> {
        let marked = self.inner().mark(mailbox, id, status).await;
        self.note(mailbox);
        marked
    }

    async fn expunge(&self, mailbox: &MailboxId) -> Result<usize, StoreError> {
        let expunged = self.inner().expunge(mailbox).await;
        self.note(mailbox);
        expunged
    }

    async fn external_changes(&self) -> Vec<MailboxId> {
        loop {
            let unheard = std::mem::take(&mut *self.changes.unheard[self.own].lock().unwrap());
            if !unheard.is_empty() {
                return unheard.into_iter().collect();
            }
            self.changes.noted[self.own].notified().await;
        }
    }
}

/// Lamps that keep what they show, and each state that came after a newer one.
#[derive(Debug, Clone, Default)]
struct Lamps {
    shown: Arc<Mutex<BTreeMap<MailboxId, (u64, Summary)>>>,
    faults: Arc<Mutex<Vec<String>>>,
    behaviour: Arc<Mutex<Behaviour>>,
    subscribed: bool,
}

#[derive(Debug, Clone, Copy, Default)]
enum Behaviour {
    #[default]
    Shows,
    Fails,
    Slow,
    Hangs,
}

impl Lamps {
    fn summary(&self, number: &str) -> Option<Summary> {
        self.shown.lock().unwrap().get(&mailbox(number)).map(|(_, summary)| *summary)
    }
}

#[async_trait]
impl MwiSink for Lamps {
    async fn show(&self, state: &MwiState) -> Result<(), MwiError> {
        let behaviour = *self.behaviour.lock().unwrap();
        match behaviour {
            Behaviour::Shows => {}
            Behaviour::Fails => return Err(MwiError::Unavailable("the PBX is off".into())),
            Behaviour::Slow => sleep(Duration::from_millis(1_700)).await,
            Behaviour::Hangs => std::future::pending().await,
        }
        let shown = (state.version, state.summary);
        let before = self.shown.lock().unwrap().insert(state.mailbox.clone(), shown);
        if before.is_some_and(|before| before.0 > shown.0) {
            self.faults.lock().unwrap().push(format!("{state:?} after {before:?}"));
        }
        Ok(())
    }

    async fn show_permitted(&self, state: &MwiState, permit: &LampPermit) -> Result<(), MwiError> {
        if self.subscribed { self.show(state).await } else { permit.guard(self.show(state)).await }
    }
}

/// A future that makes no progress while it is frozen, like a stopped process.
struct Freezable<F> {
    future: Pin<Box<F>>,
    frozen: Arc<AtomicBool>,
}

impl<F: Future> Future for Freezable<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        if self.frozen.load(Ordering::SeqCst) { Poll::Pending } else { self.future.as_mut().poll(context) }
    }
}

/// A running node.
struct RunningNode {
    node: Node,
    stop: Arc<Notify>,
    frozen: Arc<AtomicBool>,
    wake: Arc<Notify>,
    task: JoinHandle<Result<(), NodeError>>,
}

/// Both nodes, and all that they share.
struct World {
    folders: [TempDir; 2],
    store: Arc<MemoryStore>,
    changes: Arc<Changes>,
    leases: MemoryLeases,
    pbx: Lamps,
    phones: [Lamps; 2],
    nodes: [Option<RunningNode>; 2],
}

impl World {
    fn new() -> Self {
        let phones = [0, 1].map(|_| Lamps { subscribed: true, ..Lamps::default() });
        Self {
            folders: [0, 1].map(|_| tempdir().unwrap()),
            store: Arc::new(MemoryStore::new(NUMBERS.map(mailbox)).versions_from(1)),
            changes: Arc::default(),
            leases: MemoryLeases::new(Duration::from_secs(4)),
            pbx: Lamps::default(),
            phones,
            nodes: [None, None],
        }
    }

    async fn start(&mut self, index: usize) {
        let (store, changes) = (Arc::clone(&self.store), Arc::clone(&self.changes));
        let store = SharedStore { store, own: index, changes };
        let sink = Arc::new(FanOutSink::new().with(self.pbx.clone()).with(self.phones[index].clone()));
        let folder: &Path = self.folders[index].path();
        let node = node(CENTRAL, folder).store(store).sink(Arc::clone(&sink)).lamp_lease(self.leases.holder());
        let node = node.open().await.unwrap();
        let (stop, frozen, wake) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)), Arc::new(Notify::new()));
        let running = {
            let (node, stop) = (node.clone(), Arc::clone(&stop));
            async move {
                tokio::select! {
                    () = sink.run() => unreachable!("it never ends"),
                    ended = node.run(async { stop.notified().await }) => ended,
                }
            }
        };
        let mut process = Freezable { future: Box::pin(running), frozen: Arc::clone(&frozen) };
        let woken = Arc::clone(&wake);
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    ended = &mut process => return ended,
                    () = woken.notified() => {}
                }
            }
        });
        self.nodes[index] = Some(RunningNode { node, stop, frozen, wake, task });
    }

    /// The nodes that run and are not frozen.
    fn awake(&self, index: usize) -> Option<&Node> {
        self.nodes[index].as_ref().filter(|running| !running.frozen.load(Ordering::SeqCst)).map(|running| &running.node)
    }

    fn set_frozen(&self, index: usize, frozen: bool) {
        if let Some(running) = &self.nodes[index] {
            running.frozen.store(frozen, Ordering::SeqCst);
            running.wake.notify_one();
        }
    }

    async fn stop(&mut self, index: usize) {
        self.set_frozen(index, false);
        if let Some(running) = self.nodes[index].take() {
            running.stop.notify_one();
            running.task.await.unwrap().unwrap();
        }
    }

    async fn crash(&mut self, index: usize) {
        if let Some(running) = self.nodes[index].take() {
            running.task.abort();
            let _ = running.task.await;
        }
    }

    async fn step(&mut self, dice: &mut Random) {
        let number = mailbox(NUMBERS[usize::try_from(dice.below(4)).unwrap()]);
        let index = usize::try_from(dice.below(2)).unwrap();
        let store = self.awake(index).map(|node| Arc::clone(node.store().unwrap()));
        match dice.below(24) {
            0..=5 => {
                if let Some(store) = store {
                    store.deposit(&number, &Origin::Here, &message()).await.unwrap();
                }
            }
            6..=9 => {
                let entries = self.store.list(&number).await.unwrap();
                if let (Some(store), false) = (store, entries.is_empty()) {
                    let entry = &entries[usize::try_from(dice.below(entries.len() as u64)).unwrap()];
                    let status = [Status::New, Status::Old, Status::Removed][usize::try_from(dice.below(3)).unwrap()];
                    store.mark(&number, entry.head.id, status).await.unwrap();
                }
            }
            10 => {
                if let Some(store) = store {
                    store.expunge(&number).await.unwrap();
                }
            }
            11 => self.set_frozen(index, true),
            12..=13 => self.set_frozen(index, false),
            14 => self.leases.set_available(dice.below(3) > 0),
            15 => self.crash(index).await,
            16 => self.stop(index).await,
            17..=18 => {
                if self.nodes[index].is_none() {
                    self.start(index).await;
                }
            }
            19 => {
                let behaviours = [Behaviour::Shows, Behaviour::Shows, Behaviour::Fails, Behaviour::Slow, Behaviour::Hangs];
                *self.pbx.behaviour.lock().unwrap() = behaviours[usize::try_from(dice.below(5)).unwrap()];
            }
            _ => sleep(dice.millis_below(3_000)).await,
        }
    }

    /// Waits until the longest wait of a lamp that has failed again and again is over.
    async fn quiet(&mut self) {
        self.leases.set_available(true);
        *self.pbx.behaviour.lock().unwrap() = Behaviour::Shows;
        for index in 0..2 {
            self.set_frozen(index, false);
            if self.nodes[index].is_none() {
                self.start(index).await;
            }
        }
        sleep(Duration::from_secs(400)).await;
    }

    async fn compare(&self, at: &str) {
        for lamps in [&self.pbx, &self.phones[0], &self.phones[1]] {
            assert_eq!(*lamps.faults.lock().unwrap(), Vec::<String>::new(), "{at}");
        }
        for number in NUMBERS {
            let state = self.store.state(&mailbox(number)).await.unwrap();
            assert_eq!(self.pbx.summary(number), Some(state.summary), "{at}, mailbox {number}");
            for index in 0..2 {
                // A telephone that has seen no change has asked when it subscribed.
                let node = &self.nodes[index].as_ref().unwrap().node;
                let CurrentState::Known(current) = node.current(&mailbox(number)).await else { panic!("{at}: it is known") };
                assert_eq!((current.summary, Some(current.version)), (state.summary, state.version), "{at}, node {index}");
            }
        }
    }
}

fn message() -> Message {
    let quality = ClockQuality::unknown(ClockSource::Manual);
    let recorded_at = RecordedAt::new("2025-03-30T00:59:40Z".parse().unwrap(), chrono_tz::UTC, quality);
    Message::builder(Audio::new(AudioType::Wav, &b"RIFF"[..]), recorded_at).build()
}

#[tokio::test(start_paused = true)]
async fn no_lamp_goes_back_and_each_ends_as_the_store() {
    for seed in 1..=12_u64 {
        let (mut dice, mut world) = (Random::with_seed(seed), World::new());
        for index in 0..2 {
            world.start(index).await;
        }
        for count in 1..=300 {
            world.step(&mut dice).await;
            if count % 100 == 0 {
                world.quiet().await;
                world.compare(&format!("seed {seed}, step {count}")).await;
                // Both nodes heard of each change that was made while both were awake.
                let number = mailbox("2001");
                let store = Arc::clone(world.awake(0).unwrap().store().unwrap());
                store.deposit(&number, &Origin::Here, &message()).await.unwrap();
                sleep(Duration::from_secs(3)).await;
                let summary = world.store.summary(&number).await.unwrap();
                assert_eq!(world.phones.each_ref().map(|phones| phones.summary("2001")), [Some(summary); 2], "seed {seed}");
            }
        }
        world.stop(0).await;
        world.stop(1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_frozen_node_shows_nothing_after_its_lease() {
    let mut world = World::new();
    world.start(0).await;
    sleep(Duration::from_secs(1)).await;
    // The NOTIFY waits at the PBX while the node freezes, and could go on when it wakes.
    *world.pbx.behaviour.lock().unwrap() = Behaviour::Slow;
    let store = Arc::clone(world.awake(0).unwrap().store().unwrap());
    store.deposit(&mailbox("2001"), &Origin::Here, &message()).await.unwrap();
    sleep(Duration::from_millis(200)).await;
    world.set_frozen(0, true);
    *world.pbx.behaviour.lock().unwrap() = Behaviour::Shows;
    world.start(1).await;
    let store = Arc::clone(world.awake(1).unwrap().store().unwrap());
    store.deposit(&mailbox("2001"), &Origin::Here, &message()).await.unwrap();
    sleep(Duration::from_secs(5)).await;
    assert_eq!(world.pbx.summary("2001").unwrap().new, 2, "the other node has taken over within 5 s");
    world.set_frozen(0, false);
    sleep(Duration::from_secs(20)).await;
    assert_eq!(world.pbx.summary("2001").unwrap().new, 2);
    world.compare("after the freeze").await;
    world.stop(0).await;
    world.stop(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_stops_hands_its_lamps_over_at_once() {
    let mut world = World::new();
    world.start(0).await;
    sleep(Duration::from_secs(1)).await;
    world.start(1).await;
    sleep(Duration::from_secs(1)).await;
    world.stop(0).await;
    let store = Arc::clone(world.awake(1).unwrap().store().unwrap());
    store.deposit(&mailbox("2002"), &Origin::Here, &message()).await.unwrap();
    sleep(Duration::from_millis(700)).await;
    assert_eq!(world.pbx.summary("2002").unwrap().new, 1);
    assert!(world.awake(1).unwrap().ports(&site("london")).is_some());
    world.stop(1).await;
}
