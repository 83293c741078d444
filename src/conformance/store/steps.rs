//! The steps of the tests of a store: each does one thing that must succeed, and panics with a clear message if it does not.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::message::{
    Audio, AudioType, Caller, CallerName, ClockQuality, ClockSource, MailboxId, Message, MessageBuilder, MessageId, Origin,
    Privacy, RecordedAt, Status, Summary,
};
use crate::store::{
    DeduplicationKey, Deposit, Entry, ImportOutcome, ImportedMessage, MailboxState, MessageStore, Page, Query, StoreError,
};

/// A message with this `sound`, recorded `age` seconds after all others of age 0.
pub(super) fn message(sound: &[u8], age: i64) -> MessageBuilder {
    let recorded_at = RecordedAt {
        instant: DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(1_743_296_380 + age),
        zone: chrono_tz::Europe::London,
        quality: ClockQuality::unknown(ClockSource::Manual),
    };
    Message::builder(Audio::new(AudioType::Wav, sound.to_vec()), recorded_at)
}

/// A message with this `sound`, of which everything is known.
pub(super) fn described(media: AudioType, sound: &[u8]) -> MessageBuilder {
    let recorded_at = RecordedAt {
        instant: DateTime::<Utc>::UNIX_EPOCH + TimeDelta::microseconds(1_743_296_380_123_456),
        zone: chrono_tz::Asia::Kathmandu,
        quality: ClockQuality {
            source: ClockSource::Sntp,
            offset: Some(TimeDelta::microseconds(-3500)),
            uncertainty: Some(Duration::from_millis(10)),
            age: Some(Duration::from_secs(12)),
        },
    };
    let caller = Caller { number: "+442079460112".parse().ok(), name: CallerName::cleaned("Élodie Lefèvre, \"山田\"") };
    let message = Message::builder(Audio::new(media, sound.to_vec()), recorded_at)
        .caller(caller)
        .privacy(Privacy::Private)
        .length(Duration::from_millis(2500));
    match "kathmandu-2".parse() {
        Ok(site) => message.site(site),
        Err(_) => message,
    }
}

pub(super) fn mailbox(number: &str) -> MailboxId {
    number.parse().expect("the tests' own mailboxes are numbers")
}

pub(super) async fn deposit(store: &impl MessageStore, number: &str, origin: &Origin, message: &Message) -> Deposit {
    let answer = store.deposit(&mailbox(number), origin, message).await;
    answer.unwrap_or_else(|error| panic!("deposit: a message for {number} was refused: {error:?}"))
}

/// Deposits a message that has not arrived before; answers the id it is kept under.
pub(super) async fn stored(store: &impl MessageStore, number: &str, origin: &Origin, message: &Message) -> MessageId {
    match deposit(store, number, origin, message).await {
        Deposit::Stored(id) => id,
        Deposit::Duplicate => panic!("Once: a message that had never arrived was taken for a duplicate"),
    }
}

pub(super) async fn list(store: &impl MessageStore, number: &str) -> Vec<Entry> {
    let entries = store.list(&mailbox(number)).await;
    entries.unwrap_or_else(|error| panic!("list: mailbox {number} was not listed: {error:?}"))
}

pub(super) async fn page(store: &impl MessageStore, query: &Query) -> Page {
    let page = store.page(&mailbox("2041"), query).await;
    page.unwrap_or_else(|error| panic!("page: a mailbox was not shown: {error:?}"))
}

pub(super) async fn ids(store: &impl MessageStore) -> Vec<MessageId> {
    list(store, "2041").await.iter().map(|entry| entry.head.id).collect()
}

pub(super) async fn status_of(store: &impl MessageStore, id: MessageId) -> Option<Status> {
    list(store, "2041").await.iter().find(|entry| entry.head.id == id).map(|entry| entry.status)
}

pub(super) async fn retrieve(store: &impl MessageStore, id: MessageId) -> Message {
    let message = store.retrieve(&mailbox("2041"), id).await;
    message.unwrap_or_else(|error| panic!("retrieve: a message that is there was not retrieved: {error:?}"))
}

pub(super) async fn mark(store: &impl MessageStore, id: MessageId, status: Status) {
    let answer = store.mark(&mailbox("2041"), id, status).await;
    answer.unwrap_or_else(|error| panic!("mark: a message that is there was not marked: {error:?}"));
}

pub(super) async fn expunge(store: &impl MessageStore) -> usize {
    let answer = store.expunge(&mailbox("2041")).await;
    answer.unwrap_or_else(|error| panic!("expunge: a mailbox was not expunged: {error:?}"))
}

pub(super) async fn summary(store: &impl MessageStore) -> Summary {
    let answer = store.summary(&mailbox("2041")).await;
    answer.unwrap_or_else(|error| panic!("summary: a mailbox was not counted: {error:?}"))
}

pub(super) async fn state(store: &impl MessageStore) -> MailboxState {
    let answer = store.state(&mailbox("2041")).await;
    answer.unwrap_or_else(|error| panic!("state: a mailbox was not counted: {error:?}"))
}

/// Whether the store supports `import`; asks with a key that no message has.
pub(super) async fn imports(store: &impl MessageStore) -> bool {
    let nothing = ImportedMessage::deleted(DeduplicationKey::from_bytes([0; 16]), DateTime::UNIX_EPOCH);
    !matches!(store.import(&mailbox("2041"), &nothing).await, Err(StoreError::Unsupported(_)))
}

pub(super) async fn import(store: &impl MessageStore, message: &ImportedMessage) -> ImportOutcome {
    let answer = store.import(&mailbox("2041"), message).await;
    answer.unwrap_or_else(|error| panic!("import: a message was refused: {error:?}"))
}

/// The summary of the messages that `list` shows.
pub(super) async fn counted_from_list(store: &impl MessageStore) -> Summary {
    let mut counted = Summary::default();
    list(store, "2041").await.iter().for_each(|entry| counted.count(entry.status, entry.head.urgency));
    counted
}

pub(super) fn is_no_such_message<T>(answer: &Result<T, StoreError>, id: MessageId) -> bool {
    matches!(answer, Err(StoreError::NoSuchMessage(named)) if *named == id)
}
