//! Power is cut after every single operation on a disk, and no message that was answered for is lost or doubled.
//!
//! Each test does one piece of work again and again, each time with the cut one operation later, until the work gets through
//! without meeting it; then all is opened again, as after a restart. The disk is as forgetful as a disk may be.

#![allow(clippy::unwrap_used, clippy::future_not_send, reason = "these are tests")]

use crate::support;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use support::{CENTRAL, HIMALAYA, clock, event, mailbox, network, node, run, site, soon, wav};
use voicemail::audio::{Format, Wav};
use voicemail::disk::{Disk, DiskFile, FreeSpace, PowerCutDisk, Unsynced};
use voicemail::event::Event;
use voicemail::forward::{Acceptance, ForwardError, Forwarder, MemoryForwarder, Outcome, TransportSecurity};
use voicemail::message::{ContentDigest, EndReason, MailboxId, Message, MessageId, Origin, SiteId};
use voicemail::node::Node;
use voicemail::record::{CallFacts, Kept, RecordError};
use voicemail::store::{MaildirStore, MessageStore as _, StoreError};
use voicemail::wire::{self, Addresses, DecodeLimits, TransferEncoding};

pub(crate) const BOTH_WAYS: [Unsynced; 2] = [Unsynced::Forgotten, Unsynced::NamesKept];
const L16: Format = Format::TELEPHONE_L16;

/// The other node: it takes a message once, as every node must, and counts how often it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Once(Arc<Mutex<BTreeMap<Same, Message>>>);

/// The properties that make two messages of one origin the same.
type Same = (MailboxId, MessageId, ContentDigest);

impl Once {
    fn messages(&self) -> Vec<Message> {
        self.0.lock().unwrap().values().cloned().collect()
    }

    /// The messages for `mailbox`.
    pub(crate) fn of(&self, mailbox: &MailboxId) -> Vec<Message> {
        self.0.lock().unwrap().iter().filter(|((of, ..), _)| of == mailbox).map(|(_, message)| message.clone()).collect()
    }
}

#[async_trait]
impl Forwarder for Once {
    async fn forward(&self, message: &Message, recipients: &[MailboxId]) -> Result<Acceptance, ForwardError> {
        let mut taken = self.0.lock().unwrap();
        for mailbox in recipients {
            let key = (mailbox.clone(), message.id(), message.audio().digest());
            taken.entry(key).or_insert_with(|| message.clone());
        }
        Ok(Acceptance::new(vec![Outcome::Accepted; recipients.len()], TransportSecurity::InMemory))
    }
}

/// A disk on which others flush, at the worst moment, every folder that a name was taken from.
#[derive(Debug, Clone)]
struct Shared(PowerCutDisk);

impl Disk for Shared {
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)?;
        self.0.sync_dir(from.parent().unwrap())
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)?;
        self.0.sync_dir(path.parent().unwrap())
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.0.create(path)
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.0.open(path)
    }
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.link(from, to)
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.0.create_dir(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.0.sync_dir(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.0.list(path)
    }
    fn free_space(&self, path: &Path) -> io::Result<FreeSpace> {
        self.0.free_space(path)
    }
}

/// The node at HIMALAYA, with its spool on `disk`.
pub(crate) async fn distributed(disk: &(impl Disk + Clone), forwarder: impl Forwarder) -> Option<Node> {
    node(HIMALAYA, Path::new("/spool")).disk(disk.clone()).forwarder(forwarder).clock(clock()).open().await.ok()
}

async fn store(disk: &PowerCutDisk) -> Result<MaildirStore, StoreError> {
    let directory = Arc::new(network().directory());
    MaildirStore::builder("/store").disk(Arc::new(disk.clone())).directory(directory).open().await
}

/// The node at CENTRAL, with its spool and its store on `disk`.
async fn central(disk: &PowerCutDisk) -> Option<(Node, Arc<MaildirStore>)> {
    let store = Arc::new(store(disk).await.ok()?);
    let builder = node(CENTRAL, Path::new("/spool")).disk(disk.clone()).store(Arc::clone(&store)).clock(clock());
    Some((builder.open().await.ok()?, store))
}

/// Records `spoken`, a WAV file, in frames of 20 ms; writes to disk go on meanwhile, if the node runs.
async fn record(node: &Node, site: &SiteId, spoken: &[u8]) -> Result<Kept, RecordError> {
    let facts = CallFacts::to(mailbox("2001")).and_to(mailbox("2002"));
    let mut recording = node.record(site, facts, L16).await?;
    let samples: Vec<i16> = spoken[44..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    for frame in samples.chunks(160) {
        let _ = recording.push_samples(frame).unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    recording.finish().await
}

/// Waits, on a clock that leaps, until nothing waits in the spool.
pub(crate) async fn forwarded(node: &Node) {
    soon(async {
        while !node.spool().waiting().is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
}

/// Checks the message of `spoken`: it is whole if the call was answered as kept; otherwise whole, or a beginning, or missing.
fn check(found: &[Message], spoken: &[u8], answer: Option<&Kept>, at: &str) {
    match (found, answer) {
        ([], None) => {}
        ([message], None) if message.head().end_reason == EndReason::Truncated => {
            let wav = Wav::parse(message.audio().bytes()).unwrap();
            let samples = &message.audio().bytes()[wav.data.clone()];
            assert!(spoken[44..].starts_with(samples), "{at}: a beginning of what was said");
            assert_eq!(wav.duration(), message.head().length, "{at}");
        }
        ([message], answer) => {
            assert!(answer.is_none_or(|kept| kept.id == message.id()), "{at}");
            assert!(message.audio().bytes()[..] == *spoken, "{at}: byte for byte");
            assert_eq!(message.head().end_reason, EndReason::Complete, "{at}");
        }
        _ => panic!("{at}: {} messages", found.len()),
    }
}

#[tokio::test(start_paused = true)]
async fn a_kept_call_is_forwarded_once_after_a_power_cut() {
    let spoken = wav(3_000, 7);
    for unsynced in BOTH_WAYS {
        let mut answered = 0;
        for operations in 0.. {
            let (disk, other) = (PowerCutDisk::new(), Once::default());
            disk.power_off_after(operations);
            let mut answer = None;
            if let Some(node) = distributed(&disk, other.clone()).await {
                let mut events = node.events();
                let running = run(&node);
                answer = record(&node, &site("kathmandu"), &spoken).await.ok();
                if answer.is_some() {
                    let tried = |event| matches!(event, Event::Forwarded { .. } | Event::Deferred { .. }).then_some(());
                    soon(event(&mut events, tried)).await;
                }
                running.stop().await;
            }
            let was_cut = disk.power_cut(unsynced);
            answered += u32::from(answer.is_some());

            let at = format!("power cut after {operations} operations, {unsynced:?}, answer {answer:?}");
            for again in 0..2 {
                let at = format!("{at}, restart {again}");
                let node = distributed(&disk, other.clone()).await.expect(&at);
                let running = run(&node);
                forwarded(&node).await;
                running.stop().await;
                let messages = other.messages();
                let (first, second) = messages.split_at(messages.len() / 2);
                check(first, &spoken, answer.as_ref(), &at);
                assert_eq!(first, second, "{at}: each of the two mailboxes has it");
                assert!(node.spool().parked().await.unwrap().is_empty(), "{at}");
                let aside = disk.list(&Path::new("/spool").join(HIMALAYA).join("unreadable")).unwrap();
                assert!(aside.is_empty() || answer.is_none(), "{at}: {aside:?}");
                drop(node);
                disk.power_cut(unsynced);
            }
            if !was_cut {
                assert!(answer.is_some() && operations > 40 && answered > 5, "{at}: {answered} were answered for");
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_the_central_node_records_is_in_its_mailbox_once() {
    let spoken = wav(3_000, 7);
    for unsynced in BOTH_WAYS {
        for operations in 0.. {
            let disk = PowerCutDisk::new();
            disk.power_off_after(operations);
            let mut answer = None;
            if let Some((node, _)) = central(&disk).await {
                let running = run(&node);
                answer = record(&node, &site("london"), &spoken).await.ok();
                running.stop().await;
            }
            let was_cut = disk.power_cut(unsynced);

            let at = format!("power cut after {operations} operations, {unsynced:?}, answer {answer:?}");
            for again in 0..2 {
                let at = format!("{at}, restart {again}");
                let (node, store) = central(&disk).await.expect(&at);
                let running = run(&node);
                forwarded(&node).await;
                running.stop().await;
                for mailbox in [mailbox("2001"), mailbox("2002")] {
                    let mut found = Vec::new();
                    for entry in store.list(&mailbox).await.unwrap() {
                        found.push(store.retrieve(&mailbox, entry.head.id).await.unwrap());
                    }
                    check(&found, &spoken, answer.as_ref(), &at);
                }
                assert!(node.spool().parked().await.unwrap().is_empty(), "{at}");
                drop(node);
                disk.power_cut(unsynced);
            }
            if !was_cut {
                assert!(answer.is_some() && operations > 60, "{at}");
                break;
            }
        }
    }
}

/// Which of the two an operator does.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Order {
    Park,
    Release,
}

#[tokio::test(start_paused = true)]
async fn a_parked_or_released_message_is_in_one_place() {
    let (spoken, reason, tokyo) = (wav(1_500, 7), "for tests", site("tokyo"));
    let orders = [Order::Park, Order::Release].into_iter();
    for (order, unsynced) in orders.flat_map(|order| BOTH_WAYS.map(|unsynced| (order, unsynced))) {
        for operations in 0.. {
            let (disk, other) = (PowerCutDisk::new(), Once::default());
            let node = distributed(&Shared(disk.clone()), other.clone()).await.unwrap();
            let facts = || CallFacts::to(mailbox("2001"));
            let kept = node.deposit_wav(&site("kathmandu"), facts(), spoken.clone().into()).await.unwrap();
            if order == Order::Release {
                node.spool().park(kept.id, &mailbox("2001"), reason).await.unwrap();
            }
            disk.power_off_after(operations);
            let doing = async {
                match order {
                    Order::Park => node.spool().park(kept.id, &mailbox("2001"), reason).await,
                    Order::Release => node.spool().release(kept.id, &mailbox("2001")).await,
                }
            };
            let (done, beside) = tokio::join!(doing, node.deposit_wav(&tokyo, facts(), wav(1_500, 9).into()));
            drop(node);
            let was_cut = disk.power_cut(unsynced);

            let at = format!("{order:?}, power cut after {operations} operations, {unsynced:?}, answers {done:?}, {beside:?}");
            let node = distributed(&disk, other.clone()).await.expect(&at);
            let waits = |id| node.spool().waiting().iter().filter(|waiting| waiting.id == id).count();
            let parked = node.spool().parked().await.unwrap();
            match (order, &done) {
                (Order::Park, Ok(())) => assert_eq!((parked.len(), waits(kept.id)), (1, 0), "{at}"),
                (Order::Release, Ok(())) => assert_eq!((parked.len(), waits(kept.id)), (0, 1), "{at}"),
                (_, Err(_)) => assert_eq!(parked.len() + waits(kept.id), 1, "{at}"),
            }
            if let [parked] = &parked[..] {
                let central = network().central_node().to_string();
                assert_eq!((&*parked.reason, &*parked.destination), (reason, &*central), "{at}");
                node.spool().release(parked.id, &parked.mailbox).await.unwrap();
            }
            let running = run(&node);
            forwarded(&node).await;
            running.stop().await;
            let messages = other.messages();
            let (first, others): (Vec<_>, Vec<_>) = messages.into_iter().partition(|message| message.id() == kept.id);
            check(&first, &spoken, Some(&kept), &at);
            check(&others, &wav(1_500, 9), beside.ok().as_ref(), &at);
            if !was_cut {
                assert!(done.is_ok() && operations > 5, "{at}");
                break;
            }
        }
    }
}

/// The way to a central node's Maildirs, by a mail as SMTP carries it.
#[derive(Debug)]
struct ByMail(Result<MaildirStore, StoreError>);

#[async_trait]
impl Forwarder for ByMail {
    async fn forward(&self, message: &Message, recipients: &[MailboxId]) -> Result<Acceptance, ForwardError> {
        let unreachable = || ForwardError::Unreachable { peer: CENTRAL.to_owned(), source: "the other node has no power".into() };
        let Ok(store) = &self.0 else { return Err(unreachable()) };
        let addresses = Addresses::new(HIMALAYA, "voicemail.example", recipients);
        let mail = wire::encode(message, &addresses, TransferEncoding::Binary).to_bytes();
        let arrived = wire::decode(&mail).unwrap();
        let mut outcomes = Vec::new();
        for mailbox in recipients {
            store.deposit(mailbox, &Origin::Unproven, &arrived).await.map_err(|_| unreachable())?;
            outcomes.push(Outcome::Accepted);
        }
        Ok(Acceptance::new(outcomes, TransportSecurity::InMemory))
    }
}

/// The same for a long message, as it passes an intake: read from the spool while it is written into a file of the store, and stored there.
#[derive(Debug)]
struct InPieces(Result<MaildirStore, StoreError>);

impl InPieces {
    async fn pass(&self, message: &Message, recipients: &[MailboxId]) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let store = self.0.as_ref().map_err(|_| "the other node has no power")?;
        let addresses = Addresses::new(HIMALAYA, "voicemail.example", recipients);
        let mail = wire::encode_in_pieces(message, &addresses, TransferEncoding::Base64);
        assert!(message.audio().in_memory().is_none(), "it stays in its file");
        let mut staged = store.stage().await?.expect("there is a place");
        staged.append(&mail.head)?;
        for piece in mail.sound() {
            staged.append(&piece?)?;
        }
        staged.append(&mail.tail)?;
        let arrived = wire::decode_file(&staged.finish(), DecodeLimits::default())??;
        for mailbox in recipients {
            store.deposit(mailbox, &Origin::Unproven, &arrived).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Forwarder for InPieces {
    async fn forward(&self, message: &Message, recipients: &[MailboxId]) -> Result<Acceptance, ForwardError> {
        let passed = self.pass(message, recipients).await;
        passed.map_err(|source| ForwardError::Unreachable { peer: CENTRAL.to_owned(), source })?;
        Ok(Acceptance::new(vec![Outcome::Accepted; recipients.len()], TransportSecurity::InMemory))
    }

    fn reads_sounds(&self) -> bool {
        true
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_arrives_once_whichever_side_loses_power_on_its_way() {
    arrives_once(1_500, 1, ByMail).await;
}

#[tokio::test(start_paused = true)]
async fn a_long_message_arrives_once_whichever_side_loses_power() {
    arrives_once(66_000, 17, InPieces).await;
}

/// Cuts the power of either side after every so many operations on the way of a message of so many milliseconds, each time others.
async fn arrives_once<F: Forwarder>(millis: u32, step: usize, by: fn(Result<MaildirStore, StoreError>) -> F) {
    let spoken = wav(millis, 7);
    let cases = [false, true].into_iter().flat_map(|far| BOTH_WAYS.map(|unsynced| (far, unsynced)));
    for (nth, (far_side, unsynced)) in (0..).zip(cases) {
        for operations in (nth * step as u64 / 4..).step_by(step) {
            let (near, far) = (PowerCutDisk::new(), PowerCutDisk::new());
            let facts = CallFacts::to(mailbox("2001"));
            let node = distributed(&near, MemoryForwarder::new()).await.unwrap();
            node.deposit_wav(&site("kathmandu"), facts, spoken.clone().into()).await.unwrap();
            drop(node);

            let cut = if far_side { &far } else { &near };
            cut.power_off_after(operations);
            if let Some(node) = distributed(&near, by(store(&far).await)).await {
                let mut events = node.events();
                let running = run(&node);
                let tried = |event| matches!(event, Event::Forwarded { .. } | Event::Deferred { .. }).then_some(());
                soon(event(&mut events, tried)).await;
                running.stop().await;
            }
            let was_cut = cut.power_cut(unsynced);

            let at = format!("far side {far_side}, power cut after {operations} operations, {unsynced:?}");
            for again in 0..2 {
                let node = distributed(&near, by(store(&far).await)).await.expect(&at);
                let running = run(&node);
                forwarded(&node).await;
                running.stop().await;
                let store = store(&far).await.unwrap();
                let [entry] = &store.list(&mailbox("2001")).await.unwrap()[..] else { panic!("{at}, restart {again}") };
                let message = store.retrieve(&mailbox("2001"), entry.head.id).await.unwrap();
                assert!(message.audio().bytes()[..] == spoken[..], "{at}: byte for byte");
                near.power_cut(unsynced);
                far.power_cut(unsynced);
            }
            if !was_cut {
                assert!(operations > 10, "{at}");
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn leftovers_stop_no_start_and_a_torn_file_gives_its_part() {
    let (spoken, spool) = (wav(1_500, 7), Path::new("/spool").join(HIMALAYA));
    let first = PowerCutDisk::new();
    let node = distributed(&first, Once::default()).await.unwrap();
    let call = async || {
        let mut call = node.record(&site("kathmandu"), CallFacts::to(mailbox("2001")), L16).await.unwrap();
        let samples: Vec<i16> = spoken[44..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
        let _ = call.push_samples(&samples).unwrap();
        call.finish().await.unwrap()
    };
    let file = async |number| {
        let facts = CallFacts::to(mailbox(number));
        node.deposit_wav(&site("kathmandu"), facts, spoken.clone().into()).await.unwrap()
    };
    let read_back = |kept: Kept| {
        let queue = spool.join("queue").join(CENTRAL);
        let name = first.list(&queue).unwrap().into_iter().find(|name| name.contains(&kept.id.to_string())).unwrap();
        (kept.id, voicemail::disk::read(&first, &queue.join(&name)).unwrap(), name)
    };
    let ((id, whole, _), (parked, by_hand, name)) = (read_back(call().await), read_back(file("2002").await));
    let (unanswered, given, _) = read_back(file("2003").await);

    // The head reached the disk before the second half of the sound.
    let mut torn = whole.clone();
    let half = torn.len() / 2;
    torn[half..].fill(0);
    let (disk, other) = (PowerCutDisk::new(), Once::default());
    drop(distributed(&disk, other.clone()).await.unwrap());
    let write = |path: &str, bytes: &[u8]| disk.create(&spool.join(path)).unwrap().write_all_at(bytes, 0).unwrap();
    write(&format!("recording/{id}.vm"), &torn);
    // The same of a sound that was given whole: its sender had no answer.
    write("spare/3", &[&given[..half], &torn[half..]].concat());
    write(&format!("recording/{unanswered}.vm"), &[&given[..half], &torn[half..]].concat());
    for (n, end) in [0, 1, 700, 1_023, 1_024, 1_030].into_iter().enumerate() {
        write(&format!("recording/{n:032x}.vm"), &whole[..end]);
    }
    write("recording/notes.vm", &[0xff; 5_000]);
    write("queue/notes.txt", b"not a queue");
    disk.create_dir(&spool.join("queue").join(CENTRAL)).unwrap();
    // An operator has parked it by hand, so there is no note.
    write(&format!("parked/{name}"), &by_hand);

    let node = distributed(&disk, other.clone()).await.unwrap();
    node.spool().release(parked, &mailbox("2002")).await.unwrap();
    let running = run(&node);
    forwarded(&node).await;
    running.stop().await;
    let messages = other.messages();
    let [cut, released] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!((cut.id(), cut.head().end_reason), (id, EndReason::Truncated));
    let said = half - 1024;
    assert!(cut.audio().bytes()[..said] == spoken[..said], "all that reached the disk");
    assert!(released.audio().bytes()[..] == spoken[..] && released.head().end_reason == EndReason::Complete);
    assert_eq!(disk.list(&spool.join("unreadable")).unwrap().len(), 7, "the rest is put aside, untouched");
    assert_eq!(disk.list(&spool.join("recording")).unwrap(), [""; 0]);
}
