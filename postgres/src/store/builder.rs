//! [`PostgresStoreBuilder`].

use std::sync::Arc;
use std::time::Duration;

use voicemail::directory::{Directory, MailboxLimits};
use voicemail::store::Retention;

use super::PostgresStore;
use super::housekeep::DEDUPLICATION_WINDOW;
use crate::Database;
use crate::changes::Changes;

/// Makes a [`PostgresStore`]; made by [`PostgresStore::builder`].
#[derive(Debug)]
#[must_use]
pub struct PostgresStoreBuilder {
    database: Database,
    directory: Option<Arc<dyn Directory>>,
    holding: MailboxLimits,
    retention: Retention,
    max_bytes: u64,
    deduplication_window: Duration,
}

impl PostgresStoreBuilder {
    pub(super) fn new(database: Database) -> Self {
        Self {
            database,
            directory: None,
            holding: MailboxLimits::default(),
            retention: Retention::default(),
            max_bytes: MAX_BYTES,
            deduplication_window: DEDUPLICATION_WINDOW,
        }
    }

    /// Sets the directory that decides which mailboxes exist; each gets its row when it is first used. Without a directory, a mailbox exists if
    /// its row does: see [`PostgresStore::create_mailbox`].
    pub fn directory(self, directory: impl Directory) -> Self {
        Self { directory: Some(Arc::new(directory)), ..self }
    }

    /// Limits how many messages a mailbox may hold, removed ones not counted; without it, any number.
    pub fn max_messages(mut self, max_messages: usize) -> Self {
        self.holding.messages = Some(max_messages);
        self
    }

    /// Limits how much a mailbox may hold; without it, there is no limit. If a directory has a limit for the mailbox, too, the lower one counts.
    pub fn holding(self, holding: MailboxLimits) -> Self {
        Self { holding, ..self }
    }

    /// Sets how long messages stay; without it, until their owners remove and expunge them. Removed messages stay for five minutes at least, so that
    /// a node that removed one unheard can notify its sender. All nodes should have the same retention.
    pub fn retention(self, retention: Retention) -> Self {
        Self { retention, ..self }
    }

    /// Limits how many bytes a message may have as a mail; 16 MiB without it.
    pub fn max_bytes(self, max_bytes: u64) -> Self {
        Self { max_bytes, ..self }
    }

    /// Sets how long the key of a message is remembered after the message was deleted for good; 90 days without it. While the message is there, it
    /// is recognised in any case.
    pub fn deduplication_window(self, deduplication_window: Duration) -> Self {
        Self { deduplication_window, ..self }
    }

    /// Makes the store. Nothing is asked of the database yet.
    pub fn build(self) -> PostgresStore {
        let Self { database, directory, holding, retention, max_bytes, deduplication_window } = self;
        let changes = Changes::new(database.pool().clone());
        PostgresStore { database, changes, directory, holding, retention, max_bytes, deduplication_window }
    }
}

const MAX_BYTES: u64 = 16 << 20;
