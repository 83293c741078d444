//! The time from the end of a call at a distributed node until the lamp at the central node is updated.
//!
//! The clock runs from the moment at which a caller hangs up, and `finish` is due, to the call of the sink: over TLS on the loopback, with
//! every flush of spool and Maildir. Recordings are of 5 s (40 kB). First the throughput that this machine reaches is measured, with 32
//! callers who each wait for their lamp. Then callers hang up at random moments (a Poisson process), whatever became of those before
//! them: 20 a second (`idle`), at half of that throughput, and at 90 % of it. A call that is late is late from the moment that it was due, so a
//! node that stands still for a while pays for all who would have called meanwhile. There are so many mailboxes that none comes again
//! within a second, for a lamp is updated at most once a second.
//!
//! `raw` beside it: the same bytes created durably twice, one after the other, alone: what no message can do without.
//!
//! Then bursts: 1 000 callers hang up at the same moment, each with a mailbox of their own, and all with the same.
//!
//! `where the time goes` takes the times of both nodes' events, by which any program can see the same.
//!
//! `LAMP_STEPS=3 cargo bench --bench lamp_latency` measures the same with three steps on arrival at the central node, which have nothing to do.
//!
//! Not in the numbers: the call before its end, opening nodes and connections, and the work of a sink. Both nodes, the callers and the
//! sink share one process and its cores. There is no pass and no fail: on a shared machine, high quantiles are those of
//! its other programs. The tables are printed, and saved where `benches/table.py` finds them.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use bytes::Bytes;
use futures::future::join_all;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use voicemail::audio::{Format, Wav};
use voicemail::message::{MailboxId, MessageId};
use voicemail::node::Node;
use voicemail::record::{CallFacts, Recording};

use self::support::disk::create_durably;
use self::support::lamp_probe::{LampProbe, Pair};
use self::support::network::next_mailbox;
use self::support::path::{STRETCHES, StepTimes};
use self::support::sound::sound;
use self::support::workers::share;

mod support {
    pub(crate) mod certificate;
    pub(crate) mod disk;
    pub(crate) mod lamp_probe;
    pub(crate) mod network;
    pub(crate) mod path;
    pub(crate) mod sound;
    pub(crate) mod workers;
}

fn main() {
    // As in criterion's benches: only `cargo bench` asks for the real thing.
    let real = env::args().any(|argument| argument == "--bench");
    let (messages, burst) = if real { (4_000, 1_000) } else { (40, 20) };
    let runtime = Runtime::new().expect("a runtime");
    let pair = runtime.block_on(Pair::open());
    let wav = sound(Format::TELEPHONE_PCMU, 5);
    let header = Wav::header(Format::TELEPHONE_PCMU, 0).len();
    let callers = Callers { node: pair.distributed.clone(), lamps: pair.lamps.clone(), said: wav.slice(header..) };
    let step_times = runtime.block_on(async { StepTimes::listen(&pair.events) });
    let mut report = Report::default();

    report.raw(raw(messages / 8, &wav));
    runtime.block_on(callers.in_turn(messages / 8));
    let throughput = runtime.block_on(callers.in_turn(messages));
    step_times.take();
    for (name, rate, messages, goal) in [
        ("idle", IDLE, messages / 4, "25 ms"),
        ("half", throughput * 0.5, messages * 2, "25 ms"),
        ("90 %", throughput * 0.9, messages * 2, "250 ms"),
    ] {
        let times = callers.at_random(&runtime, rate, messages);
        report.load(name, rate, times, goal, step_times.take());
    }
    for mailboxes in [burst, 1] {
        report.burst(burst, mailboxes, runtime.block_on(callers.together(burst, mailboxes)));
    }
    drop(callers);
    runtime.block_on(pair.close());
    report.keep(throughput);
}

/// The callers who leave messages at the distributed node.
#[derive(Clone)]
struct Callers {
    node: Node,
    lamps: LampProbe,
    /// The sound that each of them leaves.
    said: Bytes,
}

/// A call just before its end.
struct Call {
    recording: Recording,
    lamp: oneshot::Receiver<Instant>,
}

impl Callers {
    async fn call(self, mailbox: MailboxId) -> Call {
        let (site, facts) = ("edge".parse().expect("a site"), CallFacts::to(mailbox.clone()));
        let recording = self.node.record(&site, facts, Format::TELEPHONE_PCMU).await;
        let mut recording = recording.expect("the call is let in");
        recording.push_payload(&self.said, 0);
        Call { recording, lamp: self.lamps.expect(&mailbox) }
    }

    /// Calls of 32 callers who each wait for their lamp; returns how many lamps were updated in a second.
    async fn in_turn(&self, messages: u64) -> f64 {
        let start = Instant::now();
        let workers = (0..CALLERS).map(|caller| {
            let callers = self.clone();
            tokio::spawn(async move {
                for _ in 0..share(messages, CALLERS, caller) {
                    callers.clone().call(next_mailbox()).await.end(Instant::now()).await;
                }
            })
        });
        join_all(workers.collect::<Vec<_>>()).await.into_iter().for_each(|ended| ended.expect("a caller ends"));
        f64::from(u32::try_from(messages).expect("few messages")) / start.elapsed().as_secs_f64()
    }

    /// Calls that end at random moments, `rate` of them a second; returns how long each lamp took.
    fn at_random(&self, runtime: &Runtime, rate: f64, messages: u64) -> Vec<Duration> {
        let (mut dice, mut begin) = (Dice(0x9e37_79b9_7f4a_7c15), Instant::now() + LEAD);
        let mut next = || {
            begin += Duration::from_secs_f64(dice.wait() / rate);
            begin
        };
        // Calls begin a while before they end.
        let schedule: Vec<_> = (0..messages).map(|_| next()).collect();
        let (mut calls, mut going_on) = (Vec::new(), VecDeque::new());
        for begin in &schedule {
            let due = *begin + LEAD;
            while let Some(begin) = schedule.get(calls.len()).filter(|begin| **begin <= due) {
                sleep_until(*begin);
                let (hang_up, end) = oneshot::channel();
                let callers = self.clone();
                calls.push(runtime.spawn(async move {
                    let call = callers.call(next_mailbox()).await;
                    call.end(end.await.expect("every call ends")).await
                }));
                going_on.push_back(hang_up);
            }
            sleep_until(due);
            let hang_up = going_on.pop_front().expect("it has begun");
            hang_up.send(due).expect("the call goes on");
        }
        runtime.block_on(join_all(calls)).into_iter().map(|took| took.expect("the call ends")).collect()
    }

    /// Calls that end at the same moment, to so many mailboxes; returns how long each lamp took.
    async fn together(&self, messages: u64, mailboxes: u64) -> Vec<Duration> {
        let mailboxes: Vec<_> = (0..mailboxes).map(|_| next_mailbox()).collect();
        let to = mailboxes.iter().cycle().take(usize::try_from(messages).expect("few messages"));
        let calls = join_all(to.map(|mailbox| tokio::spawn(self.clone().call(mailbox.clone())))).await;
        let due = Instant::now();
        let ends = calls.into_iter().map(|call| tokio::spawn(call.expect("the call begins").end(due)));
        join_all(ends).await.into_iter().map(|took| took.expect("the call ends")).collect()
    }
}

impl Call {
    /// The caller hangs up; returns the time from `due`, when the caller was to hang up, until the lamp is updated.
    async fn end(self, due: Instant) -> Duration {
        self.recording.finish().await.expect("the message is kept");
        self.lamp.await.expect("the lamp is updated").saturating_duration_since(due)
    }
}

fn sleep_until(instant: Instant) {
    thread::sleep(instant.saturating_duration_since(Instant::now()));
}

/// Random numbers, the same in each run.
struct Dice(u64);

impl Dice {
    /// How long the next of a Poisson process takes, where one takes 1 on average.
    fn wait(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let number = u32::try_from(self.0 >> 32).expect("32 bits are left");
        -((f64::from(number) + 1.0) / (f64::from(u32::MAX) + 1.0)).ln()
    }
}

/// How long two durable creations of `bytes` take, each time anew.
fn raw(times: u64, bytes: &[u8]) -> Vec<Duration> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let create = || create_durably(folder.path(), &MessageId::random().to_string(), bytes).expect("a file");
    let time = |_| {
        let start = Instant::now();
        create();
        create();
        start.elapsed()
    };
    (0..times).map(time).collect()
}

/// The tables.
#[derive(Default)]
struct Report {
    loads: String,
    bursts: String,
    /// One column for each load.
    stretches: Vec<(String, [Vec<Duration>; STRETCHES.len()])>,
}

impl Report {
    fn raw(&mut self, times: Vec<Duration>) {
        let [p50, p99, _, _] = quantiles(times);
        let _ = writeln!(self.loads, "| `raw` | – | {p50} | {p99} | – | – |");
    }

    fn load(&mut self, name: &str, rate: f64, times: Vec<Duration>, goal: &str, way: [Vec<Duration>; STRETCHES.len()]) {
        let [p50, p99, p999, _] = quantiles(times);
        let _ = writeln!(self.loads, "| {name} | {rate:.0}/s | {p50} | **{p99}** | {p999} | {goal} |");
        self.stretches.push((name.to_owned(), way));
    }

    fn burst(&mut self, messages: u64, mailboxes: u64, times: Vec<Duration>) {
        let first = millis(times.iter().min().copied().unwrap_or_default());
        let [p50, p99, _, all] = quantiles(times);
        let mailboxes = if mailboxes == 1 { "one mailbox" } else { "as many mailboxes" };
        let _ = writeln!(self.bursts, "| {messages} to {mailboxes} | {first} | {p50} | {p99} | {all} |");
    }

    fn keep(self, throughput: f64) {
        let mut report = format!("| `finish` to lamp; most is {throughput:.0}/s | rate | p50 | p99 | p99.9 | goal for p99 |\n");
        let _ = writeln!(report, "|---|---|---|---|---|---|\n{}", self.loads);
        let _ = writeln!(report, "| at the same moment | first lamp | p50 | p99 | all |\n|---|---|---|---|---|\n{}", self.bursts);
        let (mut head, mut rule) = ("| where the time goes, p50 and p99 |".to_owned(), "|---|".to_owned());
        for (name, _) in &self.stretches {
            let _ = write!(head, " {name} |");
            rule.push_str("---|");
        }
        let _ = writeln!(report, "{head}\n{rule}");
        for (index, stretch) in STRETCHES.iter().enumerate() {
            let _ = write!(report, "| {stretch} |");
            for (_, way) in &self.stretches {
                let [p50, p99, _, _] = quantiles(way[index].clone());
                let _ = write!(report, " {p50}, {p99} |");
            }
            report.push('\n');
        }
        println!("{report}");
        fs::write(concat!(env!("CARGO_TARGET_TMPDIR"), "/lamp_latency.md"), report).expect("the tables are kept");
    }
}

/// The 50th, 99th and 99.9th of a hundred, and the last.
fn quantiles(mut times: Vec<Duration>) -> [String; 4] {
    times.sort_unstable();
    [500, 990, 999, 1000].map(|permille| match times.len().checked_sub(1) {
        Some(last) => millis(times[last * permille / 1000]),
        None => "–".to_owned(),
    })
}

fn millis(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1000.0;
    match millis {
        ..1.0 => format!("{millis:.2} ms"),
        ..10.0 => format!("{millis:.1} ms"),
        _ => format!("{millis:.0} ms"),
    }
}

/// The messages a second of an idle node.
const IDLE: f64 = 20.0;
const CALLERS: u64 = 32;
/// How long before its end a call begins.
const LEAD: Duration = Duration::from_millis(250);
/// How many mailboxes the central PBX has: each is called once in some seconds.
const MAILBOXES: u64 = 4096;
