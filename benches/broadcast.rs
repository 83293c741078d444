//! The time to give one message to 1 000 mailboxes: as copies of a message that is in the store, and as 1 000 deposits.
//!
//! Run: `cargo bench --bench broadcast`. Each line is the median of five turns, which alternate, with one mailbox after the other; the last column is
//! what the new files occupy on the disk. The message has 60 seconds of mu-law.
//!
//! Not in the numbers: SMTP, the node's worker and its jobs, and lamps.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::runtime::Runtime;
use voicemail::message::{Audio, AudioType, ClockQuality, ClockSource, MailboxId, Message, MessageId, Origin, RecordedAt};
use voicemail::store::{Deposit, MaildirStore, MessageStore as _};

const RECEIVERS: u32 = 1_000;
const TURNS: usize = 5;

fn main() {
    let runtime = Runtime::new().expect("a runtime");
    let (mut copies, mut deposits) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        copies.push(runtime.block_on(turn(true)));
        deposits.push(runtime.block_on(turn(false)));
    }
    println!("{:<12} {:>12} {:>12} {:>14}", "", "median", "a mailbox", "on the disk");
    for (name, mut turns) in [("copies", copies), ("deposits", deposits)] {
        turns.sort_unstable();
        let (time, bytes) = turns[TURNS / 2];
        println!(
            "{name:<12} {:>9.0} ms {:>9.0} us {:>11} kB",
            time.as_secs_f64() * 1e3,
            time.as_secs_f64() * 1e6 / f64::from(RECEIVERS),
            bytes / 1024
        );
    }
}

/// Gives a message to all receivers; returns how long that took, and what the mails occupy on the disk then.
async fn turn(as_copies: bool) -> (Duration, u64) {
    let folder = TempDir::new().expect("a temporary folder");
    let store = MaildirStore::builder(folder.path()).open().await.expect("a store");
    let (broadcast, receivers) = (mailbox(2_600), (100_000..100_000 + RECEIVERS).map(mailbox).collect::<Vec<_>>());
    for mailbox in receivers.iter().chain([&broadcast]) {
        store.create_mailbox(mailbox).await.expect("a mailbox");
    }
    let message = message();
    let stored = store.deposit(&broadcast, &Origin::Here, &message).await.expect("room");
    assert_eq!(stored, Deposit::Stored(message.id()));
    let start = Instant::now();
    for receiver in &receivers {
        let stored = if as_copies {
            store.copy(&broadcast, message.id(), receiver).await
        } else {
            store.deposit(receiver, &Origin::Here, &message).await
        };
        assert_eq!(stored.expect("room"), Deposit::Stored(message.id()));
    }
    let time = start.elapsed();
    (time, occupied(&folder.path().join("mail"), &mut Vec::new()))
}

/// Returns how many bytes the files below `folder` occupy; a file with several names counts once.
fn occupied(folder: &Path, seen: &mut Vec<u64>) -> u64 {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
        let metadata = entry.metadata().expect("an entry");
        if metadata.is_dir() {
            bytes += occupied(&entry.path(), seen);
        } else if !seen.contains(&metadata.ino()) {
            seen.push(metadata.ino());
            bytes += metadata.blocks() * 512;
        }
    }
    bytes
}

fn mailbox(number: u32) -> MailboxId {
    number.to_string().parse().expect("a number")
}

fn message() -> Message {
    let quality = ClockQuality::unknown(ClockSource::Manual);
    let recorded_at = RecordedAt::new("2026-11-29T00:00:00Z".parse().expect("a time"), chrono_tz::UTC, quality);
    Message::builder(Audio::new(AudioType::Wav, vec![0x5a; 480_000]), recorded_at).id(MessageId::random()).build()
}
