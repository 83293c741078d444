//! Housekeeping applies the retention once, whichever node does it, and forgets old keys.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use futures::future::join;
use voicemail::message::{Origin, Status};
use voicemail::store::{
    DeduplicationKey, Deposit, ImportOutcome, ImportedMessage, MessageStore as _, MessageStoreExt as _, Retention, StoreError,
};
use voicemail_postgres::{Database, PostgresStore};

use super::support::messages::recorded_at;
use super::support::server::{Server, execute};
use super::support::{database, directory, mailbox};

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test(flavor = "multi_thread")]
async fn old_messages_are_removed_and_then_deleted() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let database = Database::connect(&address).await.unwrap();
    let retention = Retention::default().new_for(30 * DAY).old_for(10 * DAY).removed_for(Duration::ZERO);
    let store = || PostgresStore::builder(&database).directory(directory()).retention(retention).build();
    let (one, other, number) = (store(), store(), mailbox("2041"));
    let age = |days| recorded_at(&[1], Utc::now() - TimeDelta::days(days));
    let (new_20, new_40, old_5, old_20) = (age(20), age(40), age(5), age(20));
    for message in [&new_20, &new_40, &old_5, &old_20] {
        one.deposit(&number, &Origin::Here, message).await.unwrap();
    }
    one.mark_old(&number, old_5.id()).await.unwrap();
    one.mark_old(&number, old_20.id()).await.unwrap();

    let (first, second) = join(one.housekeep(), other.housekeep()).await;
    let (first, second) = (first.unwrap(), second.unwrap());
    let expired: Vec<_> = first.expired.iter().chain(&second.expired).collect();
    assert_eq!(expired, [&(number.clone(), new_40.id())], "an unheard message is reported by one node");
    assert!(first.mailboxes.contains(&number) || second.mailboxes.contains(&number));
    assert_eq!(one.summary(&number).await.unwrap().to_string(), "1/1 (0/0)");
    one.retrieve(&number, new_40.id()).await.unwrap();

    execute(&address, "UPDATE voicemail.message SET since = since - interval '6 minutes' WHERE status = 2").await;
    one.housekeep().await.unwrap();
    let gone = one.retrieve(&number, new_40.id()).await;
    assert!(matches!(gone, Err(StoreError::NoSuchMessage(_))), "{gone:?}");
    assert_eq!(one.list(&number).await.unwrap().len(), 2);
    assert_eq!(other.deposit(&number, &Origin::Here, &new_40).await.unwrap(), Deposit::Duplicate);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_stay_as_long_as_their_owner_wants() {
    let Some(database) = database().await else { return };
    voicemail::conformance::store::retained(async |owners| PostgresStore::builder(&database).directory(owners).build()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retention_beyond_what_can_be_counted_is_for_ever() {
    let Some(database) = database().await else { return };
    let retention = Retention::default().new_for(Duration::MAX).old_for(Duration::MAX).removed_for(Duration::MAX);
    let store = PostgresStore::builder(&database).directory(directory()).retention(retention).build();
    let (number, message) = (mailbox("2041"), recorded_at(&[1], Utc::now() - TimeDelta::days(20)));
    store.deposit(&number, &Origin::Here, &message).await.unwrap();
    store.housekeep().await.unwrap();
    store.remove(&number, message.id()).await.unwrap();
    store.housekeep().await.unwrap();
    assert_eq!(store.list(&number).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_forgotten_after_their_time() {
    let Some(database) = database().await else { return };
    let store = PostgresStore::builder(&database).directory(directory()).deduplication_window(10 * DAY).build();
    let number = mailbox("2041");
    let (recent, old) = (recorded_at(b"recent", Utc::now()), recorded_at(b"old", Utc::now()));
    for (message, days) in [(&recent, 9), (&old, 11)] {
        let key = DeduplicationKey::of_message(&Origin::Here, message);
        let deleted = ImportedMessage::deleted(key, Utc::now() - TimeDelta::days(days));
        assert_eq!(store.import(&number, &deleted).await.unwrap(), ImportOutcome::KeyStored);
    }
    store.housekeep().await.unwrap();
    assert_eq!(store.deposit(&number, &Origin::Here, &recent).await.unwrap(), Deposit::Duplicate);
    assert_eq!(store.deposit(&number, &Origin::Here, &old).await.unwrap(), Deposit::Stored(old.id()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_imported_as_removed_keeps_its_time() {
    let Some(database) = database().await else { return };
    let retention = Retention::default().removed_for(7 * DAY);
    let store = PostgresStore::builder(&database).directory(directory()).retention(retention).build();
    let number = mailbox("2041");
    for days in [6, 8] {
        let message = recorded_at(&[days], Utc::now() - TimeDelta::days(20));
        let imported = ImportedMessage::from_origin(&Origin::Here, message, Status::Removed);
        let removed_at = Utc::now() - TimeDelta::days(i64::from(days));
        store.import(&number, &imported.removed_at(removed_at)).await.unwrap();
    }
    store.housekeep().await.unwrap();
    assert_eq!(store.list(&number).await.unwrap().len(), 1);
}
