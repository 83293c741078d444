//! Mail to the postmaster, and delivery reports.

use std::path::Path;

use super::*;
use crate::disk::{self, Disk};
use crate::disk::{FaultyDisk, InjectedFault, Operation, PowerCutDisk, Unsynced};

const FOLDER: &str = "/spool/postmaster";

/// Neither a voice message nor plain text.
const REPORT: &[u8] = b"From: <mailer-daemon@mail.example>\r\nSubject: Undelivered\r\n\r\ncaf\xe9\r\n";

fn folder_on(disk: impl Disk) -> PostmasterFolder {
    PostmasterFolder::new(disk, FOLDER, ManualClock::at("2025-03-30T00:59:40Z".parse().unwrap()))
}

/// Sends `mail` with the null reverse-path to each of `recipients`; returns the last reply.
async fn send(intake: &Intake, recipients: &[&str], mail: &[u8]) -> String {
    let mut client = Client::connect(intake).await;
    client.send("EHLO mail.example\r\nMAIL FROM:<>\r\n").await;
    client.replies(2).await;
    for recipient in recipients {
        client.send(format!("RCPT TO:<{recipient}>\r\n")).await;
        let reply = client.last_reply(1).await;
        if !reply.starts_with("250") {
            return reply;
        }
    }
    client.send([format!("BDAT {} LAST\r\n", mail.len()).as_bytes(), mail].concat()).await;
    client.last_reply(1).await
}

/// The files in the postmaster's folder.
fn files(disk: &PowerCutDisk) -> Vec<(String, Vec<u8>)> {
    let names = disk.list(Path::new(FOLDER)).unwrap_or_default();
    names.into_iter().map(|name| (name.clone(), disk::read(disk, &Path::new(FOLDER).join(name)).unwrap())).collect()
}

#[tokio::test(start_paused = true)]
async fn any_mail_to_the_postmaster_is_kept_before_250() {
    let (disk, events) = (PowerCutDisk::new(), Events::new());
    let mut event = events.subscribe();
    let intake = builder(&FailingStore::new([])).postmaster(folder_on(disk.clone())).events(events).build();
    for (count, to) in ["postmaster", "PostMaster@VM.example", "postmaster@vm1.example"].into_iter().enumerate() {
        assert_eq!(send(&intake, &[to], REPORT).await, "250 2.0.0 kept for the postmaster", "{to}");
        disk.power_cut(Unsynced::Forgotten);
        let files = files(&disk);
        assert_eq!(files.len(), count + 1, "{to}");
        let Event::PostmasterMail { kept_as } = event.recv().await.unwrap().event else { panic!("it is reported") };
        let (name, mail) = files.iter().find(|(name, _)| *name == kept_as).unwrap();
        assert!(name.starts_with("20250330T005940.000000Z-"), "{name}");
        assert_eq!(Path::new(name).extension().unwrap(), "eml");
        assert!(mail.starts_with(b"Received: from mail.example") && mail.ends_with(REPORT));
    }
}

#[tokio::test(start_paused = true)]
async fn a_folder_whose_creator_died_holds_mail_after_a_power_cut() {
    let disk = PowerCutDisk::new();
    disk::create_dirs(&disk, Path::new("/spool")).unwrap();
    disk.create_dir(Path::new(FOLDER)).unwrap(); // and its name was never flushed
    let intake = builder(&FailingStore::new([])).postmaster(folder_on(disk.clone())).build();
    assert!(send(&intake, &["postmaster"], REPORT).await.starts_with("250"));
    disk.power_cut(Unsynced::Forgotten);
    assert_eq!(files(&disk).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_full_postmaster_folder_defers_mail_at_rcpt() {
    let disk = PowerCutDisk::new();
    let limited = |mails, bytes| builder(&FailingStore::new([])).postmaster(folder_on(disk.clone()).limits(mails, bytes)).build();
    let one = limited(1, 10_000);
    assert!(send(&one, &["postmaster"], REPORT).await.starts_with("250"));
    assert_eq!(send(&one, &["postmaster"], REPORT).await, "452 4.3.1 the postmaster's folder is full, try again later");
    let small = limited(9, 1000);
    assert!(send(&small, &["postmaster"], &[b'x'; 750]).await.starts_with("452 4.3.1"), "what is there counts");
    assert!(send(&small, &["postmaster"], &[b'x'; 1100]).await.starts_with("552 5.3.4"));
    let [(name, _)] = &files(&disk)[..] else { panic!("one mail") };
    disk.remove(&Path::new(FOLDER).join(name)).unwrap();
    assert!(send(&one, &["postmaster"], REPORT).await.starts_with("250"), "an operator has removed it");
}

#[tokio::test(start_paused = true)]
async fn a_mail_that_is_not_kept_for_the_postmaster_leaves_nothing() {
    let disk = PowerCutDisk::new();
    let faulty = FaultyDisk::new(Arc::new(disk.clone()));
    let intake = builder(&FailingStore::new([])).postmaster(folder_on(faulty.clone())).build();
    for (kind, code) in [
        (io::ErrorKind::StorageFull, "452 4.3.1"),
        (io::ErrorKind::PermissionDenied, "451 4.3.0"),
        (io::ErrorKind::ReadOnlyFilesystem, "451 4.3.0"),
    ] {
        for operations in 0..5 {
            faulty.fail(
                InjectedFault::after(operations, kind)
                    .only(|operation| operation.needs_space() || operation == Operation::SyncDir),
            );
            let reply = send(&intake, &["postmaster"], REPORT).await;
            let was_met = faulty.mend() > 0;
            assert!(reply.starts_with(if was_met { code } else { "250" }), "{kind} {operations} {reply}");
            assert_eq!(files(&disk).len(), usize::from(!was_met), "{kind} {operations}");
            for (name, _) in files(&disk) {
                disk.remove(&Path::new(FOLDER).join(name)).unwrap();
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_copy_of_the_postmaster_is_stored_last() {
    let disk = PowerCutDisk::new();
    let away: Failure = || StoreError::Unavailable("away".into());
    let store = FailingStore::new([("202", away)]);
    let intake = builder(&store).postmaster(folder_on(disk.clone())).build();
    let voice = message(&b"hello"[..]);
    let sent = mail(&voice, TransferEncoding::Base64);
    let both = |number: &'static str| ["postmaster", if number == "201" { "201@vm.example" } else { "202@vm.example" }];
    assert!(send(&intake, &both("202"), &sent).await.starts_with("451 4.3.0"));
    assert_eq!(files(&disk).len(), 0, "it comes again");
    assert_eq!(send(&intake, &both("201"), &sent).await, format!("250 2.0.0 kept {}", voice.id()));
    assert_eq!((files(&disk).len(), store.new_messages().await), (1, 1));
    assert!(send(&intake, &both("201"), REPORT).await.starts_with("554 5.6.1"), "the mailbox cannot have it");
    assert_eq!((files(&disk).len(), store.new_messages().await), (2, 1), "and the postmaster has it");
}

#[tokio::test(start_paused = true)]
async fn by_lmtp_the_postmaster_has_a_reply_of_its_own() {
    let disk = PowerCutDisk::new();
    let away: Failure = || StoreError::Unavailable("away".into());
    let intake = builder(&FailingStore::new([("202", away)])).postmaster(folder_on(disk.clone())).build();
    let sent = mail(&message(&b"hello"[..]), TransferEncoding::Base64);
    for (count, (number, mail, code)) in
        [("202", &sent[..], "451"), ("201", &sent, "250"), ("201", REPORT, "554")].iter().enumerate()
    {
        let policy = ListenerPolicy::new(ListenMode::StartTls, Access::anyone_anywhere()).lmtp();
        let (mut client, _session) = Client::connect_by(&intake, policy);
        client.replies(1).await;
        let start = "LHLO mx.example\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\n";
        client.send(pipelined(&format!("{start}RCPT TO:<{number}@vm.example>\r\n"), mail)).await;
        let replies = client.replies(6).await;
        let last: Vec<_> = replies.lines().rev().take(2).collect();
        assert_eq!(last[1], "250 2.0.0 kept for the postmaster");
        assert!(last[0].starts_with(code), "{replies}");
        assert_eq!(files(&disk).len(), count + 1);
    }
}

#[tokio::test]
async fn a_long_mail_to_the_postmaster_is_kept_whole() {
    let (disk, store) = staged::maildirs().await;
    let intake = staged::intake_of(&store).postmaster(folder_on(PowerCutDisk::clone(&disk))).build();
    let long = [REPORT, &b"x".repeat(3_000_000), b"\r\n"].concat();
    assert_eq!(send(&intake, &["postmaster"], &long).await, "250 2.0.0 kept for the postmaster");
    let [(_, mail)] = &files(&disk)[..] else { panic!("one mail") };
    assert!(mail.ends_with(&long));
    assert_eq!(disk.list(Path::new("/store/staging")).unwrap(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_report_is_refused_with_a_true_text() {
    let events = Events::new();
    let mut event = events.subscribe();
    let intake = builder(&FailingStore::new([])).events(events).build();
    assert_eq!(
        send(&intake, &["Voicemail@vm1.example"], REPORT).await,
        "550 5.7.1 this node sends from this address and reads no mail to it, delivery reports included"
    );
    let Event::ReportRefused { address } = event.recv().await.unwrap().event else { panic!("it is reported") };
    assert_eq!(address, Some([192, 0, 2, 7].into()));
}
