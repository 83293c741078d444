//! How the rate of one central node changes with the number of distributed nodes that send to it.
//!
//! `nodes/N`: N distributed nodes forward messages of 30 s to one central node under TLS, as in `forward_throughput`; 16 messages are under
//! way at once, as many from each node. Each node has its own spool and its own connections.
//!
//! Beside it, in the same run, `raw`: the same number of bytes created durably twice, by 16 threads.
//!
//! All nodes share one process and its cores. So this is no picture of how a central node grows with its senders: a difference between the
//! rows is what more senders, more spools and more connections cost. Not in the number: the same as in `forward_throughput`.

use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures::future::join_all;
use tokio::runtime::Runtime;
use voicemail::audio::Format;
use voicemail::forward::smtp::Security;

use self::support::nodes::{Central, Distributed};
use self::support::raw::create_raw;
use self::support::sound::sound;
use self::support::workers::share;

mod support {
    pub(crate) mod certificate;
    pub(crate) mod disk;
    pub(crate) mod network;
    pub(crate) mod nodes;
    pub(crate) mod raw;
    pub(crate) mod sound;
    pub(crate) mod workers;
}

criterion_group!(benches, many_senders);
criterion_main!(benches);

fn many_senders(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let wav = sound(Format::TELEPHONE_PCMU, 30);
    let mut group = criterion.benchmark_group("many_senders/30s-mulaw");
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    group.throughput(Throughput::ElementsAndBytes { elements: 1, bytes: wav.len() as u64 });
    group.bench_function(BenchmarkId::new("raw", UNDER_WAY), |bencher| {
        bencher.iter_custom(|messages| create_raw(messages, UNDER_WAY, &[&wav, &wav]));
    });
    for nodes in [1, 2, 4, 8] {
        let central = runtime.block_on(Central::open());
        let senders = runtime.block_on(join_all((0..nodes).map(|_| Distributed::open(&central, Security::Tls))));
        group.bench_function(BenchmarkId::new("nodes", nodes), |bencher| {
            bencher.iter_custom(|messages| runtime.block_on(send(&senders, messages, &wav)));
        });
        for sender in senders {
            runtime.block_on(sender.close());
        }
        runtime.block_on(central.close());
    }
    group.finish();
}

/// Sends `messages` messages, an equal share from each sender; returns how long that took.
async fn send(senders: &[Distributed], messages: u64, wav: &Bytes) -> Duration {
    let start = Instant::now();
    let nodes = senders.len() as u64;
    join_all((0..).zip(senders).map(|(nth, sender)| sender.send(share(messages, nodes, nth), UNDER_WAY / nodes, wav))).await;
    start.elapsed()
}

/// How many messages are under way at once, from all nodes together.
const UNDER_WAY: u64 = 16;
/// How many mailboxes the central PBX has.
const MAILBOXES: u64 = 64;
