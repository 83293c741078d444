//! [`Messages`]: the messages that an owner goes through, and at which one they are.

use crate::message::Status;
use crate::store::{Cursor, Entry, Order, Query};

/// Messages of one status, as far as they were listed, and which one it is.
#[derive(Debug, Default)]
pub(super) struct Messages {
    pub(super) status: Option<Status>,
    pub(super) entries: Vec<Entry>,
    pub(super) at: usize,
    pub(super) more: Option<Cursor>,
}

/// How far a message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It is being played.
    Playing,
    /// It has been, and something is to be done with it.
    Played,
    /// Something was done with it; the next one comes by itself.
    Done,
}

impl Messages {
    pub(super) fn current(&self) -> Option<&Entry> {
        self.entries.get(self.at)
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
