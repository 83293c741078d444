//! Whether arrivals are remembered.

use std::time::Duration;

use super::steps::{mailbox, message, stored};
use crate::message::{MessageId, Origin, Status};
use crate::store::{MessageStore, PendingArrival, PendingArrivals};

/// **Remembered, held, taken, settled.** The contract of [`PendingArrivals`]. `wait` lets time pass for the store.
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
    let gone: MessageId = taken[1].id;
    store.mark(&mailbox, gone, Status::Removed).await.expect("the message is removed");
    store.expunge(&mailbox).await.expect("the message is deleted");
    wait(HOLD).await;
    assert_eq!(take(pending).await, taken[2..], "settled: what is settled or deleted was taken again, or the rest was not");
}

async fn take(pending: &dyn PendingArrivals) -> Vec<PendingArrival> {
    pending.take(100, HOLD).await.expect("taken: arrivals can be taken")
}

const HOLD: Duration = Duration::from_secs(600);
