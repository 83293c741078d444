//! A long recording is never in memory whole on its way: read while it is sent, and written down while it comes in, it arrives byte for
//! byte or not at all.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use crate::network_links;
use crate::support;

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use network_links::LinkedNetwork;
use support::{CENTRAL, HIMALAYA, clock, event, mailbox, network, node, run, site, soon, wav};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use voicemail::disk::{Disk, FaultyDisk, InjectedFault, Operation, PowerCutDisk};
use voicemail::event::Event;
use voicemail::forward::smtp::{Security, SmtpForwarder};
use voicemail::intake::{Intake, ListenMode};
use voicemail::message::{Audio, AudioType, ClockQuality, ClockSource, Message, RecordedAt};
use voicemail::node::Node;
use voicemail::record::CallFacts;
use voicemail::store::{MaildirStore, MemoryStore, MessageStore as _};
use voicemail::wire::{Addresses, TransferEncoding, encode};

/// A distributed node on `disk`, and the mailboxes of the central one that it reaches.
async fn scene(disk: &FaultyDisk) -> (Node, Arc<MemoryStore>) {
    let store = Arc::new(MemoryStore::new([mailbox("2001")]));
    let network = network();
    let intake = Intake::builder(network.domain(), Arc::clone(&store), network.directory()).build();
    let net = LinkedNetwork::to(intake, Duration::from_millis(20));
    let forwarder = SmtpForwarder::builder(format!("{CENTRAL}:25"), network.domain()).node(HIMALAYA).dial(net);
    let forwarder = forwarder.security(Security::PlainText).build().unwrap();
    let node = node(HIMALAYA, Path::new("/node")).disk(disk.clone()).forwarder(forwarder).clock(clock());
    (node.open().await.unwrap(), store)
}

fn reads(operation: Operation) -> bool {
    operation == Operation::ReadExactAt
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_disk_delays_one_message_and_it_arrives_once() {
    let spoken = wav(75_000, 7);
    let mut met_in_the_sound = 0;
    for reads_before in [0, 1, 2, 3, 10, 100] {
        let disk = FaultyDisk::new(Arc::new(PowerCutDisk::new()));
        let (node, store) = scene(&disk).await;
        let mut events = node.events();
        let facts = || CallFacts::to(mailbox("2001"));
        let kept = node.deposit_wav(&site("kathmandu"), facts(), spoken.clone().into()).await.unwrap();
        disk.fail(InjectedFault::after(reads_before, ErrorKind::Other).only(reads));
        let running = run(&node);
        let first = event(&mut events, |event| match event {
            Event::Deferred { reason, .. } => Some(Some(reason)),
            Event::Forwarded { .. } => Some(None),
            _ => None,
        });
        let first = soon(first).await;
        assert_eq!(first.is_some(), disk.mend() == 1, "{first:?} after {reads_before} reads");
        if first.is_some() {
            assert!(store.list(&mailbox("2001")).await.unwrap().is_empty(), "{first:?} after {reads_before} reads");
            met_in_the_sound += u32::from(reads_before > 0);
            // The way is open for others.
            let other = node.deposit_wav(&site("tokyo"), facts(), wav(1_000, 9).into()).await.unwrap();
            let forwarded = |event| matches!(event, Event::Forwarded { id, .. } if id == other.id).then_some(());
            soon(event(&mut events, forwarded)).await;
            let forwarded = |event| matches!(event, Event::Forwarded { id, .. } if id == kept.id).then_some(());
            soon(event(&mut events, forwarded)).await;
        }
        running.stop().await;
        let message = store.retrieve(&mailbox("2001"), kept.id).await.unwrap();
        assert!(message.audio().bytes()[..] == spoken[..], "byte for byte, after {reads_before} reads");
        assert_eq!(store.list(&mailbox("2001")).await.unwrap().len(), 1 + usize::from(first.is_some()));
    }
    assert!(met_in_the_sound >= 3, "{met_in_the_sound}");
}

#[tokio::test(start_paused = true)]
async fn a_long_recording_with_a_flipped_bit_arrives_nowhere() {
    let spoken = wav(75_000, 7);
    for at in [1024 + 50, 1024 + spoken.len() as u64 / 2, 1024 + spoken.len() as u64 - 1] {
        let disk = FaultyDisk::new(Arc::new(PowerCutDisk::new()));
        let (node, store) = scene(&disk).await;
        let mut events = node.events();
        let facts = CallFacts::to(mailbox("2001"));
        let kept = node.deposit_wav(&site("kathmandu"), facts, spoken.clone().into()).await.unwrap();
        let queue = Path::new("/node").join(HIMALAYA).join("queue").join(CENTRAL);
        let flip = |folder: &Path| {
            let name = disk
                .list(folder)
                .unwrap()
                .into_iter()
                .find(|name| Path::new(name).extension().is_some_and(|end| end == "vm"))
                .unwrap();
            let file = disk.open(&folder.join(name)).unwrap();
            let byte = file.read_at(at, 1).unwrap()[0];
            file.write_all_at(&[byte ^ 1], at).unwrap();
        };
        flip(&queue);
        let running = run(&node);
        let parked = |event| if let Event::Parked { id, reason, .. } = event { Some((id, reason)) } else { None };
        let (id, reason) = soon(event(&mut events, parked)).await;
        assert_eq!((id, reason.starts_with("damaged: ")), (kept.id, true), "{reason}");
        assert!(store.list(&mailbox("2001")).await.unwrap().is_empty(), "at {at}");
        // An operator has the file from a backup.
        flip(&Path::new("/node").join(HIMALAYA).join("parked"));
        node.spool().release(id, &mailbox("2001")).await.unwrap();
        let forwarded = |event| matches!(event, Event::Forwarded { .. }).then_some(());
        soon(event(&mut events, forwarded)).await;
        running.stop().await;
        assert!(store.retrieve(&mailbox("2001"), id).await.unwrap().audio().bytes()[..] == spoken[..]);
    }
}

/// Lists the folder in which the store stages incoming mail, without the record that arrivals share.
fn staged(disk: &impl Disk) -> Vec<String> {
    let mut names = disk.list(Path::new("/store/staging")).unwrap();
    names.retain(|name| {
        !disk.open(&Path::new("/store/staging").join(name)).unwrap().read_at(0, 5).is_ok_and(|start| start == b"kept ")
    });
    names
}

async fn maildirs(disk: &FaultyDisk) -> Arc<MaildirStore> {
    let directory = Arc::new(network().directory());
    let store = MaildirStore::builder("/store").disk(Arc::new(disk.clone())).directory(directory).min_free_space(0);
    Arc::new(store.open().await.unwrap())
}

fn intake_of(store: &Arc<MaildirStore>) -> Intake {
    let network = network();
    Intake::builder(network.domain(), Arc::clone(store), network.directory()).node(CENTRAL).build()
}

/// A message of 75 seconds as a mail for 2001 and 2002.
fn letter() -> (Message, Vec<u8>) {
    let quality = ClockQuality::unknown(ClockSource::Manual);
    let recorded_at = RecordedAt::new(chrono::DateTime::UNIX_EPOCH, chrono_tz::UTC, quality);
    let message = Message::builder(Audio::new(AudioType::Wav, wav(75_000, 7)), recorded_at).build();
    let recipients = [mailbox("2001"), mailbox("2002")];
    let addresses = Addresses::new(HIMALAYA, "voicemail.example", &recipients);
    (message.clone(), encode(&message, &addresses, TransferEncoding::Base64).to_bytes().to_vec())
}

const ENVELOPE: &str =
    "EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<2001@voicemail.example>\r\nRCPT TO:<2002@voicemail.example>\r\n";

fn in_one_block(mail: &[u8]) -> Vec<u8> {
    [format!("{ENVELOPE}BDAT {} LAST\r\n", mail.len()).as_bytes(), mail, b"QUIT\r\n"].concat()
}

fn by_data(mail: &[u8]) -> Vec<u8> {
    [ENVELOPE.as_bytes(), b"DATA\r\n", mail, b".\r\nQUIT\r\n"].concat()
}

/// Says `dialogue` and hangs up; answers what was said to it.
async fn say(intake: &Intake, dialogue: &[u8]) -> String {
    let (near, far) = tokio::io::duplex(10_000);
    let session = intake.serve_stream(far, None, ListenMode::StartTls, std::future::pending());
    let talk = async move {
        let (mut hear, mut speak) = tokio::io::split(near);
        hear.read_exact(&mut [0; 3]).await.unwrap();
        let speaking = async {
            // A client that is cut off gets a reply with the reason.
            let _ = speak.write_all(dialogue).await;
            let _ = speak.shutdown().await;
        };
        let mut said = String::new();
        let hearing = hear.read_to_string(&mut said);
        let ((), heard) = tokio::join!(speaking, hearing);
        heard.unwrap();
        said
    };
    tokio::join!(talk, session).0
}

#[tokio::test(start_paused = true)]
async fn a_long_mail_is_streamed_to_disk_and_stored_byte_for_byte() {
    let (message, mail) = letter();
    for dialogue in [in_one_block(&mail), by_data(&mail)] {
        let disk = FaultyDisk::new(Arc::new(PowerCutDisk::new()));
        let store = maildirs(&disk).await;
        let said = say(&intake_of(&store), &dialogue).await;
        assert!(said.contains(&format!("250 2.0.0 kept {}", message.id())), "{said}");
        assert_eq!(staged(&disk), [""; 0]);
        for owner in [mailbox("2001"), mailbox("2002")] {
            let kept = store.retrieve(&owner, message.id()).await.unwrap();
            assert!(kept.audio() == message.audio() && kept.head() == message.head());
            let arrived = kept.mail().unwrap();
            assert!(arrived.starts_with(b"Received: from x") && arrived.ends_with(&mail), "as it came");
        }
        let again = say(&intake_of(&store), &dialogue).await;
        assert!(again.contains("250 2.0.0 kept"), "{again}");
        assert_eq!(store.list(&mailbox("2001")).await.unwrap().len(), 1, "once");
        assert_eq!(staged(&disk), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_or_cut_off_leaves_nothing() {
    let (_, mail) = letter();
    let disk = FaultyDisk::new(Arc::new(PowerCutDisk::new()));
    let store = maildirs(&disk).await;
    let intake = intake_of(&store);
    let mut damaged = mail.clone();
    let middle = damaged.len() / 2;
    damaged[middle] = if damaged[middle] == b'A' { b'B' } else { b'A' };
    let mut long_line = mail.clone();
    long_line.splice(middle..middle, [b'x'; 5_000]);
    let half = in_one_block(&mail);
    for (dialogue, reply) in [
        (in_one_block(&damaged), "554 5.6"),
        (by_data(&damaged), "554 5.6"),
        (by_data(&long_line), "554 5.6.0"),
        (half[..half.len() / 2].to_vec(), "250 2.1.5"),
        ([&half[..half.len() / 2], b"\r\n"].concat(), "250 2.1.5"),
    ] {
        let said = say(&intake, &dialogue).await;
        assert!(said.contains(reply) && !said.contains("kept"), "{reply}: {said}");
        assert_eq!(staged(&disk), [""; 0], "{reply}");
        assert!(store.list(&mailbox("2001")).await.unwrap().is_empty(), "{reply}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_disk_full_during_a_mail_is_reported_and_the_retry_succeeds() {
    let (message, mail) = letter();
    let dialogue = in_one_block(&mail);
    let writes = |operation| matches!(operation, Operation::WriteAllAt | Operation::Create | Operation::Sync);
    for (kind, reply) in [(ErrorKind::StorageFull, "452 4.3.1"), (ErrorKind::Other, "451 4.3.0")] {
        for writes_before in [0, 1, 5, 20] {
            let disk = FaultyDisk::new(Arc::new(PowerCutDisk::new()));
            let store = maildirs(&disk).await;
            store.list(&mailbox("2001")).await.unwrap();
            store.list(&mailbox("2002")).await.unwrap();
            disk.fail(InjectedFault::after(writes_before, kind).only(writes));
            let said = say(&intake_of(&store), &dialogue).await;
            assert_eq!(disk.mend(), 1, "{kind:?} after {writes_before}: {said}");
            assert!(said.contains(reply) && !said.contains("250 2.0.0 kept"), "{kind:?} after {writes_before}: {said}");
            assert_eq!(staged(&disk), [""; 0], "{kind:?} after {writes_before}");
            let said = say(&intake_of(&store), &dialogue).await;
            assert!(said.contains("250 2.0.0 kept"), "{said}");
            assert!(store.retrieve(&mailbox("2002"), message.id()).await.unwrap().audio() == message.audio());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn leftovers_of_a_dead_process_are_removed_and_no_live_ones() {
    let disk = FaultyDisk::new(Arc::new(PowerCutDisk::new()));
    let store = maildirs(&disk).await;
    let mut coming_in = store.stage().await.unwrap().unwrap();
    coming_in.append(b"Received: from a sender\r\n").unwrap();
    assert_eq!(staged(&disk).len(), 1);
    let beside = maildirs(&disk).await;
    assert_eq!(staged(&disk).len(), 1, "another process opens the store and waits for nobody");
    drop((coming_in, beside));
    assert_eq!(staged(&disk), [""; 0]);
    disk.create(&Path::new("/store/staging").join("07".repeat(16))).unwrap().write_all_at(b"Received", 0).unwrap();
    maildirs(&disk).await;
    assert_eq!(staged(&disk), [""; 0]);
}
