#![allow(clippy::unwrap_used, reason = "these are tests")]

use chrono::TimeDelta;

use super::*;
use crate::clock::ManualClock;
use crate::conformance;
use crate::message::{Audio, AudioType, ClockQuality, ClockSource, RecordedAt};

fn mailbox(number: &str) -> MailboxId {
    number.parse().unwrap()
}

fn message() -> Message {
    let recorded_at = RecordedAt {
        instant: "2025-03-30T00:59:40Z".parse().unwrap(),
        zone: chrono_tz::Europe::London,
        quality: ClockQuality::unknown(ClockSource::System),
    };
    Message::builder(Audio::new(AudioType::Wav, &b"RIFF.."[..]), recorded_at).build()
}

#[tokio::test]
async fn keeps_the_contract() {
    conformance::store::run_all(|| async { MemoryStore::new([mailbox("2041"), mailbox("2042")]).versions_from(7) }).await;
}

#[tokio::test]
async fn keeps_the_contract_of_copyable_stores() {
    conformance::store::run_copyable(|| async { MemoryStore::new([mailbox("2041"), mailbox("2042")]) }).await;
}

#[tokio::test(start_paused = true)]
async fn arrivals_are_remembered_until_they_are_settled() {
    let store = MemoryStore::new([mailbox("2041"), mailbox("2042")]);
    conformance::store::remembered(&store, async |wait| tokio::time::advance(wait).await).await;
}

#[tokio::test]
async fn messages_stay_as_long_as_their_owner_wants() {
    let mailboxes = [mailbox("2041"), mailbox("2042")];
    conformance::store::retained(async |owners| MemoryStore::new(mailboxes.clone()).directory(owners)).await;
}

#[tokio::test]
async fn a_removed_message_is_deleted_after_its_time() {
    let recorded_at = message().head().recorded_at.instant;
    let clock = Arc::new(ManualClock::at(recorded_at));
    let day = Duration::from_secs(86_400);
    let retention = Retention::default().old_for(day).removed_for(day);
    let store = MemoryStore::new([mailbox("2041")]).retention(retention).clock(Arc::clone(&clock));
    let message = message();
    store.deposit(&mailbox("2041"), &Origin::Here, &message).await.unwrap();
    store.mark(&mailbox("2041"), message.id(), Status::Old).await.unwrap();
    let left = async |hours| {
        clock.advance(TimeDelta::hours(hours));
        store.housekeep().await.unwrap();
        store.list(&mailbox("2041")).await.unwrap().first().map(|entry| entry.status)
    };
    assert_eq!(left(24).await, Some(Status::Old), "as old as it may be");
    assert_eq!(left(1).await, Some(Status::Removed));
    assert_eq!(left(24).await, Some(Status::Removed));
    assert_eq!(left(1).await, None);
}

#[tokio::test(start_paused = true)]
async fn an_arrival_in_work_is_held_for_longer() {
    let store = MemoryStore::new([mailbox("2041"), mailbox("2042")]);
    conformance::store::extended(&store, &store, async |wait| tokio::time::advance(wait).await).await;
}

#[tokio::test]
async fn versions_are_given_only_where_they_are_asked_for() {
    let store = MemoryStore::new([mailbox("2041")]);
    assert_eq!(store.state(&mailbox("2041")).await.unwrap().version, None);
    assert_eq!(store.versions_from(7).state(&mailbox("2041")).await.unwrap().version, Some(7));
}

#[tokio::test]
async fn a_full_mailbox_is_foretold() {
    conformance::store::foretold(&MemoryStore::new([mailbox("2041")]).max_messages(3)).await;
}

#[tokio::test]
async fn a_full_mailbox_takes_receipts() {
    conformance::store::reported(&MemoryStore::new([mailbox("2041")]).max_messages(3)).await;
}

#[tokio::test]
async fn a_full_mailbox_takes_a_message_once_another_is_removed() {
    let store = MemoryStore::new([mailbox("2041")]).max_messages(1);
    let (first, second) = (message(), message());
    let deposit = async |message| store.deposit(&mailbox("2041"), &Origin::Here, message).await;
    assert_eq!(deposit(&first).await.unwrap(), Deposit::Stored(first.id()));
    assert!(matches!(deposit(&second).await, Err(StoreError::MailboxFull(full)) if full == mailbox("2041")));
    assert_eq!(deposit(&first).await.unwrap(), Deposit::Duplicate);
    store.mark(&mailbox("2041"), first.id(), Status::Removed).await.unwrap();
    assert_eq!(deposit(&second).await.unwrap(), Deposit::Stored(second.id()));
}

#[tokio::test]
async fn what_arrived_as_mail_is_retrieved_with_its_mail() {
    let store = MemoryStore::new([mailbox("2041")]);
    let message = message().arrived_as("Subject: hello\r\n\r\n".into());
    store.deposit(&mailbox("2041"), &Origin::Here, &message).await.unwrap();
    assert_eq!(store.retrieve(&mailbox("2041"), message.id()).await.unwrap(), message);
}
