//! The time to deposit into a mailbox, to count it and to show its first page, for growing mailboxes and growing stores.
//!
//! Run: `cargo bench --bench mailbox_scale`. By default the store has up to 100 000 messages; `MAILBOX_SCALE=1000000` makes that a million,
//! which takes minutes and some 5 GB to create.
//!
//! The sizes take turns, one operation each, so that other programs on the machine slow down all of them alike. Each number is the
//! median of all turns; the last column is its ratio to the number of the smallest size. `raw` takes its turn too: the same bytes created
//! durably twice (message and arrival), which is what a deposit cannot do without. `TMPDIR=/dev/shm` puts the mailboxes where a flush
//! costs nothing, and shows the work alone.
//!
//! Not in the numbers: making the message, the directory, SMTP, and the first look at a mailbox after a start, which reads its folders
//! once and is shown by itself.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::runtime::Runtime;
use voicemail::message::{
    Audio, AudioType, ClockQuality, ClockSource, MailboxId, Message, MessageId, Origin, RecordedAt, Status,
};
use voicemail::store::{MaildirStore, MessageStore as _, Order, Query};
use voicemail::wire::{Addresses, TransferEncoding, encode};

fn main() {
    let limit: usize = std::env::var("MAILBOX_SCALE").ok().and_then(|limit| limit.parse().ok()).unwrap_or(100_000);
    let runtime = Runtime::new().expect("a runtime");
    let mut grown = Vec::new();
    for size in [10, 100, 1_000, 10_000] {
        grown.push(Place::new(&runtime, size, size));
    }
    show("mailboxes of so many messages", &runtime, &grown);
    drop(grown);
    let sizes = [100, 10_000, 100_000, 1_000_000].into_iter().filter(|size| *size <= limit);
    let grown: Vec<Place> = sizes.map(|size| Place::new(&runtime, size, 100)).collect();
    show("a mailbox of 100 messages, in stores of so many", &runtime, &grown);
}

/// A store, and the mailbox in it that is measured.
struct Place {
    size: usize,
    folder: TempDir,
    store: MaildirStore,
    mailbox: MailboxId,
    first_look: Duration,
}

impl Place {
    /// A store of `size` messages, in mailboxes of `each`, all of which have been looked at.
    fn new(runtime: &Runtime, size: usize, each: usize) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        drop(open(runtime, folder.path()));
        let mailboxes: Vec<MailboxId> = (0..size / each).map(owner).collect();
        for mailbox in &mailboxes {
            fill(folder.path(), mailbox, each);
        }
        let store = open(runtime, folder.path());
        let mailbox = mailboxes[mailboxes.len() / 2].clone();
        let (first_look, _) = timed(|| runtime.block_on(store.summary(&mailbox)).expect("a summary"));
        for mailbox in mailboxes.iter().chain([&mailbox]) {
            runtime.block_on(store.summary(mailbox)).expect("a summary");
        }
        Self { size, folder, store, mailbox, first_look }
    }

    /// The time that each operation takes once, in the order of [`OPERATIONS`].
    fn turn(&self, runtime: &Runtime, number: i64) -> [Duration; OPERATIONS.len()] {
        let (store, mailbox) = (&self.store, &self.mailbox);
        let message = message(number);
        let query = Query::only([Status::New]).order(Order::UrgentThenNewestFirst).limit(FIRST_PAGE);
        let (deposit, _) = timed(|| runtime.block_on(store.deposit(mailbox, &Origin::Here, &message)).expect("a deposit"));
        let (summary, _) = timed(|| runtime.block_on(store.summary(mailbox)).expect("a summary"));
        let (page, _) = timed(|| runtime.block_on(store.page(mailbox, &query)).expect("a page"));
        let (list, _) = timed(|| runtime.block_on(store.list(mailbox)).expect("a list"));
        let (raw, ()) = timed(|| raw(self.folder.path()));
        [deposit, summary, page, list, raw]
    }
}

fn show(what: &str, runtime: &Runtime, places: &[Place]) {
    let mut taken: Vec<[Vec<Duration>; OPERATIONS.len()]> = places.iter().map(|_| Default::default()).collect();
    for turn in 0..TURNS {
        for (place, taken) in places.iter().zip(&mut taken) {
            let times = place.turn(runtime, turn);
            taken.iter_mut().zip(times).for_each(|(all, time)| all.push(time));
        }
    }
    println!("\n{what}: median of {TURNS} turns, in microseconds, and times the first");
    for (at, operation) in OPERATIONS.into_iter().enumerate() {
        let medians: Vec<f64> = taken.iter_mut().map(|taken| median(&mut taken[at])).collect();
        let cells = places
            .iter()
            .zip(&medians)
            .map(|(place, median)| format!("{}: {median:.1} ({:.2})", place.size, median / medians[0]));
        println!("  {operation:<12} {}", cells.collect::<Vec<_>>().join("   "));
    }
    let first = places.iter().map(|place| format!("{}: {:.1}", place.size, place.first_look.as_secs_f64() * 1e6));
    println!("  {:<12} {}", "first look", first.collect::<Vec<_>>().join("   "));
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let began = Instant::now();
    let done = work();
    (began.elapsed(), done)
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6
}

fn message(number: i64) -> Message {
    let instant = chrono::DateTime::from_timestamp(1_743_296_380 + number, 0).expect("a moment of our time");
    let recorded_at = RecordedAt::new(instant, chrono_tz::Europe::London, ClockQuality::unknown(ClockSource::Manual));
    Message::builder(Audio::new(AudioType::Basic, vec![0xff; SOUND]), recorded_at).length(Duration::from_secs(1)).build()
}

fn owner(number: usize) -> MailboxId {
    format!("{number:06}").parse().expect("six digits are a mailbox")
}

fn open(runtime: &Runtime, root: &Path) -> MaildirStore {
    runtime.block_on(MaildirStore::builder(root).open()).expect("a store opens")
}

/// Puts `count` messages into the Maildir without flushing, under names as the store gives them, many of them links to one file.
fn fill(root: &Path, mailbox: &MailboxId, count: usize) {
    let folder = root.join("mail").join(mailbox.as_str());
    for name in ["new", "cur", "tmp"] {
        fs::create_dir_all(folder.join(name)).expect("room for a Maildir");
    }
    let mut template = None;
    for number in 0..count {
        let (id, key) = (MessageId::random(), MessageId::random());
        let base = format!("{}.{id}{key}N0L1000B11500.localhost", 1_743_000_000 + number);
        let path = if number % 2 == 0 { folder.join("new").join(base) } else { folder.join("cur").join(base + ":2,S") };
        match &template {
            // A file has at most 65 000 names on ext4.
            Some(first) if number % 10_000 != 0 => fs::hard_link(first, &path).expect("room for a name"),
            _ => {
                let addresses = Addresses::new("localhost", "localhost", std::slice::from_ref(mailbox));
                fs::write(&path, encode(&message(0), &addresses, TransferEncoding::Base64).to_bytes()).expect("room for a mail");
                template = Some(path);
            }
        }
    }
}

/// The same bytes, durably created twice in a folder.
fn raw(folder: &Path) {
    for len in [SOUND * 3 / 2, 20] {
        let (tmp, to) = (folder.join("raw"), folder.join(MessageId::random().to_string()));
        let mut file = File::create(&tmp).expect("a file");
        file.write_all(&vec![0; len]).expect("room");
        file.sync_all().expect("a flush");
        fs::rename(&tmp, &to).expect("a rename");
        File::open(folder).and_then(|folder| folder.sync_all()).expect("a flush");
    }
}

const OPERATIONS: [&str; 5] = ["deposit", "summary", "first page", "whole list", "raw"];
const TURNS: i64 = 200;
/// Of one second, so that the number is about messages and not about bytes.
const SOUND: usize = 8_000;
const FIRST_PAGE: usize = 10;
