//! What the end of a recording costs, and how many frames a second go into many recordings at once.
//!
//! `finish`: 1, 16 and 256 recordings of 5 s of mu-law end at the same moment, and the last of them is kept on stable storage.
//! `raw` is the disk's own price beside it: as many files of the same bytes are written, flushed, renamed and their folder flushed,
//! each by a thread of its own, as often. `frames`: one thread pushes 20 ms of 16-bit samples into each of many recordings in turn,
//! while the node writes them to disk.
//!
//! Not in the number: the call, opening the recordings, forwarding them, and what else keeps the disk busy. In `finish` all of the
//! sound is still in memory when it ends, which no recording of more than some seconds would have. Both are on the disk that holds
//! the temporary folder (`TMPDIR`).

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures::future::join_all;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use voicemail::audio::Format;
use voicemail::forward::MemoryForwarder;
use voicemail::message::SiteId;
use voicemail::network::{LicenceClass, Mailbox, Network, Site, TimeSource, VoicemailType};
use voicemail::node::Node;
use voicemail::record::{CallFacts, Recording};

criterion_group!(benches, record_ingest);
criterion_main!(benches);

fn record_ingest(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let (node, folder) = runtime.block_on(open());

    let mut group = criterion.benchmark_group("record_ingest");
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    for endings in [1, 16, 256] {
        group.throughput(Throughput::Elements(endings));
        group.bench_function(BenchmarkId::new("finish", endings), |bencher| {
            bencher.iter_custom(|times| runtime.block_on(finish(&node, times, endings)));
        });
        group.bench_function(BenchmarkId::new("raw", endings), |bencher| {
            bencher.iter_custom(|times| runtime.block_on(create_raw(folder.path(), times, endings)));
        });
    }

    let running = runtime.spawn({
        let node = node.clone();
        async move { node.run(std::future::pending()).await }
    });
    for recordings in [1, 16, 256] {
        group.throughput(Throughput::Elements(recordings));
        group.bench_function(BenchmarkId::new("frames", recordings), |bencher| {
            bencher.iter_custom(|rounds| runtime.block_on(push(&node, rounds, recordings)));
        });
    }
    running.abort();
    group.finish();
}

/// Ends `endings` recordings at once, `times` times.
async fn finish(node: &Node, times: u64, endings: u64) -> Duration {
    let (mut took, sound) = (Duration::ZERO, vec![0x20; SOUND]);
    for _ in 0..times {
        let mut recordings = record(node, endings, Format::TELEPHONE_PCMU).await;
        for recording in &mut recordings {
            recording.push_payload(&sound, 0);
        }
        let start = Instant::now();
        let ends = recordings.into_iter().map(|recording| tokio::spawn(recording.finish()));
        for kept in join_all(ends).await {
            kept.expect("the task ends").expect("the message is kept");
        }
        took += start.elapsed();
    }
    took
}

/// Creates `files` files at once, durably, `times` times.
async fn create_raw(folder: &Path, times: u64, files: u64) -> Duration {
    let folder = folder.join("raw");
    fs::create_dir_all(&folder).expect("a folder");
    let (mut took, bytes) = (Duration::ZERO, Arc::new(vec![0x20; HEADS + SOUND]));
    for _ in 0..times {
        let start = Instant::now();
        let creations = (0..files).map(|file| {
            let (folder, bytes) = (folder.clone(), Arc::clone(&bytes));
            tokio::task::spawn_blocking(move || {
                let (new, path) = (folder.join(format!("{file}.new")), folder.join(format!("{file}.vm")));
                let mut file = fs::File::create(&new)?;
                file.write_all(&bytes)?;
                file.sync_all()?;
                fs::rename(new, path)?;
                fs::File::open(folder)?.sync_all()
            })
        });
        for created in join_all(creations.collect::<Vec<_>>()).await {
            created.expect("the task ends").expect("the file is created");
        }
        took += start.elapsed();
        fs::remove_dir_all(&folder).and_then(|()| fs::create_dir(&folder)).expect("an empty folder");
    }
    took
}

/// Pushes a frame into each of `recordings` recordings, `rounds` times.
async fn push(node: &Node, rounds: u64, recordings: u64) -> Duration {
    let (mut took, mut left) = (Duration::ZERO, rounds);
    while left > 0 {
        let mut open = record(node, recordings, Format::TELEPHONE_L16).await;
        let now = left.min(ROUNDS);
        left -= now;
        let start = Instant::now();
        for _ in 0..now {
            for recording in &mut open {
                std::hint::black_box(recording.push_samples(&[0x20; 160])).expect("samples are what it was opened for");
            }
        }
        took += start.elapsed();
        for recording in open {
            recording.throw_away().await.expect("the recording is thrown away");
        }
    }
    took
}

async fn record(node: &Node, count: u64, format: Format) -> Vec<Recording> {
    let site: SiteId = "edge".parse().expect("a site");
    let mut recordings = Vec::new();
    for _ in 0..count {
        let facts = CallFacts::to("2001".parse().expect("a mailbox"));
        recordings.push(node.record(&site, facts, format).await.expect("a recording"));
    }
    recordings
}

async fn open() -> (Node, TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let site = |name: &str, voicemail_type| {
        Site::builder(name.parse().expect("a site"), voicemail_type, chrono_tz::UTC)
            .time(TimeSource::Sntp(vec!["ntp.example".parse().expect("an address")]))
            .licence(LicenceClass::Voicemail)
            .ports(300)
            .node(format!("{name}.example").parse().expect("an address"))
    };
    let main = site("main", VoicemailType::Central).mailbox(Mailbox::new("2001".parse().expect("a mailbox")));
    let edge = site("edge", VoicemailType::Distributed);
    let edge = edge.trunk_group("main", &"main".parse().expect("a site")).destination("main");
    let network = Network::builder("vm.example").site(main).site(edge).build().expect("a network");
    let node = Node::builder("edge.example".parse().expect("an address"), network.clone(), network.directory(), folder.path())
        .forwarder(MemoryForwarder::new())
        .open();
    (node.await.expect("a node"), folder)
}

/// Five seconds of mu-law.
const SOUND: usize = 40_000;
/// What the spool's file has before it: its own head and that of the WAV file.
const HEADS: usize = 1024 + 58;
/// How many frames fit into the longest recording, and some less.
const ROUNDS: u64 = 10_000;
