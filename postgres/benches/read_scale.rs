//! How do the times to count a mailbox and to show its first page grow with the mailbox, and with the store?
//!
//! The rows are made by `generate_series`, without sounds, and with the head of a deposited message. `mailbox` has one mailbox of each size in
//! one database. `store` has a database of each size, in mailboxes of ten messages whose rows lie far apart, as they do when they have come
//! one after the other; another mailbox is read at each turn. All sizes take turns, one call each, over a session of their own. `round trip` is a
//! statement that reads nothing. Not in the number: the network, and a cold cache.
//!
//! Run: `cargo bench -p voicemail-postgres --bench read_scale`. You will see medians in microseconds, and how often the smallest size's each one is.
//! `READ_SCALE=10000000` makes the largest store ten million messages; that takes 12 GB and half an hour. `SHARED_BUFFERS=4GB` sets the server's
//! memory, which is PostgreSQL's own 128 MB else.

#![allow(clippy::unwrap_used, reason = "a bench stops at the first fault")]

mod support;

use std::time::Instant;

use tokio_postgres::Client;
use voicemail::message::{Audio, AudioType, MailboxId, Origin, Status};
use voicemail::store::{MessageStore as _, Order, Query};
use voicemail_postgres::{Database, PostgresStore};

use self::support::server::{Server, execute};
use self::support::{connect, mailboxes, message};

#[tokio::main]
async fn main() {
    let largest: usize = std::env::var("READ_SCALE").ok().map_or(100_000, |rows| rows.parse().unwrap());
    let buffers = std::env::var("SHARED_BUFFERS").unwrap_or_else(|_| "128MB".to_owned());
    // Only reads are measured; without flushes, the rows are made in half the time.
    let settings = ["fsync = off", "full_page_writes = off", &format!("shared_buffers = {buffers}")];
    let Some(server) = Server::start(&settings) else { return };

    let address = database(&server).await;
    let mut places = Vec::new();
    for (at, size) in [10, 100, 1_000, 10_000, 100_000].into_iter().enumerate() {
        let first = 1_000_000 + at;
        fill(&address, first, 1, size).await;
        places.push(Place::open(&address, size, vec![first.to_string().parse().unwrap()]).await);
    }
    settle(&address).await;
    show("mailbox", &mut places).await;
    drop(places);

    let mut places = Vec::new();
    for size in [1_000, 10_000, 100_000, 1_000_000, 10_000_000].into_iter().filter(|size| *size <= largest) {
        let address = database(&server).await;
        let start = Instant::now();
        fill(&address, 1_000_000, size / EACH, size).await;
        settle(&address).await;
        println!("{size} messages, made within {} s: {}", start.elapsed().as_secs(), disk_use(&address, size).await);
        // Far from each other, and not in the order of their rows.
        let read = (0..READ).map(|call| (1_000_000 + call * 7919 % (size / EACH)).to_string().parse().unwrap()).collect();
        places.push(Place::open(&address, size, read).await);
    }
    show("store", &mut places).await;
}

/// A new database with the schema.
async fn database(server: &Server) -> String {
    let address = server.create_database().await;
    let database = Database::connect(&address).await.unwrap();
    let store = PostgresStore::builder(&database).build();
    let template = &mailboxes(&address, 1).await[0];
    store.deposit(template, &Origin::Here, &message(Audio::new(AudioType::Basic, Vec::new()))).await.unwrap();
    address
}

/// Puts `size` messages in turn into `count` mailboxes: half of them old, and one in ten urgent.
async fn fill(address: &str, first: usize, count: usize, size: usize) {
    let messages = "INSERT INTO voicemail.message SELECT n.mailbox, gen_random_uuid(), gen_random_uuid(), (n.at % 2)::smallint, n.at % 10 = 0, \
        recorded_ns + n.n * 1000000::bigint, since, length_ms, size, media, digest, sound_size, head, sound, sound_at FROM voicemail.message, \
        LATERAL (SELECT ($first + n % $count)::text AS mailbox, n / $count AS at, n FROM generate_series(0, $last) n) n \
        WHERE message.mailbox = '10000'";
    let counts = "INSERT INTO voicemail.mailbox SELECT mailbox, voicemail.next_version(0), count(*) FILTER (WHERE status = 0), \
        count(*) FILTER (WHERE status = 0 AND urgent), count(*) FILTER (WHERE status = 1), count(*) FILTER (WHERE status = 1 AND urgent), 0, \
        sum(length_ms), sum(size) FROM voicemail.message WHERE mailbox::integer BETWEEN $first AND $first + $count - 1 GROUP BY mailbox";
    for sql in [messages, counts] {
        let sql = sql.replace("$first", &first.to_string()).replace("$count", &count.to_string());
        execute(address, &sql.replace("$last", &(size - 1).to_string())).await;
    }
}

/// Does by hand the upkeep that the server does by itself some time after rows were made.
async fn settle(address: &str) {
    for sql in ["VACUUM ANALYZE voicemail.message", "VACUUM ANALYZE voicemail.mailbox", "CHECKPOINT"] {
        execute(address, sql).await;
    }
}

/// How many bytes each message has in the table and in each index, and each mailbox.
async fn disk_use(address: &str, size: usize) -> String {
    let sql = format!(
        "SELECT string_agg(relname || ' ' || pg_relation_size(oid) / {size}, ', ' ORDER BY relname) FROM pg_class \
         WHERE relnamespace = 'voicemail'::regnamespace AND relname ~ '^(message|mailbox)' AND relkind IN ('r', 'i')"
    );
    format!("bytes a message: {}", execute(address, &sql).await[0])
}

/// Mailboxes to be measured, and what their calls took so far.
struct Place {
    size: usize,
    store: PostgresStore,
    client: Client,
    mailboxes: Vec<MailboxId>,
    taken: [Vec<u128>; OPERATIONS.len()],
}

impl Place {
    async fn open(address: &str, size: usize, mailboxes: Vec<MailboxId>) -> Self {
        let database = Database::builder(address).connections(1).connect().await.unwrap();
        let store = PostgresStore::builder(&database).build();
        Self { size, store, client: connect(address).await, mailboxes, taken: Default::default() }
    }

    /// Does each operation once.
    async fn turn(&mut self, call: usize) {
        let mailbox = &self.mailboxes[call % self.mailboxes.len()];
        for (at, (_, operation)) in OPERATIONS.iter().enumerate() {
            let start = Instant::now();
            match operation {
                Operation::RoundTrip => drop(self.client.query("SELECT 1", &[]).await.unwrap()),
                Operation::State => drop(self.store.state(mailbox).await.unwrap()),
                Operation::Page(order) => {
                    let query = Query::only([Status::New, Status::Old]).order(*order).limit(PAGE);
                    assert_eq!(self.store.page(mailbox, &query).await.unwrap().entries.len(), PAGE);
                }
            }
            self.taken[at].push(start.elapsed().as_micros());
        }
    }

    fn median(&mut self, at: usize) -> u128 {
        self.taken[at].sort_unstable();
        self.taken[at][self.taken[at].len() / 2]
    }
}

async fn show(question: &str, places: &mut [Place]) {
    for call in 0..CALLS {
        for place in &mut *places {
            place.turn(call).await;
        }
        if call == WARM_UP {
            for place in &mut *places {
                place.taken = Default::default();
            }
        }
    }
    println!("\nmicroseconds by the size of the {question}:");
    print!("{:>24}", "");
    for place in &*places {
        print!("{:>16}", place.size);
    }
    for (at, (name, _)) in OPERATIONS.iter().enumerate() {
        print!("\n{name:>24}");
        let smallest = places[0].median(at);
        for place in &mut *places {
            let median = place.median(at);
            #[expect(clippy::cast_precision_loss, reason = "times of less than a second")]
            let ratio = median as f64 / smallest as f64;
            print!("{median:>8} ({ratio:>4.2}x)");
        }
    }
    println!();
}

enum Operation {
    RoundTrip,
    State,
    Page(Order),
}

const OPERATIONS: [(&str, Operation); 5] = [
    ("round trip", Operation::RoundTrip),
    ("summary, state", Operation::State),
    ("page, oldest first", Operation::Page(Order::OldestFirst)),
    ("page, newest first", Operation::Page(Order::NewestFirst)),
    ("page, urgent first", Operation::Page(Order::UrgentThenNewestFirst)),
];
/// How many messages a mailbox has in the stores of growing size.
const EACH: usize = 10;
const PAGE: usize = 10;
/// How many mailboxes of each store are read; all of them before the measured part.
const READ: usize = 200;
const CALLS: usize = 3000;
const WARM_UP: usize = 300;
