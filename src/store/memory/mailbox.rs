//! [`Mailbox`]: the messages of one owner in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::directory::{MailboxLimits, Retention};
use crate::message::{Head, Message, MessageId, Status, Summary, Transcript};
use crate::store::{DeduplicationKey, MailboxUsage, StoreError, StoredKey};

/// One owner's messages, in the order of their recording.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    pub(super) messages: Vec<(Message, Status)>,
    /// The key of each message that is there, by its id.
    pub(super) keys: BTreeMap<MessageId, DeduplicationKey>,
    pub(super) transcripts: BTreeMap<MessageId, Transcript>,
    pub(super) arrivals: BTreeSet<DeduplicationKey>,
    /// Grows with each change.
    pub(super) version: u64,
    /// When each removed message was removed.
    removed_at: BTreeMap<MessageId, DateTime<Utc>>,
}

impl Mailbox {
    pub(super) fn find(&mut self, id: MessageId) -> Result<&mut (Message, Status), StoreError> {
        self.messages.iter_mut().find(|(message, _)| message.id() == id).ok_or(StoreError::NoSuchMessage(id))
    }

    /// Puts `message` into the mailbox; answers the id that it got. `now` is when it was removed, if that is its status.
    pub(super) fn add(&mut self, key: DeduplicationKey, message: &Message, status: Status, now: DateTime<Utc>) -> MessageId {
        let message = self.under_free_id(message);
        let id = message.id();
        self.keys.insert(id, key);
        if status == Status::Removed {
            self.removed_at.insert(id, now);
        }
        self.messages.push((message, status));
        self.messages.sort_by_key(|(message, _)| (message.head().recorded_at.instant, message.id()));
        self.version += 1;
        id
    }

    /// Deletes the messages that `which` chooses; answers how many.
    pub(super) fn delete(&mut self, which: impl Fn(&Message, Status) -> bool) -> usize {
        let mut count = 0;
        for (message, _) in self.messages.extract_if(.., |(message, status)| which(message, *status)) {
            self.keys.remove(&message.id());
            self.transcripts.remove(&message.id());
            self.removed_at.remove(&message.id());
            count += 1;
        }
        self.version += u64::from(count > 0);
        count
    }

    /// The key with its message, if that is there.
    pub(super) fn stored(&self, key: DeduplicationKey) -> StoredKey {
        let message = self.messages.iter().find(|(message, _)| self.keys.get(&message.id()) == Some(&key));
        message.map_or_else(
            || StoredKey::key_only(key),
            |(message, status)| {
                let stored = StoredKey::of_message(key, message.id(), *status);
                match self.removed_at.get(&message.id()) {
                    Some(removed_at) => stored.removed_at(*removed_at),
                    None => stored,
                }
            },
        )
    }

    pub(super) fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        self.messages.iter().for_each(|(message, status)| summary.count(*status, message.urgency()));
        summary
    }

    /// Whether the mailbox holds as much as `limits` allow, removed messages not counted.
    pub(super) fn is_full(&self, limits: MailboxLimits) -> bool {
        !limits.is_unlimited() && self.usage().with_limits(limits).percent().is_some_and(|percent| percent >= 100)
    }

    /// How much the mailbox holds, removed messages not counted.
    pub(super) fn usage(&self) -> MailboxUsage {
        let held = || self.messages.iter().filter(|(_, status)| *status != Status::Removed);
        let length = held().fold(Duration::ZERO, |sum, (message, _)| sum.saturating_add(message.head().length));
        MailboxUsage::new(held().count(), length).with_bytes(held().map(|(message, _)| size(message)).sum())
    }

    /// Sets the status of a message that is here; `now` is when it was removed, if that is the status.
    pub(super) fn set_status(&mut self, id: MessageId, status: Status, now: DateTime<Utc>) -> Result<(), StoreError> {
        let before = std::mem::replace(&mut self.find(id)?.1, status);
        if before == status {
            return Ok(());
        }
        self.version += 1;
        match status {
            Status::Removed => self.removed_at.insert(id, now),
            Status::New | Status::Old => self.removed_at.remove(&id),
        };
        Ok(())
    }

    /// Deletes the removed messages that are too old, and removes the others that are; answers how many it changed, and which of them were new.
    pub(super) fn retain(&mut self, retention: Retention, now: DateTime<Utc>) -> Result<(usize, Vec<MessageId>), StoreError> {
        let end_of_removed = retention.end_of(Status::Removed, now);
        let removed_at = self.removed_at.clone();
        let is_gone = |message: &Message, status| {
            let removed_at = removed_at.get(&message.id()).map(DateTime::timestamp);
            status == Status::Removed && end_of_removed.zip(removed_at).is_some_and(|(end, removed_at)| removed_at < end)
        };
        let deleted = self.delete(is_gone);
        let outdated = |(message, status): &&(Message, Status)| {
            let end = retention.end_of(*status, now);
            *status != Status::Removed && end.is_some_and(|end| message.head().recorded_at.instant.timestamp() < end)
        };
        let outdated: Vec<_> = self.messages.iter().filter(outdated).map(|(message, status)| (message.id(), *status)).collect();
        for (id, _) in &outdated {
            self.set_status(*id, Status::Removed, now)?;
        }
        let expired = outdated.iter().filter(|(_, status)| *status == Status::New).map(|(id, _)| *id);
        Ok((deleted + outdated.len(), expired.collect()))
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

/// How many bytes a message has as a mail, or else in its sound.
fn size(message: &Message) -> u64 {
    message.mail().map_or_else(|| message.audio().len(), |mail| mail.len() as u64)
}
