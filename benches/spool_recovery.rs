//! How long a node takes from its start to the first message that it forwards, with 10 000 and 100 000 messages waiting.
//!
//! `open` measures from opening the node until its forwarder gets the first message. `names` only reads the names in the same folder,
//! which every start has to do.
//!
//! Not in the number: making the files, which are copies of one of 1 s, and the forwarding itself. The names are in the
//! system's cache; after a start of the machine the disk has to read them first.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use voicemail::audio::Format;
use voicemail::forward::{Acceptance, ForwardError, Forwarder};
use voicemail::message::{MailboxId, Message, MessageId};
use voicemail::network::{LicenceClass, Mailbox, Network, Site, TimeSource, VoicemailType};
use voicemail::node::Node;
use voicemail::record::CallFacts;

criterion_group!(benches, spool_recovery);
criterion_main!(benches);

fn spool_recovery(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = criterion.benchmark_group("spool_recovery");
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    for waiting in [10_000, 100_000] {
        let folder = runtime.block_on(fill(waiting));
        assert_eq!(names(folder.path()).len(), waiting);
        group.bench_function(BenchmarkId::new("open", waiting), |bencher| {
            bencher.iter_custom(|times| runtime.block_on(recover(folder.path(), times)));
        });
        group.bench_function(BenchmarkId::new("names", waiting), |bencher| {
            bencher.iter(|| names(folder.path()).len());
        });
        // A message that was mistaken for one that had been sent would be gone by now.
        assert_eq!(names(folder.path()).len(), waiting);
    }
    group.finish();
}

/// Starts the node `times` times, each until the first message is sent.
async fn recover(folder: &Path, times: u64) -> Duration {
    let mut took = Duration::ZERO;
    for _ in 0..times {
        let first = Arc::new(Notify::new());
        let start = Instant::now();
        let node = open(folder, FirstOnly(Arc::clone(&first))).await;
        tokio::select! {
            ended = node.run(std::future::pending()) => ended.expect("the node runs"),
            () = first.notified() => {}
        }
        took += start.elapsed();
    }
    took
}

/// Reports the first message, and never answers for it.
#[derive(Debug)]
struct FirstOnly(Arc<Notify>);

#[async_trait]
impl Forwarder for FirstOnly {
    async fn forward(&self, _: &Message, _: &[MailboxId]) -> Result<Acceptance, ForwardError> {
        self.0.notify_one();
        std::future::pending().await
    }
}

/// A spool in which `waiting` messages wait: copies of one, each with another id.
async fn fill(waiting: usize) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = open(folder.path(), FirstOnly(Arc::default())).await;
    let facts = CallFacts::to("2001".parse().expect("a mailbox"));
    // The head of a sound that is given whole has a check, which no copy with another id would pass.
    let call = node.record(&"edge".parse().expect("a site"), facts, Format::TELEPHONE_PCMU).await;
    let mut call = call.expect("a recording begins");
    call.push_payload(&[0x20; 8_000], 0);
    let kept = call.finish().await.expect("the message is kept");
    let first = names(folder.path()).pop().expect("the message waits").into_string().expect("UTF-8");
    let mut message = fs::read(queue(folder.path()).join(&first)).expect("the message");
    let id = kept.id.to_string();
    let at = message.windows(id.len()).position(|window| window == id.as_bytes()).expect("the head says the id");
    for _ in 1..waiting {
        let other = MessageId::random().to_string();
        message[at..at + id.len()].copy_from_slice(other.as_bytes());
        fs::write(queue(folder.path()).join(first.replace(&id, &other)), &message).expect("a copy");
    }
    folder
}

fn names(folder: &Path) -> Vec<OsString> {
    let entries = fs::read_dir(queue(folder)).expect("the queue");
    entries.map(|entry| entry.expect("a name").file_name()).collect()
}

fn queue(folder: &Path) -> std::path::PathBuf {
    folder.join("queue/main.example")
}

async fn open(folder: &Path, forwarder: FirstOnly) -> Node {
    let site = |name: &str, voicemail_type| {
        Site::builder(name.parse().expect("a site"), voicemail_type, chrono_tz::UTC)
            .time(TimeSource::Sntp(vec!["ntp.example".parse().expect("an address")]))
            .licence(LicenceClass::Voicemail)
            .ports(8)
            .node(format!("{name}.example").parse().expect("an address"))
    };
    let main = site("main", VoicemailType::Central).mailbox(Mailbox::new("2001".parse().expect("a mailbox")));
    let edge = site("edge", VoicemailType::Distributed);
    let edge = edge.trunk_group("main", &"main".parse().expect("a site")).destination("main");
    let network = Network::builder("vm.example").site(main).site(edge).build().expect("a network");
    let node = Node::builder("edge.example".parse().expect("an address"), network.clone(), network.directory(), folder);
    node.forwarder(forwarder).open().await.expect("a node")
}
