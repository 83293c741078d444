//! What does it cost to deposit into a mailbox, to count it and to show its first page, as it grows, and as the store around it grows?
//!
//! Run: `cargo bench --bench mailbox_scale`. A million messages take minutes and some 5 GB to lay out; by default the store has
//! up to 100 000. `MAILBOX_SCALE=1000000` goes all the way.
//!
//! A deposit waits for the disk far longer than it works, so on a busy machine its times say more of the disk than of the mailbox.
//! `TMPDIR=/dev/shm` puts the mailboxes where a flush costs nothing, and shows the work alone.
//!
//! Beside each deposit stands `raw`: the same bytes created durably twice (message and arrival), which is what a deposit cannot do
//! without. Not in the numbers: making the message, the directory, SMTP, and the first look at a mailbox after a start, which
//! reads its folders once and is shown by itself as `first look`.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use voicemail::message::{
    Audio, AudioType, ClockQuality, ClockSource, MailboxId, Message, MessageId, Origin, RecordedAt, Status,
};
use voicemail::store::{MaildirStore, MessageStore as _, Order, Query};
use voicemail::wire::{Addresses, TransferEncoding, encode};

/// Of one second, so that the number is about messages and not about bytes.
const SOUND: usize = 8_000;
const FIRST_PAGE: usize = 10;

fn message(number: i64) -> Message {
    let instant = chrono::DateTime::from_timestamp(1_743_296_380 + number, 0).expect("a moment of our time");
    let recorded_at =
        RecordedAt { instant, zone: chrono_tz::Europe::London, quality: ClockQuality::unknown(ClockSource::Manual) };
    Message::builder(Audio::new(AudioType::Basic, vec![0xff; SOUND]), recorded_at).length(Duration::from_secs(1)).build()
}

fn owner(number: usize) -> MailboxId {
    format!("{number:06}").parse().expect("six digits are a mailbox")
}

/// Puts `count` messages into the Maildir without flushing, under names as the store gives them, all links to one file.
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
        // A file has at most 65 000 names on ext4.
        match &template {
            Some(first) if number % 10_000 != 0 => fs::hard_link(first, &path).expect("room for a name"),
            _ => {
                let addresses = Addresses { node: "localhost", domain: "localhost", recipients: std::slice::from_ref(mailbox) };
                fs::write(&path, encode(&message(0), &addresses, TransferEncoding::Base64).to_bytes()).expect("room for a mail");
                template = Some(path);
            }
        }
    }
}

fn open(runtime: &Runtime, root: &Path) -> MaildirStore {
    runtime.block_on(MaildirStore::builder(root).open()).expect("a store opens")
}

/// Measures the three on one mailbox.
fn measure(c: &mut Criterion, group: &str, size: usize, runtime: &Runtime, store: &MaildirStore, mailbox: &MailboxId) {
    let mut group = c.benchmark_group(group);
    let mut number = 0;
    group.bench_function(BenchmarkId::new("deposit", size), |b| {
        b.iter_batched(
            || {
                number += 1;
                message(number)
            },
            |message| runtime.block_on(store.deposit(mailbox, &Origin::Here, &message)).expect("a deposit"),
            BatchSize::PerIteration,
        );
    });
    group.bench_function(BenchmarkId::new("deposit, then summary", size), |b| {
        b.iter_batched(
            || {
                number += 1;
                message(number)
            },
            |message| {
                runtime.block_on(async {
                    store.deposit(mailbox, &Origin::Here, &message).await.expect("a deposit");
                    store.summary(mailbox).await.expect("a summary")
                })
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function(BenchmarkId::new("summary", size), |b| {
        b.iter(|| runtime.block_on(store.summary(mailbox)).expect("a summary"));
    });
    let query = Query::only([Status::New]).order(Order::UrgentThenNewestFirst).limit(FIRST_PAGE);
    group.bench_function(BenchmarkId::new("first page", size), |b| {
        b.iter(|| runtime.block_on(store.page(mailbox, &query)).expect("a page"));
    });
    group.finish();
}

/// The same bytes, durably created twice in a folder.
fn raw(c: &mut Criterion, folder: &TempDir) {
    let mut number = 0_u64;
    c.bench_function("raw/two files, flushed", |b| {
        b.iter(|| {
            number += 1;
            for (part, len) in [("mail", SOUND * 3 / 2), ("arrival", 20)] {
                let (tmp, to) = (folder.path().join("tmp"), folder.path().join(format!("{part}{number}")));
                let mut file = File::create(&tmp).expect("a file");
                file.write_all(&vec![0; len]).expect("room");
                file.sync_all().expect("a flush");
                fs::rename(&tmp, &to).expect("a rename");
                File::open(folder.path()).and_then(|folder| folder.sync_all()).expect("a flush");
            }
        });
    });
}

fn scale(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let limit: usize = std::env::var("MAILBOX_SCALE").ok().and_then(|limit| limit.parse().ok()).unwrap_or(100_000);
    let folder = TempDir::new().expect("a temporary folder");
    raw(c, &folder);

    for size in [10, 100, 1_000, 10_000] {
        let folder = TempDir::new().expect("a temporary folder");
        drop(open(&runtime, folder.path()));
        fill(folder.path(), &owner(0), size);
        let store = open(&runtime, folder.path());
        c.bench_function(&format!("mailbox of/first look/{size}"), |b| {
            b.iter_batched(
                || open(&runtime, folder.path()),
                |store| runtime.block_on(store.summary(&owner(0))).expect("a summary"),
                BatchSize::PerIteration,
            );
        });
        runtime.block_on(store.summary(&owner(0))).expect("a summary");
        measure(c, "mailbox of", size, &runtime, &store, &owner(0));
        c.bench_function(&format!("mailbox of/whole list/{size}"), |b| {
            b.iter(|| runtime.block_on(store.list(&owner(0))).expect("a list"));
        });
    }

    // Mailboxes of 100 messages each; the one that is measured is one of them.
    let folder = TempDir::new().expect("a temporary folder");
    drop(open(&runtime, folder.path()));
    let mut filled = 0;
    for size in [100, 10_000, 100_000, 1_000_000].into_iter().filter(|size| *size <= limit) {
        while filled * 100 < size {
            fill(folder.path(), &owner(filled), 100);
            filled += 1;
        }
        let store = open(&runtime, folder.path());
        // Every mailbox has been used once, as far as a store remembers them.
        for number in 0..filled {
            runtime.block_on(store.summary(&owner(number))).expect("a summary");
        }
        let measured = owner(filled / 2);
        runtime.block_on(store.summary(&measured)).expect("a summary");
        measure(c, "store of", size, &runtime, &store, &measured);
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3)).sample_size(20);
    targets = scale
}
criterion_main!(benches);
