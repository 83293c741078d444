//! Whether arrivals are remembered.

use std::time::Duration;

use super::steps::{mailbox, message, stored};
use crate::message::{MessageId, Origin, Status};
use crate::store::{MessageStore, PendingArrival, PendingArrivals};

/// **Remembered, held, taken, added, settled.** The contract of [`PendingArrivals`]. `wait` lets time pass for the store.
///
/// # Panics
///
/// When a sentence is broken; the panic names it.
pub async fn remembered(store: &impl MessageStore, wait: impl AsyncFn(Duration)) {
    let pending = store.pending_arrivals().expect("remembered: the store has a memory of arrivals");
    let mailbox = mailbox("2041");
    stored(store, "2041", &Origin::Here, &message(b"before", 1).build()).await;
    pending.remember().await.expect("remembered: the store begins to remember");
    let mut ids = Vec::new();
    for age in 2..=4 {
        ids.push(stored(store, "2041", &Origin::Here, &message(b"sound", age).build()).await);
    }
    assert_eq!(take(pending).await, [], "held: an arrival was taken while it was held for its own node");
    wait(HOLD).await;
    let mut taken = take(pending).await;
    taken.sort();
    ids.sort();
    let expected: Vec<PendingArrival> = ids.iter().map(|id| PendingArrival::new(mailbox.clone(), *id)).collect();
    assert_eq!(taken, expected, "taken: each deposit since remember, and no other");
    assert_eq!(take(pending).await, [], "held: an arrival was taken twice");
    pending.settle(&taken[..1]).await.expect("settled: an arrival is settled");
    pending.settle(&taken[..1]).await.expect("settled: the same again is no error");
    pending.add(&taken[..1]).await.expect("added: an arrival is added");
    pending.add(&taken[..1]).await.expect("added: the same again is no error");
    wait(HOLD / 10).await;
    assert_eq!(take(pending).await, taken[..1], "added: an arrival that was added is taken");
    pending.settle(&taken[..1]).await.expect("settled: an arrival that was added is settled");
    let gone: MessageId = taken[1].id;
    store.mark(&mailbox, gone, Status::Removed).await.expect("the message is removed");
    store.expunge(&mailbox).await.expect("the message is deleted");
    wait(HOLD).await;
    assert_eq!(take(pending).await, taken[2..], "settled: what is settled or deleted was taken again, or the rest was not");
}

/// **Extended.** An arrival whose hold was extended is taken by nobody until that is over, and then by one node. `store` and `other` are two nodes' stores with
/// the same mailboxes, or one that is given twice; `wait` lets time pass for both.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn extended(store: &impl MessageStore, other: &impl MessageStore, wait: impl AsyncFn(Duration)) {
    let memory = |store: &'_ dyn MessageStore| store.pending_arrivals().is_some();
    assert!(memory(store) && memory(other), "Extended: the stores have a memory of arrivals");
    let (Some(own), Some(others)) = (store.pending_arrivals(), other.pending_arrivals()) else { return };
    for pending in [own, others] {
        pending.remember().await.expect("Extended: the store begins to remember");
    }
    for age in 1..=3 {
        stored(store, "2041", &Origin::Here, &message(b"sound", age).build()).await;
    }
    wait(HOLD).await;
    let mut taken = take(own).await;
    taken.sort();
    let [in_work, settled, left] = &taken[..] else { panic!("Extended: three arrivals can be taken, not {taken:?}") };
    let (in_work, both) = (std::slice::from_ref(in_work), [in_work.clone(), settled.clone()]);
    own.extend(&both, 4 * HOLD).await.expect("Extended: a hold is extended");
    own.extend(&both, HOLD).await.expect("Extended: a hold that is longer already is no error");
    own.extend(&[], HOLD).await.expect("Extended: no hold at all is no error");
    own.settle(&both[1..]).await.expect("Extended: an arrival is settled");
    own.extend(&both[1..], HOLD).await.expect("Extended: a settled arrival is no error");
    for step in ["first", "second"] {
        wait(HOLD + HOLD / 4).await;
        let taken = [take(others).await, take(own).await].concat();
        // A store may answer the arrival to the node that has let the hold run out.
        let free = if step == "first" { vec![left.clone()] } else { Vec::new() };
        assert_eq!(taken, free, "Extended: at the {step} look, an arrival in work was taken, or one that is free was not");
        own.settle(std::slice::from_ref(left)).await.expect("Extended: an arrival is settled");
        others.settle(std::slice::from_ref(left)).await.expect("Extended: an arrival is settled");
    }
    wait(2 * HOLD).await;
    assert_eq!([take(others).await, take(own).await].concat(), in_work, "Extended: when the hold is over, one node takes it");
}

async fn take(pending: &dyn PendingArrivals) -> Vec<PendingArrival> {
    pending.take(100, HOLD).await.expect("taken: arrivals can be taken")
}

const HOLD: Duration = Duration::from_secs(600);
