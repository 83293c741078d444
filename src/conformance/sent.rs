//! Tests the contract of [`SentStore`], as far as it can be seen from outside.
//!
//! Every function takes a new store without messages.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::message::{DeliveryFailure, Disposition, MailboxId, MessageId};
use crate::sent::{SentCopy, SentMessage, SentState, SentStore};

/// Runs every test of this module, each on a new store from `make`.
///
/// # Panics
///
/// When a sentence of the contract is broken; the panic names it.
pub async fn run_all<S: SentStore, F: Future<Output = S>>(make: impl Fn() -> F) {
    apart(&make().await).await;
    found(&make().await).await;
    forward(&make().await).await;
    at_once(&make().await).await;
    bounded(&make().await).await;
    listed(&make().await).await;
}

/// **Apart.** Each owner sees the own messages, the newest first, and no others.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn apart(store: &impl SentStore) {
    let (anna, ben) = (mailbox("2041"), mailbox("sales.berlin"));
    let (one, two) = (message(1, 0, SentState::Delivered), message(2, 60, SentState::Sending));
    for message in [&one, &two] {
        store.record(&anna, message).await.expect("apart: a message was not kept");
    }
    assert_eq!(list(store, &anna, 60).await, [two, one], "apart: the newest is first");
    assert_eq!(list(store, &ben, 60).await, [], "apart: another owner sees them");
}

/// **Found.** A copy with another id than its message is found by this id, and none is found that is not kept.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn found(store: &impl SentStore) {
    let (owner, copy) = (mailbox("2041"), SentCopy::new(mailbox("8617"), MessageId::from_bytes([7; 16]), SentState::Sending));
    let (mut sent, other) = (message(1, 0, SentState::Delivered), message(2, 60, SentState::Delivered));
    let find = async || store.find(copy.id).await.expect("found: the copies could not be searched");
    assert_eq!(find().await, None, "found: a copy that nobody has recorded");
    for message in [&sent, &other] {
        store.record(&owner, message).await.expect("found: a message was not kept");
    }
    sent.copies.push(copy.clone());
    store.record(&owner, &sent).await.expect("found: a copy was not kept");
    assert_eq!(find().await, Some((owner, sent)), "found: another message, or none");
}

/// **Forward.** States go forward only; the first end counts; a message that is not kept is not settled.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn forward(store: &impl SentStore) {
    let (owner, to) = (mailbox("2041"), mailbox(ADDRESSEE));
    let sent = message(1, 0, SentState::Sending);
    let state = async || list(store, &owner, 9).await.first().map(|message| message.copies[0].state);
    let settle = async |disposition, second| {
        let settled = store.settle(&owner, &to, sent.id, disposition, at(second)).await;
        settled.expect("forward: an end was not recorded");
    };
    settle(Disposition::Played, 1).await;
    assert_eq!(state().await, None, "forward: a message that nobody has recorded");
    store.record(&owner, &sent).await.expect("forward: a message was not kept");
    settle(Disposition::NotDelivered(DeliveryFailure::NotReached), 1).await;
    assert_eq!(
        state().await,
        Some(SentState::NotDelivered),
        "forward: a failure is no end, because the message may be sent again"
    );
    for (recorded, expected) in [
        (SentState::Delivered, SentState::Delivered),
        (SentState::NotDelivered, SentState::Delivered),
        (SentState::Returned, SentState::Returned),
        (SentState::Delivered, SentState::Returned),
    ] {
        store.record(&owner, &message(1, 0, recorded)).await.expect("forward: a state was not kept");
        assert_eq!(state().await, Some(expected), "forward: {recorded:?} was recorded, and another state is kept");
    }
    settle(Disposition::Played, 2).await;
    settle(Disposition::RemovedUnheard, 3).await;
    store.record(&owner, &message(1, 0, SentState::Delivered)).await.expect("forward: a state was not kept");
    let heard = SentState::Ended { disposition: Disposition::Played, at: at(2) };
    assert_eq!(state().await, Some(heard), "forward: the first end was undone");
    assert_eq!(list(store, &owner, 9).await.len(), 1, "forward: the message is there twice");
    let member = mailbox("2044");
    let settled = store.settle(&owner, &member, sent.id, Disposition::Played, at(4)).await;
    settled.expect("forward: an end was not recorded");
    let copies = list(store, &owner, 9).await.remove(0).copies;
    let mailboxes: Vec<MailboxId> = copies.into_iter().map(|copy| copy.mailbox).collect();
    assert_eq!(mailboxes, [to, member], "forward: a member of a group that has heard the message is not added");
}

/// **Forward.** Of two calls at once for two mailboxes of one message, none undoes the other.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn at_once(store: &impl SentStore) {
    let owner = mailbox("2041");
    let mut sent = message(1, 0, SentState::Delivered);
    sent.copies.push(SentCopy::new(mailbox("2043"), sent.id, SentState::Delivered));
    store.record(&owner, &sent).await.expect("forward: a message was not kept");
    let settle = |copy: &SentCopy| {
        let (mailbox, id, owner) = (copy.mailbox.clone(), copy.id, owner.clone());
        async move { store.settle(&owner, &mailbox, id, Disposition::Played, at(5)).await }
    };
    let (one, other) = futures::future::join(settle(&sent.copies[0]), settle(&sent.copies[1])).await;
    assert!(one.is_ok() && other.is_ok(), "forward: two ends at once were not recorded");
    let states = list(store, &owner, 9).await.remove(0).copies;
    assert!(states.iter().all(|copy| matches!(copy.state, SentState::Ended { .. })), "forward: one call undid the other");
}

/// **Bounded.** The newest 500 messages are kept, and none for more than 90 days.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn bounded(store: &impl SentStore) {
    let owner = mailbox("2041");
    for n in 0..=u16::try_from(SentMessage::MAX_KEPT).unwrap_or(u16::MAX) {
        let sent = message(n, n.into(), SentState::Delivered);
        store.record(&owner, &sent).await.expect("bounded: a message was not kept");
    }
    let kept = list(store, &owner, 600).await;
    assert_eq!(kept.len(), SentMessage::MAX_KEPT, "bounded: another number of messages is kept");
    assert!(kept.iter().all(|message| message.sent_at > at(0)), "bounded: it is not the oldest that is left out");
    store.record(&owner, &message(2_000, -1, SentState::Delivered)).await.expect("bounded: a message was not taken");
    assert_eq!(list(store, &owner, 600).await, kept, "bounded: a message that is older than 500 others is kept");
    let days = i64::from(SentMessage::MAX_DAYS) * 24 * 60 * 60;
    assert_eq!(list(store, &owner, days + 500).await.len(), 1, "bounded: messages are kept for more than 90 days");
    let late = message(1_000, days + 1_000, SentState::Delivered);
    store.record(&owner, &late).await.expect("bounded: a message was not kept");
    assert_eq!(list(store, &owner, days + 1_000).await, [late], "bounded: messages are kept for more than 90 days");
}

/// **Listed.** Each owner who has messages is listed once, in order, page by page.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn listed(store: &impl SentStore) {
    let page = async |after: Option<&MailboxId>, limit| store.owners(after, limit).await.expect("listed: they cannot be read");
    assert_eq!(page(None, 9).await, [], "listed: an owner has messages that nobody recorded");
    let mut owners = ["2042", "2041", "sales.berlin", "20411", "reception"].map(mailbox);
    for owner in &owners {
        for n in 0..2 {
            let sent = message(n, n.into(), SentState::Delivered);
            store.record(owner, &sent).await.expect("listed: a message was not kept");
        }
    }
    owners.sort();
    assert_eq!(page(None, 9).await, owners, "listed: other owners, or another order");
    assert_eq!(page(None, 2).await, owners[..2], "listed: the first page");
    assert_eq!(page(Some(&owners[1]), 2).await, owners[2..4], "listed: the second page");
    assert_eq!(page(Some(&owners[3]), 2).await, owners[4..], "listed: the last page");
}

async fn list(store: &impl SentStore, owner: &MailboxId, second: i64) -> Vec<SentMessage> {
    store.list(owner, at(second)).await.expect("the messages were not listed")
}

fn message(n: u16, second: i64, state: SentState) -> SentMessage {
    let mut bytes = [0; 16];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    let id = MessageId::from_bytes(bytes);
    SentMessage::new(id, at(second), Duration::from_secs(3), vec![SentCopy::new(mailbox(ADDRESSEE), id, state)])
}

/// So many seconds after the beginning of the test.
fn at(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(second)
}

fn mailbox(name: &str) -> MailboxId {
    name.parse().expect("this is the id of a mailbox")
}

const ADDRESSEE: &str = "2042";
