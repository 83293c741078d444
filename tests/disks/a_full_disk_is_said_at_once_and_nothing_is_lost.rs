//! A disk that is full, has no files left or is not writable: callers and senders learn it at once, recordings are kept as soon
//! as there is space again, and nothing has to be restarted.

#![allow(clippy::unwrap_used, clippy::future_not_send, reason = "these are tests")]

use crate::support;

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use support::{CENTRAL, HIMALAYA, clock, event, mailbox, network, node, run, site, soon, wav};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::broadcast::Receiver;
use tokio::time::Instant;
use voicemail::audio::{Format, Wav};
use voicemail::disk::{Disk, FaultyDisk, FreeSpace, InjectedFault, Operation, PowerCutDisk};
use voicemail::event::{Event, Occurrence};
use voicemail::forward::MemoryForwarder;
use voicemail::intake::{Intake, ListenMode};
use voicemail::message::{Caller, CallerName, EndReason, Message, Status};
use voicemail::node::{Node, NodeBuilder};
use voicemail::record::{CallFacts, RecordError, Recording};
use voicemail::store::{MaildirStore, MemoryStore, MessageStore as _, StoreError};

const PCMU: Format = Format::TELEPHONE_PCMU;
const L16: Format = Format::TELEPHONE_L16;
const MIB: u64 = 1024 * 1024;

fn distributed(folder: &Path, disk: impl Disk, forwarder: &MemoryForwarder) -> NodeBuilder {
    node(HIMALAYA, folder).disk(disk).forwarder(forwarder.clone()).clock(clock())
}

/// A call that has said `spoken`, a WAV file, and not hung up yet.
async fn call(node: &Node, at: &str, spoken: &[u8]) -> Recording {
    // A name so long that a head of which half is written lacks what counts.
    let caller = Caller::new(None, CallerName::cleaned(&"𠮷".repeat(50)));
    let mut recording = node.record(&site(at), CallFacts::to(mailbox("2001")).caller(caller), L16).await.unwrap();
    let samples: Vec<i16> = spoken[44..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    let _ = recording.push_samples(&samples).unwrap();
    recording
}

/// Operations that a full disk, or one that may not be written to, does not do; folders that are there need nothing of it.
fn writes(operation: Operation) -> bool {
    operation.needs_space() && operation != Operation::CreateDir
}

/// Waits for the first event that is `wanted`.
async fn told(events: &mut Receiver<Occurrence>, wanted: impl Fn(&Event) -> bool) {
    soon(event(events, |event| wanted(&event).then_some(()))).await;
}

async fn kept(events: &mut Receiver<Occurrence>) {
    told(events, |event| matches!(event, Event::Kept { .. })).await;
}

async fn forwarded(events: &mut Receiver<Occurrence>) {
    told(events, |event| matches!(event, Event::Forwarded { .. })).await;
}

#[tokio::test(start_paused = true)]
async fn an_unkept_call_is_kept_within_1_s_of_free_space() {
    let spoken = wav(3_000, 7);
    let faults = [ErrorKind::StorageFull, ErrorKind::PermissionDenied, ErrorKind::Other].into_iter();
    for (kind, once) in faults.flat_map(|kind| [(kind, true), (kind, false)]) {
        for operations in 0.. {
            let (disk, forwarder) = (FaultyDisk::new(Arc::new(PowerCutDisk::new())), MemoryForwarder::new());
            let node = distributed(Path::new("/spool"), disk.clone(), &forwarder).open().await.unwrap();
            let mut events = node.events();
            let running = run(&node);
            let recording = call(&node, "kathmandu", &spoken).await;
            let fault = InjectedFault::after(operations, kind).only(writes);
            disk.fail(if once { fault } else { fault.lasting() });
            let answer = recording.finish().await;
            let at = format!("{kind:?} after {operations} writes, once {once}, answer {answer:?}");
            if answer.is_err() {
                assert!(matches!(&answer, Err(error @ RecordError::Disk(_)) if error.is_transient()), "{at}");
                told(&mut events, |event| matches!(event, Event::NotKeptYet { .. })).await;
            }
            let met = disk.mend() > 0;
            let room_again = Instant::now();
            kept(&mut events).await;
            assert!(room_again.elapsed() < Duration::from_secs(1), "{at}");
            forwarded(&mut events).await;
            running.stop().await;
            let [message] = &forwarder.taken(&mailbox("2001"))[..] else { panic!("{at}") };
            assert!(message.audio().bytes()[..] == spoken[..], "{at}: byte for byte");
            assert_eq!(message.head().end_reason, EndReason::Complete, "{at}");
            if !met {
                assert!(answer.is_ok() && operations >= 4, "{at}");
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_partial_call_is_recovered_at_the_start_on_a_full_disk() {
    let spoken = wav(3_000, 7);
    for operations in 0.. {
        let (disk, forwarder) = (FaultyDisk::new(Arc::new(PowerCutDisk::new())), MemoryForwarder::new());
        let builder = || distributed(Path::new("/spool"), disk.clone(), &forwarder);
        let node = builder().open().await.unwrap();
        let recording = call(&node, "kathmandu", &spoken).await;
        // A node that does not run does not try again: what it has written so far is all there is.
        let full = || InjectedFault::after(operations, ErrorKind::StorageFull).only(writes).lasting();
        disk.fail(full());
        let answer = recording.finish().await;
        drop(node);
        let met = disk.mend() > 0;

        let at = format!("full after {operations} writes, answer {answer:?}");
        disk.fail(InjectedFault::after(0, ErrorKind::StorageFull).only(writes).lasting());
        let node = builder().open().await.expect(&at);
        let mut events = node.events();
        let running = run(&node);
        disk.mend();
        told(&mut events, |event| matches!(event, Event::Forwarded { .. } | Event::Discarded { .. } | Event::Unreadable { .. }))
            .await;
        running.stop().await;
        match &forwarder.taken(&mailbox("2001"))[..] {
            // The caller got an error, and nothing worth keeping had reached the disk.
            [] => assert!(answer.is_err(), "{at}"),
            [message] if message.head().end_reason == EndReason::Truncated => {
                let wav = Wav::parse(message.audio().bytes()).unwrap();
                assert!(answer.is_err() && spoken[44..].starts_with(&message.audio().bytes()[wav.data]), "{at}");
            }
            [message] => assert!(message.audio().bytes()[..] == spoken[..], "{at}: byte for byte"),
            more => panic!("{at}: {} messages", more.len()),
        }
        if !met {
            assert!(answer.is_ok(), "{at}");
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_disk_is_full_starts_and_sends_what_waits() {
    let (disk, forwarder) = (FaultyDisk::new(Arc::new(PowerCutDisk::new())), MemoryForwarder::new());
    let builder = || distributed(Path::new("/spool"), disk.clone(), &forwarder);
    let node = builder().open().await.unwrap();
    let facts = CallFacts::to(mailbox("2001"));
    node.deposit_wav(&site("kathmandu"), facts, wav(1_500, 7).into()).await.unwrap();
    drop(node);
    disk.fail(InjectedFault::after(0, ErrorKind::StorageFull).only(writes).lasting());
    let node = builder().open().await.unwrap();
    let mut events = node.events();
    let running = run(&node);
    forwarded(&mut events).await;
    running.stop().await;
    assert_eq!(forwarder.taken(&mailbox("2001")).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn on_a_nearly_full_disk_only_calls_under_way_go_on() {
    let (disk, forwarder) = (PowerCutDisk::new(), MemoryForwarder::new());
    let node = distributed(Path::new("/spool"), disk.clone(), &forwarder).min_free_space(MIB).open().await.unwrap();
    let room = |bytes, files| disk.set_free_space(FreeSpace::new(bytes, files));
    // The longest message is 300 s of 8000 bytes: there is room for ten of them, and a little more.
    room(MIB + 10 * 2_400_000 + 100_000, 1_000);
    let record = async || node.record(&site("kathmandu"), CallFacts::to(mailbox("2001")), PCMU).await;
    let (begun, refused): (Vec<_>, Vec<_>) = join_all((0..20).map(|_| record())).await.into_iter().partition(Result::is_ok);
    assert_eq!((begun.len(), refused.len()), (10, 10), "those that begin together see each other");
    for refused in refused {
        assert!(matches!(refused, Err(ref error @ RecordError::DiskNearlyFull { .. }) if error.is_transient()), "{refused:?}");
    }
    room(MIB, 1_000);
    for recording in begun {
        let mut recording = recording.unwrap();
        recording.push_payload(&[0x20; 16_000], 0);
        recording.finish().await.unwrap();
    }
    assert_eq!(node.spool().waiting().len(), 10);

    for (bytes, files) in [(MIB + 2_300_000, 1_000), (u64::MAX, 10), (0, 0)] {
        room(bytes, files);
        let refused = record().await;
        assert!(matches!(refused, Err(RecordError::DiskNearlyFull { free, files: left }) if (free, left) == (bytes, files)));
        assert_eq!(node.spool().waiting().len(), 10, "what waits is untouched");
        assert_eq!(disk.list(&Path::new("/spool").join(HIMALAYA).join("recording")).unwrap(), [""; 0]);
    }
    room(MIB + 2_400_000, 1_000);
    record().await.unwrap();
}

/// A small file system of its own, if this process may mount one.
struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=8m,nr_inodes=200", "tmpfs"]).arg(folder.path());
        if mount.output().is_ok_and(|output| output.status.success()) {
            return Some(Self { folder });
        }
        eprintln!("SKIPPED: this process may not mount a file system, so no real disk was filled");
        None
    }

    fn remount(&self, how: &str) {
        let options = format!("remount,{how}");
        assert!(Command::new("mount").args(["-o", &options]).arg(self.folder.path()).status().unwrap().success());
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes until not a byte fits.
    fn fill(&self) -> PathBuf {
        let ballast = self.path().join("ballast");
        let mut file = fs::File::create(&ballast).unwrap();
        for len in [64 * 1024, 1] {
            while file.write_all(&vec![0; len]).is_ok() {}
        }
        ballast
    }

    /// Creates files until there are no more to be had.
    fn use_up_files(&self) -> PathBuf {
        let ballast = self.path().join("ballast");
        fs::create_dir(&ballast).unwrap();
        for n in 0.. {
            if fs::File::create(ballast.join(n.to_string())).is_err() {
                break;
            }
        }
        ballast
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(self.folder.path()).status();
        assert!(std::thread::panicking() || unmounted.is_ok_and(|status| status.success()));
    }
}

#[tokio::test]
async fn a_call_on_a_real_full_disk_is_kept_when_there_is_space() {
    let Some(small) = SmallDisk::mount() else { return };
    let forwarder = MemoryForwarder::new();
    let node = distributed(small.path(), voicemail::disk::OsDisk, &forwarder).min_free_space(MIB).open().await.unwrap();
    let mut events = node.events();
    let running = run(&node);
    let spoken = wav(3_000, 7);
    let recording = call(&node, "kathmandu", &spoken).await;
    let ballast = small.fill();
    let answer = soon(recording.finish()).await;
    assert!(matches!(&answer, Err(RecordError::Disk(error)) if error.kind() == ErrorKind::StorageFull), "{answer:?}");
    let record = async || node.record(&site("kathmandu"), CallFacts::to(mailbox("2001")), PCMU).await.map(drop);
    assert!(matches!(record().await, Err(RecordError::DiskNearlyFull { .. })));

    let room_again = Instant::now();
    fs::remove_file(ballast).unwrap();
    record().await.unwrap();
    kept(&mut events).await;
    assert!(room_again.elapsed() < Duration::from_secs(1), "{:?}", room_again.elapsed());
    forwarded(&mut events).await;
    let [message] = &forwarder.taken(&mailbox("2001"))[..] else { panic!("one message") };
    assert!(message.audio().bytes()[..] == spoken[..]);

    let ballast = small.use_up_files();
    assert!(matches!(record().await, Err(RecordError::DiskNearlyFull { files: 0, .. })));
    fs::remove_dir_all(ballast).unwrap();
    record().await.unwrap();
    running.stop().await;
}

/// Says `dialogue` to an intake of `store` in one flight; answers all that it said.
async fn say(store: &Arc<MaildirStore>, dialogue: &[u8]) -> String {
    let directory = Arc::new(network().directory());
    let intake = Intake::builder("voicemail.example", Arc::clone(store), directory).node(CENTRAL).build();
    let (mut near, far) = tokio::io::duplex(1024 * 1024);
    let session = intake.serve_stream(far, None, ListenMode::StartTls, std::future::pending());
    let talk = async move {
        let mut greeting = [0; 3];
        near.read_exact(&mut greeting).await.unwrap();
        near.write_all(dialogue).await.unwrap();
        let mut said = String::new();
        near.read_to_string(&mut said).await.unwrap();
        said
    };
    let (said, ended) = tokio::join!(talk, session);
    ended.unwrap();
    said
}

/// A whole transaction that announces `size`.
fn transaction(message: &Message, size: Option<u64>) -> Vec<u8> {
    let recipients = [mailbox("2001")];
    let addresses = voicemail::wire::Addresses::new(HIMALAYA, "voicemail.example", &recipients);
    let mail = voicemail::wire::encode(message, &addresses, voicemail::wire::TransferEncoding::Base64).to_bytes();
    let size = size.map_or(String::new(), |size| format!(" SIZE={size}"));
    let before = format!("EHLO a.example\r\nMAIL FROM:<a@b.example>{size}\r\nRCPT TO:<2001@voicemail.example>\r\n");
    let data = format!("BDAT {} LAST\r\n", mail.len());
    [before.as_bytes(), data.as_bytes(), &mail, b"QUIT\r\n"].concat()
}

#[tokio::test]
async fn a_store_that_cannot_write_defers_senders_at_once() {
    let Some(small) = SmallDisk::mount() else { return };
    let directory = Arc::new(network().directory());
    let builder = MaildirStore::builder(small.path().join("store")).directory(directory).min_free_space(MIB);
    let store = Arc::new(builder.open().await.unwrap());
    let clock = voicemail::clock::Clock::now(&*clock());
    let recorded_at = voicemail::message::RecordedAt::new(clock.instant, chrono_tz::Europe::London, clock.quality);
    let audio = voicemail::message::Audio::new(voicemail::message::AudioType::Wav, wav(1_500, 7));
    let message = Message::builder(audio, recorded_at).build();
    let replies = async |size| soon(say(&store, &transaction(&message, size))).await;
    store.create_mailbox(&mailbox("2001")).await.unwrap();
    let before_audio = "452 4.3.1 2001: the store has no space left\r\n554 5.5.1 no recipient was accepted\r\n";

    let ballast = small.fill();
    let said = replies(None).await;
    assert!(said.contains(before_audio) && !said.contains("kept"), "{said}");
    fs::remove_file(ballast).unwrap();
    let said = replies(Some(20 * MIB)).await;
    assert!(said.contains(before_audio) && !said.contains("kept"), "more is announced than there is room for: {said}");

    let ballast = small.use_up_files();
    let said = replies(None).await;
    assert!(said.contains(before_audio) && !said.contains("kept"), "{said}");
    fs::remove_dir_all(ballast).unwrap();

    small.remount("ro");
    let said = replies(None).await;
    assert!(said.contains("451 4.3.0 2001: the store may not be written to (kept for 0 of 1)"), "{said}");
    let opened = MaildirStore::builder(small.path().join("store")).open().await.map(drop);
    let Err(StoreError::NotWritable(source)) = opened else { panic!("a store that takes no message opens: {opened:?}") };
    assert!(source.to_string().contains("store/mail: Read-only file system"), "{source}");
    small.remount("rw");
    assert_eq!(store.list(&mailbox("2001")).await.unwrap(), []);
    let said = replies(None).await;
    assert!(said.contains(&format!("250 2.0.0 kept {}", message.id())), "room again, and no restart: {said}");
}

#[tokio::test]
async fn a_full_mailbox_is_known_before_the_caller_speaks() {
    let folder = tempfile::tempdir().unwrap();
    let store = MemoryStore::new([mailbox("2001"), mailbox("2002")]).max_messages(1);
    let node = node(CENTRAL, folder.path()).store(store).open().await.unwrap();
    let facts = || CallFacts::to(mailbox("2001"));
    let deposit = async || node.deposit_wav(&site("london"), facts(), wav(1_500, 7).into()).await;
    let kept = deposit().await.unwrap();
    for refused in [deposit().await.map(drop), node.record(&site("london"), facts(), PCMU).await.map(drop)] {
        assert!(matches!(&refused, Err(RecordError::MailboxFull(full)) if *full == mailbox("2001")), "{refused:?}");
        assert!(refused.unwrap_err().is_transient());
    }
    // Whom the message can reach, it reaches; for the other it waits.
    let both = node.record(&site("london"), facts().and_to(mailbox("2002")), PCMU).await;
    both.unwrap().discard().await.unwrap();
    node.store().unwrap().mark(&mailbox("2001"), kept.id, Status::Removed).await.unwrap();
    deposit().await.unwrap();
}
