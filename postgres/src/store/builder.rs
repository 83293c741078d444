//! [`PostgresStoreBuilder`].

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use voicemail::directory::{Directory, MailboxLimits};
use voicemail::store::Retention;

use super::PostgresStore;
use super::housekeep::DEDUPLICATION_WINDOW;
use super::long_sounds::LongSounds;
use crate::Database;
use crate::changes::Changes;
use crate::sounds::SoundStore;

/// Makes a [`PostgresStore`]; made by [`PostgresStore::builder`].
#[derive(Debug)]
#[must_use]
pub struct PostgresStoreBuilder {
    database: Database,
    directory: Option<Arc<dyn Directory>>,
    holding: MailboxLimits,
    retention: Retention,
    max_bytes: Option<u64>,
    deduplication_window: Duration,
    sounds: Option<SoundStore>,
    inline_limit: u64,
    staging: Option<PathBuf>,
}

impl PostgresStoreBuilder {
    pub(super) fn new(database: Database) -> Self {
        Self {
            database,
            directory: None,
            holding: MailboxLimits::default(),
            retention: Retention::default(),
            max_bytes: None,
            deduplication_window: DEDUPLICATION_WINDOW,
            sounds: None,
            inline_limit: INLINE_LIMIT,
            staging: None,
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

    /// Sets how long messages stay; without it, until their owners remove and expunge them. The times that a directory has for a mailbox come before
    /// these. Removed messages stay for five minutes at least, so that
    /// a node that removed one unheard can notify its sender. All nodes should have the same retention.
    pub fn retention(self, retention: Retention) -> Self {
        Self { retention, ..self }
    }

    /// Limits how many bytes a message may have as a mail; without it, 64 MiB with an object store, and 16 MiB without one.
    pub fn max_bytes(self, max_bytes: u64) -> Self {
        Self { max_bytes: Some(max_bytes), ..self }
    }

    /// Sets how long the key of a message is remembered after the message was deleted for good; 90 days without it. While the message is there, it
    /// is recognised in any case.
    pub fn deduplication_window(self, deduplication_window: Duration) -> Self {
        Self { deduplication_window, ..self }
    }

    /// Sets the object store for long sounds. All nodes must have the same one, and go on having one after it has sounds.
    pub fn sounds(self, sounds: SoundStore) -> Self {
        Self { sounds: Some(sounds), ..self }
    }

    /// Sets up to how many bytes a sound is kept in the database if there is an object store: 64 KiB without it, 1 MiB at most. A sound in the
    /// database costs one round trip and one flush, but goes through the log of the database, to each standby and into each backup.
    pub fn inline_limit(self, bytes: u64) -> Self {
        Self { inline_limit: bytes.min(LONGEST_INLINE), ..self }
    }

    /// Sets a folder of this node where long mails are written while they come in; they have no names there and nothing of them stays. Without it,
    /// they are held in memory.
    pub fn staging(self, folder: impl Into<PathBuf>) -> Self {
        Self { staging: Some(folder.into()), ..self }
    }

    /// Makes the store. Nothing is asked of the database yet.
    pub fn build(self) -> PostgresStore {
        let Self { database, directory, holding, retention, max_bytes, deduplication_window, sounds, inline_limit, staging } =
            self;
        let max_bytes = max_bytes.unwrap_or(if sounds.is_some() { MAX_BYTES } else { MAX_INLINE_BYTES });
        let sounds = LongSounds::new(sounds, inline_limit);
        let changes = Changes::new(database.pool().clone());
        PostgresStore {
            database,
            changes,
            sounds,
            staging,
            directory,
            holding,
            retention,
            retained_up_to: Mutex::default(),
            max_bytes,
            deduplication_window,
            remembers_arrivals: AtomicBool::new(false),
        }
    }
}

const MAX_BYTES: u64 = 64 << 20;
const MAX_INLINE_BYTES: u64 = 16 << 20;
const INLINE_LIMIT: u64 = 64 << 10;
const LONGEST_INLINE: u64 = 1 << 20;
