//! The store as a whole: its contract, with other programs in the same tree, and through every crash.

mod bad_entries;
mod sharing;
mod transcripts;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;

use super::*;
use crate::audio::{Format, Wav};
use crate::clock::ManualClock;
use crate::conformance;
use crate::directory::{MailboxLimits, Owner, Retention, StaticDirectory};
use crate::disk::{Disk, DiskFile, FaultyDisk, FreeSpace, InjectedFault, Operation, OsDisk, PowerCutDisk, Unsynced};
use crate::message::{Audio, AudioType, ClockQuality, ClockSource, RecordedAt, Transcript, Urgency};
use crate::store::DeduplicationKey;

fn mailbox(number: &str) -> MailboxId {
    number.parse().unwrap()
}

fn recorded() -> DateTime<Utc> {
    "2025-03-30T00:59:40Z".parse().unwrap()
}

fn message(sound: &[u8]) -> Message {
    let quality = ClockQuality::unknown(ClockSource::Manual);
    let recorded_at = RecordedAt { instant: recorded(), zone: chrono_tz::Europe::London, quality };
    Message::builder(Audio::new(AudioType::Wav, sound.to_vec()), recorded_at).build()
}

fn urgent(sound: &[u8]) -> Message {
    let message = message(sound);
    Message::new(crate::message::Head { urgency: Urgency::Urgent, ..message.head().clone() }, message.audio().clone())
}

async fn open(root: impl Into<PathBuf>) -> MaildirStore {
    let store = MaildirStore::builder(root).open().await.unwrap();
    for number in ["2041", "2042"] {
        store.create_mailbox(&mailbox(number)).await.unwrap();
    }
    store
}

/// Opens the store on `disk`, and deposits.
async fn open_and_deposit(disk: &Arc<dyn Disk>, message: &Message) -> Result<Deposit, StoreError> {
    let store = MaildirStore::builder("/store").disk(Arc::clone(disk)).open().await?;
    store.create_mailbox(&mailbox("2041")).await?;
    deposit(&store, message).await
}

async fn deposit(store: &MaildirStore, message: &Message) -> Result<Deposit, StoreError> {
    store.deposit(&mailbox("2041"), &Origin::Here, message).await
}

async fn list(store: &MaildirStore) -> Vec<(MessageId, Status)> {
    let entries = store.list(&mailbox("2041")).await.unwrap();
    entries.iter().map(|entry| (entry.head.id, entry.status)).collect()
}

async fn summary(store: &MaildirStore) -> String {
    store.summary(&mailbox("2041")).await.unwrap().to_string()
}

async fn sound(store: &MaildirStore, id: MessageId) -> bytes::Bytes {
    store.retrieve(&mailbox("2041"), id).await.unwrap().audio().bytes().clone()
}

/// The names in a folder of the store, without the lock.
fn names(folder: PathBuf) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != "lock").collect()
}

#[tokio::test]
async fn a_list_shows_how_long_a_foreign_sound_is() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut wav = Wav::header(Format::TELEPHONE_PCMU, u32::MAX);
    wav.resize(wav.len() + 16_000, 0xff);
    let gsm = [&[0xd0_u8][..], &[0; 32]].concat().repeat(100);
    for (media, sound) in [("audio/wav", wav), ("audio/x-gsm", gsm), ("audio/basic", vec![0xff; 16_000])] {
        let sound = encodify::base64::MIME.encode(&sound);
        let mail = format!(
            "Date: Thu, 5 Mar 2026 10:00:00 Z\r\nMessage-ID: <{media}>\r\nContent-Type: {media}\r\nContent-Transfer-Encoding: base64\r\n\r\n{sound}"
        );
        deposit(&store, &crate::wire::decode(&mail.into()).unwrap()).await.unwrap();
    }
    let store = open(folder.path()).await; // one that knows no more than the files say
    for entry in store.list(&mailbox("2041")).await.unwrap() {
        assert_eq!(entry.head.length, Duration::from_secs(2));
    }
}

#[tokio::test]
async fn keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    conformance::store::run_all(|| open(folder.path().join(MessageId::random().to_string()))).await;
    conformance::store::run_copyable(|| open(folder.path().join(MessageId::random().to_string()))).await;
}

#[tokio::test]
async fn check_refuses_a_full_mailbox_and_a_nearly_full_disk() {
    let folder = tempfile::tempdir().unwrap();
    let limited = MaildirStore::builder(folder.path()).max_messages(3).open().await.unwrap();
    limited.create_mailbox(&mailbox("2041")).await.unwrap();
    conformance::store::foretold(&limited).await;
    assert!(matches!(limited.check(&mailbox("2041"), 0).await, Err(StoreError::MailboxFull(full)) if full == mailbox("2041")));
    assert!(matches!(limited.check(&mailbox("2042"), 0).await, Err(StoreError::NoSuchMailbox(_))));

    let (disk, arrived) = (PowerCutDisk::new(), message(b"arrived before"));
    let store =
        MaildirStore::builder("/store").disk(Arc::new(disk.clone())).min_free_space(1000).max_bytes(9000).open().await.unwrap();
    store.create_mailbox(&mailbox("2041")).await.unwrap();
    deposit(&store, &arrived).await.unwrap();
    let check = async |size| store.check(&mailbox("2041"), size).await;
    assert!(matches!(check(9001).await, Err(StoreError::TooBig { size: 9001, limit: 9000 })));
    for room in [FreeSpace { bytes: 1099, files: 1000 }, FreeSpace { bytes: u64::MAX, files: 3 }] {
        disk.set_free_space(room);
        assert!(matches!(check(100).await, Err(StoreError::NoSpace(_))), "{room:?}");
        assert!(matches!(deposit(&store, &message(b"too late")).await, Err(StoreError::NoSpace(_))), "{room:?}");
        assert_eq!(deposit(&store, &arrived).await.unwrap(), Deposit::Duplicate, "{room:?}");
    }
    disk.set_free_space(FreeSpace { bytes: 1100, files: 1000 });
    check(100).await.unwrap();
    let folders_read = FaultyDisk::new(Arc::new(disk));
    let store = MaildirStore::builder("/store").disk(Arc::new(folders_read.clone())).min_free_space(0).open().await.unwrap();
    // One look says whether the mailbox is there; without a limit of messages nobody counts them.
    folders_read.fail(InjectedFault::after(1, ErrorKind::Other).lasting().only(|operation| operation == Operation::List));
    store.check(&mailbox("2041"), 100).await.unwrap();
}

/// An ext4 of 8 GB has less than a million files free.
#[tokio::test]
async fn a_small_disk_is_seldom_asked_and_no_folder_listed() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), FaultyDisk::new(OsDisk));
    disk.pretend_free_space(FreeSpace::new(7 << 30, 500_000));
    let mailboxes: StaticDirectory =
        [(mailbox("2041"), Owner::new("kathmandu".parse().unwrap(), chrono_tz::Asia::Kathmandu))].into_iter().collect();
    let store = MaildirStore::builder(folder.path()).disk(Arc::new(disk.clone())).directory(mailboxes).open().await.unwrap();
    deposit(&store, &message(b"first")).await.unwrap();
    let asked = || disk.counts().get(&Operation::FreeSpace).copied().unwrap_or(0);
    let listed = || disk.counts().get(&Operation::List).copied().unwrap_or(0);
    let (asked_before, listed_before, began) = (asked(), listed(), std::time::Instant::now());
    for number in 0..200_u8 {
        store.check(&mailbox("2041"), 100).await.unwrap();
        deposit(&store, &message(&[number])).await.unwrap();
        store.summary(&mailbox("2041")).await.unwrap();
    }
    let half_a_trust = began.elapsed().as_micros() / 12_500;
    assert!(u128::from(asked() - asked_before) <= half_a_trust + 2, "{} times", asked() - asked_before);
    assert_eq!(listed() - listed_before, 0);
}

#[tokio::test]
async fn keeps_the_contract_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let restart = |store| async {
        drop(store);
        open(folder.path()).await
    };
    conformance::store::kept_over_a_restart(open(folder.path()).await, restart).await;
}

#[tokio::test(start_paused = true)]
async fn notices_external_changes_with_or_without_a_watcher() {
    let folder = tempfile::tempdir().unwrap();
    let (in_memory, on_disk) = (Arc::new(PowerCutDisk::new()) as Arc<dyn Disk>, Arc::new(OsDisk) as Arc<dyn Disk>);
    let disks = [(in_memory, Path::new("/store")), (on_disk, folder.path())];
    for (disk, path) in disks {
        let open = async || MaildirStore::builder(path).disk(Arc::clone(&disk)).min_free_space(0).open().await.unwrap();
        let (store, other) = (open().await, open().await);
        store.create_mailbox(&mailbox("2041")).await.unwrap();
        conformance::store::noticed(&store, &other, Duration::from_millis(10_100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_removed_before_the_first_look_has_changed() {
    let disk: Arc<dyn Disk> = Arc::new(PowerCutDisk::new());
    let store = MaildirStore::builder("/store").disk(Arc::clone(&disk)).min_free_space(0).open().await.unwrap();
    store.create_mailbox(&mailbox("2041")).await.unwrap();
    deposit(&store, &message(&[7; 100])).await.unwrap();
    store.summary(&mailbox("2041")).await.unwrap();
    disk.rename(Path::new("/store/mail/2041"), Path::new("/aside")).unwrap();
    let changed = tokio::time::timeout(Duration::from_secs(30), store.external_changes()).await;
    assert_eq!(changed.unwrap(), [mailbox("2041")]);
    assert!(matches!(store.summary(&mailbox("2041")).await, Err(StoreError::NoSuchMailbox(_))));
    // It comes back, is seen, and goes again.
    disk.rename(Path::new("/aside"), Path::new("/store/mail/2041")).unwrap();
    assert_eq!(store.summary(&mailbox("2041")).await.unwrap().new, 1);
    disk.rename(Path::new("/store/mail/2041"), Path::new("/aside")).unwrap();
    let changed = tokio::time::timeout(Duration::from_secs(30), store.external_changes()).await;
    assert_eq!(changed.unwrap(), [mailbox("2041")]);
}

#[tokio::test]
async fn a_deposit_survives_a_power_cut_at_any_moment() {
    let message = message(&[7; 10_000]);
    for unsynced in [Unsynced::Forgotten, Unsynced::NamesKept] {
        for operations in 0.. {
            let power = PowerCutDisk::new();
            let disk: Arc<dyn Disk> = Arc::new(power.clone());
            power.power_off_after(operations);
            let answer = open_and_deposit(&disk, &message).await;
            let was_cut = power.power_cut(unsynced);

            let at = format!("power cut after {operations} operations, {unsynced:?}, answer {answer:?}");
            let store = MaildirStore::builder("/store").disk(Arc::clone(&disk)).open().await.unwrap();
            if answer.is_ok() {
                assert_eq!(list(&store).await, [(message.id(), Status::New)], "{at}");
                assert_eq!(sound(&store, message.id()).await, *message.audio().bytes(), "{at}");
            }
            store.create_mailbox(&mailbox("2041")).await.unwrap();
            let (before, again) = (list(&store).await.len(), deposit(&store, &message).await.unwrap());
            assert_eq!(again == Deposit::Duplicate, before == 1, "{at}");
            assert_eq!(list(&store).await, [(message.id(), Status::New)], "{at}");
            assert_eq!(sound(&store, message.id()).await, *message.audio().bytes(), "{at}");
            drop(store);
            assert!(disk.list(Path::new("/store/staging")).unwrap().is_empty(), "{at}");

            power.power_cut(unsynced);
            let store = MaildirStore::builder("/store").disk(disk).open().await.unwrap();
            assert_eq!(
                sound(&store, message.id()).await,
                *message.audio().bytes(),
                "{at}, and once more after the second answer"
            );
            if !was_cut {
                assert!(answer.is_ok() && operations > 20, "{at}");
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn arrivals_are_remembered_until_they_are_settled() {
    let folder = tempfile::tempdir().unwrap();
    conformance::store::remembered(&open(folder.path()).await, async |wait| tokio::time::advance(wait).await).await;
    assert_eq!(fs::read_dir(folder.path().join("pending")).unwrap().count(), 1, "one is not settled");
}

#[tokio::test(start_paused = true)]
async fn an_arrival_in_work_is_held_for_longer() {
    let wait = async |wait| tokio::time::advance(wait).await;
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let store = open(folders[0].path()).await;
    conformance::store::extended(&store, &store, wait).await;
    conformance::store::extended(&open(folders[1].path()).await, &open(folders[1].path()).await, wait).await;
}

/// Opens the store on `disk`, which remembers its arrivals, and deposits.
async fn remember_and_deposit(disk: &Arc<dyn Disk>, message: &Message) -> Result<Deposit, StoreError> {
    let store = MaildirStore::builder("/store").disk(Arc::clone(disk)).open().await?;
    store.create_mailbox(&mailbox("2041")).await?;
    store.remember().await?;
    deposit(&store, message).await
}

#[tokio::test(start_paused = true)]
async fn an_arrival_is_pending_after_a_power_cut_at_any_moment() {
    let message = message(&[7; 10_000]);
    let arrival = PendingArrival::new(mailbox("2041"), message.id());
    for unsynced in [Unsynced::Forgotten, Unsynced::NamesKept] {
        for operations in 0.. {
            let power = PowerCutDisk::new();
            let disk: Arc<dyn Disk> = Arc::new(power.clone());
            power.power_off_after(operations);
            let answer = remember_and_deposit(&disk, &message).await;
            let was_cut = power.power_cut(unsynced);

            let at = format!("power cut after {operations} operations, {unsynced:?}, answer {answer:?}");
            let store = MaildirStore::builder("/store").disk(Arc::clone(&disk)).open().await.unwrap();
            store.create_mailbox(&mailbox("2041")).await.unwrap();
            store.remember().await.unwrap();
            let taken = store.take(9, Duration::from_secs(60)).await.unwrap();
            if answer.is_ok() {
                assert_eq!(taken, std::slice::from_ref(&arrival), "{at}: the message was answered for");
            } else {
                // Its sender tries again.
                let again = deposit(&store, &message).await.unwrap();
                tokio::time::advance(Duration::from_secs(61)).await;
                let later = store.take(9, Duration::from_secs(60)).await.unwrap();
                assert_eq!(later, std::slice::from_ref(&arrival), "{at}: {again:?}, {taken:?}");
            }
            store.settle(std::slice::from_ref(&arrival)).await.unwrap();
            assert_eq!(disk.list(Path::new("/store/pending")).unwrap(), [""; 0], "{at}");
            if !was_cut {
                assert!(answer.is_ok() && operations > 20, "{at}");
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn arrivals_of_a_process_that_died_are_taken_over_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (dead, other) = (open(folder.path()).await, open(folder.path()).await);
    dead.remember().await.unwrap();
    other.remember().await.unwrap();
    let message = message(b"sound");
    deposit(&dead, &message).await.unwrap();
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert_eq!(other.take(9, Duration::from_secs(60)).await.unwrap(), [], "the other process lives");
    drop(dead);
    let taken = other.take(9, Duration::from_secs(60)).await.unwrap();
    assert_eq!(taken, [PendingArrival::new(mailbox("2041"), message.id())]);
    let third = open(folder.path()).await;
    third.remember().await.unwrap();
    assert_eq!(third.take(9, Duration::from_secs(60)).await.unwrap(), [], "they belong to the second process now");
}

/// Opens the store on `disk`, and imports.
async fn open_and_import(disk: &Arc<dyn Disk>, imported: &ImportedMessage) -> Result<ImportOutcome, StoreError> {
    let store = MaildirStore::builder("/store").disk(Arc::clone(disk)).open().await?;
    store.create_mailbox(&mailbox("2041")).await?;
    store.import(&mailbox("2041"), imported).await
}

#[tokio::test]
async fn an_imported_message_survives_a_power_cut_at_any_moment() {
    for status in [Status::New, Status::Old, Status::Removed] {
        let message = message(&[7; 10_000]);
        let imported = ImportedMessage::from_origin(&Origin::Here, message.clone(), status);
        for (unsynced, operations) in
            [Unsynced::Forgotten, Unsynced::NamesKept].into_iter().flat_map(|unsynced| (0..70).map(move |n| (unsynced, n)))
        {
            let power = PowerCutDisk::new();
            let disk: Arc<dyn Disk> = Arc::new(power.clone());
            power.power_off_after(operations);
            let answer = open_and_import(&disk, &imported).await;
            power.power_cut(unsynced);

            let at = format!("power cut after {operations} operations, {unsynced:?}, {status:?}, answer {answer:?}");
            let store = MaildirStore::builder("/store").disk(Arc::clone(&disk)).open().await.unwrap();
            store.create_mailbox(&mailbox("2041")).await.unwrap();
            let before = list(&store).await;
            if answer.is_ok() {
                assert_eq!(before, [(message.id(), status)], "{at}");
            }
            // It is there whole with its status, or not at all; and the second call settles it.
            let again = store.import(&mailbox("2041"), &imported).await.unwrap();
            assert_eq!(again == ImportOutcome::Duplicate, before.len() == 1, "{at}");
            power.power_cut(unsynced);
            let store = MaildirStore::builder("/store").disk(Arc::clone(&disk)).open().await.unwrap();
            assert_eq!(list(&store).await, [(message.id(), status)], "{at}, and after the second answer");
            assert_eq!(sound(&store, message.id()).await, *message.audio().bytes(), "{at}");
            assert_eq!(deposit(&store, &message).await.unwrap(), Deposit::Duplicate, "{at}");
            drop(store);
            assert!(disk.list(Path::new("/store/staging")).unwrap().is_empty(), "{at}");
            assert!(operations < 69 || answer.is_ok(), "{at}: seventy operations are enough");
        }
    }
}

#[tokio::test]
async fn an_imported_key_survives_a_power_cut_at_any_moment() {
    let late = message(b"deleted in the other store");
    let deleted = ImportedMessage::deleted(DeduplicationKey::of_message(&Origin::Here, &late), recorded());
    for (unsynced, operations) in
        [Unsynced::Forgotten, Unsynced::NamesKept].into_iter().flat_map(|unsynced| (0..60).map(move |n| (unsynced, n)))
    {
        let power = PowerCutDisk::new();
        let disk: Arc<dyn Disk> = Arc::new(power.clone());
        power.power_off_after(operations);
        let answer = open_and_import(&disk, &deleted).await;
        power.power_cut(unsynced);
        let at = format!("power cut after {operations} operations, {unsynced:?}, answer {answer:?}");
        if answer.is_err() {
            let again = open_and_import(&disk, &deleted).await.unwrap();
            assert!(matches!(again, ImportOutcome::KeyStored | ImportOutcome::Duplicate), "{at}");
            power.power_cut(unsynced);
        }
        let store = MaildirStore::builder("/store").disk(Arc::clone(&disk)).open().await.unwrap();
        assert_eq!(deposit(&store, &late).await.unwrap(), Deposit::Duplicate, "{at}");
        assert!(list(&store).await.is_empty(), "{at}");
        assert!(operations < 59 || answer.is_ok(), "{at}: sixty operations are enough");
    }
}

#[tokio::test]
async fn an_import_fails_cleanly_at_every_fault_of_the_disk() {
    let message = message(&[7; 10_000]);
    let imported = ImportedMessage::from_origin(&Origin::Here, message.clone(), Status::Old);
    let mut met_all = false;
    for operations in 0..60 {
        let disk = FaultyDisk::new(PowerCutDisk::new());
        let store = MaildirStore::builder("/store").disk(Arc::new(disk.clone())).open().await.unwrap();
        store.create_mailbox(&mailbox("2041")).await.unwrap();
        disk.fail(InjectedFault::after(operations, ErrorKind::StorageFull));
        let answer = store.import(&mailbox("2041"), &imported).await;
        let met = disk.mend();
        assert!(answer.is_ok() || met > 0, "{operations}: {answer:?}");
        let again = store.import(&mailbox("2041"), &imported).await.unwrap();
        assert!(answer.is_err() || again == ImportOutcome::Duplicate, "{operations}: {again:?}");
        assert_eq!(list(&store).await, [(message.id(), Status::Old)], "{operations}: {answer:?}");
        met_all |= met == 0;
    }
    assert!(met_all, "sixty operations are enough");
}

#[tokio::test]
async fn an_imported_key_is_forgotten_when_its_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(recorded()));
    let builder = MaildirStore::builder(folder.path()).clock(Arc::clone(&clock));
    let store = builder.deduplication_window(Duration::from_secs(86_400)).open().await.unwrap();
    store.create_mailbox(&mailbox("2041")).await.unwrap();
    let key = |n| DeduplicationKey::from_bytes([n; 16]);
    for (n, days) in [(1, 0), (2, 2)] {
        let deleted = ImportedMessage::deleted(key(n), recorded() - TimeDelta::days(days));
        assert_eq!(store.import(&mailbox("2041"), &deleted).await.unwrap(), ImportOutcome::KeyStored);
    }
    assert_eq!(store.forget_old_arrivals(10).await.unwrap(), 1);
    assert_eq!(names(folder.path().join("arrivals/2041")), [key(1).to_string()]);
}

#[tokio::test]
async fn a_dying_process_leaves_the_whole_message_or_nothing() {
    let message = message(&[7; 10_000]);
    for operations in 0.. {
        let power = PowerCutDisk::new();
        let disk: Arc<dyn Disk> = Arc::new(power.clone());
        let dying = FaultyDisk::new(Arc::clone(&disk));
        dying.fail(InjectedFault::after(operations, ErrorKind::Other).lasting());
        let answer = open_and_deposit(&(Arc::new(dying.clone()) as Arc<dyn Disk>), &message).await;
        let died = dying.mend() > 0;

        let at = format!("died after {operations} operations, answer {answer:?}");
        let store = MaildirStore::builder("/store").disk(Arc::clone(&disk)).open().await.unwrap();
        store.create_mailbox(&mailbox("2041")).await.unwrap();
        let before = list(&store).await;
        for (id, _) in &before {
            assert_eq!(sound(&store, *id).await, *message.audio().bytes(), "{at}");
        }
        assert!(before.len() == 1 || answer.is_err(), "{at}");
        // An IMAP server may show a message to its owner that was not flushed, and not flush it either.
        for name in disk.list(Path::new("/store/mail/2041/new")).unwrap() {
            let (new, cur) = (format!("/store/mail/2041/new/{name}"), format!("/store/mail/2041/cur/{name}:2,S"));
            disk.rename(Path::new(&new), Path::new(&cur)).unwrap();
        }
        assert_eq!(deposit(&store, &message).await.unwrap() == Deposit::Duplicate, before.len() == 1, "{at}");
        assert_eq!(list(&store).await.len(), 1, "{at}");
        if before.is_empty() {
            store.mark(&mailbox("2041"), message.id(), Status::Old).await.unwrap();
        }
        drop(store);
        assert!(disk.list(Path::new("/store/staging")).unwrap().is_empty(), "{at}");

        // The second process answered, so it must have flushed also what the first one could not.
        power.power_cut(Unsynced::Forgotten);
        let store = MaildirStore::builder("/store").disk(disk).open().await.unwrap();
        let [(id, status)] = list(&store).await[..] else { panic!("{at}, and the power was cut after the second answer") };
        assert_eq!(sound(&store, id).await, *message.audio().bytes(), "{at}");
        assert!(status == Status::Old || !before.is_empty(), "{at}: a mark that was answered is lost");
        if !died {
            assert!(answer.is_ok(), "{at}");
            break;
        }
    }
}

#[tokio::test]
async fn a_full_disk_is_told_at_every_write_and_leaves_nothing_behind() {
    let message = message(&[7; 10_000]);
    for once in [false, true] {
        for operations in 0.. {
            let power: Arc<dyn Disk> = Arc::new(PowerCutDisk::new());
            let full = FaultyDisk::new(Arc::clone(&power));
            let store = MaildirStore::builder("/store").disk(Arc::new(full.clone())).open().await.unwrap();
            store.create_mailbox(&mailbox("2041")).await.unwrap();
            let fault = InjectedFault::after(operations, ErrorKind::StorageFull).only(Operation::needs_space);
            full.fail(if once { fault } else { fault.lasting() });
            let answer = deposit(&store, &message).await;
            let at = format!("full after {operations} operations, answer {answer:?}");
            if full.mend() == 0 {
                assert!(answer.is_ok() && operations > 5, "{at}");
                break;
            }
            assert!(matches!(answer, Err(StoreError::NoSpace(_))), "{at}");
            let delivered = !list(&store).await.is_empty();
            // Only the arrival, which comes last, can fail with the message in the mailbox. Then the record that it was to share may be staged.
            assert!(power.list(Path::new("/store/staging")).unwrap().len() <= usize::from(delivered), "{at}");
            assert_eq!(power.list(Path::new("/store/arrivals/2041")).unwrap(), ["lock"], "{at}");
            assert_eq!(deposit(&store, &message).await.unwrap() == Deposit::Duplicate, delivered, "{at}");
            assert_eq!(list(&store).await.len(), 1, "{at}");
        }
    }
}

#[tokio::test]
async fn a_disk_that_may_not_be_written_to_is_not_called_full() {
    for kind in [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem] {
        for operations in 0.. {
            let disk = FaultyDisk::new(Arc::new(PowerCutDisk::new()));
            let store = MaildirStore::builder("/store").disk(Arc::new(disk.clone())).open().await.unwrap();
            store.create_mailbox(&mailbox("2041")).await.unwrap();
            disk.fail(InjectedFault::after(operations, kind).only(Operation::needs_space).lasting());
            let answer = deposit(&store, &message(b"hello")).await;
            if disk.mend() == 0 {
                assert!(answer.is_ok() && operations > 5, "{answer:?}");
                break;
            }
            let Err(error @ StoreError::NotWritable(_)) = answer else { panic!("{answer:?} after {operations} operations") };
            assert!(error.is_transient());
            assert_eq!(error.to_string(), "the store may not be written to");
        }
    }
}

#[tokio::test]
async fn a_store_that_may_not_be_written_to_does_not_open() {
    let disk = FaultyDisk::new(Arc::new(PowerCutDisk::new()));
    let open = || MaildirStore::builder("/store").disk(Arc::new(disk.clone())).open();
    drop(open().await.unwrap());
    for kind in [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem] {
        // The tree is there: nothing of it has to be created.
        for folder in 0..3 {
            disk.fail(InjectedFault::after(1 + folder, kind).only(|operation| operation == Operation::Create).lasting());
            let Err(StoreError::NotWritable(source)) = open().await else { panic!("{kind:?} in folder {folder}") };
            let path = ["/store/mail", "/store/arrivals", "/store/staging"][usize::try_from(folder).unwrap()];
            assert!(source.to_string().starts_with(path), "{source}");
            assert!(disk.mend() > 0);
        }
    }
    // A full one may be read, and is written to when there is room again.
    disk.fail(InjectedFault::after(1, ErrorKind::StorageFull).only(|operation| operation == Operation::Create).lasting());
    let store = open().await.unwrap_or_else(|error| panic!("{error}"));
    disk.mend();
    store.create_mailbox(&mailbox("2041")).await.unwrap();
    deposit(&store, &message(b"hello")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_that_comes_later_is_watched_at_once() {
    let folder = tempfile::tempdir().unwrap();
    if OsDisk.watch(folder.path()).is_err() {
        eprintln!("skipped: the temporary folder is on a file system that is not watched");
        return;
    }
    let store = open(folder.path()).await;
    let named = async |number: &str| {
        let start = tokio::time::Instant::now();
        while !store.external_changes().await.contains(&mailbox(number)) {}
        start.elapsed()
    };
    let quiet = async || {
        let all = async {
            loop {
                store.external_changes().await;
            }
        };
        let _: Result<(), _> = tokio::time::timeout(Duration::from_secs(1), all).await;
    };
    quiet().await;
    let path = folder.path().join("mail/2050");
    // As a program does it that takes its time, so that one folder is there and the next is not.
    for part in ["", "tmp", "new", "cur"] {
        fs::create_dir(path.join(part)).unwrap();
        quiet().await;
    }
    for number in 0..3 {
        fs::write(path.join(format!("new/{number}.a.b")), "a mail").unwrap();
        let late = named("2050").await;
        assert!(late < Duration::from_secs(1), "{late:?}");
        quiet().await;
    }
    fs::rename(&path, folder.path().join("mail/away")).unwrap();
    let late = named("2050").await;
    assert!(late < Duration::from_secs(1), "{late:?}");
}

#[tokio::test]
async fn an_answered_mark_survives_and_no_mark_loses_a_message() {
    let message = message(b"marked");
    for (from, to) in [(Status::New, Status::Old), (Status::New, Status::Removed), (Status::Old, Status::New)] {
        for operations in 0.. {
            let power = PowerCutDisk::new();
            let disk: Arc<dyn Disk> = Arc::new(power.clone());
            open_and_deposit(&disk, &message).await.unwrap();
            let store = MaildirStore::builder("/store").disk(Arc::clone(&disk)).open().await.unwrap();
            store.mark(&mailbox("2041"), message.id(), from).await.unwrap();
            power.power_off_after(operations);
            let answer = store.mark(&mailbox("2041"), message.id(), to).await;
            let was_cut = power.power_cut(Unsynced::Forgotten);

            let at = format!("{from:?} to {to:?}, power cut after {operations} operations, answer {answer:?}");
            let store = MaildirStore::builder("/store").disk(disk).open().await.unwrap();
            let [(id, status)] = list(&store).await[..] else { panic!("{at}: {:?}", list(&store).await) };
            assert!(status == to || answer.is_err() && status == from, "{at}: {status:?}");
            assert_eq!(sound(&store, id).await, "marked", "{at}");
            for status in [Status::Old, Status::Removed] {
                store.mark(&mailbox("2041"), id, status).await.unwrap();
                assert_eq!(list(&store).await, [(id, status)], "{at}");
            }
            assert_eq!(store.expunge(&mailbox("2041")).await.unwrap(), 1, "{at}");
            assert_eq!(list(&store).await, [], "{at}");
            if !was_cut {
                break;
            }
        }
    }
}

#[tokio::test]
async fn what_was_expunged_does_not_come_back_after_a_power_cut() {
    let message = message(b"removed");
    for unsynced in [Unsynced::Forgotten, Unsynced::NamesKept] {
        for operations in 0.. {
            let power = PowerCutDisk::new();
            let disk: Arc<dyn Disk> = Arc::new(power.clone());
            open_and_deposit(&disk, &message).await.unwrap();
            let store = MaildirStore::builder("/store").disk(Arc::clone(&disk)).open().await.unwrap();
            store.mark(&mailbox("2041"), message.id(), Status::Removed).await.unwrap();
            power.power_off_after(operations);
            let answer = store.expunge(&mailbox("2041")).await;
            let was_cut = power.power_cut(unsynced);

            let at = format!("power cut after {operations} operations, {unsynced:?}, answer {answer:?}");
            let store = MaildirStore::builder("/store").disk(disk).open().await.unwrap();
            assert!(answer.is_err() || list(&store).await.is_empty(), "{at}");
            assert_eq!(deposit(&store, &message).await.unwrap(), Deposit::Duplicate, "{at}");
            assert!(list(&store).await.iter().all(|(_, status)| *status == Status::Removed), "{at}");
            if !was_cut {
                assert_eq!(answer.unwrap(), 1, "{at}");
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_that_deposit_the_same_messages_keep_each_once() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (open(folder.path()).await, open(folder.path()).await);
    let mut messages: Vec<_> = (0..50).map(|n| message(&[n; 2000])).collect();
    // Two that differ in nothing but their sound.
    messages.push(Message::new(messages[0].head().clone(), Audio::new(AudioType::Wav, &b"same id"[..])));
    let both = [&one, &two].into_iter().flat_map(|store| messages.iter().map(move |message| deposit(store, message)));
    let answers = join_all(both).await;
    let stored = answers.iter().filter(|answer| matches!(answer, Ok(Deposit::Stored(_)))).count();
    let duplicates = answers.iter().filter(|answer| matches!(answer, Ok(Deposit::Duplicate))).count();
    assert_eq!((stored, duplicates), (51, 51));
    let mut ids: Vec<_> = list(&one).await.into_iter().map(|(id, _)| id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 51);
    assert_eq!(list(&one).await, list(&two).await);
}

#[tokio::test]
async fn what_another_program_does_is_seen_at_the_next_call() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let message = urgent(b"seen by mail");
    deposit(&store, &message).await.unwrap();
    assert_eq!(summary(&store).await, "1/0 (1/0)");

    let (new, cur) = (folder.path().join("mail/2041/new"), folder.path().join("mail/2041/cur"));
    let base = names(new.clone()).remove(0);
    let flagged = |flags: &str| cur.join(format!("{base}:2,{flags}"));
    fs::rename(new.join(&base), flagged("")).unwrap();
    assert_eq!(list(&store).await, [(message.id(), Status::New)]);
    fs::rename(flagged(""), flagged("FSa")).unwrap();
    assert_eq!(list(&store).await, [(message.id(), Status::Old)]);
    assert_eq!(summary(&store).await, "0/1 (0/1)");
    store.mark(&mailbox("2041"), message.id(), Status::Removed).await.unwrap();
    assert_eq!(names(cur.clone()), [format!("{base}:2,FSTa")]);
    assert_eq!(summary(&store).await, "0/0 (0/0)");
    fs::remove_file(flagged("FSTa")).unwrap();
    assert_eq!(list(&store).await, []);
    assert!(matches!(store.retrieve(&mailbox("2041"), message.id()).await, Err(StoreError::NoSuchMessage(_))));
    assert_eq!(deposit(&store, &message).await.unwrap(), Deposit::Duplicate);
}

#[tokio::test]
async fn only_voice_mails_of_other_programs_are_messages() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let message = message(b"copied");
    deposit(&store, &message).await.unwrap();
    let new = folder.path().join("mail/2041/new");
    let base = names(new.clone()).remove(0);
    fs::copy(new.join(base), new.join("1795360430.M83834P6722.host,W=44595")).unwrap();
    fs::write(new.join("1795360431.M1P1.host"), "Subject: lunch?\r\nDate: Sun, 30 Mar 2025 01:59:40 +0100\r\n\r\nAt one?\r\n")
        .unwrap();
    fs::write(new.join(".hidden"), "").unwrap();

    assert_eq!(summary(&store).await, "2/0 (0/0)");
    let listed = list(&store).await;
    assert_eq!(listed.len(), 2);
    let (copy, _) = *listed.iter().find(|(id, _)| *id != message.id()).expect("the copy goes by another id than the first");
    assert_eq!(sound(&store, copy).await, "copied");
    store.mark(&mailbox("2041"), copy, Status::Removed).await.unwrap();
    assert_eq!(store.expunge(&mailbox("2041")).await.unwrap(), 1);
    assert_eq!(list(&store).await, [(message.id(), Status::New)]);
    assert_eq!(names(new).len(), 3);
}

#[tokio::test]
async fn a_message_is_a_private_mail_dated_at_its_recording() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let store = MaildirStore::builder(folder.path().join("store")).host("a/b:c").domain("example.com").open().await.unwrap();
    store.create_mailbox(&mailbox("2041")).await.unwrap();
    let (own, arrived) = (message(b"recorded here"), message(b"by mail"));
    deposit(&store, &own).await.unwrap();
    let mail = crate::wire::encode(
        &arrived,
        &crate::wire::Addresses::new("far.example", "example.com", &[mailbox("2041")]),
        crate::wire::TransferEncoding::Base64,
    );
    let mail = bytes::Bytes::from([b"Received: from far.example\r\n".to_vec(), mail.to_bytes().to_vec()].concat());
    deposit(&store, &arrived.arrived_as(mail.clone())).await.unwrap();

    let new = folder.path().join("store/mail/2041/new");
    assert_eq!(fs::metadata(&new).unwrap().permissions().mode() & 0o777, 0o700);
    let mut mails = Vec::new();
    for name in names(new.clone()) {
        let metadata = fs::metadata(new.join(&name)).unwrap();
        assert_eq!(metadata.modified().unwrap(), SystemTime::from(recorded()));
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        assert!(name.starts_with("1743296380.") && name.ends_with(".a\\057b\\072c"), "{name}");
        mails.push(fs::read(new.join(name)).unwrap());
    }
    assert!(mails.contains(&mail.to_vec()), "what arrived as a mail is kept as it arrived");
    assert!(mails.iter().any(|mail| String::from_utf8_lossy(mail).contains("2041@example.com")));
    assert!(fs::read_to_string(folder.path().join("store/README.txt")).unwrap().contains("Maildir"));
}

#[tokio::test]
async fn a_damaged_message_is_listed_and_said_to_be_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let message = urgent(b"to be damaged");
    deposit(&store, &message).await.unwrap();
    let new = folder.path().join("mail/2041/new");
    let name = names(new.clone()).remove(0);
    fs::write(new.join(name), "").unwrap();
    let entries = store.list(&mailbox("2041")).await.unwrap();
    assert_eq!((entries[0].head.id, entries[0].head.recorded_at.instant), (message.id(), recorded()));
    assert_eq!(summary(&store).await, "1/0 (1/0)");
    let damaged = store.retrieve(&mailbox("2041"), message.id()).await;
    assert!(matches!(damaged, Err(StoreError::Damaged { id, .. }) if id == message.id()));
}

#[tokio::test]
async fn limits_refuse_what_is_too_big_or_too_many() {
    let folder = tempfile::tempdir().unwrap();
    let store = MaildirStore::builder(folder.path()).max_messages(1).max_bytes(5000).open().await.unwrap();
    store.create_mailbox(&mailbox("2041")).await.unwrap();
    assert!(matches!(deposit(&store, &message(&[0; 5000])).await, Err(StoreError::TooBig { size: 5001.., limit: 5000 })));
    let (first, second) = (message(b"first"), message(b"second"));
    deposit(&store, &first).await.unwrap();
    assert!(matches!(deposit(&store, &second).await, Err(StoreError::MailboxFull(full)) if full == mailbox("2041")));
    assert_eq!(deposit(&store, &first).await.unwrap(), Deposit::Duplicate);
    let files = |name| names(folder.path().join(name)).len();
    assert_eq!((files("arrivals/2041"), files("staging")), (1, 1), "nothing of the others, and the record that arrivals share");
    store.mark(&mailbox("2041"), first.id(), Status::Removed).await.unwrap();
    assert_eq!(deposit(&store, &second).await.unwrap(), Deposit::Stored(second.id()));
}

#[tokio::test]
async fn a_directory_says_who_has_a_mailbox_and_each_gets_a_maildir() {
    let folder = tempfile::tempdir().unwrap();
    let owner = Owner::new("london".parse().unwrap(), chrono_tz::Europe::London);
    let directory: StaticDirectory = [(mailbox("2041"), owner)].into_iter().collect();
    let store = MaildirStore::builder(folder.path()).directory(Arc::new(directory)).open().await.unwrap();
    assert_eq!(summary(&store).await, "0/0 (0/0)");
    assert!(folder.path().join("mail/2041/tmp").is_dir());
    fs::remove_dir_all(folder.path().join("mail/2041")).unwrap();
    let message = message(b"to a mailbox that an operator took away");
    assert_eq!(deposit(&store, &message).await.unwrap(), Deposit::Stored(message.id()));
    fs::create_dir_all(folder.path().join("mail/2042/new")).unwrap();
    assert!(matches!(store.summary(&mailbox("2042")).await, Err(StoreError::NoSuchMailbox(_))));
}

#[tokio::test]
async fn old_arrivals_are_forgotten_in_bounded_steps() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(recorded()));
    let builder = MaildirStore::builder(folder.path()).deduplication_window(Duration::from_secs(86_400));
    let store = builder.clock(Arc::clone(&clock)).open().await.unwrap();
    let (mailboxes, messages) = ([mailbox("2041"), mailbox("2042")], [message(b"a"), message(b"b")]);
    for mailbox in &mailboxes {
        store.create_mailbox(mailbox).await.unwrap();
        for message in &messages {
            store.deposit(mailbox, &Origin::Here, message).await.unwrap();
            store.mark(mailbox, message.id(), Status::Removed).await.unwrap();
        }
        store.expunge(mailbox).await.unwrap();
    }
    let torn = folder.path().join("arrivals/2042").join("f".repeat(32));
    fs::write(&torn, "kep").unwrap();

    clock.advance(TimeDelta::days(1));
    assert_eq!(store.forget_old_arrivals(100).await.unwrap(), 0, "a day old is not older than a day");
    clock.advance(TimeDelta::hours(1));
    assert_eq!(store.forget_old_arrivals(100).await.unwrap(), 0, "arrivals of one hour are as old as the newest can be");
    clock.advance(TimeDelta::seconds(1));
    let mut steps = Vec::new();
    for _ in 0..3 {
        steps.push(store.forget_old_arrivals(2).await.unwrap());
    }
    assert_eq!(steps, [2, 2, 0]);
    assert!(torn.exists(), "an arrival of unknown age is as old as its discovery");
    clock.advance(TimeDelta::days(2));
    assert_eq!(store.forget_old_arrivals(100).await.unwrap(), 1);
    assert_eq!(deposit(&store, &messages[0]).await.unwrap(), Deposit::Stored(messages[0].id()));
}

/// The operating system's disk, on which another program moves each message from `new` to `cur` just before it is opened there.
#[derive(Debug)]
struct Meddling;

impl Disk for Meddling {
    fn open(&self, path: &Path) -> std::io::Result<Box<dyn DiskFile>> {
        if path.parent().is_some_and(|folder| folder.ends_with("new")) {
            let name = path.file_name().unwrap().to_str().unwrap();
            fs::rename(path, path.parent().unwrap().with_file_name("cur").join(format!("{name}:2,S")))?;
        }
        OsDisk.open(path)
    }
    fn create(&self, path: &Path) -> std::io::Result<Box<dyn DiskFile>> {
        OsDisk.create(path)
    }
    fn link(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        OsDisk.link(from, to)
    }
    fn rename(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        OsDisk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> std::io::Result<()> {
        OsDisk.remove(path)
    }
    fn create_dir(&self, path: &Path) -> std::io::Result<()> {
        OsDisk.create_dir(path)
    }
    fn sync_dir(&self, path: &Path) -> std::io::Result<()> {
        OsDisk.sync_dir(path)
    }
    fn list(&self, path: &Path) -> std::io::Result<Vec<String>> {
        OsDisk.list(path)
    }
    fn free_space(&self, path: &Path) -> std::io::Result<FreeSpace> {
        OsDisk.free_space(path)
    }
}

#[tokio::test]
async fn a_message_renamed_before_it_is_read_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = MaildirStore::builder(folder.path()).disk(Arc::new(Meddling)).open().await.unwrap();
    store.create_mailbox(&mailbox("2041")).await.unwrap();
    let (listed, retrieved) = (message(b"listed"), message(b"retrieved"));
    deposit(&store, &listed).await.unwrap();
    assert_eq!(list(&store).await.len(), 1);
    deposit(&store, &retrieved).await.unwrap();
    assert_eq!(sound(&store, retrieved.id()).await, "retrieved");
    assert_eq!(summary(&store).await, "0/2 (0/0)");
}

#[tokio::test]
async fn no_file_is_read_twice_for_lists_and_none_for_summaries() {
    let folder = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::new(Arc::new(OsDisk));
    let store = MaildirStore::builder(folder.path()).disk(Arc::new(disk.clone())).open().await.unwrap();
    store.create_mailbox(&mailbox("2041")).await.unwrap();
    deposit(&store, &urgent(b"read once")).await.unwrap();
    let no_opening = InjectedFault::after(0, ErrorKind::Other).lasting().only(|operation| operation == Operation::Open);
    disk.fail(no_opening);
    assert_eq!(summary(&store).await, "1/0 (1/0)");
    assert!(store.list(&mailbox("2041")).await.is_err());
    disk.mend();
    let first = list(&store).await;
    disk.fail(no_opening);
    assert_eq!(list(&store).await, first);
}

#[tokio::test]
async fn no_call_reads_a_folder_that_is_watched() {
    let power = PowerCutDisk::new();
    let disk = FaultyDisk::new(Arc::new(power.clone()));
    let store = MaildirStore::builder("/store").disk(Arc::new(disk.clone())).max_messages(1000).open().await.unwrap();
    store.create_mailbox(&mailbox("2041")).await.unwrap();
    deposit(&store, &message(b"before")).await.unwrap();
    // Each call looks once whether the mailbox is there.
    let listing = |calls| InjectedFault::after(calls, ErrorKind::Other).lasting().only(|operation| operation == Operation::List);
    disk.fail(listing(5 * 30));
    let first_page = Query::only([Status::New]).limit(10);
    for n in 0..30 {
        let message = message(&[n; 100]);
        store.check(&mailbox("2041"), 100).await.unwrap();
        deposit(&store, &message).await.unwrap();
        assert_eq!(summary(&store).await, format!("2/{n} (0/0)"));
        store.mark(&mailbox("2041"), message.id(), Status::Old).await.unwrap();
        assert_eq!(store.page(&mailbox("2041"), &first_page).await.unwrap().entries.len(), 1);
    }
    assert_eq!(disk.mend(), 0);
    assert_eq!(summary(&store).await, "1/30 (0/0)");
}

/// A program that shows, flags and moves what is in a Maildir, as fast as it can, but lets each message stay.
fn meddle(folder: &Path, schedule: usize) {
    let (new, cur) = (folder.join("new"), folder.join("cur"));
    for round in 0..schedule {
        for name in names(new.clone()) {
            let _ = fs::rename(new.join(&name), cur.join(format!("{name}:2,")));
        }
        for name in names(cur.clone()) {
            let base = name.split(':').next().unwrap();
            let _ = match round % 3 {
                0 => fs::rename(cur.join(&name), cur.join(format!("{base}:2,S"))),
                1 => fs::rename(cur.join(&name), cur.join(format!("{base}:2,FS"))),
                _ => fs::rename(cur.join(&name), new.join(base)),
            };
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_is_missed_while_another_program_renames() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let kept: Vec<_> = (0..20).map(|n| message(&[n; 100])).collect();
    for message in &kept {
        deposit(&store, message).await.unwrap();
    }
    let maildir = folder.path().join("mail/2041");
    let meddling = tokio::task::spawn_blocking(move || meddle(&maildir, 150));
    let mut deposited = 20;
    while !meddling.is_finished() {
        assert_eq!(list(&store).await.len(), deposited, "a message was not seen where it went");
        if deposited < 200 {
            deposit(&store, &message(format!("more {deposited}").as_bytes())).await.unwrap();
            deposited += 1;
        }
    }
    meddling.await.unwrap();
    let fresh = open(folder.path()).await;
    assert_eq!(list(&store).await, list(&fresh).await);
    assert_eq!(summary(&store).await, summary(&fresh).await);
    for message in kept {
        assert_eq!(deposit(&store, &message).await.unwrap(), Deposit::Duplicate);
    }
}

#[tokio::test]
async fn a_mailbox_under_two_names_is_seen_rightly_by_both() {
    let folder = tempfile::tempdir().unwrap();
    let store = MaildirStore::builder(folder.path()).open().await.unwrap();
    store.create_mailbox(&mailbox("2041")).await.unwrap();
    std::os::unix::fs::symlink(folder.path().join("mail/2041"), folder.path().join("mail/2042")).unwrap();
    for n in 1..=3_u8 {
        let sound = [n];
        deposit(&store, &message(&sound)).await.unwrap();
        for number in ["2041", "2042"] {
            assert_eq!(store.summary(&mailbox(number)).await.unwrap().new, u32::from(n), "{number}");
        }
    }
}

#[tokio::test]
async fn a_mailbox_folder_that_an_operator_replaces_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let (before, after) = (message(b"before"), message(b"after"));
    deposit(&store, &before).await.unwrap();
    let mail = folder.path().join("mail");
    fs::rename(mail.join("2041"), mail.join("away")).unwrap();
    fs::rename(mail.join("2042"), mail.join("2041")).unwrap();
    assert_eq!(list(&store).await, []);
    deposit(&store, &after).await.unwrap();
    assert_eq!(list(&store).await, [(after.id(), Status::New)]);
    fs::rename(mail.join("2041"), mail.join("2042")).unwrap();
    fs::rename(mail.join("away"), mail.join("2041")).unwrap();
    assert_eq!(list(&store).await, [(before.id(), Status::New)]);
}

#[tokio::test]
async fn mailboxes_that_are_forgotten_for_others_are_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    store.tree.mailboxes.lock().at_most = 4;
    let numbers: Vec<MailboxId> = (0..20).map(|number| mailbox(&number.to_string())).collect();
    for mailbox in &numbers {
        store.create_mailbox(mailbox).await.unwrap();
    }
    for round in 1..=3_u8 {
        for mailbox in &numbers {
            store.deposit(mailbox, &Origin::Here, &message(&[round])).await.unwrap();
            assert_eq!(store.summary(mailbox).await.unwrap().new, u32::from(round), "{mailbox}");
        }
    }
}

#[tokio::test]
async fn a_full_mailbox_takes_receipts() {
    let limits = [
        MailboxLimits { messages: Some(3), ..MailboxLimits::default() },
        MailboxLimits { bytes: Some(5000), ..MailboxLimits::default() },
    ];
    for limit in limits {
        let folder = tempfile::tempdir().unwrap();
        let store = MaildirStore::builder(folder.path()).holding(limit).open().await.unwrap();
        store.create_mailbox(&mailbox("2041")).await.unwrap();
        conformance::store::reported(&store).await;
    }
}

#[tokio::test]
async fn a_mailbox_is_full_by_messages_by_length_or_by_bytes() {
    let second = |n: u8| {
        let message = message(&[n; 2000]);
        Message::new(crate::message::Head { length: Duration::from_secs(1), ..message.head().clone() }, message.audio().clone())
    };
    let limits = [
        MailboxLimits { messages: Some(2), ..MailboxLimits::default() },
        MailboxLimits { length: Some(Duration::from_millis(1001)), ..MailboxLimits::default() },
        MailboxLimits { bytes: Some(5000), ..MailboxLimits::default() },
    ];
    for (limit, by_owner) in limits.into_iter().flat_map(|limit| [(limit, false), (limit, true)]) {
        let folder = tempfile::tempdir().unwrap();
        let mut owner = Owner::new("london".parse().unwrap(), chrono_tz::Europe::London);
        let mut builder = MaildirStore::builder(folder.path());
        if by_owner {
            owner.holding = limit;
        } else {
            builder = builder.holding(limit);
        }
        let directory: StaticDirectory = [(mailbox("2041"), owner)].into_iter().collect();
        let store = builder.directory(Arc::new(directory)).open().await.unwrap();
        let at = format!("{limit:?}, by owner: {by_owner}");
        let (first, third) = (second(1), second(3));
        for message in [&first, &second(2)] {
            store.check(&mailbox("2041"), 0).await.unwrap();
            assert!(matches!(deposit(&store, message).await, Ok(Deposit::Stored(_))), "{at}");
        }
        assert!(matches!(store.check(&mailbox("2041"), 0).await, Err(StoreError::MailboxFull(_))), "{at}");
        assert!(matches!(deposit(&store, &third).await, Err(StoreError::MailboxFull(_))), "{at}");
        store.mark(&mailbox("2041"), first.id(), Status::Removed).await.unwrap();
        store.check(&mailbox("2041"), 0).await.unwrap();
        assert!(matches!(deposit(&store, &third).await, Ok(Deposit::Stored(_))), "{at}");
    }
}

#[tokio::test]
async fn messages_stay_as_long_as_their_status_lets_them() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(recorded()));
    let day = Duration::from_secs(86_400);
    let retention = Retention { new: Some(30 * day), old: Some(7 * day), removed: Some(2 * day) };
    let builder = MaildirStore::builder(folder.path()).retention(retention).clock(Arc::clone(&clock));
    let store = builder.disk(Arc::new(PowerCutDisk::new())).open().await.unwrap();
    store.create_mailbox(&mailbox("2041")).await.unwrap();
    let (new, old, removed) = (message(b"new"), urgent(b"old"), message(b"removed"));
    for (message, status) in [(&new, Status::New), (&old, Status::Old), (&removed, Status::Removed)] {
        deposit(&store, message).await.unwrap();
        store.mark(&mailbox("2041"), message.id(), status).await.unwrap();
    }
    let expired = std::sync::Mutex::new(Vec::new());
    let standing = async |days| {
        clock.set(recorded() + TimeDelta::days(days) + TimeDelta::seconds(1));
        let done = store.housekeep().await.unwrap();
        store.housekeep().await.unwrap();
        expired.lock().unwrap().extend(done.expired);
        (done.mailboxes.len(), summary(&store).await, list(&store).await.len())
    };
    assert_eq!(standing(1).await, (0, "1/1 (0/1)".to_owned(), 3));
    assert_eq!(standing(2).await, (1, "1/1 (0/1)".to_owned(), 2), "what was removed is gone");
    assert_eq!(standing(6).await, (0, "1/1 (0/1)".to_owned(), 2));
    // On this disk a file changes when its message was recorded, so that what is removed now goes at the next step.
    assert_eq!(standing(7).await, (1, "1/0 (0/0)".to_owned(), 1));
    assert_eq!(standing(30).await, (1, "0/0 (0/0)".to_owned(), 0));
    assert_eq!(*expired.lock().unwrap(), [(mailbox("2041"), new.id())], "only what was never heard has expired");
    for message in [&new, &old, &removed] {
        assert_eq!(deposit(&store, message).await.unwrap(), Deposit::Duplicate, "what went by age does not come back");
    }
}

#[tokio::test]
async fn messages_stay_as_long_as_their_owner_wants() {
    let folder = tempfile::tempdir().unwrap();
    let open = async |owners| MaildirStore::builder(folder.path()).directory(owners).open().await.unwrap();
    conformance::store::retained(open).await;
}

#[tokio::test]
async fn retention_of_a_removed_message_starts_at_its_removal() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(SystemTime::now().into()));
    let retention = Retention { removed: Some(Duration::from_secs(3600)), ..Retention::default() };
    let builder = MaildirStore::builder(folder.path()).retention(retention).clock(Arc::clone(&clock));
    let store = builder.open().await.unwrap();
    store.create_mailbox(&mailbox("2041")).await.unwrap();
    let message = message(b"recorded long ago");
    deposit(&store, &message).await.unwrap();
    store.mark(&mailbox("2041"), message.id(), Status::Removed).await.unwrap();
    clock.advance(TimeDelta::minutes(59));
    store.housekeep().await.unwrap();
    assert_eq!(list(&store).await, [(message.id(), Status::Removed)]);
    clock.advance(TimeDelta::minutes(2));
    assert_eq!(store.housekeep().await.unwrap().mailboxes, [mailbox("2041")]);
    assert_eq!(list(&store).await, []);
}

#[tokio::test]
async fn a_step_of_housekeeping_is_bounded_and_the_next_one_goes_on() {
    let power: Arc<dyn Disk> = Arc::new(PowerCutDisk::new());
    let clock = Arc::new(ManualClock::at(recorded() + TimeDelta::days(1)));
    let retention = Retention { old: Some(Duration::from_secs(60)), ..Retention::default() };
    let store = MaildirStore::builder("/store").disk(power).retention(retention).clock(clock).open().await.unwrap();
    for number in ["1", "2", "3"] {
        store.create_mailbox(&mailbox(number)).await.unwrap();
        for n in 0..5 {
            let message = message(&[n]);
            store.deposit(&mailbox(number), &Origin::Here, &message).await.unwrap();
            store.mark(&mailbox(number), message.id(), Status::Old).await.unwrap();
        }
    }
    let old = async || {
        let mut old = 0;
        for number in ["1", "2", "3"] {
            old += store.summary(&mailbox(number)).await.unwrap().old;
        }
        old
    };
    let mut left = vec![old().await];
    while left.last().is_some_and(|left| *left > 0) {
        store.retain(4).await.unwrap();
        left.push(old().await);
        assert!(left.len() < 20, "{left:?}");
    }
    assert!(left.windows(2).all(|pair| pair[0] - pair[1] <= 4), "{left:?}");
}
