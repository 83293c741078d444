//! How many deposits a second do 1, 2 and 4 central nodes make on one engine, on one machine?
//!
//! A node is a `PostgresStore` with 16 connections of its own, which listens for the changes of the others as a node does; all are in one process, and
//! the server is on the same machine. So this shows what more nodes cost the engine (sessions, notifications, each node hearing of each change),
//! not what more machines bring. 16 callers deposit at any time, shared out evenly over the nodes; each in mailboxes of its own. Not in the number:
//! SMTP, TLS and the spool of a node, which `forward_throughput` and `many_senders` measure.
//!
//! Run: `TMPDIR=/a/folder/on/the/disk cargo bench -p voicemail-postgres --bench node_count`. You will see a line for each size and number of nodes, beside
//! bare rows over 16 connections: the share of them, the share of what one node does, and how many changes each node has heard of.

#![allow(clippy::unwrap_used, reason = "a bench stops at the first fault")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::future::join_all;
use tokio::task::JoinSet;
use voicemail::store::MessageStore as _;
use voicemail_postgres::{Database, PostgresStore};

use self::support::{bare_rows, connect, create_bare_table, deposits, durable_server, mailboxes};

#[tokio::main]
async fn main() {
    let Some(server) = durable_server(&[]) else { return };
    let address = server.create_database().await;
    drop(Database::connect(&address).await.unwrap());
    let mailboxes = mailboxes(&address, 1000).await;
    create_bare_table(&address).await;
    let clients = join_all((0..CALLERS).map(|_| connect(&address))).await;
    println!(
        "{:>8} {:>6} {:>10} {:>16} {:>12} {:>18}",
        "bytes", "nodes", "bare a s", "deposits a s", "to one node", "changes heard a s"
    );
    for size in [0, 40_000] {
        let mut rates = [[0.0; 3]; NODES.len()];
        for turn in 0..=TURNS {
            for (at, nodes) in NODES.into_iter().enumerate() {
                let bare = bare_rows(&clients, size, TIME).await;
                let opened = Nodes::open(&address, nodes).await;
                // Before the measured part, so that the connections are there and their statements planned.
                deposits(|caller| opened.of(caller), &mailboxes, size, CALLERS, TIME / 4).await;
                let before = opened.heard();
                let deposited = deposits(|caller| opened.of(caller), &mailboxes, size, CALLERS, TIME).await;
                let heard = f64::from(opened.heard() - before);
                for (sum, rate) in rates[at].iter_mut().zip([bare, deposited, heard / TIME.as_secs_f64()]).filter(|_| turn > 0) {
                    *sum += rate / f64::from(TURNS);
                }
            }
        }
        for (nodes, [bare, deposited, heard]) in NODES.into_iter().zip(rates) {
            let (share, to_one) = (100.0 * deposited / bare, 100.0 * deposited / rates[0][1]);
            println!("{size:>8} {nodes:>6} {bare:>10.0} {deposited:>9.0} ({share:>3.0}%) {to_one:>11.0}% {heard:>18.0}");
        }
    }
}

/// Nodes, each of which listens.
struct Nodes {
    stores: Vec<Arc<PostgresStore>>,
    heard: Arc<AtomicU32>,
    /// They end with this value.
    _listening: JoinSet<()>,
}

impl Nodes {
    async fn open(address: &str, nodes: usize) -> Self {
        let (mut stores, mut listening, heard) = (Vec::new(), JoinSet::new(), Arc::<AtomicU32>::default());
        for _ in 0..nodes {
            let database = Database::connect(address).await.unwrap();
            let store = Arc::new(PostgresStore::builder(&database).build());
            let (listener, heard) = (Arc::clone(&store), Arc::clone(&heard));
            listening.spawn(async move {
                loop {
                    let changes = listener.external_changes().await.len();
                    heard.fetch_add(u32::try_from(changes).unwrap(), Ordering::Relaxed);
                }
            });
            stores.push(store);
        }
        Self { stores, heard, _listening: listening }
    }

    /// The store that a caller deposits into.
    fn of(&self, caller: usize) -> &PostgresStore {
        &self.stores[caller % self.stores.len()]
    }

    fn heard(&self) -> u32 {
        self.heard.load(Ordering::Relaxed)
    }
}

const NODES: [usize; 3] = [1, 2, 4];
const CALLERS: usize = 16;
const TURNS: u32 = 3;
const TIME: Duration = Duration::from_secs(2);
