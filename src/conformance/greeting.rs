//! Tests the contract of [`GreetingStore`], as far as it can be seen from outside.
//!
//! Every function takes a new store without greetings.

use chrono::{DateTime, Utc};

use crate::greeting::{Greeting, GreetingEntry, GreetingId, GreetingKind, GreetingStore, GreetingVersion, KeepOutcome};
use crate::message::{Audio, AudioType};

/// Runs every test of this module, each on a new store from `make`.
///
/// # Panics
///
/// When a sentence of the contract is broken; the panic names it.
pub async fn run_all<S: GreetingStore, F: Future<Output = S>>(make: impl Fn() -> F) {
    the_newest(&make().await).await;
    whole(&make().await).await;
    listed(&make().await).await;
}

/// **The newest.** An older edition never replaces a newer one, in whatever order they come. A removal is an edition, too.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn the_newest(store: &impl GreetingStore) {
    let id = id("2041", GreetingKind::Normal);
    let edition = |second, text: Option<&str>| Greeting::new(id.clone(), version(second), text.map(sound));
    let one_of_two = [Some("a"), Some("b")].map(|text| edition(4, text));
    let greater = one_of_two.iter().max_by_key(|greeting| greeting.edition()).expect("there are two").clone();
    let steps = [
        (edition(2, Some("two")), KeepOutcome::Kept),
        (edition(1, Some("one")), KeepOutcome::HasNewer),
        (edition(2, Some("two")), KeepOutcome::HasNewer),
        (edition(3, None), KeepOutcome::Kept),
        (edition(2, Some("two")), KeepOutcome::HasNewer),
        (edition(4, None), KeepOutcome::Kept),
        (greater.clone(), KeepOutcome::Kept),
        (one_of_two[0].clone(), KeepOutcome::HasNewer),
        (one_of_two[1].clone(), KeepOutcome::HasNewer),
        (edition(4, None), KeepOutcome::HasNewer),
    ];
    let mut newest = None;
    for (greeting, expected) in steps {
        let kept = store.put(greeting.clone()).await;
        assert!(matches!(kept, Ok(kept) if kept == expected), "the newest: {greeting:?} was answered {kept:?}");
        newest = newest.max(Some(greeting.edition()));
        let read = store.read(&id).await.expect("the newest: it cannot be read");
        assert_eq!(read.map(|greeting| greeting.edition()), newest, "the newest: another edition is read");
    }
}

/// **Whole.** A sound is read back as it was put, with its end.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn whole(store: &impl GreetingStore) {
    let normal = id("2041", GreetingKind::Normal);
    assert_eq!(read(store, "whole", &normal).await, None, "whole: there is a greeting that nobody put");
    let long: Vec<u8> = (0..300_000_u32).map(|byte| u8::try_from(byte % 251).expect("below 251")).collect();
    let long = Greeting::new(normal.clone(), version(1), Some(Audio::new(AudioType::Wav, long)));
    let temporary = Greeting::new(id("2041", GreetingKind::Temporary), version(1), Some(sound("away"))).with_until(moment(500));
    let removed = Greeting::new(id("2042", GreetingKind::Name), version(1), None);
    for greeting in [long, temporary, removed] {
        put(store, "whole", &greeting).await;
        assert_eq!(read(store, "whole", greeting.id()).await, Some(greeting), "whole: it was not read back as it was put");
    }
}

/// **Listed.** The lists name exactly the editions that `read` returns, removals too.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn listed(store: &impl GreetingStore) {
    let mut all = Vec::new();
    for number in ["2041", "2042"] {
        let mailbox = number.parse().expect("a mailbox number");
        let mut expected = Vec::new();
        for (second, kind) in (0..).zip(GreetingKind::ALL) {
            let text = (kind != GreetingKind::Busy).then_some("hello");
            let greeting = Greeting::new(id(number, kind), version(second), text.map(sound));
            let greeting = if kind == GreetingKind::Temporary { greeting.with_until(moment(500)) } else { greeting };
            put(store, "listed", &greeting).await;
            expected.push(GreetingEntry::new(greeting.id().clone(), greeting.edition(), greeting.until()));
        }
        let list = store.list(&mailbox).await.expect("listed: the greetings of a mailbox cannot be listed");
        assert_eq!(sorted(list), sorted(expected.clone()), "listed: the list of {number}");
        all.extend(expected);
    }
    let list = store.list_all().await.expect("listed: the greetings cannot be listed");
    assert_eq!(sorted(list), sorted(all), "listed: the list of all");
    let none = store.list(&"2043".parse().expect("a mailbox number")).await;
    assert!(matches!(&none, Ok(list) if list.is_empty()), "listed: a mailbox without greetings has {none:?}");
}

async fn put(store: &impl GreetingStore, sentence: &str, greeting: &Greeting) {
    let kept = store.put(greeting.clone()).await;
    assert!(matches!(kept, Ok(KeepOutcome::Kept)), "{sentence}: {greeting:?} was answered {kept:?}");
}

async fn read(store: &impl GreetingStore, sentence: &str, id: &GreetingId) -> Option<Greeting> {
    let read = store.read(id).await;
    assert!(read.is_ok(), "{sentence}: {id} cannot be read: {read:?}");
    read.ok().flatten()
}

fn sorted(mut list: Vec<GreetingEntry>) -> Vec<GreetingEntry> {
    list.sort_by(|one, other| one.id.cmp(&other.id));
    list
}

fn id(mailbox: &str, kind: GreetingKind) -> GreetingId {
    GreetingId::new(mailbox.parse().expect("a mailbox number"), kind)
}

fn version(second: i64) -> GreetingVersion {
    GreetingVersion::next(None, moment(second))
}

fn moment(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_752_484_000 + second, 0).expect("a moment of 2025")
}

fn sound(text: &str) -> Audio {
    Audio::new(AudioType::Wav, text.as_bytes().to_vec())
}
