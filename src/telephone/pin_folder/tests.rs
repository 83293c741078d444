use std::path::Path;

use chrono::TimeDelta;
use proptest::prelude::*;

use super::super::MemoryPins;
use super::*;
use crate::disk::{FaultyDisk, InjectedFault, Operation, OsDisk, PowerCutDisk, Unsynced};

const FOLDER: &str = "/pins";

fn now() -> DateTime<Utc> {
    "2026-11-22T18:00:00Z".parse().unwrap()
}

fn mailbox(number: &str) -> MailboxId {
    number.parse().unwrap()
}

fn caller() -> CallerNumber {
    "442079460112".parse().unwrap()
}

/// A hash of one round, so that the tests are fast.
fn quick(pin: &str) -> PinHash {
    PinHash::in_rounds(&pin.parse().unwrap(), 1)
}

async fn open(disk: &(impl Disk + Clone)) -> PinFolder {
    PinFolder::open(disk.clone(), FOLDER).await.unwrap()
}

/// A disk on which 2041 has the PIN 480913.
async fn with_pin() -> PowerCutDisk {
    let disk = PowerCutDisk::new();
    open(&disk).await.set(mailbox("2041"), quick("480913")).await.unwrap();
    disk
}

async fn check(pins: &PinFolder, entered: &str, now: DateTime<Utc>) -> PinVerdict {
    pins.check(&mailbox("2041"), Some(&caller()), entered, now).await
}

fn names(disk: &impl Disk) -> Vec<String> {
    let mut names = disk.list(FOLDER.as_ref()).unwrap();
    names.sort();
    names
}

#[tokio::test]
async fn pins_and_lockouts_of_mailboxes_and_callers_survive_restarts() {
    let disk = with_pin().await;
    assert_eq!(open(&disk).await.check(&mailbox("2042"), None, "2042", now()).await, PinVerdict::NoPin, "there is no default");
    open(&disk).await.set(mailbox("2042"), quick("719305")).await.unwrap();
    for _ in 0..5 {
        assert_eq!(check(&open(&disk).await, "0000", now()).await, PinVerdict::Wrong);
    }
    let wait = std::time::Duration::from_secs(15 * 60);
    let pins = open(&disk).await;
    assert_eq!(check(&pins, "480913", now()).await, PinVerdict::Locked(wait));
    let by_another = |mailbox: MailboxId, entered: &'static str, now| {
        let pins = pins.clone();
        async move { pins.check(&mailbox, None, entered, now).await }
    };
    assert_eq!(by_another(mailbox("2041"), "480913", now()).await, PinVerdict::Locked(wait), "the mailbox, for everybody");
    let elsewhere = pins.check(&mailbox("2042"), Some(&caller()), "719305", now()).await;
    assert_eq!(elsewhere, PinVerdict::Locked(wait), "the telephone, everywhere");
    assert_eq!(by_another(mailbox("2042"), "719305", now()).await, PinVerdict::Right, "and nobody else");

    pins.set(mailbox("2041"), quick("553201")).await.unwrap();
    assert_eq!(check(&pins, "553201", now()).await, PinVerdict::Locked(wait), "a new PIN forgives nothing");
    assert_eq!(check(&open(&disk).await, "553201", now() + wait).await, PinVerdict::Right);
    for _ in 0..4 {
        assert_eq!(by_another(mailbox("2041"), "0000", now() + wait).await, PinVerdict::Wrong, "a right PIN clears the count");
    }
    assert_eq!(check(&pins, "480913", now() + wait).await, PinVerdict::Wrong, "the old PIN");
}

proptest! {
    #[test]
    fn a_restarted_folder_answers_as_memory_pins_never_restarted(
        tries in prop::collection::vec((0..3_usize, 0..3_usize, any::<bool>(), -9..40_i64, any::<bool>()), 1..40)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (disk, in_memory, mut now) = (with_pin().await, MemoryPins::default(), now());
            let mut pins = open(&disk).await;
            pins.set(mailbox("2042"), quick("480913")).await.unwrap();
            for number in ["2041", "2042"] {
                in_memory.set(mailbox(number), quick("480913"));
            }
            for (number, by, is_right, minutes, restart) in tries {
                now += TimeDelta::minutes(minutes);
                if restart {
                    disk.power_cut(Unsynced::NamesKept);
                    pins = open(&disk).await;
                }
                let mailbox = mailbox(["2041", "2042", "2043"][number]);
                let by: Option<CallerNumber> = [None, Some("7001"), Some("7002")][by].map(|number| number.parse().unwrap());
                let entered = if is_right { "480913" } else { "0000" };
                let verdict = pins.check(&mailbox, by.as_ref(), entered, now).await;
                assert_eq!(verdict, in_memory.check(&mailbox, by.as_ref(), entered, now));
            }
        });
    }
}

/// The power is cut after so many operations of each attempt, again and again; that gains no verdicts.
#[tokio::test]
async fn a_power_cut_after_any_step_of_a_try_gives_nobody_one_more() {
    for unsynced in [Unsynced::Forgotten, Unsynced::NamesKept] {
        for operations in 0.. {
            let disk = with_pin().await;
            let (mut verdicts, mut cuts) = (0, 0);
            for _ in 0..12 {
                let pins = open(&disk).await;
                disk.power_off_after(operations);
                verdicts += u32::from(check(&pins, "0000", now()).await == PinVerdict::Wrong);
                cuts += u32::from(disk.power_cut(unsynced));
            }
            let at = format!("after {operations} operations, {unsynced:?}");
            assert!(verdicts <= 5, "{at}: {verdicts} verdicts");
            let much_later = now() + TimeDelta::hours(2);
            assert_eq!(check(&open(&disk).await, "480913", much_later).await, PinVerdict::Right, "{at}: every file can be read");
            if cuts == 0 {
                assert!(operations > 12 && verdicts == 5, "{at}: every step was cut once");
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_pin_set_after_an_open_that_died_survives_a_power_cut() {
    for operations in 0.. {
        let disk = PowerCutDisk::new();
        let faulty = FaultyDisk::new(Arc::new(disk.clone()));
        faulty.fail(InjectedFault::after(operations, io::ErrorKind::Other).lasting());
        let opened = PinFolder::open(faulty, FOLDER).await;
        open(&disk).await.set(mailbox("2041"), quick("480913")).await.unwrap();
        disk.power_cut(Unsynced::Forgotten);
        assert_eq!(check(&open(&disk).await, "480913", now()).await, PinVerdict::Right, "after {operations} operations");
        if opened.is_ok() {
            assert!(operations > 3, "{operations}");
            break;
        }
    }
}

/// A power cut may lose the clearing of the count, and nothing else.
#[tokio::test]
async fn a_power_cut_in_a_right_try_leaves_the_count_or_clears_it() {
    for unsynced in [Unsynced::Forgotten, Unsynced::NamesKept] {
        for operations in 0.. {
            let disk = with_pin().await;
            let pins = open(&disk).await;
            for _ in 0..3 {
                assert_eq!(check(&pins, "0000", now()).await, PinVerdict::Wrong);
            }
            disk.power_off_after(operations);
            let verdict = check(&pins, "480913", now()).await;
            let was_cut = disk.power_cut(unsynced);
            let at = format!("after {operations} operations, {unsynced:?}, verdict {verdict:?}");
            assert!(matches!(verdict, PinVerdict::Right | PinVerdict::Unavailable), "{at}");
            // The fourth is counted or not; with the fifth, it is right or the last one.
            let pins = open(&disk).await;
            assert_eq!(check(&pins, "480913", now()).await, PinVerdict::Right, "{at}");
            assert_eq!(pins.check(&mailbox("2041"), None, "480913", now()).await, PinVerdict::Right, "{at}");
            if !was_cut {
                assert!(operations > 18 && verdict == PinVerdict::Right, "{at}: every step was cut once");
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_power_cut_in_a_change_leaves_the_old_pin_or_the_new_one() {
    for unsynced in [Unsynced::Forgotten, Unsynced::NamesKept] {
        for operations in 0.. {
            let disk = with_pin().await;
            let pins = open(&disk).await;
            assert_eq!(check(&pins, "0000", now()).await, PinVerdict::Wrong);
            disk.power_off_after(operations);
            let set = pins.set(mailbox("2041"), quick("719305")).await;
            let was_cut = disk.power_cut(unsynced);
            let at = format!("after {operations} operations, {unsynced:?}, answer {set:?}");
            let pins = open(&disk).await;
            let opening = [check(&pins, "719305", now()).await, check(&pins, "480913", now()).await];
            match opening {
                [PinVerdict::Right, PinVerdict::Wrong] => {}
                [PinVerdict::Wrong, PinVerdict::Right] => assert!(set.is_err(), "{at}"),
                other => panic!("{at}: {other:?}"),
            }
            if !was_cut {
                assert!(operations > 6 && set.is_ok(), "{at}: every step was cut once");
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_try_that_the_disk_does_not_count_is_not_looked_at() {
    let (mut refused, mut met) = (0, 1);
    for operations in 0.. {
        let disk = FaultyDisk::new(Arc::new(with_pin().await));
        let pins = open(&disk).await;
        disk.fail(InjectedFault::after(operations, io::ErrorKind::StorageFull));
        let verdict = check(&pins, "480913", now()).await;
        assert!(matches!(verdict, PinVerdict::Right | PinVerdict::Unavailable), "{operations}: {verdict:?}");
        refused += u32::from(verdict == PinVerdict::Unavailable);
        met = disk.mend();
        assert_eq!(check(&pins, "480913", now()).await, PinVerdict::Right, "{operations}: it is as if nothing had been");
        if met == 0 {
            break;
        }
    }
    assert!(refused > 10 && met == 0, "{refused} of its steps failed");

    // A disk that stays full admits nobody, and ends no lockout.
    let disk = FaultyDisk::new(Arc::new(with_pin().await));
    let pins = open(&disk).await;
    disk.fail(InjectedFault::after(0, io::ErrorKind::StorageFull).lasting().only(Operation::needs_space));
    for entered in ["0000", "480913", "0000", "0000", "0000", "0000", "480913"] {
        assert_eq!(check(&pins, entered, now()).await, PinVerdict::Unavailable);
    }
    assert!(disk.mend() >= 7);
    for _ in 0..5 {
        assert_eq!(check(&pins, "0000", now()).await, PinVerdict::Wrong);
    }
    disk.fail(InjectedFault::after(0, io::ErrorKind::StorageFull).lasting().only(Operation::needs_space));
    assert!(matches!(check(&pins, "480913", now()).await, PinVerdict::Locked(_)), "to be locked out takes no write");
    assert_eq!(disk.mend(), 0);
}

#[tokio::test]
async fn a_change_that_the_disk_does_not_keep_leaves_the_old_pin() {
    let mut failed = 0;
    for operations in 0.. {
        let disk = FaultyDisk::new(Arc::new(with_pin().await));
        let pins = open(&disk).await;
        disk.fail(InjectedFault::after(operations, io::ErrorKind::StorageFull));
        let set = pins.set(mailbox("2041"), quick("719305")).await;
        let met = disk.mend();
        let opens = if let Err(error) = set {
            failed += 1;
            assert!(error.is_transient(), "{error:?}");
            "480913"
        } else {
            "719305"
        };
        assert_eq!(check(&pins, opens, now()).await, PinVerdict::Right, "{operations}");
        if met == 0 {
            break;
        }
    }
    assert!(failed > 8, "{failed} of its steps failed");

    // A first PIN that is not kept opens nothing.
    let disk = FaultyDisk::new(Arc::new(PowerCutDisk::new()));
    let pins = open(&disk).await;
    disk.fail(InjectedFault::after(0, io::ErrorKind::StorageFull).only(|operation| operation == Operation::SyncDir));
    assert!(pins.set(mailbox("2041"), quick("480913")).await.is_err());
    assert_eq!(check(&pins, "480913", now()).await, PinVerdict::NoPin);
}

#[tokio::test]
async fn an_initial_pin_opens_until_its_owner_sets_another() {
    let disk = with_pin().await;
    assert_eq!(check(&open(&disk).await, "0000", now()).await, PinVerdict::Wrong);
    open(&disk).await.set_initial(mailbox("2041"), quick("553201")).await.unwrap();
    for _ in 0..2 {
        let pins = open(&disk).await;
        assert_eq!(check(&pins, "553201", now()).await, PinVerdict::Initial, "also after a restart, and after a right one");
    }
    let pins: Box<dyn PinStore> = Box::new(open(&disk).await);
    pins.set(&mailbox("2041"), &"719305".parse().unwrap()).await.unwrap();
    assert_eq!(check(&open(&disk).await, "553201", now()).await, PinVerdict::Wrong);
    assert_eq!(check(&open(&disk).await, "719305", now()).await, PinVerdict::Right);

    let faulty = FaultyDisk::new(Arc::new(disk.clone()));
    let pins = open(&faulty).await;
    faulty.fail(InjectedFault::after(0, io::ErrorKind::StorageFull).lasting());
    let set = PinStore::set(&pins, &mailbox("2041"), &"480913".parse().unwrap()).await;
    assert!(crate::error_chain(&set.unwrap_err()).contains("stays in force: the PINs in /pins"));
}

#[tokio::test]
async fn a_damaged_file_admits_nobody_until_an_operator_removes_it() {
    let disk = with_pin().await;
    let pins = open(&disk).await;
    for _ in 0..5 {
        assert_eq!(check(&pins, "0000", now()).await, PinVerdict::Wrong);
    }
    for name in names(&disk).into_iter().filter(|name| name != LOCK) {
        let path = Path::new(FOLDER).join(&name);
        let whole = disk::read(&disk, &path).unwrap();
        let cut_off = (0..whole.len()).map(|len| whole[..len].to_vec());
        for damaged in cut_off.chain([vec![0; whole.len()], vec![b'\n'; 2], vec![b'7'; 100_000], vec![0xff; 8]]) {
            write(&disk, &path, &damaged);
            assert_eq!(check(&pins, "480913", now()).await, PinVerdict::Unavailable, "{name}: {damaged:?}");
            assert_eq!(disk::read(&disk, &path).unwrap(), damaged, "it is left as it is");
        }
        write(&disk, &path, &whole);
        assert!(matches!(check(&pins, "480913", now()).await, PinVerdict::Locked(_)));
    }
    let path = Path::new(FOLDER).join("2041.pin");
    write(&disk, &path, b"?");
    let set = pins.set(mailbox("2041"), quick("480913")).await;
    assert!(matches!(&set, Err(PinError::Damaged { file }) if *file == path), "{set:?}");
    assert!(!set.unwrap_err().is_transient());
    disk.remove(&path).unwrap();
    pins.set(mailbox("2041"), quick("480913")).await.unwrap();
    assert_eq!(pins.check(&mailbox("2041"), None, "480913", now()).await, PinVerdict::Right);
}

fn write(disk: &PowerCutDisk, path: &Path, bytes: &[u8]) {
    let file = disk.open(path).unwrap();
    file.set_len(0).unwrap();
    file.write_all_at(bytes, 0).unwrap();
}

#[tokio::test]
async fn a_clock_years_back_locks_15_minutes_across_restarts() {
    let disk = with_pin().await;
    for _ in 0..5 {
        assert_eq!(check(&open(&disk).await, "0000", now()).await, PinVerdict::Wrong);
    }
    let back = now() - TimeDelta::days(4000);
    assert!(matches!(check(&open(&disk).await, "480913", back).await, PinVerdict::Locked(_)));
    assert!(matches!(check(&open(&disk).await, "480913", back + TimeDelta::minutes(14)).await, PinVerdict::Locked(_)));
    assert!(
        matches!(check(&open(&disk).await, "480913", now() + TimeDelta::minutes(1)).await, PinVerdict::Locked(_)),
        "set right"
    );
    assert_eq!(check(&open(&disk).await, "480913", back + TimeDelta::minutes(15)).await, PinVerdict::Right);
}

#[tokio::test]
async fn concurrent_calls_and_programs_get_no_more_tries() {
    let root = tempfile::tempdir().unwrap();
    let one = PinFolder::open(OsDisk, root.path().join("a/pins")).await.unwrap();
    let other = PinFolder::open(OsDisk, root.path().join("a/pins")).await.unwrap();
    one.set(mailbox("2041"), quick("480913")).await.unwrap();
    let calls = (0..32).map(|call| {
        let pins = if call % 2 == 0 { one.clone() } else { other.clone() };
        tokio::spawn(async move { pins.check(&mailbox("2041"), None, "0000", now()).await })
    });
    let mut wrong = 0;
    for call in calls.collect::<Vec<_>>() {
        wrong += u32::from(call.await.unwrap() == PinVerdict::Wrong);
    }
    assert_eq!(wrong, 5);
}

#[tokio::test]
async fn files_of_telephones_that_are_forgiven_go() {
    let disk = with_pin().await;
    let pins = open(&disk).await;
    let files = || names(&disk).iter().filter(|name| name.ends_with(CALLER)).count();
    let tried_by = |number: u32, now| {
        let (pins, number) = (pins.clone(), number.to_string().parse::<CallerNumber>().unwrap());
        async move { pins.check(&mailbox("2041"), Some(&number), "0000", now).await }
    };
    for number in 0..ATTEMPTS_PER_CLEANUP {
        let now = now() + TimeDelta::minutes(15) * i32::try_from(number).unwrap();
        assert_eq!(tried_by(number, now).await, PinVerdict::Wrong);
    }
    assert_eq!(files(), usize::try_from(ATTEMPTS_PER_CLEANUP).unwrap());
    let now = now() + TimeDelta::days(100);
    for number in [1, 2] {
        tried_by(number, now).await;
    }
    assert_eq!(files(), 2, "those that are not forgiven");
}

#[tokio::test]
async fn no_file_name_and_no_debug_shows_a_pin_or_a_caller() {
    let disk = with_pin().await;
    let pins = open(&disk).await;
    assert_eq!(check(&pins, "480914", now()).await, PinVerdict::Wrong);
    let files = names(&disk);
    assert_eq!(files.len(), 3, "{files:?}");
    let mut all = format!("{pins:?} {files:?}");
    for name in &files {
        all += &String::from_utf8(disk::read(&disk, &Path::new(FOLDER).join(name)).unwrap()).unwrap();
    }
    assert!(!["48091", "2079460112"].iter().any(|secret| all.contains(secret)), "{all}");
}
