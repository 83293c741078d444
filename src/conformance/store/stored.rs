//! The sentences about the messages that a store has: Counted, Versioned, Paged, Restored, and those of its methods.

use super::steps::{
    counted_from_list, expunge, ids, is_no_such_message, list, mailbox, mark, message, page, retrieve, state, status_of, stored,
    summary,
};
use crate::message::{MessageId, Origin, Status, Summary, Urgency};
use crate::store::{Deposit, MailboxState, MessageStore, Order, Query, StoreError};

/// **Counted.** `summary` counts exactly what `list` shows as new and as old, and so does `state`.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn counted(store: &impl MessageStore) {
    assert_eq!(summary(store).await, Summary::default(), "Counted: an empty mailbox");
    let mut deposited = Vec::new();
    for n in 0..6 {
        let urgency = if n % 2 == 0 { Urgency::Urgent } else { Urgency::Normal };
        let message = message(&[n; 10], i64::from(n)).urgency(urgency).build();
        deposited.push(stored(store, "2041", &Origin::Here, &message).await);
        assert_eq!(summary(store).await, counted_from_list(store).await, "Counted: summary and list differ");
        assert_eq!(state(store).await.summary, summary(store).await, "Counted: state and summary differ");
    }
    assert_eq!(summary(store).await, Summary { new: 6, old: 0, urgent_new: 3, urgent_old: 0 }, "Counted: six new, three urgent");
    for status in [Status::Old, Status::Removed, Status::New, Status::Removed, Status::Old] {
        for id in deposited.iter().skip(1) {
            mark(store, *id, status).await;
            assert_eq!(summary(store).await, counted_from_list(store).await, "Counted: summary and list differ");
        }
    }
    assert_eq!(summary(store).await, Summary { new: 1, old: 5, urgent_new: 1, urgent_old: 2 }, "Counted: one new, five old");
}

/// **Versioned.** The version that `state` answers grows with each change of the mailbox and never goes back; two states with one version are
/// the same. Passes for a store that answers no versions.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn versioned(store: &impl MessageStore) {
    let mut last = state(store).await;
    if last.version.is_none() {
        return;
    }
    let mut grown = async |what: &str| {
        let next = state(store).await;
        assert!(
            next.version > last.version,
            "Versioned: after a message was {what}, {:?} follows {:?}",
            next.version,
            last.version
        );
        last = next;
    };
    let message = message(b"versioned", 0).build();
    let id = stored(store, "2041", &Origin::Here, &message).await;
    grown("deposited").await;
    for status in [Status::Old, Status::New, Status::Removed, Status::Old, Status::Removed] {
        mark(store, id, status).await;
        grown("marked").await;
    }
    expunge(store).await;
    grown("expunged").await;
    let again = store.deposit(&mailbox("2041"), &Origin::Here, &message).await;
    assert!(matches!(again, Ok(Deposit::Duplicate)), "Once: the same message again");
    let (one, other) = (state(store).await, state(store).await);
    assert!(one.version >= last.version && other.version >= one.version, "Versioned: a version went back");
    assert!(state_of(store, "2042").await.version.is_some(), "Versioned: for all mailboxes or for none");
}

async fn state_of(store: &impl MessageStore, number: &str) -> MailboxState {
    let state = store.state(&mailbox(number)).await;
    state.unwrap_or_else(|error| panic!("state: mailbox {number} was not counted: {error:?}"))
}

/// **Paged.** The pages of a query, one after the other, are what `list` shows, filtered and in the order that was asked for.
/// Each page says how many messages there are on all of them.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn paged(store: &impl MessageStore) {
    for n in 0..9_u8 {
        let urgency = if n % 4 == 0 { Urgency::Urgent } else { Urgency::Normal };
        // Three in each second.
        let message = message(&[n; 10], i64::from(n / 3)).urgency(urgency).build();
        let id = stored(store, "2041", &Origin::Here, &message).await;
        mark(store, id, [Status::New, Status::Old, Status::Removed, Status::New][usize::from(n % 4)]).await;
    }
    let all = list(store, "2041").await;
    for statuses in [&[Status::New][..], &[Status::Old, Status::New], &[Status::Removed, Status::New, Status::Old], &[]] {
        for order in [Order::OldestFirst, Order::NewestFirst, Order::UrgentFirst, Order::UrgentThenNewestFirst] {
            for limit in [1, 2, 4, 100] {
                let (mut query, mut shown) = (Query::only(statuses.iter().copied()).order(order).limit(limit), Vec::new());
                let total = all.iter().filter(|entry| statuses.contains(&entry.status)).count();
                loop {
                    let page = page(store, &query).await;
                    assert!(page.entries.len() <= limit, "Paged: no more on a page than asked for");
                    assert!(page.total == total, "Paged: {} messages are said to be on all pages, not {total}", page.total);
                    shown.extend(page.entries);
                    let Some(next) = page.next else { break };
                    assert!(shown.len() <= all.len(), "Paged: the pages end");
                    query = query.after(next);
                }
                let expected = Query::only(statuses.iter().copied()).order(order).page_of(all.clone()).entries;
                assert!(shown == expected, "Paged: {statuses:?}, {order:?}, {limit} on a page");
            }
        }
    }
}

/// **Restored.** A message that `mark` has set to removed can be marked new or old again, until the store expunges it.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn restored(store: &impl MessageStore) {
    let message = message(b"removed by mistake", 0).build();
    let id = stored(store, "2041", &Origin::Here, &message).await;
    for status in [Status::New, Status::Old] {
        for step in [Status::Removed, status] {
            mark(store, id, step).await;
            assert_eq!(status_of(store, id).await, Some(step), "Restored: a message has the status that it was marked with");
        }
    }
    assert_eq!(expunge(store).await, 0, "Restored: what was restored is not expunged");
    assert!(retrieve(store, id).await.audio() == message.audio(), "Restored: with its sound");
}

/// `list` is in the order of recording, oldest first, removed ones included.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn listed_in_order(store: &impl MessageStore) {
    let mut by_age = [None; 5];
    for age in [3, 0, 4, 1, 2] {
        let message = message(&[1], i64::try_from(age).unwrap_or_default()).build();
        by_age[age] = Some(stored(store, "2041", &Origin::Here, &message).await);
    }
    let by_age: Vec<_> = by_age.into_iter().flatten().collect();
    assert_eq!(ids(store).await, by_age, "list: oldest recording first");
    for (id, status) in by_age.iter().zip([Status::Old, Status::Removed, Status::New]) {
        mark(store, *id, status).await;
    }
    assert_eq!(ids(store).await, by_age, "list: in order, removed ones included");
}

/// **Found.** One message is shown as the list shows it, with its status, and one that is not there is refused.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn found(store: &impl MessageStore) {
    for (age, status) in [Status::New, Status::Old, Status::Removed].into_iter().enumerate() {
        let message = message(b"one of three", i64::try_from(age).unwrap_or_default()).build();
        let id = stored(store, "2041", &Origin::Here, &message).await;
        mark(store, id, status).await;
    }
    let listed = list(store, "2041").await;
    for entry in &listed {
        let shown = store.entry(&mailbox("2041"), entry.head.id).await;
        assert!(shown.as_ref().is_ok_and(|shown| shown == entry), "Found: as the list shows it: {shown:?}, {entry:?}");
        let elsewhere = store.entry(&mailbox("2042"), entry.head.id).await;
        assert!(is_no_such_message(&elsewhere, entry.head.id), "Found: not in another mailbox: {elsewhere:?}");
    }
    expunge(store).await;
    for entry in listed.iter().filter(|entry| entry.status == Status::Removed) {
        let gone = store.entry(&mailbox("2041"), entry.head.id).await;
        assert!(is_no_such_message(&gone, entry.head.id), "Found: not after it was deleted for good: {gone:?}");
    }
    let nobody = store.entry(&mailbox("2043"), MessageId::from_bytes([7; 16])).await;
    assert!(matches!(nobody, Err(StoreError::NoSuchMailbox(_))), "Found: a mailbox that does not exist: {nobody:?}");
}

/// `retrieve` leaves a message as new or old as it was.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn retrieved_unchanged(store: &impl MessageStore) {
    let id = stored(store, "2041", &Origin::Here, &message(b"heard twice", 0).build()).await;
    for status in [Status::New, Status::Old, Status::Removed] {
        mark(store, id, status).await;
        retrieve(store, id).await;
        assert_eq!(status_of(store, id).await, Some(status), "retrieve: changes nothing");
    }
}

/// `mark` with the same status again changes nothing, and touches no other message.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn marked_alike_twice(store: &impl MessageStore) {
    let marked = stored(store, "2041", &Origin::Here, &message(b"marked", 0).build()).await;
    let other = stored(store, "2041", &Origin::Here, &message(b"other", 1).build()).await;
    for status in [Status::Old, Status::Old, Status::Removed, Status::Removed, Status::New, Status::New] {
        mark(store, marked, status).await;
        assert_eq!(status_of(store, marked).await, Some(status), "mark: the same again changes nothing");
        assert_eq!(status_of(store, other).await, Some(Status::New), "mark: one message only");
    }
}

/// `expunge` deletes the removed messages and no others, and answers how many.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn expunged_for_good(store: &impl MessageStore) {
    let mut deposited = Vec::new();
    for (n, status) in (0..).zip([Status::New, Status::Removed, Status::Old, Status::Removed]) {
        let id = stored(store, "2041", &Origin::Here, &message(&[n], i64::from(n)).build()).await;
        mark(store, id, status).await;
        deposited.push(id);
    }
    assert_eq!(expunge(store).await, 2, "expunge: answers how many");
    assert_eq!(expunge(store).await, 0, "expunge: nothing is left to do");
    assert_eq!(ids(store).await, [deposited[0], deposited[2]], "expunge: the removed ones and no others");
    for id in [deposited[1], deposited[3]] {
        let retrieved = store.retrieve(&mailbox("2041"), id).await;
        assert!(is_no_such_message(&retrieved, id), "expunge: for good, but retrieve answered {retrieved:?}");
        let marked = store.mark(&mailbox("2041"), id, Status::New).await;
        assert!(is_no_such_message(&marked, id), "expunge: for good, but mark answered {marked:?}");
    }
}

/// A mailbox or message that does not exist is refused by its name, by every method, and for good.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn refused_by_name(store: &impl MessageStore) {
    let (nobody, id) = (mailbox("2043"), MessageId::random());
    let unknown = [
        store.deposit(&nobody, &Origin::Here, &message(b"to nobody", 0).build()).await.err(),
        store.list(&nobody).await.err(),
        store.retrieve(&nobody, id).await.err(),
        store.mark(&nobody, id, Status::Old).await.err(),
        store.expunge(&nobody).await.err(),
        store.summary(&nobody).await.err(),
        store.state(&nobody).await.err(),
        store.page(&nobody, &Query::all()).await.err(),
    ];
    for error in unknown {
        let refused = matches!(&error, Some(StoreError::NoSuchMailbox(named)) if *named == nobody);
        assert!(refused, "NoSuchMailbox: a mailbox that does not exist is refused, but the answer was {error:?}");
    }
    let elsewhere = stored(store, "2042", &Origin::Here, &message(b"in another mailbox", 0).build()).await;
    for id in [id, elsewhere] {
        let (retrieved, marked) =
            (store.retrieve(&mailbox("2041"), id).await, store.mark(&mailbox("2041"), id, Status::Old).await);
        assert!(is_no_such_message(&retrieved, id), "NoSuchMessage: but retrieve answered {retrieved:?}");
        assert!(is_no_such_message(&marked, id), "NoSuchMessage: but mark answered {marked:?}");
    }
}
