//! How many messages per second get from the end of a recording at a distributed node to the disk of the central node.
//!
//! `plain`, `tls`: each message is finished (kept durably in the spool), forwarded by SMTP over loopback, in plain text or under TLS,
//! stored in a Maildir (kept durably), answered with 250, and removed from the spool. The concurrency is the number of messages under way
//! at once: a worker finishes its next message when its last one was answered.
//!
//! Beside them, in the same run:
//!
//! - `raw`: the limit. The same number of bytes created durably twice (write, flush file, rename, flush folder), by as many threads
//!   as messages are under way.
//! - `lettre`: a program without this crate. lettre makes a MIME mail of the same recording, the mail is created durably as a file,
//!   lettre's pooled transport sends it under TLS to the same central node, and the file is removed. lettre leaves Nagle's
//!   algorithm on, so a short mail may wait some 40 ms for an acknowledgement; that is in the number, as it is in such a program.
//!
//! Not in the number: the recording itself, opening spool, store and connections, and the lamp. Both nodes share one process and its
//! cores, and all files are on the disk that holds the temporary folder (`TMPDIR`).
//!
//! The files of `raw` stay until its time was measured, and every group of measurements has its own folders: on some file systems a
//! creation is slow where files were removed just before. That, the mount option `discard`, and what an earlier run has left on the
//! disk all distort the figures; `benches/README.md` says how.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use lettre::message::{Attachment, MultiPart};
use lettre::transport::smtp::PoolConfig;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::spawn_blocking;
use voicemail::audio::Format;
use voicemail::forward::smtp::Security;
use voicemail::message::MessageId;

use self::support::disk::create_durably;
use self::support::network::{CENTRAL, EDGE, next_mailbox};
use self::support::nodes::Central;
use self::support::pair::Pair;
use self::support::raw::create_raw;
use self::support::sound::sound;
use self::support::workers::share;

mod support {
    pub(crate) mod certificate;
    pub(crate) mod disk;
    pub(crate) mod network;
    pub(crate) mod nodes;
    pub(crate) mod pair;
    pub(crate) mod raw;
    pub(crate) mod sound;
    pub(crate) mod workers;
}

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
            group.bench_function(BenchmarkId::new("raw", concurrency), |bencher| {
                bencher.iter_custom(|messages| create_raw(messages, concurrency, &[&wav, &wav]));
            });
            for (name, security) in [("plain", Security::PlainText), ("tls", Security::Tls)] {
                let pair = runtime.block_on(Pair::open(security));
                group.bench_function(BenchmarkId::new(name, concurrency), |bencher| {
                    bencher.iter_custom(|messages| runtime.block_on(pair.send(messages, concurrency, &wav)));
                });
                runtime.block_on(pair.close());
            }
            let lettre = runtime.block_on(Lettre::open());
            group.bench_function(BenchmarkId::new("lettre", concurrency), |bencher| {
                bencher.iter_custom(|messages| runtime.block_on(lettre.send(messages, concurrency, &wav)));
            });
            runtime.block_on(lettre.close());
        }
        group.finish();
    }
}

/// A program that keeps mails in a folder and sends them with lettre's pooled transport.
struct Lettre {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    central: Central,
    spool: TempDir,
}

impl Lettre {
    async fn open() -> Self {
        let central = Central::open().await;
        let certificate = Certificate::from_pem(central.pem.as_bytes()).expect("a certificate");
        let tls = TlsParameters::builder(CENTRAL.to_owned()).add_root_certificate(certificate).build().expect("TLS parameters");
        let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(central.address.ip().to_string())
            .port(central.address.port())
            .tls(Tls::Required(tls))
            .pool_config(PoolConfig::new().max_size(16))
            .build();
        Self { transport, central, spool: tempfile::tempdir().expect("a temporary folder") }
    }

    /// Sends `messages` messages, `concurrency` at a time; returns how long that took.
    async fn send(&self, messages: u64, concurrency: u64, wav: &Bytes) -> Duration {
        let start = Instant::now();
        let workers = (0..concurrency).map(|worker| {
            let share = share(messages, concurrency, worker);
            let (transport, wav, spool) = (self.transport.clone(), wav.clone(), self.spool.path().to_owned());
            tokio::spawn(async move {
                for _ in 0..share {
                    let mail = lettre_mail(&wav);
                    let (bytes, name) = (Arc::new(mail.formatted()), MessageId::random().to_string());
                    let file = spool.join(&name);
                    let (folder, kept) = (spool.clone(), Arc::clone(&bytes));
                    let created = spawn_blocking(move || create_durably(&folder, &name, &kept)).await;
                    created.expect("the task ends").expect("the mail is kept");
                    transport.send_raw(mail.envelope(), &bytes).await.expect("the mail is sent");
                    let removed = spawn_blocking(move || fs::remove_file(file)).await;
                    removed.expect("the task ends").expect("the mail is removed");
                }
            })
        });
        for worker in workers.collect::<Vec<_>>() {
            worker.await.expect("a worker ends");
        }
        start.elapsed()
    }

    async fn close(self) {
        drop(self.transport);
        self.central.close().await;
    }
}

fn lettre_mail(wav: &Bytes) -> lettre::Message {
    let attachment = Attachment::new("message.wav".to_owned()).body(wav.to_vec(), "audio/wav".parse().expect("a type"));
    lettre::Message::builder()
        .message_id(None)
        .from(format!("node@{EDGE}").parse().expect("an address"))
        .to(format!("{}@voicemail.example", next_mailbox()).parse().expect("an address"))
        .subject("Voice Message")
        .multipart(MultiPart::mixed().singlepart(attachment))
        .expect("a mail")
}

/// How many mailboxes the central PBX has.
const MAILBOXES: u64 = 64;
