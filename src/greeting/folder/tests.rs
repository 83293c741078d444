use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::*;
use crate::disk::{FaultyDisk, InjectedFault, PowerCutDisk, Unsynced};
use crate::greeting::{GreetingStoreExt, GreetingVersion, Greetings};
use crate::message::AudioType;

fn id(mailbox: &str, kind: GreetingKind) -> GreetingId {
    GreetingId::new(mailbox.parse().unwrap(), kind)
}

fn sound(text: &str) -> Audio {
    Audio::new(AudioType::Wav, text.as_bytes().to_vec())
}

fn now() -> DateTime<Utc> {
    "2025-07-14T09:05:12Z".parse().unwrap()
}

/// An edition of the normal greeting of 2041: of the `age`th second, with a sound or removed.
fn edition(age: i64, text: Option<&str>) -> Greeting {
    let version = GreetingVersion::next(None, now() + TimeDelta::seconds(age));
    Greeting::new(id("2041", GreetingKind::Normal), version, text.map(sound))
}

async fn greetings(disk: &(impl Disk + Clone)) -> GreetingFolder {
    GreetingFolder::open(disk.clone(), "/spool/greetings").await.unwrap()
}

async fn said(greetings: &GreetingFolder, id: &GreetingId) -> Option<String> {
    let greeting = greetings.read(id).await.unwrap()?;
    greeting.sound().map(|sound| String::from_utf8(sound.bytes().to_vec()).unwrap())
}

async fn editions(greetings: &GreetingFolder) -> Vec<(GreetingId, Edition)> {
    greetings.list_all().await.unwrap().into_iter().map(|entry| (entry.id, entry.edition)).collect()
}

fn names(disk: &PowerCutDisk) -> Vec<String> {
    let mut names = disk.list("/spool/greetings".as_ref()).unwrap();
    names.sort();
    names
}

#[tokio::test]
async fn the_newest_of_each_greeting_survives_restarts() {
    let disk = PowerCutDisk::new();
    let (normal, busy) = (id("2041", GreetingKind::Normal), id("2041", GreetingKind::Busy));
    let first = greetings(&disk).await;
    assert_eq!(first.read(&normal).await.unwrap(), None);
    let one = first.record(normal.clone(), Some(sound("one")), None, now()).await.unwrap();
    let busy_one = first.record(busy.clone(), Some(sound("busy")), None, now()).await.unwrap();
    // The clock has gone back.
    let two = first.record(normal.clone(), Some(sound("two")), None, now() - TimeDelta::days(400)).await.unwrap();
    assert!(two > one);
    for greetings in [first, greetings(&disk).await] {
        assert_eq!(said(&greetings, &normal).await.as_deref(), Some("two"));
        assert_eq!(said(&greetings, &busy).await.as_deref(), Some("busy"));
        assert_eq!(editions(&greetings).await, [(normal.clone(), two), (busy.clone(), busy_one)]);
        assert_eq!(
            greetings.recorded(&normal.mailbox, now()).await.unwrap(),
            [GreetingKind::Normal, GreetingKind::Busy].into_iter().collect()
        );
        assert_eq!(greetings.recorded(&"2042".parse().unwrap(), now()).await.unwrap(), Greetings::default());
    }
    assert_eq!(names(&disk).len(), 2, "old editions are gone");
}

#[tokio::test]
async fn a_removal_is_an_edition_and_removing_again_changes_nothing() {
    let disk = PowerCutDisk::new();
    let normal = id("2041", GreetingKind::Normal);
    let first = greetings(&disk).await;
    first.record(normal.clone(), Some(sound("one")), None, now()).await.unwrap();
    let removed = first.record(normal.clone(), None, None, now()).await.unwrap();
    assert_eq!(first.record(normal.clone(), None, None, now()).await.unwrap(), removed);
    for greetings in [first, greetings(&disk).await] {
        let greeting = greetings.read(&normal).await.unwrap().unwrap();
        assert_eq!((greeting.sound(), greeting.edition()), (None, removed));
        assert_eq!(greetings.recorded(&normal.mailbox, now()).await.unwrap(), Greetings::default());
        assert_eq!(greetings.put(edition(-5, Some("older"))).await.unwrap(), KeepOutcome::HasNewer, "it does not come back");
    }
    assert_eq!(names(&disk).len(), 1);
}

#[tokio::test]
async fn a_greeting_ends_by_the_clock_and_is_then_removed_once() {
    let disk = PowerCutDisk::new();
    let temporary = id("2041", GreetingKind::Temporary);
    let (until, before) = (now() + TimeDelta::days(7), now() + TimeDelta::days(7) - TimeDelta::milliseconds(1));
    let open = greetings(&disk).await;
    let recorded = open.record(temporary.clone(), Some(sound("away")), Some(until), now()).await.unwrap();
    for open in [&open, &greetings(&disk).await] {
        assert!(open.recorded(&temporary.mailbox, before).await.unwrap().temporary);
        assert!(!open.recorded(&temporary.mailbox, until).await.unwrap().temporary);
        let greeting = open.read(&temporary).await.unwrap().unwrap();
        assert_eq!(
            (greeting.until(), greeting.sound_at(before), greeting.sound_at(until)),
            (Some(until), greeting.sound(), None)
        );
        let kept = open.list_all().await.unwrap();
        assert_eq!(kept, [GreetingEntry::new(temporary.clone(), recorded, Some(until))]);
        assert_eq!(open.remove_ended(&kept[0], before).await.unwrap(), None);
    }
    let ended = GreetingEntry::new(temporary.clone(), recorded, Some(until));
    let removed = open.remove_ended(&ended, until).await.unwrap();
    assert!(removed > Some(recorded));
    assert_eq!(open.remove_ended(&ended, until).await.unwrap(), None);
    assert_eq!((names(&disk).len(), editions(&open).await), (1, vec![(temporary.clone(), removed.unwrap())]));
    open.record(temporary.clone(), Some(sound("here again")), None, until).await.unwrap();
    assert_eq!(said(&greetings(&disk).await, &temporary).await.as_deref(), Some("here again"), "without an end");
    assert_eq!(open.remove_ended(&ended, until).await.unwrap(), None, "the owner has recorded another one since");
}

proptest! {
    #[test]
    fn whatever_the_order_of_arrival_the_newest_edition_is_kept(
        ages in prop::collection::vec((0..4_i64, prop::option::of("[ab]")), 1..7),
        order in any::<prop::sample::Index>(),
        restart in any::<prop::sample::Index>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let kept_of = |mut editions: Vec<Greeting>| runtime.block_on(async {
            let disk = PowerCutDisk::new();
            let mut open = greetings(&disk).await;
            let restart = restart.index(editions.len());
            editions.rotate_left(order.index(ages.len()));
            for (place, edition) in editions.iter().enumerate() {
                let before = open.edition(edition.id()).await.unwrap();
                let put = open.put(edition.clone()).await.unwrap();
                assert_eq!(put == KeepOutcome::Kept, before.is_none_or(|before| before < edition.edition()));
                if place == restart {
                    open = greetings(&disk).await;
                }
            }
            open.read(&id("2041", GreetingKind::Normal)).await.unwrap().unwrap()
        });
        let editions: Vec<_> = ages.iter().map(|(age, text)| edition(*age, text.as_deref())).collect();
        let newest = editions.iter().max_by_key(|greeting| greeting.edition()).unwrap().clone();
        let backwards = editions.iter().rev().cloned().collect();
        prop_assert_eq!(kept_of(editions), newest.clone());
        prop_assert_eq!(kept_of(backwards), newest);
    }
}

/// The power goes after every single operation of a second recording: the first or the second is there, whole, and never less than was
/// answered for.
#[tokio::test]
async fn a_power_cut_after_any_step_leaves_the_old_or_new_greeting() {
    let normal = id("2041", GreetingKind::Normal);
    for unsynced in [Unsynced::Forgotten, Unsynced::NamesKept] {
        for operations in 0.. {
            let disk = PowerCutDisk::new();
            let before = greetings(&disk).await;
            let one = before.record(normal.clone(), Some(sound("one")), None, now()).await.unwrap();
            disk.power_off_after(operations);
            let answer = before.record(normal.clone(), Some(sound("two")), None, now()).await;
            let was_cut = disk.power_cut(unsynced);
            let after = greetings(&disk).await;
            let at = format!("after {operations} operations, {unsynced:?}, answer {answer:?}");
            let text = said(&after, &normal).await;
            assert!(matches!(text.as_deref(), Some("one" | "two")), "{at}: {text:?}");
            assert!(answer.is_err() || text.as_deref() == Some("two"), "{at}: {text:?}");
            assert!(after.edition(&normal).await.unwrap() >= Some(one), "{at}");
            assert_eq!(names(&disk).len(), 1, "{at}: {:?}", names(&disk));
            // The same holds after another cut.
            disk.power_cut(Unsynced::Forgotten);
            assert_eq!(said(&greetings(&disk).await, &normal).await, text, "{at}");
            if !was_cut {
                assert!(operations > 5 && answer.is_ok(), "{at}: every step was cut once");
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_failing_disk_leaves_the_old_greeting_and_takes_the_next() {
    let normal = id("2041", GreetingKind::Normal);
    let mut failed = 0;
    for operations in 0..12 {
        let disk = Arc::new(FaultyDisk::new(Arc::new(PowerCutDisk::new())));
        let open = GreetingFolder::open(Arc::clone(&disk) as Arc<dyn Disk>, "/spool/greetings").await.unwrap();
        open.record(normal.clone(), Some(sound("one")), None, now()).await.unwrap();
        disk.fail(InjectedFault::after(operations, io::ErrorKind::StorageFull));
        if let Err(error) = open.record(normal.clone(), Some(sound("two")), None, now()).await {
            failed += 1;
            assert!(error.is_transient(), "{error:?}");
            assert_eq!(said(&open, &normal).await.as_deref(), Some("one"), "{operations}");
        }
        disk.mend();
        open.record(normal.clone(), Some(sound("three")), None, now()).await.unwrap();
        assert_eq!(said(&open, &normal).await.as_deref(), Some("three"), "{operations}");
    }
    assert!(failed >= 5, "{failed} of its steps failed");
}

#[tokio::test]
async fn a_sound_that_was_damaged_on_disk_is_put_aside_and_never_said() {
    let disk = PowerCutDisk::new();
    let normal = id("2041", GreetingKind::Normal);
    let open = greetings(&disk).await;
    open.record(normal.clone(), Some(sound("one")), None, now()).await.unwrap();
    let path = Path::new("/spool/greetings").join(&names(&disk)[0]);
    disk.open(&path).unwrap().write_all_at(b"x", 1).unwrap();
    assert!(matches!(open.read(&normal).await, Err(GreetingStoreError::Damaged(damaged)) if damaged == normal));
    assert_eq!(open.read(&normal).await.unwrap(), None);
    assert!(names(&disk)[0].ends_with(".wav.damaged"), "{:?}", names(&disk));
    assert_eq!(greetings(&disk).await.read(&normal).await.unwrap(), None);
    assert_eq!(open.put(edition(0, Some("again"))).await.unwrap(), KeepOutcome::Kept);
}

#[tokio::test]
async fn files_of_others_are_left_alone() {
    let disk = PowerCutDisk::new();
    drop(greetings(&disk).await);
    disk.create("/spool/greetings/notes.txt".as_ref()).unwrap();
    disk.create("/spool/greetings/2041-normal.wav.new".as_ref()).unwrap();
    assert_eq!(editions(&greetings(&disk).await).await, []);
    assert_eq!(names(&disk), ["notes.txt"]);
}

#[tokio::test]
async fn the_folder_keeps_the_contract() {
    crate::conformance::greeting::run_all(|| async { greetings(&PowerCutDisk::new()).await }).await;
}
