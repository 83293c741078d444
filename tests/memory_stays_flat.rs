//! A node takes a bounded amount of memory, however many messages wait.
//!
//! Each measurement runs in another process, which is the test's program once more, so that nothing else counts. It takes the largest
//! resident size that the process ever had (`VmHWM`), not the size at its end. `cargo test` leaves the large ones out:
//! `cargo test --test memory_stays_flat -- --ignored --nocapture --test-threads 1` runs them, one after the other: where threads wait for a processor, tokio
//! starts more of them, and each takes memory.

#![cfg(all(feature = "node", feature = "memory"))]
#![allow(clippy::unwrap_used, clippy::future_not_send, reason = "these are tests")]

#[path = "memory/forger.rs"]
mod forger;
#[path = "memory/gate.rs"]
mod gate;
#[path = "memory/nested.rs"]
mod nested;
#[allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forger::{Forger, Reply as ForgedReply};
use gate::{Gate, Gated};
use support::{CENTRAL, HIMALAYA, address, clock, event, mailbox, network, node, run, site};
use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use voicemail::audio::{Format, Wav};
use voicemail::clock::Clock as _;
use voicemail::directory::{Owner, StaticDirectory};
use voicemail::event::Event;
use voicemail::forward::smtp::{SmtpForwarder, Timeouts};
use voicemail::forward::{Acceptance, ForwardError, Forwarder, MemoryForwarder, Outcome, Reply, TransportSecurity};
use voicemail::intake::{Access, Intake, Limits, ListenMode, ListenerPolicy};
use voicemail::message::{MailboxId, Message, MessageId};
use voicemail::node::Node;
use voicemail::record::CallFacts;
use voicemail::smtp::{CustodyKey, ReturnPaths};
use voicemail::store::MaildirStore;

const MB: usize = 1_000_000;

#[test]
fn five_thousand_messages_waiting_take_little_memory() {
    waiting("five_thousand_messages_waiting_take_little_memory", 5_000, 36 * MB);
}

#[test]
#[ignore = "it writes 100 000 files; .ci/run runs it"]
fn a_hundred_thousand_messages_waiting_stay_under_64_mb() {
    waiting("a_hundred_thousand_messages_waiting_stay_under_64_mb", 100_000, 64 * MB);
}

#[test]
fn five_thousand_relayed_messages_take_little_memory() {
    relayed("five_thousand_relayed_messages_take_little_memory", 5_000, 30 * MB);
}

#[test]
#[ignore = "it writes 100 000 files; .ci/run runs it"]
fn a_hundred_thousand_relayed_messages_stay_under_64_mb() {
    relayed("a_hundred_thousand_relayed_messages_stay_under_64_mb", 100_000, 64 * MB);
}

#[test]
fn ten_thousand_forged_reports_leave_spool_and_memory_alone() {
    let name = "ten_thousand_forged_reports_leave_spool_and_memory_alone";
    if let Some(folder) = std::env::var_os(FOLDER) {
        on_a_runtime(get_forged_reports(Path::new(&folder), 10_000));
        return print_most_resident();
    }
    let folder = tempfile::tempdir().unwrap();
    let most = most_resident(&mut again(name, folder.path()));
    println!("10 000 forged reports, and 10 000 to a right return path: {} kB", most / 1000);
    assert!(most < 40 * MB, "forged reports took {most} bytes");
}

#[test]
fn eight_long_transfers_take_little_memory_on_either_side() {
    transfers("eight_long_transfers_take_little_memory_on_either_side", 8, 40 * MB);
}

#[test]
#[ignore = "it sends 1.7 GB; .ci/run runs it"]
fn transfers_of_ten_minutes_256_at_once_stay_under_112_mb() {
    transfers("transfers_of_ten_minutes_256_at_once_stay_under_112_mb", 256, 112 * MB);
}

/// Sends `count` recordings of ten minutes from the spools of one process to the mailboxes of another, by SMTP under TLS, all of which
/// are in the middle of their sounds at the same time; neither process takes `limit` bytes.
///
/// A node has 64 under way to another at most, so the sending process has a node for each 64.
fn transfers(name: &str, count: usize, limit: usize) {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let folder = Path::new(&folder);
        match std::env::var(PEER) {
            Ok(peer) => on_a_runtime(send_all(folder, count, peer)),
            Err(_) => on_a_runtime(take_all(folder)),
        }
        return print_most_resident();
    }
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed([CENTRAL.to_owned()]).unwrap();
    fs::write(folder.path().join("certificate.pem"), made.cert.pem()).unwrap();
    fs::write(folder.path().join("certificate"), made.cert.der()).unwrap();
    fs::write(folder.path().join("key"), made.signing_key.serialize_der()).unwrap();
    on_a_runtime(async {
        for nth in 0..count.div_ceil(UNDER_WAY) {
            fill_with_long_ones(&folder.path().join(nth.to_string()), (count - nth * UNDER_WAY).min(UNDER_WAY)).await;
        }
    });
    let mut receiver = again(name, folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(receiver.stdout.take().unwrap()).lines().map(Result::unwrap);
    let address = lines.find_map(|line| line.split_once("listening ").map(|(_, address)| address.to_owned())).unwrap();
    let sender = most_resident(again(name, folder.path()).env(PEER, address));
    drop(receiver.stdin.take());
    let taken: String = lines.collect::<Vec<_>>().join("\n");
    assert!(receiver.wait().unwrap().success(), "{taken}");
    let receiver = parse_most_resident(&taken);
    println!("{count} transfers at once: sender {} kB, receiver {} kB", sender / 1000, receiver / 1000);
    assert!(sender < limit && receiver < limit, "{count} transfers took {sender} bytes to send and {receiver} to take");
}

/// Puts `count` recordings of ten minutes of mu-law silence into the spool of a node: one that was recorded, and others that differ only in
/// their ids, and whose silence is a hole in the file.
async fn fill_with_long_ones(folder: &Path, count: usize) {
    fill_with(folder, TEN_MINUTES, count).await;
}

/// Sends the messages in the spools under `folder`, each on its own connection.
async fn send_all(folder: &Path, count: usize, peer: String) {
    let way = EachByItself { peer, pem: fs::read(folder.join("certificate.pem")).unwrap(), gate: Gate::of(count) };
    let nodes = (0..count.div_ceil(UNDER_WAY)).map(|nth| folder.join(nth.to_string()));
    let mut running = Vec::new();
    for folder in nodes {
        let node = node(HIMALAYA, &folder).forwarder(way.clone()).open().await.unwrap();
        let (events, waiting) = (node.events(), node.spool().state()[0].depth);
        running.push((run(&node), events, waiting));
    }
    for (running, mut events, waiting) in running {
        for _ in 0..waiting {
            event(&mut events, |event| match event {
                Event::Forwarded { .. } => Some(()),
                Event::Deferred { reason, .. } => panic!("{reason}"),
                _ => None,
            })
            .await;
        }
        running.stop().await;
    }
}

/// Receives all messages until its standard input ends.
async fn take_all(folder: &Path) {
    let chain = vec![CertificateDer::from(fs::read(folder.join("certificate")).unwrap())];
    let key = PrivateKeyDer::try_from(fs::read(folder.join("key")).unwrap()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions();
    let config = config.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let network = network();
    let store = MaildirStore::builder(folder.join("mail")).directory(network.directory()).open().await.unwrap();
    let mut limits = Limits::default();
    limits.connections_per_address = 256;
    let intake = Intake::builder(network.domain(), store, network.directory()).tls(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("listening {}", listener.local_addr().unwrap());
    let stop = async { drop(tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await) };
    intake.limits(limits).build().serve(listener, ListenMode::StartTls, stop).await.unwrap();
}

/// Sends each message on its own connection; all stop in the middle of the sound until the last has come so far.
#[derive(Debug, Clone)]
struct EachByItself {
    peer: String,
    pem: Vec<u8>,
    gate: Gate,
}

#[async_trait]
impl Forwarder for EachByItself {
    async fn forward(&self, message: &Message, recipients: &[MailboxId]) -> Result<Acceptance, ForwardError> {
        let dial = Gated { peer: self.peer.clone(), gate: self.gate.clone() };
        // On a slow machine, the first one waits for the last for some time.
        let mut timeouts = Timeouts::default();
        timeouts.block = PATIENCE;
        timeouts.command = PATIENCE;
        timeouts.handshake = PATIENCE;
        timeouts.greeting = PATIENCE;
        let forwarder = SmtpForwarder::builder(format!("{CENTRAL}:25"), "voicemail.example").dial(dial).timeouts(timeouts);
        forwarder.ca_pem(&self.pem).build().unwrap().forward(message, recipients).await
    }

    fn reads_sounds(&self) -> bool {
        true
    }
}

/// A node with `count` messages in its spool, each of which was tried and has to wait, takes less than `limit` bytes.
fn waiting(name: &str, count: usize, limit: usize) {
    if let Some(folder) = std::env::var_os(FOLDER) {
        on_a_runtime(wait_with(Path::new(&folder), count));
        return print_most_resident();
    }
    let folder = tempfile::tempdir().unwrap();
    on_a_runtime(fill(folder.path(), count));
    let most = most_resident(&mut again(name, folder.path()));
    println!("{count} messages waiting: {} kB", most / 1000);
    assert!(most < limit, "{count} messages waiting took {most} bytes");
}

/// Opens the node and runs it until each message was tried once, so that the node remembers as much of each as it can; all still wait.
async fn wait_with(folder: &Path, count: usize) {
    let full = Full::default();
    let node = node(HIMALAYA, folder).forwarder(full.clone()).open().await.unwrap();
    let running = run(&node);
    full.tried(count).await;
    running.stop().await;
    assert_eq!(node.spool().state()[0].depth, count);
}

/// A node that starts with `count` messages for which it waits for receipts takes less than `limit` bytes.
fn relayed(name: &str, count: usize, limit: usize) {
    if let Some(folder) = std::env::var_os(FOLDER) {
        on_a_runtime(wait_for_receipts(Path::new(&folder), count));
        return print_most_resident();
    }
    let folder = tempfile::tempdir().unwrap();
    on_a_runtime(fill(folder.path(), count));
    let spool = folder.path().join(HIMALAYA);
    let queue = fs::read_dir(spool.join("queue")).unwrap().next().unwrap().unwrap();
    let to = spool.join("relayed").join(queue.file_name());
    fs::create_dir_all(&to).unwrap();
    for file in fs::read_dir(queue.path()).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        let (_, id_and_mailbox) = name.split_once("Z-").unwrap();
        fs::rename(file.path(), to.join(format!("{}-{id_and_mailbox}", chrono::Utc::now().format("%Y%m%dT%H0000Z")))).unwrap();
    }
    let most = most_resident(&mut again(name, folder.path()));
    println!("{count} messages relayed: {} kB", most / 1000);
    assert!(most < limit, "{count} messages relayed took {most} bytes");
}

/// Opens the node, and runs it until it has looked at the relayed messages.
async fn wait_for_receipts(folder: &Path, count: usize) {
    let began = std::time::Instant::now();
    let node = node(HIMALAYA, folder).forwarder(Full::default()).open().await.unwrap();
    println!("opened after {:?}", began.elapsed());
    let running = run(&node);
    while !folder.join(HIMALAYA).join("relayed/checked.txt").exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    running.stop().await;
    let state = &node.spool().state()[0];
    assert_eq!((state.depth, state.relayed), (0, count));
}

/// Sends forged reports to a node that waits for a receipt, `count` to wrong return paths, and as many to a right one: none settles a message, adds more
/// than one file, or takes memory.
async fn get_forged_reports(folder: &Path, count: usize) {
    let paths = ReturnPaths::new(HIMALAYA, &[2; 32]);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let relay = MemoryForwarder::new();
    relay.answer(mailbox("2001"), Outcome::Relayed);
    let forger = Forger { peer: listener.local_addr().unwrap(), paths: paths.clone(), now: clock().now().instant };
    let key = CustodyKey::new(HIMALAYA, &[3; 32]);
    let anyone = ListenerPolicy::new(ListenMode::StartTls, Access::anyone_anywhere());
    let node =
        node(HIMALAYA, folder).forwarder(relay).clock(clock()).return_paths(paths).custody_key(key).listen(listener, anyone);
    let node = node.open().await.unwrap();
    let mut events = node.events();
    let wav = support::wav(1_000, 5).into();
    let id = node.deposit_wav(&site("kathmandu"), CallFacts::to(mailbox("2001")), wav).await.unwrap().id;
    let running = run(&node);
    event(&mut events, |event| matches!(event, Event::Relayed { .. }).then_some(())).await;
    drop(events);

    let spool = folder.join(HIMALAYA);
    let before = files(&spool);
    for kind in forger::REFUSED {
        forger
            .send_all(count.div_ceil(forger::REFUSED.len()), |nth| forger.address(kind, id, nth), ForgedReply::RefusedAtRcpt)
            .await;
    }
    // The relay knows the return paths of messages that are settled.
    forger.send_all(count / 10, |_| forger.signed(MessageId::random()), ForgedReply::Received).await;
    assert_eq!(files(&spool), before, "no file is added, removed or changed");
    forger.send_all(count / 10, |_| forger.signed(id), ForgedReply::Received).await;
    let resident = most_resident_so_far();
    forger.send_all(count, |_| forger.signed(id), ForgedReply::Received).await;
    let grown = most_resident_so_far() - resident;
    println!("{count} reports to one return path took {} kB more than a tenth of them", grown / 1000);
    assert!(grown < 4 * MB, "{grown} bytes more");
    let mut after = files(&spool);
    let said = format!("relayed/{CENTRAL}/{id}.said");
    assert!(after.remove(&said).is_some_and(|mail| mail.len() <= 64 * 1024), "the newest one");
    assert_eq!(after, before, "no other file is added, removed or changed");
    assert_eq!(node.spool().state()[0].relayed, 1);
    assert_eq!(node.spool().parked().await.unwrap(), []);
    running.stop().await;
}

/// Returns the files in a folder and below, with their contents.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// The other node, where all mailboxes are full.
#[derive(Debug, Clone, Default)]
struct Full(Arc<watch::Sender<usize>>);

impl Full {
    /// Waits until `count` messages were offered.
    async fn tried(&self, count: usize) {
        self.0.subscribe().wait_for(|tried| *tried >= count).await.unwrap();
    }
}

#[async_trait]
impl Forwarder for Full {
    async fn forward(&self, _message: &Message, recipients: &[MailboxId]) -> Result<Acceptance, ForwardError> {
        self.0.send_modify(|tried| *tried += 1);
        let reply = Reply::new(452, "4.2.2 2001: the mailbox is full");
        Ok(Acceptance::new(vec![Outcome::Deferred(reply); recipients.len()], TransportSecurity::InMemory))
    }
}

/// Puts `count` messages of a second into the node's spool, as [`fill_with_long_ones`] does.
async fn fill(folder: &Path, count: usize) {
    fill_with(folder, A_SECOND, count).await;
}

/// Records so many bytes of mu-law zeros, and makes copies of the file with other ids, in which the zeros are a hole.
async fn fill_with(folder: &Path, data_len: u32, count: usize) {
    let mut owner = Owner::new(site("london"), chrono_tz::Europe::London);
    owner.recording.max = Duration::from_secs(600);
    let directory: StaticDirectory = [(mailbox("2001"), owner)].into_iter().collect();
    let node = Node::builder(address(HIMALAYA), network(), directory, folder.join(HIMALAYA));
    let node = node.forwarder(MemoryForwarder::new()).clock(clock()).open().await.unwrap();
    // The head of a sound that is given whole has a check, which no copy with another id would pass.
    let mut call = node.record(&site("kathmandu"), CallFacts::to(mailbox("2001")), Format::TELEPHONE_PCMU).await.unwrap();
    for timestamp in (0..data_len).step_by(A_SECOND as usize) {
        call.push_payload(&[0; A_SECOND as usize], timestamp);
    }
    let kept = call.finish().await.unwrap();
    drop(node);
    let queues = folder.join(HIMALAYA).join("queue");
    let queue = fs::read_dir(queues).unwrap().next().unwrap().unwrap().path();
    let file = fs::read_dir(&queue).unwrap().next().unwrap().unwrap().path();
    let (name, mut bytes) = (file.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&file).unwrap());
    let id = kept.id.to_string();
    let written = Wav::header_len(Format::TELEPHONE_PCMU.codec);
    let at = bytes.windows(id.len()).position(|window| window == id.as_bytes()).unwrap();
    for _ in 1..count {
        let other = MessageId::random().to_string();
        bytes[at..at + id.len()].copy_from_slice(other.as_bytes());
        let copy = fs::File::create_new(queue.join(name.replace(&id, &other))).unwrap();
        copy.write_all_at(&bytes[..HEAD_LEN + written], 0).unwrap();
        copy.set_len(bytes.len() as u64).unwrap();
    }
}

/// Returns a command that runs the test `name` in another process, with its files in `folder`.
fn again(name: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--include-ignored", "--nocapture"]).env(FOLDER, folder);
    command
}

/// Runs a process to its end; returns the largest number of bytes that were resident.
fn most_resident(command: &mut Command) -> usize {
    let output = command.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    parse_most_resident(&printed)
}

fn parse_most_resident(printed: &str) -> usize {
    let rest = printed.lines().find_map(|line| line.split_once("VmHWM:")).map(|(_, rest)| rest);
    let kib: usize = rest.and_then(|rest| rest.split_whitespace().next()).expect("the process prints it").parse().unwrap();
    kib * 1024
}

/// Runs `work` as a program would.
fn on_a_runtime(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work);
}

/// Returns how many bytes of this process were resident at most.
fn most_resident_so_far() -> usize {
    parse_most_resident(&fs::read_to_string("/proc/self/status").unwrap())
}

/// Prints how much memory this process took at most.
fn print_most_resident() {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM:")).unwrap());
}

/// Where the sound begins in a file of the spool.
const HEAD_LEN: usize = 1024;
const FOLDER: &str = "VOICEMAIL_MEMORY_TEST_FOLDER";
const PEER: &str = "VOICEMAIL_MEMORY_TEST_PEER";
/// How many messages a node has under way to another.
const UNDER_WAY: usize = 64;
/// Bytes of mu-law.
const TEN_MINUTES: u32 = 600 * 8000;
/// In bytes of mu-law.
const A_SECOND: u32 = 8_000;
const PATIENCE: Duration = Duration::from_secs(600);
