//! How much processor time a message of 30 s needs at both nodes together, and how long a single one takes.
//!
//! `both nodes`: the process's time, user and system, from `finish` to the answer, under TLS, flushes included, divided by the messages;
//! the time of the load generator is included. Beside it stand the parts that cannot be avoided, each measured by itself in the same
//! process, alternating with the whole: two durable creations (the recording in the spool, the mail in the Maildir); encryption and
//! decryption by rustls in memory; base64 there and back; one SHA-256 on each side. Their sum is the limit. The time of the loopback
//! socket for the same bytes is shown too and is not in the sum.
//!
//! `lone message`: from `finish` to the answer on a warm TLS connection, nothing else under way, beside the same two durable creations.
//!
//! Not in the numbers: the kernel's own threads for a flush or for the disk; the recording itself; opening nodes and connections, which
//! one round warms up. There is no pass and no fail: processor time on a shared machine varies by 10 % and more. The tables are printed,
//! and written where `benches/table.py` finds them.

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use bytes::Bytes;
use encodify::base64;
use rustix::time::{ClockId, clock_gettime};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Runtime;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConnection, ConnectionCommon, ServerConnection};
use voicemail::audio::Format;
use voicemail::forward::smtp::Security;
use voicemail::message::MessageId;
use voicemail::wire::TransferEncoding;

use self::support::certificate::certify;
use self::support::disk::create_durably;
use self::support::mail::{mail, message};
use self::support::network::CENTRAL;
use self::support::pair::Pair;
use self::support::sound::sound;

mod support {
    pub(crate) mod certificate;
    pub(crate) mod disk;
    pub(crate) mod mail;
    pub(crate) mod network;
    pub(crate) mod nodes;
    pub(crate) mod pair;
    pub(crate) mod sound;
    pub(crate) mod workers;
}

fn main() {
    // As in criterion's benches, only `cargo bench` measures in full.
    let (rounds, messages) = if env::args().any(|argument| argument == "--bench") { (7, 64) } else { (1, 2) };
    let runtime = Runtime::new().expect("a runtime");
    let mut report = String::new();
    for (recording, format) in [("30 s mu-law", Format::TELEPHONE_PCMU), ("30 s 16-bit", Format::TELEPHONE_L16)] {
        let wav = sound(format, 30);
        let pair = runtime.block_on(Pair::open(Security::Tls));
        runtime.block_on(pair.send(messages, 16, &wav));
        let times = Times::measure(rounds, messages, &wav, |messages, concurrency| {
            runtime.block_on(pair.send(messages, concurrency, &wav));
        });
        times.report(recording, &mut report);
        runtime.block_on(pair.close());
    }
    report.push_str("| lone message | p50 | p99 | two durable creations, p50 | p99 | ratio of p50 |\n");
    report.push_str("|---|---|---|---|---|---|\n");
    for (recording, format, seconds) in [
        ("5 s mu-law", Format::TELEPHONE_PCMU, 5),
        ("30 s mu-law", Format::TELEPHONE_PCMU, 30),
        ("30 s 16-bit", Format::TELEPHONE_L16, 30),
    ] {
        let wav = sound(format, seconds);
        Latencies::measure(&runtime, rounds, messages, &wav).report(recording, &mut report);
    }
    println!("{report}");
    let file = concat!(env!("CARGO_TARGET_TMPDIR"), "/cpu_per_message.md");
    fs::write(file, report).expect("the tables can be written");
}

/// Processor time for one message.
struct Times {
    one_at_a_time: Duration,
    sixteen_at_once: Duration,
    parts: [(&'static str, Duration); 4],
    loopback: Duration,
}

impl Times {
    /// Measures the median of `rounds` rounds, each with `messages` messages for each figure.
    fn measure(rounds: usize, messages: u64, wav: &Bytes, send: impl Fn(u64, u64)) -> Self {
        let mail = mail(&message(wav), TransferEncoding::Base64);
        let text = base64::MIME.encode(wav);
        let mut tls = TlsInMemory::open();
        let mut sockets = Loopback::open();
        let mut all: [Vec<Duration>; 7] = Default::default();
        for _ in 0..rounds {
            let round = [
                processor_time(|| send(messages, 1)),
                processor_time(|| send(messages, 16)),
                processor_time_of_creations(messages, &[wav, &mail]),
                processor_time(|| (0..messages).for_each(|_| tls.pass(&mail))),
                processor_time(|| {
                    for _ in 0..messages {
                        discard(base64::MIME.encode(black_box(wav)));
                        discard(base64::MIME.decode(black_box(text.as_bytes())).expect("base64"));
                    }
                }),
                processor_time(|| (0..messages * 2).for_each(|_| discard(Sha256::digest(black_box(wav))))),
                processor_time(|| (0..messages).for_each(|_| sockets.pass(&mail))),
            ];
            for (times, time) in all.iter_mut().zip(round) {
                times.push(time / u32::try_from(messages).expect("few messages"));
            }
        }
        let [one_at_a_time, sixteen_at_once, disk, tls, base64, digest, loopback] = all.map(|times| quantile(times, 50));
        let parts = [
            ("two durable creations", disk),
            ("TLS, encrypt and decrypt", tls),
            ("base64, encode and decode", base64),
            ("SHA-256, once on each side", digest),
        ];
        Self { one_at_a_time, sixteen_at_once, parts, loopback }
    }

    fn report(&self, recording: &str, report: &mut String) {
        let sum = self.parts.iter().map(|(_, time)| *time).sum::<Duration>();
        writeln!(report, "| {recording} | processor time a message | of the sum |\n|---|---|---|").expect("a string takes it");
        let mut row = |name: &str, time: Duration| {
            let ratio = time.as_secs_f64() / sum.as_secs_f64();
            writeln!(report, "| {name} | {:.3} ms | {ratio:.2} |", millis(time)).expect("a string takes it");
        };
        row("both nodes, one at a time", self.one_at_a_time);
        row("both nodes, 16 at once", self.sixteen_at_once);
        for (name, time) in self.parts {
            row(name, time);
        }
        row("sum of the unavoidable parts", sum);
        row("loopback socket, not in the sum", self.loopback);
        report.push('\n');
    }
}

/// How long single messages took, and the same two durable creations.
struct Latencies {
    messages: Vec<Duration>,
    creations: Vec<Duration>,
}

impl Latencies {
    /// Measures ten of each in turn, so that both meet the same conditions.
    fn measure(runtime: &Runtime, rounds: usize, messages: u64, wav: &Bytes) -> Self {
        let mail = mail(&message(wav), TransferEncoding::Base64);
        let pair = runtime.block_on(Pair::open(Security::Tls));
        runtime.block_on(pair.send(messages.min(8), 1, wav));
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut latencies = Self { messages: Vec::new(), creations: Vec::new() };
        for _ in 0..rounds * 10 {
            latencies.messages.extend((0..messages.min(10)).map(|_| runtime.block_on(pair.send(1, 1, wav))));
            latencies.creations.extend((0..messages.min(10)).map(|_| {
                let start = Instant::now();
                create_all(folder.path(), &[wav, &mail]);
                start.elapsed()
            }));
        }
        runtime.block_on(pair.close());
        latencies
    }

    fn report(self, recording: &str, report: &mut String) {
        let [p50, p99] = [50, 99].map(|percent| quantile(self.messages.clone(), percent));
        let [raw50, raw99] = [50, 99].map(|percent| quantile(self.creations.clone(), percent));
        let ratio = p50.as_secs_f64() / raw50.as_secs_f64();
        let [p50, p99, raw50, raw99] = [p50, p99, raw50, raw99].map(millis);
        let row = format!("| {recording} | {p50:.2} ms | {p99:.2} ms | {raw50:.2} ms | {raw99:.2} ms | {ratio:.2} |\n");
        report.push_str(&row);
    }
}

/// A TLS client and server that exchange their records without a socket.
struct TlsInMemory {
    client: ClientConnection,
    server: ServerConnection,
    wire: Vec<u8>,
    read: Vec<u8>,
}

impl TlsInMemory {
    fn open() -> Self {
        let (server, client, _) = certify(CENTRAL);
        let name = ServerName::try_from(CENTRAL).expect("a name");
        let mut client = ClientConnection::new(client, name).expect("a client");
        let mut server = ServerConnection::new(server).expect("a server");
        let mut wire = Vec::new();
        while client.is_handshaking() || server.is_handshaking() {
            hand_over(&mut client, &mut server, &mut wire);
            hand_over(&mut server, &mut client, &mut wire);
        }
        Self { client, server, wire, read: vec![0; RECORD] }
    }

    /// Encrypts and decrypts all of `bytes`.
    fn pass(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(RECORD) {
            self.client.writer().write_all(piece).expect("it is buffered");
            hand_over(&mut self.client, &mut self.server, &mut self.wire);
            self.server.reader().read_exact(&mut self.read[..piece.len()]).expect("it was all handed over");
        }
    }
}

/// Passes the pending output of `from` to the other side.
fn hand_over<F, T>(from: &mut ConnectionCommon<F>, to: &mut ConnectionCommon<T>, wire: &mut Vec<u8>) {
    wire.clear();
    while from.wants_write() {
        from.write_tls(wire).expect("memory takes it");
    }
    let mut rest = &wire[..];
    while !rest.is_empty() {
        to.read_tls(&mut rest).expect("memory gives it");
        to.process_new_packets().expect("good records");
    }
}

/// Two ends of a TCP connection.
struct Loopback {
    from: TcpStream,
    to: TcpStream,
    read: Vec<u8>,
}

impl Loopback {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let from = TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
        let (to, _) = listener.accept().expect("a connection");
        Self { from, to, read: vec![0; PIECE] }
    }

    fn pass(&mut self, bytes: &[u8]) {
        let Self { from, to, read } = self;
        thread::scope(|scope| {
            scope.spawn(|| from.write_all(bytes).expect("the other end reads"));
            let mut left = bytes.len();
            while left > 0 {
                left -= to.read(read).expect("the other end writes");
            }
        });
    }
}

fn processor_time(work: impl FnOnce()) -> Duration {
    let start = processor_clock();
    work();
    processor_clock().saturating_sub(start)
}

/// The removal of the files is not in the time.
fn processor_time_of_creations(messages: u64, files: &[&[u8]]) -> Duration {
    let folder = tempfile::tempdir().expect("a temporary folder");
    processor_time(|| (0..messages).for_each(|_| create_all(folder.path(), files)))
}

fn create_all(folder: &Path, files: &[&[u8]]) {
    for bytes in files {
        create_durably(folder, &MessageId::random().to_string(), bytes).expect("the disk does its part");
    }
}

/// Keeps the compiler from removing a computation.
fn discard<T>(result: T) {
    black_box(result);
}

fn processor_clock() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().expect("it counts up from zero"), time.tv_nsec.try_into().expect("under a second"))
}

fn quantile(mut times: Vec<Duration>, percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() - 1) * percent / 100]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The most that one TLS record carries. RFC 8446 §5.1.
const RECORD: usize = 16 * 1024;

/// The size of a receiver's read.
const PIECE: usize = 64 * 1024;

/// How many mailboxes the central PBX has.
const MAILBOXES: u64 = 64;
