//! The time to finish recordings, the number of frames a second into many recordings at once, and the time to admit calls.
//!
//! `finish`: 1, 16 and 256 recordings of 5 s of mu-law end at the same moment; it ends when the last of them is on stable storage.
//! `raw` is the price of the disk alone: the same number of files of the same size are written, flushed and renamed, and their folder
//! is flushed, each by one thread. `frames`: one thread pushes 20 ms of 16-bit samples into each of many recordings in turn,
//! while the node writes them to disk.
//!
//! `admit`: 16 threads ask for 10 000 recordings on 100 PBXs, each with a licence check and a port, and free every port. In `one_pbx`
//! all of them ask for the same PBX; in `busy` every port is in use and all are refused. `raw` is the lower bound of counting ports:
//! the same number of threads increment and decrement the same number of atomic counters.
//!
//! Not in the number: the call, opening the recordings, forwarding them, and other work of the disk. In `finish` all of the sound is
//! still in memory at the end, which is true only of recordings of a few seconds. Both use the disk that holds the temporary folder
//! (`TMPDIR`).

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use chrono::DateTime;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures::future::join_all;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use voicemail::audio::Format;
use voicemail::forward::MemoryForwarder;
use voicemail::message::SiteId;
use voicemail::network::{
    Admission, LicenceClass, Mailbox, Network, NetworkBuilder, Port, Refusal, Site, SiteBuilder, TimeSource, VoicemailType,
};
use voicemail::node::Node;
use voicemail::record::{CallFacts, Recording};

use self::support::disk::create_durably;

mod support {
    pub(crate) mod disk;
}

criterion_group!(benches, record_ingest);
criterion_main!(benches);

fn record_ingest(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let (node, _folder) = runtime.block_on(open());

    let mut group = criterion.benchmark_group("record_ingest");
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    for endings in [1, 16, 256] {
        group.throughput(Throughput::Elements(endings));
        group.bench_function(BenchmarkId::new("finish", endings), |bencher| {
            bencher.iter_custom(|times| runtime.block_on(finish(&node, times, endings)));
        });
        group.bench_function(BenchmarkId::new("raw", endings), |bencher| {
            bencher.iter_custom(|times| runtime.block_on(create_raw(times, endings)));
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

    group.throughput(Throughput::Elements(RECORDINGS));
    let (admission, pbxs) = (Admission::new(&network_of(PBXS)), names(PBXS));
    group.bench_function(BenchmarkId::new("admit", "100_pbxs"), |bencher| {
        bencher.iter_custom(|times| in_threads(times, |index| drop(black_box(admit(&admission, &pbxs[index % pbxs.len()])))));
    });
    group.bench_function(BenchmarkId::new("admit", "one_pbx"), |bencher| {
        bencher.iter_custom(|times| in_threads(times, |_| drop(black_box(admit(&admission, &pbxs[0])))));
    });
    let full: Vec<_> = std::iter::from_fn(|| admit(&admission, &pbxs[0]).ok()).collect();
    group.bench_function(BenchmarkId::new("admit", "busy"), |bencher| {
        bencher.iter_custom(|times| in_threads(times, |_| drop(black_box(admit(&admission, &pbxs[0])))));
    });
    drop(full);
    let counters: Vec<_> = pbxs.iter().map(|_| AtomicU32::new(0)).collect();
    group.bench_function(BenchmarkId::new("admit", "raw"), |bencher| {
        bencher.iter_custom(|times| {
            in_threads(times, |index| {
                let counter = &counters[index % counters.len()];
                black_box(counter.fetch_add(1, Ordering::Acquire));
                counter.fetch_sub(1, Ordering::Release);
            })
        });
    });
    group.finish();
}

/// Calls `ask` for each of the recordings, from many threads at once, `times` times.
fn in_threads(times: u64, ask: impl Fn(usize) + Sync) -> Duration {
    let start = Barrier::new(THREADS + 1);
    thread::scope(|scope| {
        let each = usize::try_from(RECORDINGS).expect("a number") / THREADS;
        let threads = (0..THREADS).map(|number| {
            let (start, ask) = (&start, &ask);
            scope.spawn(move || {
                start.wait();
                for _ in 0..times {
                    (number * each..(number + 1) * each).for_each(ask);
                }
            })
        });
        let threads: Vec<_> = threads.collect();
        start.wait();
        let begun = Instant::now();
        for thread in threads {
            thread.join().expect("the thread ends");
        }
        begun.elapsed()
    })
}

fn admit(admission: &Admission, pbx: &SiteId) -> Result<Port, Refusal> {
    admission.admit(pbx, LicenceClass::Voicemail, DateTime::UNIX_EPOCH)
}

fn names(pbxs: usize) -> Vec<SiteId> {
    (0..pbxs).map(|number| format!("pbx-{number}").parse().expect("a site")).collect()
}

/// A network of a central PBX and `pbxs` others that share a distributed node, each with 100 ports.
fn network_of(pbxs: usize) -> Network {
    let main = site("main", VoicemailType::Central);
    let far = names(pbxs).into_iter().map(|name| {
        let far = site(name.as_str(), VoicemailType::Distributed).ports(100).node("edge.example".parse().expect("an address"));
        far.trunk_group("main", &"main".parse().expect("a site")).destination("main")
    });
    far.fold(Network::builder("vm.example").site(main), NetworkBuilder::site).build().expect("a network")
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

/// Creates `files` files at once, durably, `times` times. They are removed after the measurement.
async fn create_raw(times: u64, files: u64) -> Duration {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (mut took, bytes) = (Duration::ZERO, Arc::new(vec![0x20; HEADS + SOUND]));
    for time in 0..times {
        let start = Instant::now();
        let creations = (0..files).map(|file| {
            let (folder, bytes) = (folder.path().to_owned(), Arc::clone(&bytes));
            tokio::task::spawn_blocking(move || create_durably(&folder, &format!("{time}-{file}"), &bytes))
        });
        for created in join_all(creations.collect::<Vec<_>>()).await {
            created.expect("the task ends").expect("the file is created");
        }
        took += start.elapsed();
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
                black_box(recording.push_samples(&[0x20; 160])).expect("samples are what it was opened for");
            }
        }
        took += start.elapsed();
        for recording in open {
            recording.discard().await.expect("the recording is discarded");
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
    let main = site("main", VoicemailType::Central).mailbox(Mailbox::new("2001".parse().expect("a mailbox")));
    let edge = site("edge", VoicemailType::Distributed);
    let edge = edge.trunk_group("main", &"main".parse().expect("a site")).destination("main");
    let network = Network::builder("vm.example").site(main).site(edge).build().expect("a network");
    let node = Node::builder("edge.example".parse().expect("an address"), network.clone(), network.directory(), folder.path())
        .forwarder(MemoryForwarder::new())
        .open();
    (node.await.expect("a node"), folder)
}

fn site(name: &str, voicemail: VoicemailType) -> SiteBuilder {
    Site::builder(name.parse().expect("a site"), voicemail, chrono_tz::UTC)
        .time(TimeSource::Sntp(vec!["ntp.example".parse().expect("an address")]))
        .licence(LicenceClass::Voicemail)
        .ports(300)
        .node(format!("{name}.example").parse().expect("an address"))
}

/// How many recordings ask for admission at once, on how many PBXs, from how many threads.
const RECORDINGS: u64 = 10_000;
const PBXS: usize = 100;
const THREADS: usize = 16;
/// Five seconds of mu-law.
const SOUND: usize = 40_000;
/// The bytes before it in the spool's file: its own head and that of the WAV file.
const HEADS: usize = 1024 + 58;
/// How many frames fit into the longest recording, and some less.
const ROUNDS: u64 = 10_000;
