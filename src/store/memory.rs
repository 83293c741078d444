//! [`MemoryStore`].

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{Deposit, Entry, MessageStore, StoreError};
use crate::message::{ContentDigest, Head, MailboxId, Message, MessageId, Origin, Status, Summary};

/// Keeps messages in memory, as long as it lives: for tests and first steps.
///
/// It remembers every arrival for as long, which is 100 bytes a message.
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
    mailboxes: Mutex<BTreeMap<MailboxId, Mailbox>>,
    max_messages: usize,
}

impl MemoryStore {
    /// A store that has these mailboxes, all empty and without limit.
    pub fn new(mailboxes: impl IntoIterator<Item = MailboxId>) -> Self {
        let mailboxes = mailboxes.into_iter().map(|mailbox| (mailbox, Mailbox::default())).collect();
        Self { mailboxes: Mutex::new(mailboxes), max_messages: usize::MAX }
    }

    /// Lets each mailbox hold at most this many messages, removed ones not counted.
    #[must_use]
    pub fn max_messages(self, max_messages: usize) -> Self {
        Self { max_messages, ..self }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<MailboxId, Mailbox>> {
        self.mailboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `work` on the mailbox, if there is one.
    fn with<T>(&self, mailbox: &MailboxId, work: impl FnOnce(&mut Mailbox) -> Result<T, StoreError>) -> Result<T, StoreError> {
        work(self.lock().get_mut(mailbox).ok_or_else(|| StoreError::NoSuchMailbox(mailbox.clone()))?)
    }
}

#[async_trait]
impl MessageStore for MemoryStore {
    async fn deposit(&self, mailbox: &MailboxId, origin: &Origin, message: &Message) -> Result<Deposit, StoreError> {
        self.with(mailbox, |kept| {
            let arrival = (origin.clone(), message.id(), message.audio().digest());
            if kept.arrivals.contains(&arrival) {
                return Ok(Deposit::Duplicate);
            }
            if kept.held() >= self.max_messages {
                return Err(StoreError::MailboxFull(mailbox.clone()));
            }
            let message = kept.under_free_id(message);
            let id = message.id();
            kept.arrivals.insert(arrival);
            kept.messages.push((message, Status::New));
            kept.messages.sort_by_key(|(message, _)| (message.head().recorded_at.instant, message.id()));
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

    async fn retrieve(&self, mailbox: &MailboxId, id: MessageId) -> Result<Message, StoreError> {
        self.with(mailbox, |kept| kept.find(id).map(|(message, _)| message.clone()))
    }

    async fn mark(&self, mailbox: &MailboxId, id: MessageId, status: Status) -> Result<(), StoreError> {
        self.with(mailbox, |kept| kept.find(id).map(|(_, stands)| *stands = status))
    }

    async fn expunge(&self, mailbox: &MailboxId) -> Result<usize, StoreError> {
        self.with(mailbox, |kept| Ok(kept.messages.extract_if(.., |(_, status)| *status == Status::Removed).count()))
    }

    async fn summary(&self, mailbox: &MailboxId) -> Result<Summary, StoreError> {
        self.with(mailbox, |kept| {
            let mut summary = Summary::default();
            kept.messages.iter().for_each(|(message, status)| summary.count(*status, message.urgency()));
            Ok(summary)
        })
    }
}

/// One owner's messages, in the order of their recording.
#[derive(Debug, Default)]
struct Mailbox {
    messages: Vec<(Message, Status)>,
    arrivals: HashSet<(Origin, MessageId, ContentDigest)>,
}

impl Mailbox {
    fn find(&mut self, id: MessageId) -> Result<&mut (Message, Status), StoreError> {
        self.messages.iter_mut().find(|(message, _)| message.id() == id).ok_or(StoreError::NoSuchMessage(id))
    }

    fn held(&self) -> usize {
        self.messages.iter().filter(|(_, status)| *status != Status::Removed).count()
    }

    /// `message`, under another id if its own is taken here.
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
        conformance::store::run_all(|| async { MemoryStore::new([mailbox("2041"), mailbox("2042")]) }).await;
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
