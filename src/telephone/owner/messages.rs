//! [`MessageList`]: the messages that an owner goes through, and the current one among them.

use crate::message::{MessageId, Status};
use crate::store::{Cursor, Entry, Order, Page, Query};

/// MessageList of one status, as far as they were listed, and the current one.
#[derive(Debug, Default)]
pub(super) struct MessageList {
    pub(super) status: Option<Status>,
    pub(super) entries: Vec<Entry>,
    pub(super) at: usize,
    pub(super) more: Option<Cursor>,
    /// How many there are in the mailbox, those included that are not listed yet.
    pub(super) total: usize,
}

/// How far a message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It is being played.
    Playing,
    /// It was played, and the owner is to choose.
    Played,
    /// The owner has chosen; the next one comes by itself.
    Done,
}

/// A change of the current message's status whose result is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StatusChange {
    /// It was played to its end.
    Heard,
    Keep,
    Remove,
    Restore,
}

impl MessageList {
    pub(super) fn current(&self) -> Option<&Entry> {
        self.entries.get(self.at)
    }

    /// Takes in the next page.
    pub(super) fn add(&mut self, page: Page) {
        // Those that were left as they were are counted by the page once more.
        let still = self.entries.iter().filter(|entry| self.status == Some(entry.status)).count();
        let unlisted = page.total.saturating_sub(still + page.entries.len());
        self.entries.extend(page.entries);
        self.total = self.entries.len() + unlisted;
        self.more = page.next;
    }

    /// The current message, if it is new.
    pub(super) fn unheard(&self) -> Option<MessageId> {
        self.current().filter(|entry| entry.status == Status::New).map(|entry| entry.head.id)
    }

    pub(super) fn set_status(&mut self, status: Status) {
        if let Some(entry) = self.entries.get_mut(self.at) {
            entry.status = status;
        }
    }

    pub(super) fn query(&self) -> Query {
        let query = Query::only(self.status).order(Order::UrgentFirst).limit(PAGE);
        match self.more {
            Some(cursor) => query.after(cursor),
            None => query,
        }
    }
}

/// How many messages are listed at a time.
pub(super) const PAGE: usize = 50;
