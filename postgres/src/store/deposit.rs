//! Puts messages into mailboxes: deposits, and imports from another store.

use chrono::{DateTime, Utc};
use tokio_postgres::types::ToSql;
use voicemail::directory::MailboxLimits;
use voicemail::message::{MailboxId, Message, MessageId, Origin, Status, Urgency};
use voicemail::store::{DeduplicationKey, Deposit, ImportOutcome, ImportedMessage, StoreError};

use super::PostgresStore;
use super::values::{Uuid, bigint, column, mail_size, millis, nanos, status_number};
use crate::DatabaseError;

impl PostgresStore {
    pub(super) async fn put_deposit(
        &self,
        mailbox: &MailboxId,
        origin: &Origin,
        message: &Message,
    ) -> Result<Deposit, StoreError> {
        let key = DeduplicationKey::of_message(origin, message);
        let (may_create, limits) = self.look_up(mailbox).await?;
        let arrival = Arrival { key, message, status: Status::New, since: None, limits };
        Ok(match self.put(mailbox, may_create, &arrival).await? {
            Some(id) => Deposit::Stored(id),
            None => Deposit::Duplicate,
        })
    }

    pub(super) async fn put_import(&self, mailbox: &MailboxId, imported: &ImportedMessage) -> Result<ImportOutcome, StoreError> {
        let (may_create, _) = self.look_up(mailbox).await?;
        let Some((message, status)) = &imported.message else {
            return self.put_key(mailbox, may_create, imported).await;
        };
        let (status, since) = (*status, imported.removed_at);
        let arrival = Arrival { key: imported.key, message, status, since, limits: MailboxLimits::default() };
        Ok(match self.put(mailbox, may_create, &arrival).await? {
            Some(id) => ImportOutcome::Stored(id),
            None => ImportOutcome::Duplicate,
        })
    }

    /// Puts a message into a mailbox in one statement; answers its id there, or `None` if it has arrived before.
    ///
    /// When the answer of the statement is lost, this is not known to the caller: the key settles it when the same message comes again.
    async fn put(&self, mailbox: &MailboxId, may_create: bool, arrival: &Arrival<'_>) -> Result<Option<MessageId>, StoreError> {
        let Arrival { key, message, status, since, limits } = arrival;
        let head = message.head().encode();
        let size = mail_size(message, &head);
        self.check_size(size)?;
        let audio = message.audio();
        let sound = self.sound_of(audio).await?;
        let (number, urgent) = (mailbox.as_str(), message.urgency() == Urgency::Urgent);
        let pool = self.database.pool();
        let row = pool
            .query_one(
                DEPOSIT,
                &[
                    &number,
                    &may_create,
                    &Uuid::from(*key),
                    &Uuid::from(message.id()),
                    &status_number(*status)?,
                    since,
                    &urgent,
                    &nanos(message.head().recorded_at.instant),
                    &millis(message.head().length),
                    &bigint(size),
                    &audio.media().mime(),
                    &&audio.digest().as_bytes()[..],
                    &bigint(audio.len()),
                    &head,
                    &Some(&sound[..]),
                    &None::<&str>,
                    &limits.messages.map(bigint),
                    &limits.length.map(millis),
                    &limits.bytes.map(bigint),
                ],
            )
            .await?;
        match column(&row, 0)? {
            STORED => {
                self.announce(mailbox, &row, 2)?;
                Ok(Some(column::<Uuid>(&row, 1)?.id()))
            }
            DUPLICATE => Ok(None),
            NO_MAILBOX => Err(StoreError::NoSuchMailbox(mailbox.clone())),
            FULL => Err(StoreError::MailboxFull(mailbox.clone())),
            outcome => Err(DatabaseError::unexpected(format!("a deposit has the outcome {outcome}")).into()),
        }
    }

    /// Remembers the key of a message that was deleted in another store, from its removal on, but not longer than this store remembers keys.
    async fn put_key(
        &self,
        mailbox: &MailboxId,
        may_create: bool,
        imported: &ImportedMessage,
    ) -> Result<ImportOutcome, StoreError> {
        let (number, key, window) = (mailbox.as_str(), Uuid::from(imported.key), millis(self.deduplication_window));
        let params: &[&(dyn ToSql + Sync)] = &[&number, &may_create, &key, &imported.removed_at, &window];
        let row = self.database.pool().query_one(IMPORT_KEY, params).await?;
        match column(&row, 0)? {
            STORED => Ok(ImportOutcome::KeyStored),
            DUPLICATE => Ok(ImportOutcome::Duplicate),
            NO_MAILBOX => Err(StoreError::NoSuchMailbox(mailbox.clone())),
            outcome => Err(DatabaseError::unexpected(format!("an import has the outcome {outcome}")).into()),
        }
    }
}

/// A message on its way into a mailbox.
struct Arrival<'a> {
    key: DeduplicationKey,
    message: &'a Message,
    status: Status,
    /// When it got its status, if that was before now.
    since: Option<DateTime<Utc>>,
    limits: MailboxLimits,
}

const DEPOSIT: &str = "SELECT outcome, kept_id, old_version, new_version FROM voicemail.deposit(\
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)";
const IMPORT_KEY: &str = "SELECT outcome FROM voicemail.import_key($1, $2, $3, $4, $5)";

/// The outcomes of the functions in the database.
const STORED: i16 = 0;
const DUPLICATE: i16 = 1;
const NO_MAILBOX: i16 = 2;
const FULL: i16 = 3;
