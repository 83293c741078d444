//! [`PostgresStore`].

mod arrivals;
mod builder;
mod copies;
mod copying;
mod deposit;
mod housekeep;
mod long_sounds;
mod mark;
mod page;
mod retrieve;
mod staging;
mod state;
mod transcripts;
mod transfer;
mod values;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio_postgres::Row;
use voicemail::directory::{Directory, MailboxLimits};
use voicemail::message::{MailboxId, Message, MessageId, Origin, Status, Summary, Transcript};
use voicemail::store::{
    Deposit, Entry, Housekeeping, ImportOutcome, ImportedMessage, MailboxState, MailboxUsage, MessageStore, Page,
    PendingArrivals, Query, Retention, StagedMail, StoreError,
};

pub use self::builder::PostgresStoreBuilder;
use self::long_sounds::LongSounds;
use self::staging::IncomingMail;
use crate::Database;
use crate::changes::Changes;
use crate::columns::column;

/// Keeps messages in PostgreSQL, for any number of nodes at once.
///
/// # Kept data
///
/// The head and the sound of a message, byte for byte, its status and its transcript; not the mail that it arrived as. [`retrieve`](MessageStore::retrieve)
/// checks the digest of the sound.
///
/// A sound of up to 64 KiB, or of the [inline limit](PostgresStoreBuilder::inline_limit), is in the row of its message. With an
/// [object store](PostgresStoreBuilder::sounds), longer ones are there: the object is put before the row is made, and it is deleted an hour after its
/// message was. Without one, all sounds are in the database, and a minute of G.711 is 480 kB in its log, on each standby and in each backup.
///
/// The copies of a message have its sound together: once in the database, from the first copy on, or one object. It is deleted with the last of them.
///
/// # How a message is stored once
///
/// A deposit with a short sound is one statement and one transaction; for a long sound, a statement that only reads asks before it whether the
/// message is known. The deposit counts the message in the row of the mailbox, which locks it, looks for the key of the message among those that are
/// there and those that were deleted, and puts the message in if it is not known. So of two nodes that get the same message at the same moment, one
/// stores it. The answer is given after the commit: with synchronous standbys, after one of them has it. The key of a message that was deleted for
/// good is remembered for 90 days, or for the time [set](PostgresStoreBuilder::deduplication_window).
///
/// When the connection breaks before the answer comes, the deposit answers [`StoreError::Unavailable`], although the message may have been stored.
/// The sender sends it again, and then it is a [duplicate](Deposit::Duplicate).
///
/// # Versions
///
/// [`state`](MessageStore::state) answers a version that all nodes agree on. It is the time of the change in microseconds since 1970 by the clock of
/// the database, or one more than the version before. The clocks of two servers that replace each other may differ by 10 s at most.
///
/// # Changes by other nodes
///
/// [`external_changes`](MessageStore::external_changes) names the mailboxes that other nodes change, within a second of the change, and within three
/// seconds if the notification of a change was lost; after a break of the connection, within three seconds of its return. With more than
/// a million mailboxes, a change whose notification was lost is named later: the store looks for such changes for at most a tenth of the
/// time. Changes that this store has made are named only if others may have changed the same mailbox in between.
///
/// A store that has changed a mailbox, or whose `external_changes` was called, has one more connection for notifications, and a task that
/// drives it until the store is dropped.
///
/// # Limits
///
/// Limits are compared under the lock, so they are exact. A message counts with its size as a mail: that of the mail that it arrived as, or
/// what its sound has in base 64.
///
/// # Examples
///
/// ```no_run
/// use voicemail::store::MessageStore;
/// use voicemail_postgres::{Database, PostgresStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let database = Database::connect("postgres://voicemail@%2Frun%2Fpostgresql/voicemail").await?;
/// let store = PostgresStore::builder(&database).build();
/// let mailbox = "2041".parse()?;
/// store.create_mailbox(&mailbox).await?;
/// assert_eq!(store.summary(&mailbox).await?.to_string(), "0/0 (0/0)");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PostgresStore {
    database: Database,
    changes: Changes,
    sounds: LongSounds,
    staging: Option<PathBuf>,
    directory: Option<Arc<dyn Directory>>,
    holding: MailboxLimits,
    retention: Retention,
    /// The mailbox that the last step of the retention ended with; empty before the first.
    retained_up_to: Mutex<String>,
    max_bytes: u64,
    deduplication_window: Duration,
    remembers_arrivals: AtomicBool,
}

impl PostgresStore {
    /// Builds a store in `database`.
    pub fn builder(database: &Database) -> PostgresStoreBuilder {
        PostgresStoreBuilder::new(database.clone())
    }

    /// Creates `mailbox`; no error if it is there already. Needed only without a [directory](PostgresStoreBuilder::directory).
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSpace`], [`StoreError::NotWritable`] and [`StoreError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has created it or not. The same call again settles it.
    pub async fn create_mailbox(&self, mailbox: &MailboxId) -> Result<(), StoreError> {
        self.database.pool().query("SELECT voicemail.create_mailbox($1)", &[&mailbox.as_str()]).await?;
        Ok(())
    }

    /// Announces a change that is committed; columns `at` and the next one of `row` have the versions before and after it.
    fn announce(&self, mailbox: &MailboxId, row: &Row, at: usize) -> Result<(), StoreError> {
        if let (Some(before), Some(after)) = (column(row, at)?, column(row, at + 1)?) {
            self.changes.note(mailbox, before, after);
        }
        Ok(())
    }

    /// Whether `mailbox` may be created where it is missing, and its limits.
    async fn look_up(&self, mailbox: &MailboxId) -> Result<(bool, MailboxLimits), StoreError> {
        let Some(directory) = &self.directory else { return Ok((false, self.holding)) };
        let owner = directory.find(mailbox).await.map_err(|error| StoreError::Unavailable(error.into()))?;
        let owner = owner.ok_or_else(|| StoreError::NoSuchMailbox(mailbox.clone()))?;
        Ok((true, self.holding.and(owner.holding)))
    }

    /// Whether nodes have steps to do for each message that is deposited.
    fn remembers_arrivals(&self) -> bool {
        self.remembers_arrivals.load(Ordering::Acquire)
    }

    fn check_size(&self, size: u64) -> Result<(), StoreError> {
        let limit = self.max_bytes;
        if size > limit { Err(StoreError::TooBig { size, limit }) } else { Ok(()) }
    }
}

#[async_trait]
impl MessageStore for PostgresStore {
    async fn deposit(&self, mailbox: &MailboxId, origin: &Origin, message: &Message) -> Result<Deposit, StoreError> {
        self.put_deposit(mailbox, origin, message).await
    }

    async fn list(&self, mailbox: &MailboxId) -> Result<Vec<Entry>, StoreError> {
        Ok(self.read_page(mailbox, &Query::all()).await?.entries)
    }

    async fn entry(&self, mailbox: &MailboxId, id: MessageId) -> Result<Entry, StoreError> {
        self.read_entry(mailbox, id).await
    }

    async fn retrieve(&self, mailbox: &MailboxId, id: MessageId) -> Result<Message, StoreError> {
        self.read_message(mailbox, id).await
    }

    async fn mark(&self, mailbox: &MailboxId, id: MessageId, status: Status) -> Result<(), StoreError> {
        self.change_status(mailbox, id, None, status).await.map(|_| ())
    }

    async fn mark_if(&self, mailbox: &MailboxId, id: MessageId, expected: Status, status: Status) -> Result<bool, StoreError> {
        self.change_status(mailbox, id, Some(expected), status).await
    }

    async fn copy(&self, from: &MailboxId, id: MessageId, to: &MailboxId) -> Result<Deposit, StoreError> {
        self.copy_message(from, id, to).await
    }

    async fn transfer(&self, from: &MailboxId, id: MessageId, to: &MailboxId) -> Result<Deposit, StoreError> {
        self.move_message(from, id, to).await
    }

    async fn expunge(&self, mailbox: &MailboxId) -> Result<usize, StoreError> {
        self.delete_removed(mailbox).await
    }

    async fn summary(&self, mailbox: &MailboxId) -> Result<Summary, StoreError> {
        Ok(self.read_state(mailbox).await?.summary)
    }

    async fn state(&self, mailbox: &MailboxId) -> Result<MailboxState, StoreError> {
        self.read_state(mailbox).await
    }

    async fn page(&self, mailbox: &MailboxId, query: &Query) -> Result<Page, StoreError> {
        self.read_page(mailbox, query).await
    }

    async fn usage(&self, mailbox: &MailboxId) -> Result<MailboxUsage, StoreError> {
        self.read_usage(mailbox).await
    }

    async fn check(&self, mailbox: &MailboxId, size: u64) -> Result<(), StoreError> {
        self.check_room(mailbox, size).await
    }

    async fn stage(&self) -> Result<Option<Box<dyn StagedMail>>, StoreError> {
        let Some(folder) = self.staging.clone() else { return Ok(None) };
        let max_bytes = self.max_bytes;
        let begin = tokio::task::spawn_blocking(move || IncomingMail::begin(&folder, max_bytes));
        let incoming = begin.await.map_err(|error| StoreError::Unavailable(error.into()))??;
        Ok(Some(Box::new(incoming)))
    }

    fn reads_sounds(&self) -> bool {
        true
    }

    async fn import(&self, mailbox: &MailboxId, message: &ImportedMessage) -> Result<ImportOutcome, StoreError> {
        self.put_import(mailbox, message).await
    }

    async fn set_transcript(&self, mailbox: &MailboxId, id: MessageId, transcript: &Transcript) -> Result<(), StoreError> {
        self.put_transcript(mailbox, id, transcript).await
    }

    async fn transcript(&self, mailbox: &MailboxId, id: MessageId) -> Result<Option<Transcript>, StoreError> {
        self.read_transcript(mailbox, id).await
    }

    fn pending_arrivals(&self) -> Option<&dyn PendingArrivals> {
        Some(self)
    }

    /// The name that [`DatabaseBuilder::engine`](crate::DatabaseBuilder::engine) has set.
    fn engine(&self) -> Option<&str> {
        self.database.engine()
    }

    /// # Panics
    ///
    /// Outside a tokio runtime with I/O and time.
    async fn external_changes(&self) -> Vec<MailboxId> {
        self.changes.wait().await
    }

    async fn housekeep(&self) -> Result<Housekeeping, StoreError> {
        self.housekeeping_step().await
    }
}
