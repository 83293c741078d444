//! Two central nodes use one database. After random steps of callers, owners, crashes, freezes and cuts of the network, no lamp has gone back, and each
//! one shows the state in the database.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tempfile::{TempDir, tempdir};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use voicemail::message::{Origin, Status};
use voicemail::mwi::{CurrentState, MwiSource as _};
use voicemail::node::{Node, NodeError};
use voicemail::store::{MailboxState, MessageStore as _};
use voicemail_postgres::{Database, PostgresStore};

use super::support::lamps::Lamps;
use super::support::messages::message;
use super::support::network::NUMBERS;
use super::support::process::central_node;
use super::support::random::{Random, new_seed};
use super::support::relay::Relay;
use super::support::server::Server;
use super::support::{mailbox, soon, summaries};

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
    relays: [Relay; 2],
    addresses: [String; 2],
    /// The store of the test, whose network is never cut.
    store: PostgresStore,
    lamps: Lamps,
    nodes: [Option<RunningNode>; 2],
}

impl World {
    async fn new(server: &Server) -> Self {
        let address = server.create_database().await;
        let store = PostgresStore::builder(&Database::connect(&address).await.unwrap()).build();
        for number in NUMBERS {
            store.create_mailbox(&mailbox(number)).await.unwrap();
        }
        let relays = [Relay::to(server.port()).await, Relay::to(server.port()).await];
        let through = |relay: &Relay| address.replace(&format!(":{}", server.port()), &format!(":{}", relay.port()));
        let addresses = relays.each_ref().map(through);
        let folders = [(); 2].map(|()| tempdir().unwrap());
        Self { folders, relays, addresses, store, lamps: Lamps::default(), nodes: [None, None] }
    }

    /// Starts a node; its network must not be cut.
    async fn start(&mut self, index: usize) {
        let database = Database::builder(&self.addresses[index]).statement_limit(Duration::from_secs(1)).connect().await.unwrap();
        let name = format!("central-{index}");
        let node = central_node(&database, &name, self.folders[index].path()).sink(self.lamps.sink(&name)).open().await.unwrap();
        let (stop, frozen, wake) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)), Arc::new(Notify::new()));
        let running = {
            let (node, stop) = (node.clone(), Arc::clone(&stop));
            async move { node.run(async { stop.notified().await }).await }
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

    /// The node, if it runs and is not frozen.
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

    async fn step(&mut self, dice: &mut Random, count: i64) {
        let number = mailbox(NUMBERS[usize::try_from(dice.below(8)).unwrap()]);
        let index = usize::try_from(dice.below(2)).unwrap();
        let store = self.awake(index).map(|node| Arc::clone(node.store().unwrap()));
        match (dice.below(22), store) {
            // A call that the node cannot serve now fails; its caller has left nothing, or the message is there.
            (0..=5, Some(store)) => drop(store.deposit(&number, &Origin::Here, &message(b"RIFF", count)).await),
            (6..=9, Some(store)) => {
                let entries = self.store.list(&number).await.unwrap();
                if !entries.is_empty() {
                    let entry = &entries[usize::try_from(dice.below(entries.len() as u64)).unwrap()];
                    let status = [Status::New, Status::Old, Status::Removed][usize::try_from(dice.below(3)).unwrap()];
                    drop(store.mark(&number, entry.head.id, status).await);
                }
            }
            (10, Some(store)) => drop(store.expunge(&number).await),
            (11, _) => self.set_frozen(index, true),
            (12..=13, _) => self.set_frozen(index, false),
            (14, _) => self.relays[index].cut_network(),
            (15..=16, _) => self.relays[index].restore_network(),
            (17, _) => self.crash(index).await,
            (18, _) => {
                self.relays[index].restore_network();
                self.stop(index).await;
            }
            (19, _) if self.nodes[index].is_none() => {
                self.relays[index].restore_network();
                self.start(index).await;
            }
            _ => sleep(dice.millis_below(700)).await,
        }
    }

    /// Ends all faults, and waits until the lamps show the store.
    async fn settle(&mut self, at: &str) {
        for index in 0..2 {
            self.set_frozen(index, false);
            self.relays[index].restore_network();
            if self.nodes[index].is_none() {
                self.start(index).await;
            }
        }
        // A message that was under way when the network was cut may still be stored.
        let lamps = async {
            while self.lamps.summaries() != summaries(&self.store).await {
                sleep(Duration::from_millis(50)).await;
            }
        };
        soon(&format!("{at}: the lamps show the store"), lamps).await;
        self.lamps.assert_none_went_back();
        // A node whose network was restored just now finds its database a moment later.
        for number in NUMBERS {
            for running in self.nodes.iter().flatten() {
                let known = async {
                    while known_state(&running.node, number).await != Some(self.store.state(&mailbox(number)).await.unwrap()) {
                        sleep(Duration::from_millis(50)).await;
                    }
                };
                soon(&format!("{at}: each node knows {number}"), known).await;
            }
        }
    }
}

/// The state of the mailbox as the node shows it, if it knows it.
async fn known_state(node: &Node, number: &str) -> Option<MailboxState> {
    match node.current(&mailbox(number)).await {
        CurrentState::Known(state) => Some(MailboxState::new(state.summary).with_version(state.version)),
        CurrentState::Unknown | CurrentState::NoSuchMailbox => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_lamp_goes_back_whatever_happens_to_two_nodes() {
    let Some(server) = Server::common() else { return };
    let seed = std::env::var("VOICEMAIL_SEED").map_or_else(|_| new_seed(), |seed| seed.parse().unwrap());
    let steps = std::env::var("VOICEMAIL_STEPS").map_or(90, |steps| steps.parse().unwrap());
    println!("VOICEMAIL_SEED={seed} VOICEMAIL_STEPS={steps}");
    let (mut dice, mut world) = (Random::with_seed(seed), World::new(server).await);
    for index in 0..2 {
        world.start(index).await;
    }
    for count in 1..=steps {
        world.step(&mut dice, count).await;
        if count % 45 == 0 {
            world.settle(&format!("seed {seed}, step {count}")).await;
        }
    }
    world.settle("at the end").await;
    world.stop(0).await;
    world.stop(1).await;
    world.lamps.assert_none_went_back();
}
