//! How many messages per second an intake stores when its senders are faster than it is.
//!
//! `plain`, `tls`: a sender that needs no time itself (mails made beforehand, each with another id; BDAT; two messages under way on each
//! connection) sends over loopback, in plain text or after STARTTLS; the intake reads, checks the digest, and keeps each
//! mail durably in a Maildir before it answers 250. The concurrency is the number of connections.
//!
//! Beside them, in the same run:
//!
//! - `raw`: the limit. The same bytes created durably once (write, flush file, rename, flush folder), by as many threads.
//! - `bare-plain`, `bare-tls`: a receiver for the same sender that only frames, creates a file durably as `raw` does, and answers 250.
//!
//! Not in the number: making the mails, opening store and connections, lamps. Sender and receiver share one process and its cores,
//! and all files are on the disk that holds the temporary folder (`TMPDIR`). `raw` and `bare` write into one folder, the store into
//! those of 64 mailboxes. `benches/README.md` says what distorts such figures.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_rustls::rustls::{ClientConfig, ServerConfig};
use voicemail::audio::Format;
use voicemail::intake::{Intake, ListenMode};
use voicemail::store::MaildirStore;

use self::support::certificate::certify;
use self::support::client::{Client, Template};
use self::support::mail::message;
use self::support::network::{CENTRAL, network};
use self::support::raw::create_raw;
use self::support::sound::sound;
use self::support::workers::share;

mod support {
    pub(crate) mod bare;
    pub(crate) mod certificate;
    pub(crate) mod client;
    pub(crate) mod disk;
    pub(crate) mod mail;
    pub(crate) mod network;
    pub(crate) mod raw;
    pub(crate) mod sound;
    pub(crate) mod workers;
}

criterion_group!(benches, intake_throughput);
criterion_main!(benches);

fn intake_throughput(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let (server, client, _) = certify(CENTRAL);
    for (recording, seconds) in [("5s-mulaw", 5), ("30s-mulaw", 30)] {
        let template = Arc::new(Template::new(&message(&sound(Format::TELEPHONE_PCMU, seconds))));
        let mut group = criterion.benchmark_group(format!("intake/{recording}"));
        group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
        group.throughput(Throughput::ElementsAndBytes { elements: 1, bytes: template.len() as u64 });
        for concurrency in [1, 4, 16] {
            let mail = template.to_bytes();
            group.bench_function(BenchmarkId::new("raw", concurrency), |bencher| {
                bencher.iter_custom(|messages| create_raw(messages, concurrency, &[&mail]));
            });
            for (name, receiver, under_tls) in [
                ("bare-plain", Receiver::bare as fn(&Arc<ServerConfig>) -> Receiver, false),
                ("plain", Receiver::intake, false),
                ("bare-tls", Receiver::bare, true),
                ("tls", Receiver::intake, true),
            ] {
                let _inside = runtime.enter();
                let receiver = receiver(&server);
                let mut clients = runtime.block_on(connect(receiver.address, concurrency, under_tls.then_some(&client)));
                let mut sent = 0;
                group.bench_function(BenchmarkId::new(name, concurrency), |bencher| {
                    bencher.iter_custom(|messages| {
                        sent += messages;
                        runtime.block_on(send(&mut clients, messages, &template))
                    });
                });
                assert_eq!(count(receiver.folder.path(), template.len() as u64), sent, "each message is kept, and once");
                drop(clients);
                runtime.block_on(receiver.close());
            }
        }
        group.finish();
    }
}

/// A receiver of mails, with its own folder.
struct Receiver {
    address: SocketAddr,
    task: JoinHandle<()>,
    /// Removed when this is dropped.
    folder: TempDir,
}

impl Receiver {
    fn bare(tls: &Arc<ServerConfig>) -> Self {
        Self::start(|listener, folder| support::bare::serve(listener, folder, Arc::clone(tls)))
    }

    fn intake(tls: &Arc<ServerConfig>) -> Self {
        let tls = Arc::clone(tls);
        Self::start(|listener, folder| async move {
            let network = network();
            let directory = network.directory();
            let store = MaildirStore::builder(folder).directory(directory.clone()).open().await.expect("a store");
            let intake = Intake::builder(network.domain(), store, directory).node(CENTRAL).tls(tls).build();
            intake.serve(listener, ListenMode::StartTls, std::future::pending()).await.expect("it serves");
        })
    }

    fn start<F>(serve: impl FnOnce(TcpListener, PathBuf) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("an option of sockets");
        let address = listener.local_addr().expect("an address");
        let listener = TcpListener::from_std(listener).expect("a listener");
        let task = tokio::spawn(serve(listener, folder.path().to_owned()));
        Self { address, task, folder }
    }

    async fn close(self) {
        self.task.abort();
        assert!(self.task.await.is_err_and(|error| error.is_cancelled()), "it serves until it is told to stop");
    }
}

async fn connect(address: SocketAddr, connections: u64, tls: Option<&Arc<ClientConfig>>) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..connections {
        clients.push(match tls {
            Some(tls) => Client::tls(address, Arc::clone(tls)).await,
            None => Client::plain(address).await,
        });
    }
    clients
}

/// Sends `messages` messages over all connections together; returns how long that took.
async fn send(clients: &mut Vec<Client>, messages: u64, template: &Arc<Template>) -> Duration {
    let start = Instant::now();
    let (connections, mut sending) = (clients.len() as u64, Vec::new());
    for (worker, mut client) in (0..).zip(clients.drain(..)) {
        let (share, template) = (share(messages, connections, worker), Arc::clone(template));
        sending.push(tokio::spawn(async move {
            client.send(share, &template).await;
            client
        }));
    }
    for task in sending {
        clients.push(task.await.expect("all are sent"));
    }
    start.elapsed()
}

/// Returns how many files of at least `size` bytes there are.
fn count(folder: &Path, size: u64) -> u64 {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    let counts = entries.map(|entry| {
        let found = entry.metadata().expect("it stays");
        if found.is_dir() { count(&entry.path(), size) } else { u64::from(found.len() >= size) }
    });
    counts.sum()
}

/// How many mailboxes the central PBX has.
const MAILBOXES: u64 = 64;
