//! The cost of a call while somebody speaks: 1000 recordings at once, in real time, 30 s each.
//!
//! Every 20 ms one thread takes an RTP packet of mu-law for each call, reads it with an `RtpReceiver`, measures the speech in it
//! with a `SpeechMeter`, and pushes it into the call's `Recording`, while the node writes the sound to disk. At the end all
//! recordings finish at the same moment. `bare` is the same loop without this crate: the 12 bytes of the header are cut off, and
//! the rest goes through a buffer of 32 KiB into a file of its own, which is flushed at the end, by one thread.
//!
//! `processor time` is the process's, user and system, from the first packet until the last message is kept, divided by the calls
//! and the seconds. `tick` is how long the thread needs for the packets of all calls; `late` is how much later than planned a
//! packet was handled, behind those of all other calls. `finish` ends when the last message is on stable storage. `memory` is the
//! growth of the process's resident memory from the first packet to the last, divided by the calls.
//!
//! Not in the numbers: sockets, and what a SIP stack does with a call; making the packets, but for copying one; opening the
//! recordings; forwarding the messages. Without `--bench` a few calls are measured for a second. The table is printed, and
//! written where `benches/table.py` finds it.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::time::{Duration, Instant};
use std::{env, thread};

use bytes::Bytes;
use futures::future::join_all;
use rustix::time::{ClockId, clock_gettime};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use voicemail::audio::rtp::{Received, RtpFormat, RtpReceiver, RtpSender};
use voicemail::audio::{Format, SpeechMeter};
use voicemail::forward::MemoryForwarder;
use voicemail::node::Node;
use voicemail::record::{CallFacts, Recording};

use self::support::network::{EDGE, network, next_mailbox};
use self::support::sound::sound;

mod support {
    pub(crate) mod network;
    pub(crate) mod sound;
}

fn main() {
    // As in criterion's benches, only `cargo bench` measures in full.
    let (calls, seconds) = if env::args().any(|argument| argument == "--bench") { (CALLS, SECONDS) } else { (10, 1) };
    let runtime = Runtime::new().expect("a runtime");
    let packets = packets(seconds);
    let mut report = String::new();
    write!(report, "| {calls} calls of {seconds} s at once | processor time a call and second ").expect("a string takes it");
    report.push_str("| tick, p50 | p99 | late, p99 | `finish`, all of them | memory a call |\n");
    report.push_str("|---|---|---|---|---|---|---|\n");
    bare(calls, &packets).report("bare", calls, seconds, &mut report);
    runtime.block_on(recorded(calls, &packets)).report("this crate", calls, seconds, &mut report);
    println!("{report}");
    let file = concat!(env!("CARGO_TARGET_TMPDIR"), "/calls.md");
    fs::write(file, report).expect("the table can be written");
}

/// The packets of a call, one for each 20 ms.
fn packets(seconds: u32) -> Vec<Bytes> {
    let wav = sound(Format::TELEPHONE_PCMU, seconds);
    let mut sender = RtpSender::new(0, 0x1234_5678, 1, 8000);
    wav[wav.len() - seconds as usize * 8000..].chunks(160).map(|payload| sender.packet(payload, 160)).collect()
}

/// One call that this crate records.
struct Call {
    receiver: RtpReceiver,
    meter: SpeechMeter,
    recording: Recording,
}

impl Call {
    fn handle(&mut self, datagram: &Bytes) {
        let Received::Sound { payload, timestamp, .. } = self.receiver.handle(datagram) else { panic!("it is sound") };
        self.meter.push_payload(&payload);
        self.recording.push_payload(&payload, timestamp);
    }
}

/// Records all calls at a node.
async fn recorded(calls: u32, packets: &[Bytes]) -> Costs {
    let (node, _folder) = open().await;
    let running = tokio::spawn({
        let node = node.clone();
        async move { node.run(std::future::pending()).await }
    });
    let mut all = Vec::new();
    for _ in 0..calls {
        let facts = CallFacts::to(next_mailbox());
        let site = "edge".parse().expect("a site");
        let recording = node.record(&site, facts, Format::TELEPHONE_PCMU).await.expect("a recording");
        let (receiver, meter) = (RtpReceiver::new(RtpFormat::new(0)), SpeechMeter::new(Format::TELEPHONE_PCMU));
        all.push(Call { receiver, meter, recording });
    }
    let begun = processor_time();
    let (mut all, ticks) = tokio::task::spawn_blocking({
        let packets = packets.to_vec();
        move || {
            let ticks = Ticks::measure(&mut all, &packets, Call::handle);
            (all, ticks)
        }
    })
    .await
    .expect("the calls end");
    let start = Instant::now();
    let ends = all.drain(..).map(|call| tokio::spawn(call.recording.finish()));
    for kept in join_all(ends.collect::<Vec<_>>()).await {
        kept.expect("the task ends").expect("the message is kept");
    }
    let (finish, processor) = (start.elapsed(), processor_time().saturating_sub(begun));
    running.abort();
    Costs { ticks, finish, processor }
}

/// Cuts off the headers and writes files, and nothing else.
fn bare(calls: u32, packets: &[Bytes]) -> Costs {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut files: Vec<_> = (0..calls)
        .map(|number| {
            BufWriter::with_capacity(32 * 1024, File::create_new(folder.path().join(number.to_string())).expect("a file"))
        })
        .collect();
    let begun = processor_time();
    let ticks = Ticks::measure(&mut files, packets, |file, datagram| {
        file.write_all(&datagram[12..]).expect("the disk takes it");
    });
    let start = Instant::now();
    for file in files {
        file.into_inner().expect("the disk takes it").sync_all().expect("the disk flushes");
    }
    Costs { ticks, finish: start.elapsed(), processor: processor_time().saturating_sub(begun) }
}

/// How the packets of all calls were handled.
struct Ticks {
    took: Vec<Duration>,
    late: Vec<Duration>,
    /// In bytes.
    memory: u64,
}

impl Ticks {
    /// Hands each of `packets` to each of `calls`, one every 20 ms.
    fn measure<T>(calls: &mut [T], packets: &[Bytes], handle: impl Fn(&mut T, &Bytes)) -> Self {
        let (mut took, mut late) = (Vec::with_capacity(packets.len()), Vec::with_capacity(packets.len()));
        let (before, start) = (resident(), Instant::now());
        for (packet, at) in packets.iter().zip(0_u32..) {
            let planned = start + FRAME * at;
            thread::sleep(planned.saturating_duration_since(Instant::now()));
            let begun = Instant::now();
            for call in &mut *calls {
                // Each datagram of a call has memory of its own.
                handle(call, &Bytes::copy_from_slice(packet));
            }
            took.push(begun.elapsed());
            late.push(planned.elapsed());
        }
        Self { took, late, memory: resident().saturating_sub(before) }
    }
}

/// The costs of all calls together.
struct Costs {
    ticks: Ticks,
    finish: Duration,
    processor: Duration,
}

impl Costs {
    fn report(self, name: &str, calls: u32, seconds: u32, report: &mut String) {
        let Ticks { mut took, mut late, memory } = self.ticks;
        took.sort_unstable();
        late.sort_unstable();
        let millis = |time: Duration| time.as_secs_f64() * 1000.0;
        let a_call_and_second = millis(self.processor) * 1000.0 / (f64::from(calls) * f64::from(seconds));
        writeln!(
            report,
            "| {name} | {a_call_and_second:.0} µs | {:.2} ms | {:.2} ms | {:.2} ms | {:.0} ms | {} kB |",
            millis(took[took.len() / 2]),
            millis(took[took.len() * 99 / 100]),
            millis(late[late.len() * 99 / 100]),
            millis(self.finish),
            memory / 1000 / u64::from(calls),
        )
        .expect("a string takes it");
    }
}

async fn open() -> (Node, TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let network = network();
    let node = Node::builder(EDGE.parse().expect("an address"), network.clone(), network.directory(), folder.path())
        .forwarder(MemoryForwarder::new())
        .open();
    (node.await.expect("a node"), folder)
}

/// The processor time of this process so far.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).expect("less than a second"))
}

/// The resident memory of this process, in bytes.
fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number of pages");
    pages * rustix::param::page_size() as u64
}

const CALLS: u32 = 1000;
const SECONDS: u32 = 30;
const FRAME: Duration = Duration::from_millis(20);
/// How many mailboxes the central PBX has.
const MAILBOXES: u64 = 100;
