//! [`MemoryStore`].

mod mailbox;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::time::Instant;

use self::mailbox::Mailbox;
use super::{
    CopyableStore, DeduplicationKey, Deposit, Entry, Housekeeping, ImportOutcome, ImportedMessage, MailboxState, MailboxUsage,
    MessageStore, PendingArrival, PendingArrivals, StoreError, StoredKey,
};
use crate::clock::{Clock, SystemClock};
use crate::directory::{Directory, MailboxLimits, Retention};
use crate::lock::Lock;
use crate::message::{MailboxId, Message, MessageId, Origin, Status, Summary, Transcript};

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
    directory: Option<Arc<dyn Directory>>,
    clock: Arc<dyn Clock>,
    holding: MailboxLimits,
    retention: Retention,
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
            directory: None,
            clock: Arc::new(SystemClock),
            holding: MailboxLimits::default(),
            retention: Retention::default(),
            versioned: false,
            engine: None,
            pending: Lock::default(),
        }
    }

    /// Limits how many messages each mailbox holds, removed ones not counted.
    #[must_use]
    pub fn max_messages(mut self, max_messages: usize) -> Self {
        self.holding.messages = Some(max_messages);
        self
    }

    /// Limits how much each mailbox holds. If a directory has a limit for the mailbox, too, the lower one counts.
    #[must_use]
    pub fn holding(self, holding: MailboxLimits) -> Self {
        Self { holding, ..self }
    }

    /// Sets how long messages stay. The times that a directory has for a mailbox come before these.
    #[must_use]
    pub fn retention(self, retention: Retention) -> Self {
        Self { retention, ..self }
    }

    /// Sets the directory that has the limits and the retention of each mailbox. Which mailboxes there are does not depend on it.
    #[must_use]
    pub fn directory(self, directory: impl Directory) -> Self {
        Self { directory: Some(Arc::new(directory)), ..self }
    }

    /// Sets the clock that decides which messages are too old; the operating system's by default.
    #[must_use]
    pub fn clock(self, clock: impl Clock) -> Self {
        Self { clock: Arc::new(clock), ..self }
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

    /// The limits and the retention in force for a mailbox. An error if those of its owner are not known.
    async fn settings(&self, mailbox: &MailboxId) -> Result<(MailboxLimits, Retention), StoreError> {
        let Some(directory) = &self.directory else { return Ok((self.holding, self.retention)) };
        let owner = directory.find(mailbox).await.map_err(|error| StoreError::Unavailable(error.into()))?;
        let Some(owner) = owner else { return Ok((self.holding, self.retention)) };
        Ok((self.holding.and(owner.holding), owner.retention.or(self.retention)))
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now().instant
    }

    /// Does `work` on the mailbox, if there is one.
    fn with<T>(&self, mailbox: &MailboxId, work: impl FnOnce(&mut Mailbox) -> Result<T, StoreError>) -> Result<T, StoreError> {
        work(self.mailboxes.lock().get_mut(mailbox).ok_or_else(|| StoreError::NoSuchMailbox(mailbox.clone()))?)
    }
}

#[async_trait]
impl MessageStore for MemoryStore {
    async fn deposit(&self, mailbox: &MailboxId, origin: &Origin, message: &Message) -> Result<Deposit, StoreError> {
        let (limits, _) = self.settings(mailbox).await?;
        self.with(mailbox, |kept| {
            let key = DeduplicationKey::of_message(origin, message);
            if kept.arrivals.contains(&key) {
                return Ok(Deposit::Duplicate);
            }
            if kept.is_full(limits.for_deposit(origin, message)) {
                return Err(StoreError::MailboxFull(mailbox.clone()));
            }
            kept.arrivals.insert(key);
            let id = kept.add(key, message, Status::New, self.now());
            if let Some(pending) = self.pending.lock().as_mut() {
                pending.insert(PendingArrival::new(mailbox.clone(), id), Instant::now() + FIRST_HOLD);
            }
            Ok(Deposit::Stored(id))
        })
    }

    async fn usage(&self, mailbox: &MailboxId) -> Result<MailboxUsage, StoreError> {
        let (limits, retention) = self.settings(mailbox).await?;
        self.with(mailbox, |kept| Ok(kept.usage().with_limits(limits).with_retention(retention)))
    }

    async fn check(&self, mailbox: &MailboxId, _size: u64) -> Result<(), StoreError> {
        let full = || StoreError::MailboxFull(mailbox.clone());
        let (limits, _) = self.settings(mailbox).await?;
        self.with(mailbox, |kept| if kept.is_full(limits) { Err(full()) } else { Ok(()) })
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
        self.with(mailbox, |kept| kept.set_status(id, status, self.now()))
    }

    async fn mark_if(&self, mailbox: &MailboxId, id: MessageId, expected: Status, status: Status) -> Result<bool, StoreError> {
        self.with(mailbox, |kept| {
            let changes = kept.find(id)?.1 == expected && expected != status;
            if changes {
                kept.set_status(id, status, self.now())?;
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
        let (limits, _) = self.settings(to).await?;
        let missing = |mailbox: &MailboxId| StoreError::NoSuchMailbox(mailbox.clone());
        let mut mailboxes = self.mailboxes.lock();
        let receiver = mailboxes.get(to).ok_or_else(|| missing(to))?;
        let is_full = receiver.is_full(limits);
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
        let transcript = source.transcripts.get(&id).cloned();
        let receiver = mailboxes.get_mut(to).ok_or_else(|| missing(to))?;
        if !receiver.arrivals.contains(&key) && is_full {
            return Err(StoreError::MailboxFull(to.clone()));
        }
        let is_new = receiver.arrivals.insert(key);
        let deposit =
            if is_new { Deposit::Stored(receiver.add(key, &message, Status::New, self.now())) } else { Deposit::Duplicate };
        if let (Deposit::Stored(id), Some(transcript)) = (deposit, transcript) {
            receiver.transcripts.insert(id, transcript);
        }
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

    async fn import(&self, mailbox: &MailboxId, message: &ImportedMessage) -> Result<ImportOutcome, StoreError> {
        self.with(mailbox, |kept| {
            if !kept.arrivals.insert(message.key) {
                return Ok(ImportOutcome::Duplicate);
            }
            Ok(match &message.message {
                Some((content, status)) => {
                    let removed_at = message.removed_at.unwrap_or_else(|| self.now());
                    ImportOutcome::Stored(kept.add(message.key, content, *status, removed_at))
                }
                None => ImportOutcome::KeyStored,
            })
        })
    }

    /// A step looks at all mailboxes.
    async fn housekeep(&self) -> Result<Housekeeping, StoreError> {
        let mut done = Housekeeping::default();
        let mailboxes: Vec<_> = self.mailboxes.lock().keys().cloned().collect();
        for mailbox in mailboxes {
            let (_, retention) = self.settings(&mailbox).await?;
            let (changed, expired) = self.with(&mailbox, |kept| kept.retain(retention, self.now()))?;
            done.expired.extend(expired.into_iter().map(|id| (mailbox.clone(), id)));
            if changed > 0 {
                done.mailboxes.push(mailbox);
            }
        }
        Ok(done)
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

    async fn extend(&self, arrivals: &[PendingArrival], hold: Duration) -> Result<(), StoreError> {
        let until = Instant::now() + hold;
        for held_until in
            self.pending.lock().iter_mut().flatten().filter(|(held, _)| arrivals.contains(held)).map(|(_, until)| until)
        {
            *held_until = until.max(*held_until);
        }
        Ok(())
    }

    async fn add(&self, arrivals: &[PendingArrival]) -> Result<(), StoreError> {
        let mut pending = self.pending.lock();
        let pending = pending.get_or_insert_default();
        for arrival in arrivals {
            pending.entry(arrival.clone()).or_insert_with(Instant::now);
        }
        Ok(())
    }

    async fn settle(&self, arrivals: &[PendingArrival]) -> Result<(), StoreError> {
        if let Some(pending) = self.pending.lock().as_mut() {
            pending.retain(|arrival, _| !arrivals.contains(arrival));
        }
        Ok(())
    }
}

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

/// How long an arrival is held for the node that it was deposited on.
const FIRST_HOLD: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
