//! Memory stays flat: however much waits, a node takes a fixed part of it.
//!
//! What is measured runs in a process of its own, the test's own program once more, so that nothing else counts; and what is looked at
//! is the most that was ever resident (`VmHWM`), not what is at the end. The large ones are left out of `cargo test`:
//! `cargo test --test memory_stays_flat -- --ignored --nocapture` runs them.

#![allow(clippy::unwrap_used, clippy::future_not_send, reason = "these are tests")]

mod support;

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use async_trait::async_trait;
use support::{HIMALAYA, clock, mailbox, node, run, site, wav};
use tokio::sync::watch;
use voicemail::forward::{ForwardError, Forwarder, MemoryForwarder, Outcome, Receipt, Reply, Travelled};
use voicemail::message::{MailboxId, Message, MessageId};
use voicemail::record::CallFacts;

const MB: usize = 1_000_000;

#[test]
fn ten_thousand_messages_waiting_take_little_memory() {
    waiting("ten_thousand_messages_waiting_take_little_memory", 10_000, 28 * MB);
}

#[test]
#[ignore = "it writes 100 000 files; .ci/run runs it"]
fn a_hundred_thousand_messages_waiting_stay_under_64_mb() {
    waiting("a_hundred_thousand_messages_waiting_stay_under_64_mb", 100_000, 64 * MB);
}

/// A node with `count` messages in its spool, each of which was tried and has to wait, takes less than `limit` bytes.
fn waiting(name: &str, count: usize, limit: usize) {
    if let Some(folder) = std::env::var_os(FOLDER) {
        on_a_runtime(wait_with(Path::new(&folder), count));
        return tell_most_resident();
    }
    let folder = tempfile::tempdir().unwrap();
    on_a_runtime(fill(folder.path(), count));
    let most = most_resident_of(name, folder.path());
    println!("{count} messages waiting: {} kB", most / 1000);
    assert!(most < limit, "{count} messages waiting took {most} bytes");
}

/// Opens the node and lets it run until each message was tried once, so that as much is remembered of each as can be; all wait still.
async fn wait_with(folder: &Path, count: usize) {
    let full = Full::default();
    let node = node(HIMALAYA, folder).forwarder(full.clone()).open().await.unwrap();
    let running = run(&node);
    full.tried(count).await;
    running.stop().await;
    assert_eq!(node.spool().state()[0].depth, count);
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
    async fn forward(&self, _message: &Message, recipients: &[MailboxId]) -> Result<Receipt, ForwardError> {
        self.0.send_modify(|tried| *tried += 1);
        let reply = Reply { code: 452, text: "4.2.2 2001: the mailbox is full".to_owned() };
        Ok(Receipt { outcomes: vec![Outcome::Deferred(reply); recipients.len()], travelled: Travelled::InMemory })
    }
}

/// Puts `count` messages into the node's spool: one that was recorded, and others with ids of their own whose sound is a hole in the file.
async fn fill(folder: &Path, count: usize) {
    let node = node(HIMALAYA, folder).forwarder(MemoryForwarder::new()).clock(clock()).open().await.unwrap();
    let kept = node.deposit_wav(&site("kathmandu"), CallFacts::to(mailbox("2001")), wav(1_000, 1).into()).await.unwrap();
    drop(node);
    let queues = folder.join(HIMALAYA).join("queue");
    let queue = fs::read_dir(queues).unwrap().next().unwrap().unwrap().path();
    let file = fs::read_dir(&queue).unwrap().next().unwrap().unwrap().path();
    let (name, mut bytes) = (file.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&file).unwrap());
    let id = kept.id.to_string();
    let at = bytes.windows(id.len()).position(|window| window == id.as_bytes()).unwrap();
    for _ in 1..count {
        let other = MessageId::random().to_string();
        bytes[at..at + id.len()].copy_from_slice(other.as_bytes());
        let copy = fs::File::create_new(queue.join(name.replace(&id, &other))).unwrap();
        copy.write_all_at(&bytes[..HEAD_LEN], 0).unwrap();
        copy.set_len(bytes.len() as u64).unwrap();
    }
}

/// Runs the test `name` once more, in a process of its own that finds what it needs in `folder`; answers the most bytes that were
/// resident there.
fn most_resident_of(name: &str, folder: &Path) -> usize {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--include-ignored", "--nocapture"]).env(FOLDER, folder);
    let output = command.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    let told = printed.lines().find_map(|line| line.split_once("VmHWM:")).map(|(_, rest)| rest);
    let kib: usize = told.and_then(|rest| rest.split_whitespace().next()).expect("the process tells").parse().unwrap();
    kib * 1024
}

/// Runs `work` as a program would.
fn on_a_runtime(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work);
}

/// Tells how much memory this process took at most.
fn tell_most_resident() {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM:")).unwrap());
}

/// Where the sound begins in a file of the spool.
const HEAD_LEN: usize = 1024;
const FOLDER: &str = "VOICEMAIL_MEMORY_TEST_FOLDER";
