//! How many messages a second go from a recording's end at a distributed node to the central node's disk.
//!
//! Each message is finished (kept durably in the spool), forwarded by SMTP over loopback, plain or under TLS, stored in a Maildir
//! (kept durably), answered for, and removed from the spool. So many are on their way at once as the concurrency says: a worker
//! finishes its next message when its last one is answered for.
//!
//! Beside it, as `raw`, stands the limit: the same number of bytes created durably twice (write, flush file, rename, flush folder), by
//! as many threads as messages are on their way.
//!
//! Not in the number: speaking the message, opening spool, store and connections, and the lamp. Both nodes share one process and
//! its cores, and both trees are on the disk that holds the temporary folder (`TMPDIR`).

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{broadcast, oneshot};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use voicemail::audio::{Format, Wav};
use voicemail::event::{Event, Occurrence};
use voicemail::forward::SmtpForwarder;
use voicemail::forward::smtp::Security;
use voicemail::intake::ListenMode;
use voicemail::message::{MailboxId, MessageId, SiteId};
use voicemail::network::{LicenceClass, Mailbox, Network, Site, TimeSource, VoicemailType};
use voicemail::node::Node;
use voicemail::record::CallFacts;
use voicemail::store::MaildirStore;

criterion_group!(benches, forward_throughput);
criterion_main!(benches);

fn forward_throughput(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    for (recording, format, seconds) in [
        ("5s-mulaw", Format::TELEPHONE_PCMU, 5),
        ("30s-mulaw", Format::TELEPHONE_PCMU, 30),
        ("30s-16bit", Format::TELEPHONE_L16, 30),
    ] {
        let wav = sound(format, seconds);
        let mut group = criterion.benchmark_group(format!("forward/{recording}"));
        group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
        group.throughput(Throughput::ElementsAndBytes { elements: 1, bytes: wav.len() as u64 });
        for concurrency in [1, 4, 16] {
            let folder = tempfile::tempdir().expect("a temporary folder");
            group.bench_function(BenchmarkId::new("raw", concurrency), |bencher| {
                bencher.iter_custom(|messages| create_twice(folder.path(), messages, concurrency, &wav));
            });
            for (name, security) in [("plain", Security::PlainText), ("tls", Security::Tls)] {
                let pair = runtime.block_on(Pair::open(security));
                group.bench_function(BenchmarkId::new(name, concurrency), |bencher| {
                    bencher.iter_custom(|messages| runtime.block_on(pair.send(messages, concurrency, &wav)));
                });
                runtime.block_on(pair.close());
            }
        }
        group.finish();
    }
}

/// Creates a file of these bytes durably, twice for each message, and answers how long that took.
fn create_twice(folder: &Path, messages: u64, concurrency: u64, bytes: &[u8]) -> Duration {
    let start = Instant::now();
    thread::scope(|scope| {
        for worker in 0..concurrency {
            let share = messages / concurrency + u64::from(worker < messages % concurrency);
            scope.spawn(move || {
                for _ in 0..share * 2 {
                    let name = MessageId::random().to_string();
                    create_durably(folder, &name, bytes).expect("the disk does its part");
                    fs::remove_file(folder.join(name)).expect("the disk does its part");
                }
            });
        }
    });
    start.elapsed()
}

fn create_durably(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let unfinished = folder.join(format!("{name}.part"));
    let mut file = File::create_new(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, folder.join(name))?;
    File::open(folder)?.sync_all()
}

/// A distributed node and a central one, both running.
struct Pair {
    distributed: Node,
    answers: Arc<Answers>,
    stops: Vec<oneshot::Sender<()>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    _folder: TempDir,
}

impl Pair {
    async fn open(security: Security) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let network = network();
        let made = rcgen::generate_simple_self_signed([CENTRAL.to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let tls = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("TLS versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a TLS configuration");

        let directory = network.directory();
        let store = MaildirStore::builder(folder.path().join("store")).directory(Arc::new(directory.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let forwarder = SmtpForwarder::builder(listener.local_addr().expect("an address").to_string(), network.domain())
            .node(EDGE)
            .server_name(CENTRAL)
            .security(security)
            .ca_pem(made.cert.pem().as_bytes())
            .max_connections(16)
            .build()
            .expect("a forwarder");
        let node = |name: &str| {
            let spool = folder.path().join(name);
            Node::builder(name.parse().expect("an address"), network.clone(), network.directory(), spool)
        };
        let central = node(CENTRAL)
            .store(store.open().await.expect("a store"))
            .tls(Arc::new(tls))
            .listen(listener, ListenMode::StartTls)
            .open()
            .await
            .expect("a central node");
        let distributed = node(EDGE).forwarder(forwarder).open().await.expect("a distributed node");
        let answers: Arc<Answers> = Arc::default();
        let mut tasks = vec![tokio::spawn(Arc::clone(&answers).listen(distributed.events()))];
        let mut stops = Vec::new();
        for node in [central, distributed.clone()] {
            let (stop, stopped) = oneshot::channel::<()>();
            stops.push(stop);
            tasks.push(tokio::spawn(async move { node.run(async { drop(stopped.await) }).await.expect("the node runs") }));
        }
        Self { distributed, answers, stops, tasks, _folder: folder }
    }

    /// Sends `messages`, `concurrency` at a time, and answers how long that took.
    async fn send(&self, messages: u64, concurrency: u64, wav: &Bytes) -> Duration {
        let start = Instant::now();
        let workers = (0..concurrency).map(|worker| {
            let share = messages / concurrency + u64::from(worker < messages % concurrency);
            let (node, answers, wav) = (self.distributed.clone(), Arc::clone(&self.answers), wav.clone());
            tokio::spawn(async move {
                let site: SiteId = "edge".parse().expect("a site");
                for message in 0..share {
                    let facts = CallFacts::to(mailbox(worker * 7 + message));
                    let kept = node.deposit_wav(&site, facts, wav.clone()).await.expect("the message is kept");
                    answers.wait(kept.id).await;
                }
            })
        });
        for worker in workers.collect::<Vec<_>>() {
            worker.await.expect("a worker ends");
        }
        start.elapsed()
    }

    async fn close(self) {
        drop(self.stops);
        drop(self.distributed);
        for task in self.tasks {
            task.await.expect("the task ends");
        }
    }
}

/// Who waits for which message's answer, and which answers came before anybody waited.
#[derive(Default)]
struct Answers(Mutex<HashMap<MessageId, Option<oneshot::Sender<()>>>>);

impl Answers {
    async fn wait(&self, id: MessageId) {
        let (answer, answered) = oneshot::channel();
        let came_before = {
            let mut answers = self.0.lock().expect("no holder panics");
            let came_before = answers.remove(&id).is_some();
            if !came_before {
                answers.insert(id, Some(answer));
            }
            came_before
        };
        if !came_before {
            answered.await.expect("the answer comes");
        }
    }

    async fn listen(self: Arc<Self>, mut events: broadcast::Receiver<Occurrence>) {
        loop {
            match events.recv().await {
                Ok(Occurrence { event: Event::Forwarded { id, .. }, .. }) => {
                    let mut answers = self.0.lock().expect("no holder panics");
                    match answers.remove(&id) {
                        Some(waiting) => drop(waiting.map(|waiting| waiting.send(()))),
                        None => drop(answers.insert(id, None)),
                    }
                }
                Ok(_) => {}
                Err(broadcast::error::RecvError::Closed) => return,
                Err(broadcast::error::RecvError::Lagged(missed)) => panic!("{missed} events were missed"),
            }
        }
    }
}

/// A central PBX with 64 mailboxes, and a distributed one.
fn network() -> Network {
    let time = TimeSource::Sntp(vec!["ntp.example".parse().expect("a time server")]);
    let site = |name: &str, kind, node: &str| {
        Site::builder(name.parse().expect("a site"), kind, chrono_tz::Europe::London)
            .node(node.parse().expect("an address"))
            .time(time.clone())
            .licence(LicenceClass::Voicemail)
            .ports(1024)
    };
    let centre =
        (0..MAILBOXES).fold(site("centre", VoicemailType::Central, CENTRAL), |site, n| site.mailbox(Mailbox::new(mailbox(n))));
    let edge = site("edge", VoicemailType::Distributed, EDGE);
    let edge = edge.trunk_group("main", &"centre".parse().expect("a site")).destination("main");
    Network::builder("voicemail.example").site(centre).site(edge).build().expect("the network keeps the rules")
}

fn mailbox(n: u64) -> MailboxId {
    (2000 + n % MAILBOXES).to_string().parse().expect("a mailbox")
}

/// A WAV file of noise, which no compression on the way could shorten.
fn sound(format: Format, seconds: u32) -> Bytes {
    let len = u32::try_from(format.bytes_per_second()).expect("a rate") * seconds;
    let mut state = 1u32;
    let mut wav = Wav::header(format, len);
    wav.extend((0..len).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    }));
    wav.into()
}

const CENTRAL: &str = "central.voicemail.example";
const EDGE: &str = "edge.voicemail.example";
const MAILBOXES: u64 = 64;
