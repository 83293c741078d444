//! Hours of a network that comes and goes, in seconds: every message is in its mailbox in the end, once, and urgent ones first.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use crate::network_links;
use crate::support;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use network_links::{LinkState, LinkedNetwork};
use support::random::{Random, new_seed};
use support::{CENTRAL, HIMALAYA, clock, mailbox, network, node, run, site, wav};
use tokio::time::{Instant, sleep};
use voicemail::directory::StaticDirectory;
use voicemail::disk::PowerCutDisk;
use voicemail::event::{Event, Events};
use voicemail::forward::smtp::{Security, SmtpForwarder};
use voicemail::intake::Intake;
use voicemail::message::{MailboxId, Message, MessageId, Origin, Status, Summary, Urgency};
use voicemail::node::Node;
use voicemail::record::CallFacts;
use voicemail::spool::WaitingMessage;
use voicemail::store::{Deposit, Entry, MemoryStore, MessageStore, StoreError};

const MESSAGES: usize = 500;
/// A mailbox that the network has, and the central node does not know.
const UNKNOWN: &str = "2009";
/// A mailbox that is full until the last hour.
const FULL: &str = "2008";

/// A store in which one mailbox is full for a time.
#[derive(Debug)]
struct Crowded {
    store: MemoryStore,
    has_room: AtomicBool,
}

#[async_trait]
impl MessageStore for Crowded {
    async fn deposit(&self, mailbox: &MailboxId, origin: &Origin, message: &Message) -> Result<Deposit, StoreError> {
        if mailbox.as_str() == FULL && !self.has_room.load(Ordering::Relaxed) {
            return Err(StoreError::MailboxFull(mailbox.clone()));
        }
        self.store.deposit(mailbox, origin, message).await
    }

    async fn list(&self, mailbox: &MailboxId) -> Result<Vec<Entry>, StoreError> {
        self.store.list(mailbox).await
    }

    async fn retrieve(&self, mailbox: &MailboxId, id: MessageId) -> Result<Message, StoreError> {
        self.store.retrieve(mailbox, id).await
    }

    async fn mark(&self, mailbox: &MailboxId, id: MessageId, status: Status) -> Result<(), StoreError> {
        self.store.mark(mailbox, id, status).await
    }

    async fn expunge(&self, mailbox: &MailboxId) -> Result<usize, StoreError> {
        self.store.expunge(mailbox).await
    }

    async fn summary(&self, mailbox: &MailboxId) -> Result<Summary, StoreError> {
        self.store.summary(mailbox).await
    }
}

struct OutageTest {
    store: Arc<Crowded>,
    net: LinkedNetwork,
    node: Node,
    /// The events of the central node.
    arrivals: Events,
    seed: u64,
}

async fn setup(seed: u64) -> OutageTest {
    let store = MemoryStore::new((2001..=2008).map(|number| mailbox(&number.to_string())));
    let store = Arc::new(Crowded { store, has_room: AtomicBool::new(false) });
    let (network, arrivals) = (network(), Events::new());
    let known = network.directory();
    let known: StaticDirectory = known
        .mailboxes()
        .filter(|(mailbox, _)| mailbox.as_str() != UNKNOWN)
        .map(|(mailbox, owner)| (mailbox.clone(), owner.clone()))
        .collect();
    let intake = Intake::builder(network.domain(), Arc::clone(&store), known).events(arrivals.clone()).build();
    let net = LinkedNetwork::to(intake, Duration::from_millis(5 + seed % 200));
    let forwarder = SmtpForwarder::builder(format!("{CENTRAL}:25"), network.domain()).node(HIMALAYA).dial(net.clone());
    let forwarder = forwarder.security(Security::PlainText).build().unwrap();
    let node = node(HIMALAYA, Path::new("/node")).disk(PowerCutDisk::new()).forwarder(forwarder).clock(clock());
    OutageTest { store, net, node: node.open().await.unwrap(), arrivals, seed }
}

/// The messages that waited when the network healed, and those that arrived before its next fault.
struct Healing {
    waiting: Vec<WaitingMessage>,
    arrived: Vec<MessageId>,
}

impl OutageTest {
    /// Records messages at random moments; returns the recorded sounds, by mailbox.
    async fn record(&self, mut dice: Random) -> HashMap<MailboxId, HashMap<MessageId, Vec<u8>>> {
        let mut kept: HashMap<_, HashMap<_, _>> = HashMap::new();
        for n in 0..MESSAGES {
            sleep(dice.millis_below(2 * SPAN_MILLIS / MESSAGES as u64)).await;
            let to = mailbox(&(2001 + dice.below(9)).to_string());
            let facts = CallFacts::to(to.clone());
            let facts = if dice.below(5) == 0 { facts.urgent() } else { facts };
            let spoken = wav(1_000, u32::try_from(n).unwrap() * 2 + 1);
            let id = self.node.deposit_wav(&site("kathmandu"), facts, spoken.clone().into()).await.unwrap().id;
            kept.entry(to).or_default().insert(id, spoken);
        }
        kept
    }

    /// Makes outages at random moments, until the time of the recordings is over.
    async fn rage(&self, mut dice: Random) -> Vec<Healing> {
        let end = Instant::now() + Duration::from_millis(SPAN_MILLIS);
        let mut healings = Vec::new();
        while Instant::now() < end {
            self.net.set(if dice.below(2) == 0 { LinkState::BlackHole } else { LinkState::Refusing });
            sleep(dice.millis_below(400_000)).await;
            let mut arrivals = self.arrivals.subscribe();
            let waiting = self.node.spool().waiting();
            self.net.set(LinkState::Up);
            sleep(dice.millis_below(120_000)).await;
            let mut arrived = Vec::new();
            while let Ok(occurrence) = arrivals.try_recv() {
                if let Event::Stored { id, .. } = occurrence.event {
                    arrived.push(id);
                }
            }
            healings.push(Healing { waiting, arrived });
        }
        healings
    }

    async fn settle(&self) {
        self.store.has_room.store(true, Ordering::Relaxed);
        while !self.node.spool().waiting().is_empty() {
            sleep(Duration::from_secs(1)).await;
        }
    }
}

async fn everything_arrives_once(seed: u64) {
    println!("seed {seed}");
    let setup = setup(seed).await;
    let running = run(&setup.node);
    let began = Instant::now();
    let (kept, healings) = tokio::join!(setup.record(Random::with_seed(seed)), setup.rage(Random::with_seed(seed ^ 0x5eed)));
    let over = Instant::now();
    setup.settle().await;
    let settled = over.elapsed();
    let mut copies: BTreeMap<String, usize> = BTreeMap::new();
    for (to, kept) in kept {
        if to.as_str() == UNKNOWN {
            let parked: HashSet<_> = setup.node.spool().parked().await.unwrap().into_iter().map(|parked| parked.id).collect();
            assert_eq!(parked, kept.into_keys().collect(), "seed {seed}: those for nobody are parked");
            continue;
        }
        let listed = setup.store.list(&to).await.unwrap();
        assert_eq!(listed.len(), kept.len(), "seed {seed}: copies for {to}");
        for (id, spoken) in kept {
            let message = setup.store.retrieve(&to, id).await.unwrap();
            assert!(message.audio().bytes()[..] == spoken[..], "seed {seed}: byte for byte");
        }
        copies.insert(to.to_string(), listed.len());
    }
    println!(
        "{:?}, {} outages, {} dials; settled after {settled:?}: {copies:?}",
        over - began,
        healings.len(),
        setup.net.dials()
    );
    // A full mailbox is tried every 5 minutes.
    assert!(settled <= Duration::from_secs(305), "seed {seed}: settled after {settled:?}");
    for healing in &healings {
        urgent_first(healing, setup.seed);
    }
    running.stop().await;
}

/// Asserts that of the messages that waited at a healing, only those already under way arrived before an urgent one.
fn urgent_first(healing: &Healing, seed: u64) {
    let urgency: HashMap<_, _> = healing
        .waiting
        .iter()
        .filter(|waiting| ![FULL, UNKNOWN].contains(&waiting.mailbox.as_str()))
        .map(|waiting| (waiting.id, waiting.urgency))
        .collect();
    let order: Vec<Urgency> = healing.arrived.iter().filter_map(|id| urgency.get(id).copied()).collect();
    let last_urgent = order.iter().rposition(|urgency| *urgency == Urgency::Urgent).unwrap_or(0);
    let overtaken = order[..last_urgent].iter().filter(|urgency| **urgency == Urgency::Normal).count();
    assert!(overtaken <= UNDER_WAY, "seed {seed}: {overtaken} of {} went before an urgent one", order.len());
}

#[tokio::test(start_paused = true)]
async fn messages_through_hours_of_outages_arrive_once_each() {
    for seed in SEEDS {
        everything_arrives_once(seed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn messages_through_outages_by_a_new_seed_arrive_once_each() {
    everything_arrives_once(new_seed()).await;
}

const SEEDS: [u64; 1] = [20_250_714];
/// For how long there are outages.
const SPAN_MILLIS: u64 = 2 * 3600 * 1000;
/// How many messages of a queue are under way at once.
const UNDER_WAY: usize = 64;
