//! [`MessageList`]: the messages that an owner listens to one by one, and the current one.

use crate::message::{MessageId, ReceiptReport, Status};
use crate::store::{Cursor, Entry, Order, Page, Query};

/// The messages of one status that were listed so far, and the current one among them.
#[derive(Debug, Default)]
pub(super) struct MessageList {
    pub(super) status: Option<Status>,
    pub(super) entries: Vec<Entry>,
    pub(super) at: usize,
    pub(super) more: Option<Cursor>,
    /// The number of messages in the mailbox, including those that are not listed yet.
    pub(super) total: usize,
}

/// The stage of the current message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The message is being played.
    Playing,
    /// The owner has paused the message.
    Paused,
    /// The message was played, and the owner chooses what to do with it.
    Played,
    /// The owner has chosen; the next message follows by itself.
    Done,
}

/// A change of the current message's status whose result is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StatusChange {
    /// The message was played to its end.
    Heard,
    Keep,
    KeepAsNew,
    Remove,
    Restore,
}

impl MessageList {
    /// The messages of this status, of which none is listed yet.
    pub(super) fn of(status: Status) -> Self {
        Self { status: Some(status), ..Self::default() }
    }

    pub(super) fn current(&self) -> Option<&Entry> {
        self.entries.get(self.at)
    }

    /// Takes in the next page.
    pub(super) fn add(&mut self, page: Page) {
        // The page also counts the listed messages whose status has not changed.
        let still = self.entries.iter().filter(|entry| self.status == Some(entry.status)).count();
        let unlisted = page.total.saturating_sub(still + page.entries.len());
        self.entries.extend(page.entries);
        self.total = self.entries.len() + unlisted;
        self.more = page.next;
    }

    /// The id of the current message, if it is new.
    pub(super) fn unheard(&self) -> Option<MessageId> {
        self.current().filter(|entry| entry.status == Status::New).map(|entry| entry.head.id)
    }

    /// The report of the current message, if it is a receipt.
    pub(super) fn receipt(&self) -> Option<&ReceiptReport> {
        self.current()?.head.kind.report()
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

/// The number of messages that are listed at a time.
pub(super) const PAGE: usize = 50;
