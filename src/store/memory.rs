//! [`MemoryStore`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::{
    CopyableStore, DeduplicationKey, Deposit, Entry, ImportOutcome, ImportedMessage, MailboxState, MessageStore, PendingArrival,
    PendingArrivals, StoreError, StoredKey,
};
use crate::lock::Lock;
use crate::message::{Head, MailboxId, Message, MessageId, Origin, Status, Summary, Transcript};

/// A store that keeps messages in memory, until it is dropped: for tests and first programs.
///
/// It remembers the key of every message that has arrived, which takes some 20 bytes a message.
///
/// ```
/// use std::time::Duration;
/// use voicemail::clock::{Clock, SystemClock};
/// use voicemail::message::{Audio, AudioType, MailboxId, Message, Origin, RecordedAt};
/// use voicemail::store::{Deposit, MemoryStore, MessageStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mailbox: MailboxId = "2041".parse()?;
/// let store = MemoryStore::new([mailbox.clone()]);
///
/// let reading = SystemClock.now();
/// let recorded_at = RecordedAt::new(reading.instant, chrono_tz::Europe::Paris, reading.quality);
/// let message = Message::builder(Audio::new(AudioType::Wav, &b"RIFF.."[..]), recorded_at).build();
///
/// assert_eq!(store.deposit(&mailbox, &Origin::Here, &message).await?, Deposit::Stored(message.id()));
/// assert_eq!(store.deposit(&mailbox, &Origin::Here, &message).await?, Deposit::Duplicate);
/// assert_eq!(store.summary(&mailbox).await?.to_string(), "1/0 (0/0)");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct MemoryStore {
    mailboxes: Lock<BTreeMap<MailboxId, Mailbox>>,
    max_messages: usize,
    versioned: bool,
    engine: Option<String>,
    /// Until when each pending arrival is held; `None` as long as deposits are not remembered.
    pending: Lock<Option<BTreeMap<PendingArrival, Instant>>>,
}

impl MemoryStore {
    /// A store that has these mailboxes, all empty and without limit.
    pub fn new(mailboxes: impl IntoIterator<Item = MailboxId>) -> Self {
        let mailboxes = mailboxes.into_iter().map(|mailbox| (mailbox, Mailbox::default())).collect();
        Self {
            mailboxes: Lock::new(mailboxes),
            max_messages: usize::MAX,
            versioned: false,
            engine: None,
            pending: Lock::default(),
        }
    }

    /// Limits how many messages each mailbox holds, removed ones not counted.
    #[must_use]
    pub fn max_messages(self, max_messages: usize) -> Self {
        Self { max_messages, ..self }
    }

    /// Gives each state of a mailbox a version, the first of which is `first`; without it, [`state`](MessageStore::state) answers none.
    ///
    /// This store forgets its versions with everything else. So `first` must be above those of an earlier store for the same node; the
    /// microseconds since 1970 are.
    #[must_use]
    pub fn versions_from(self, first: u64) -> Self {
        self.mailboxes.lock().values_mut().for_each(|mailbox| mailbox.version = first);
        Self { versioned: true, ..self }
    }

    /// Sets the name of the [engine](MessageStore::engine) that this store stands for.
    #[must_use]
    pub fn of_engine(self, name: impl Into<String>) -> Self {
        Self { engine: Some(name.into()), ..self }
    }

    /// Does `work` on the mailbox, if there is one.
    fn with<T>(&self, mailbox: &MailboxId, work: impl FnOnce(&mut Mailbox) -> Result<T, StoreError>) -> Result<T, StoreError> {
        work(self.mailboxes.lock().get_mut(mailbox).ok_or_else(|| StoreError::NoSuchMailbox(mailbox.clone()))?)
    }
}

#[async_trait]
impl MessageStore for MemoryStore {
    async fn deposit(&self, mailbox: &MailboxId, origin: &Origin, message: &Message) -> Result<Deposit, StoreError> {
        self.with(mailbox, |kept| {
            let key = DeduplicationKey::of_message(origin, message);
            if kept.arrivals.contains(&key) {
                return Ok(Deposit::Duplicate);
            }
            if kept.held() >= self.max_messages {
                return Err(StoreError::MailboxFull(mailbox.clone()));
            }
            kept.arrivals.insert(key);
            let id = kept.add(key, message, Status::New);
            if let Some(pending) = self.pending.lock().as_mut() {
                pending.insert(PendingArrival::new(mailbox.clone(), id), Instant::now() + FIRST_HOLD);
            }
            Ok(Deposit::Stored(id))
        })
    }

    async fn check(&self, mailbox: &MailboxId, _size: u64) -> Result<(), StoreError> {
        let full = || StoreError::MailboxFull(mailbox.clone());
        self.with(mailbox, |kept| if kept.held() < self.max_messages { Ok(()) } else { Err(full()) })
    }

    async fn list(&self, mailbox: &MailboxId) -> Result<Vec<Entry>, StoreError> {
        let entry = |(message, status): &(Message, Status)| Entry { head: message.head().clone(), status: *status };
        self.with(mailbox, |kept| Ok(kept.messages.iter().map(entry).collect()))
    }

    async fn entry(&self, mailbox: &MailboxId, id: MessageId) -> Result<Entry, StoreError> {
        self.with(mailbox, |kept| kept.find(id).map(|(message, status)| Entry::new(message.head().clone(), *status)))
    }

    async fn retrieve(&self, mailbox: &MailboxId, id: MessageId) -> Result<Message, StoreError> {
        self.with(mailbox, |kept| kept.find(id).map(|(message, _)| message.clone()))
    }

    async fn mark(&self, mailbox: &MailboxId, id: MessageId, status: Status) -> Result<(), StoreError> {
        self.with(mailbox, |kept| {
            let before = std::mem::replace(&mut kept.find(id)?.1, status);
            kept.version += u64::from(before != status);
            Ok(())
        })
    }

    async fn mark_if(&self, mailbox: &MailboxId, id: MessageId, expected: Status, status: Status) -> Result<bool, StoreError> {
        self.with(mailbox, |kept| {
            let (_, current) = kept.find(id)?;
            let changes = *current == expected && expected != status;
            if changes {
                *current = status;
                kept.version += 1;
            }
            Ok(changes)
        })
    }

    async fn expunge(&self, mailbox: &MailboxId) -> Result<usize, StoreError> {
        self.with(mailbox, |kept| Ok(kept.delete(|_, status| status == Status::Removed)))
    }

    async fn summary(&self, mailbox: &MailboxId) -> Result<Summary, StoreError> {
        self.with(mailbox, |kept| Ok(kept.summary()))
    }

    async fn state(&self, mailbox: &MailboxId) -> Result<MailboxState, StoreError> {
        self.with(mailbox, |kept| {
            let state = MailboxState::new(kept.summary());
            Ok(if self.versioned { state.with_version(kept.version) } else { state })
        })
    }

    async fn transfer(&self, from: &MailboxId, id: MessageId, to: &MailboxId) -> Result<Deposit, StoreError> {
        let missing = |mailbox: &MailboxId| StoreError::NoSuchMailbox(mailbox.clone());
        let mut mailboxes = self.mailboxes.lock();
        let receiver = mailboxes.get(to).ok_or_else(|| missing(to))?;
        let is_full = receiver.held() >= self.max_messages;
        let source = mailboxes.get_mut(from).ok_or_else(|| missing(from))?;
        let (message, status) = source.find(id)?;
        if *status == Status::Removed {
            return Err(StoreError::NoSuchMessage(id));
        }
        if from == to {
            return Ok(Deposit::Duplicate);
        }
        let message = message.clone();
        let key = source.keys.get(&id).copied().ok_or(StoreError::NoSuchMessage(id))?;
        let receiver = mailboxes.get_mut(to).ok_or_else(|| missing(to))?;
        if !receiver.arrivals.contains(&key) && is_full {
            return Err(StoreError::MailboxFull(to.clone()));
        }
        let is_new = receiver.arrivals.insert(key);
        let deposit = if is_new { Deposit::Stored(receiver.add(key, &message, Status::New)) } else { Deposit::Duplicate };
        mailboxes.get_mut(from).ok_or_else(|| missing(from))?.delete(|message, _| message.id() == id);
        Ok(deposit)
    }

    fn engine(&self) -> Option<&str> {
        self.engine.as_deref()
    }

    fn pending_arrivals(&self) -> Option<&dyn PendingArrivals> {
        Some(self)
    }

    async fn set_transcript(&self, mailbox: &MailboxId, id: MessageId, transcript: &Transcript) -> Result<(), StoreError> {
        self.with(mailbox, |kept| {
            kept.find(id)?;
            kept.transcripts.insert(id, transcript.clone());
            Ok(())
        })
    }

    async fn transcript(&self, mailbox: &MailboxId, id: MessageId) -> Result<Option<Transcript>, StoreError> {
        self.with(mailbox, |kept| {
            kept.find(id)?;
            Ok(kept.transcripts.get(&id).cloned())
        })
    }

    /// The time of removal is ignored: this store deletes nothing by itself.
    async fn import(&self, mailbox: &MailboxId, message: &ImportedMessage) -> Result<ImportOutcome, StoreError> {
        self.with(mailbox, |kept| {
            if !kept.arrivals.insert(message.key) {
                return Ok(ImportOutcome::Duplicate);
            }
            Ok(match &message.message {
                Some((content, status)) => ImportOutcome::Stored(kept.add(message.key, content, *status)),
                None => ImportOutcome::KeyStored,
            })
        })
    }
}

#[async_trait]
impl PendingArrivals for MemoryStore {
    async fn remember(&self) -> Result<(), StoreError> {
        self.pending.lock().get_or_insert_default();
        Ok(())
    }

    async fn take(&self, most: usize, hold: Duration) -> Result<Vec<PendingArrival>, StoreError> {
        let (mailboxes, mut pending) = (self.mailboxes.lock(), self.pending.lock());
        let (Some(pending), now) = (pending.as_mut(), Instant::now()) else { return Ok(Vec::new()) };
        let there = |arrival: &PendingArrival| {
            let mailbox = mailboxes.get(&arrival.mailbox);
            mailbox.is_some_and(|kept| kept.keys.contains_key(&arrival.id))
        };
        pending.retain(|arrival, until| *until > now || there(arrival));
        let free = pending.iter_mut().filter(|(_, until)| **until <= now).take(most);
        Ok(free.map(|(arrival, until)| (*until = now + hold, arrival.clone()).1).collect())
    }

    async fn settle(&self, arrivals: &[PendingArrival]) -> Result<(), StoreError> {
        if let Some(pending) = self.pending.lock().as_mut() {
            pending.retain(|arrival, _| !arrivals.contains(arrival));
        }
        Ok(())
    }
}

/// Times of removal are not known.
#[async_trait]
impl CopyableStore for MemoryStore {
    async fn mailboxes(&self, after: Option<&MailboxId>, limit: usize) -> Result<Vec<MailboxId>, StoreError> {
        let mailboxes = self.mailboxes.lock();
        Ok(mailboxes.keys().filter(|mailbox| Some(*mailbox) > after).take(limit).cloned().collect())
    }

    async fn create(&self, mailbox: &MailboxId) -> Result<(), StoreError> {
        self.mailboxes.lock().entry(mailbox.clone()).or_default();
        Ok(())
    }

    async fn keys(
        &self,
        mailbox: &MailboxId,
        after: Option<DeduplicationKey>,
        limit: usize,
    ) -> Result<Vec<StoredKey>, StoreError> {
        self.with(mailbox, |kept| {
            Ok(kept.arrivals.iter().filter(|key| Some(**key) > after).take(limit).map(|key| kept.stored(*key)).collect())
        })
    }

    async fn delete(&self, mailbox: &MailboxId, id: MessageId) -> Result<(), StoreError> {
        self.with(mailbox, |kept| match kept.delete(|message, _| message.id() == id) {
            0 => Err(StoreError::NoSuchMessage(id)),
            _ => Ok(()),
        })
    }

    async fn forget(&self, mailbox: &MailboxId, key: DeduplicationKey) -> Result<(), StoreError> {
        self.with(mailbox, |kept| {
            if kept.stored(key).message.is_none() {
                kept.arrivals.remove(&key);
            }
            Ok(())
        })
    }
}

/// One owner's messages, in the order of their recording.
#[derive(Debug, Default)]
struct Mailbox {
    messages: Vec<(Message, Status)>,
    /// The key of each message that is there, by its id.
    keys: BTreeMap<MessageId, DeduplicationKey>,
    transcripts: BTreeMap<MessageId, Transcript>,
    arrivals: BTreeSet<DeduplicationKey>,
    /// Grows with each change.
    version: u64,
}

impl Mailbox {
    fn find(&mut self, id: MessageId) -> Result<&mut (Message, Status), StoreError> {
        self.messages.iter_mut().find(|(message, _)| message.id() == id).ok_or(StoreError::NoSuchMessage(id))
    }

    /// Puts `message` into the mailbox; answers the id that it got.
    fn add(&mut self, key: DeduplicationKey, message: &Message, status: Status) -> MessageId {
        let message = self.under_free_id(message);
        let id = message.id();
        self.keys.insert(id, key);
        self.messages.push((message, status));
        self.messages.sort_by_key(|(message, _)| (message.head().recorded_at.instant, message.id()));
        self.version += 1;
        id
    }

    /// Deletes the messages that `which` chooses; answers how many.
    fn delete(&mut self, which: impl Fn(&Message, Status) -> bool) -> usize {
        let mut count = 0;
        for (message, _) in self.messages.extract_if(.., |(message, status)| which(message, *status)) {
            self.keys.remove(&message.id());
            self.transcripts.remove(&message.id());
            count += 1;
        }
        self.version += u64::from(count > 0);
        count
    }

    /// The key with its message, if that is there.
    fn stored(&self, key: DeduplicationKey) -> StoredKey {
        let message = self.messages.iter().find(|(message, _)| self.keys.get(&message.id()) == Some(&key));
        message.map_or_else(|| StoredKey::key_only(key), |(message, status)| StoredKey::of_message(key, message.id(), *status))
    }

    fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        self.messages.iter().for_each(|(message, status)| summary.count(*status, message.urgency()));
        summary
    }

    fn held(&self) -> usize {
        self.messages.iter().filter(|(_, status)| *status != Status::Removed).count()
    }

    /// `message`, under a different id if its own is taken here.
    fn under_free_id(&mut self, message: &Message) -> Message {
        if self.find(message.id()).is_err() {
            return message.clone();
        }
        let head = Head { id: MessageId::random(), ..message.head().clone() };
        let apart = Message::new(head, message.audio().clone());
        match message.mail() {
            Some(mail) => apart.arrived_as(mail.clone()),
            None => apart,
        }
    }
}

/// How long an arrival is held for the node that it was deposited on.
const FIRST_HOLD: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
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
}
