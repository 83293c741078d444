//! Counts the operations on the disks of both nodes for one message, and compares them with `tests/counts/message.txt`. The counts do not
//! depend on the load.

#![cfg(all(feature = "node", feature = "memory"))]
#![allow(clippy::unwrap_used, reason = "these are tests")]

#[allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
mod support;
#[path = "support/traces.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
mod traces;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use support::{CENTRAL, HIMALAYA, event, mailbox, network, node, run, server_config, site, soon, wav};
use tokio::net::TcpListener;
use voicemail::disk::{FaultyDisk, FreeSpace, OsDisk};
use voicemail::event::Event;
use voicemail::forward::SmtpForwarder;
use voicemail::intake::ListenMode;
use voicemail::record::CallFacts;
use voicemail::store::MaildirStore;

/// How often each row of the table was counted, at the distributed and at the central node.
type Counts = BTreeMap<String, [u64; 2]>;

/// Sends `messages` of 5 seconds, one after the other, under TLS from one node to the other; counts until both have stopped.
async fn counted(messages: u32) -> (Counts, Duration) {
    let folder = tempfile::tempdir().unwrap();
    let disks = [OsDisk, OsDisk].map(FaultyDisk::new);
    for disk in &disks {
        disk.pretend_free_space(FreeSpace::new(1 << 40, 1 << 30));
    }
    let [near, far] = &disks;
    let made = rcgen::generate_simple_self_signed([CENTRAL.to_owned()]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = listener.local_addr().unwrap().to_string();
    let store = MaildirStore::builder(folder.path().join("store")).directory(Arc::new(network().directory()));
    let store = store.disk(Arc::new(far.clone())).open().await.unwrap();
    let central = node(CENTRAL, folder.path()).disk(far.clone()).store(store).tls(server_config(&made));
    let central = central.listen(listener, ListenMode::StartTls).open().await.unwrap();
    let forwarder = SmtpForwarder::builder(peer, "voicemail.example").node(HIMALAYA).server_name(CENTRAL);
    let forwarder = forwarder.ca_pem(made.cert.pem().as_bytes()).build().unwrap();
    let distributed = node(HIMALAYA, folder.path()).disk(near.clone()).forwarder(forwarder).open().await.unwrap();
    let mut events = distributed.events();
    let running = [run(&distributed), run(&central)];
    let handed_before = handed_over();
    let began = Instant::now();
    for number in 0..messages {
        let kept = distributed.deposit_wav(&site("kathmandu"), CallFacts::to(mailbox("2001")), wav(5_000, number).into()).await;
        let id = kept.unwrap().id;
        let answered = |event| matches!(event, Event::Forwarded { id: of, .. } if of == id).then_some(());
        soon(event(&mut events, answered)).await;
    }
    let took = began.elapsed();
    for running in running {
        running.stop().await;
    }
    let mut counts = Counts::new();
    for (at, disk) in disks.iter().enumerate() {
        for (operation, times) in disk.counts() {
            counts.entry(format!("{operation:?}")).or_default()[at] = times;
        }
    }
    // Both nodes run on the threads of one runtime, so hand-overs are counted together.
    counts.insert(HANDED_OVER.to_owned(), [handed_over() - handed_before, 0]);
    (counts, took)
}

/// How often work was handed to a blocking thread in this process.
fn handed_over() -> u64 {
    let said = traces::listen().text();
    u64::try_from(said.lines().filter(|line| line.contains("handed to a blocking thread")).count()).unwrap()
}

/// The cost of each further message, and how long each took.
///
/// It is the difference of two runs, so that opening and stopping are not in it.
async fn per_message() -> (BTreeMap<String, [f64; 2]>, Duration) {
    let (few, took_few) = counted(FEW).await;
    let (many, took_many) = counted(MANY).await;
    let each = |count: u64, less: u64| {
        (f64::from(u32::try_from(count).unwrap()) - f64::from(u32::try_from(less).unwrap())) / f64::from(MANY - FEW)
    };
    let rows = many.iter().map(|(row, many)| {
        let few = few.get(row).copied().unwrap_or_default();
        (row.clone(), [each(many[0], few[0]), each(many[1], few[1])])
    });
    (rows.collect(), (took_many + took_few) / (MANY - FEW))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_operation_of_the_disk_is_asked_more_often() {
    let (counted, took) = per_message().await;
    let mut report = String::new();
    for (row, [near, far]) in &counted {
        writeln!(report, "{row} {near:.2} {far:.2}").unwrap();
    }
    let table = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(TABLE)).unwrap();
    let table: BTreeMap<&str, [f64; 2]> = table.lines().filter(|line| !line.starts_with('#')).map(row).collect();
    for (row, counts) in &counted {
        let most = table.get(row.as_str()).copied().unwrap_or_default();
        let by_time = by_time(row, took);
        for (count, most) in counts.iter().zip(most) {
            assert!(*count <= most + SPARE + by_time, "{row}: {count:.2} a message, and {most} in {TABLE}. All:\n{report}");
            assert!(*count >= most - SPARE, "{row}: only {count:.2} a message. Lower the {most} in {TABLE}. All:\n{report}");
        }
    }
    for row in table.keys() {
        assert!(counted.contains_key(*row), "{row} of {TABLE} was not counted");
    }
}

/// How often more the operation may be seen because time goes by: the store asks for free space again when the answer is half as old as it
/// may be, and hands that over when the answer is older.
fn by_time(row: &str, took: Duration) -> f64 {
    match row {
        "FreeSpace" => took.as_secs_f64() / (SPACE_TRUSTED / 2).as_secs_f64(),
        HANDED_OVER => took.as_secs_f64() / SPACE_TRUSTED.as_secs_f64(),
        _ => 0.0,
    }
}

/// A row of the table: its name, and how often at each node.
fn row(line: &str) -> (&str, [f64; 2]) {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [name, near, far] = fields[..] else { panic!("a row is a name and two numbers: {line}") };
    (name, [near.parse().unwrap(), far.parse().unwrap()])
}

const TABLE: &str = "tests/counts/message.txt";
const HANDED_OVER: &str = "HandedOver";
const FEW: u32 = 5;
const MANY: u32 = 45;
/// Operations that come now and then and not with each message: one spare file more, a folder read again.
const SPARE: f64 = 0.3;
/// For how long a store trusts an answer of the disk with plenty of free space.
const SPACE_TRUSTED: Duration = Duration::from_millis(250);
