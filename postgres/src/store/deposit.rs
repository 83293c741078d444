//! Puts messages into mailboxes: deposits, and imports from another store.

use std::io::{self, Read as _};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use voicemail::directory::MailboxLimits;
use voicemail::message::{Audio, MailboxId, Message, MessageId, Origin, Status, Urgency};
use voicemail::store::{DeduplicationKey, Deposit, ImportOutcome, ImportedMessage, StoreError};

use super::PostgresStore;
use super::values::{mail_size, status_number};
use crate::DatabaseError;
use crate::columns::{Uuid, bigint, column, millis, nanos};

impl PostgresStore {
    pub(super) async fn put_deposit(
        &self,
        mailbox: &MailboxId,
        origin: &Origin,
        message: &Message,
    ) -> Result<Deposit, StoreError> {
        let key = DeduplicationKey::of_message(origin, message);
        let (may_create, limits) = self.look_up(mailbox).await?;
        let limits = limits.for_deposit(origin, message);
        let remember = self.remembers_arrivals();
        let arrival = Arrival { limits, remember, ..Arrival::new(key, message, Status::New) };
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
        let arrival = Arrival { since: imported.removed_at, ..Arrival::new(imported.key, message, *status) };
        Ok(match self.put(mailbox, may_create, &arrival).await? {
            Some(id) => ImportOutcome::Stored(id),
            None => ImportOutcome::Duplicate,
        })
    }

    /// Puts a message into a mailbox; answers its id there, or `None` if it has arrived before.
    ///
    /// A short sound goes with the message, in one statement. A long one is put into the object store first, so that no row refers to a sound that
    /// is not there. When the answer of the last statement is lost, the caller does not learn whether the message is stored: the key settles it
    /// when the same message comes again.
    async fn put(&self, mailbox: &MailboxId, may_create: bool, arrival: &Arrival<'_>) -> Result<Option<MessageId>, StoreError> {
        self.check_size(arrival.size)?;
        let audio = arrival.message.audio();
        let Some(sounds) = self.sounds.for_sound_of(audio.len()) else {
            let sound = in_memory(audio).await?;
            let answer = self.call(mailbox, may_create, arrival, Sound::Inline(&sound)).await?;
            return self.outcome(mailbox, answer);
        };
        let put_at = match self.expects_to_store(mailbox, arrival).await? {
            (true, now) => now,
            // Under the lock and with a commit, so that "duplicate" is true on the standbys, too.
            (false, _) => match self.call(mailbox, may_create, arrival, Sound::Absent).await? {
                Outcome::SoundNeeded(at) => at,
                answer => return self.outcome(mailbox, answer),
            },
        };
        let name = sounds.put(audio, put_at).await.map_err(|error| error.into_store_error(arrival.message.id()))?;
        let answer = self.call(mailbox, may_create, arrival, Sound::Object(&name.to_string())).await?;
        if !matches!(answer, Outcome::Stored { .. }) {
            // Without this, a sweep deletes it some days later.
            if let Err(error) = sounds.delete(&name).await {
                tracing::debug!(%name, error = &error as &dyn std::error::Error, "the sound of a duplicate stays until it is swept");
            }
        }
        self.outcome(mailbox, answer)
    }

    /// Whether nothing that can be read now speaks against storing the message, and the time of the database. Decides nothing: it takes no lock,
    /// and so costs no flush.
    async fn expects_to_store(&self, mailbox: &MailboxId, arrival: &Arrival<'_>) -> Result<(bool, DateTime<Utc>), StoreError> {
        let Arrival { key, limits, .. } = arrival;
        let (messages, length, bytes) = (limits.messages.map(bigint), limits.length.map(millis), limits.bytes.map(bigint));
        let params: &[&(dyn ToSql + Sync)] = &[&mailbox.as_str(), &Uuid::from(*key), &messages, &length, &bytes];
        let rows = self.database.pool().read(EXPECTATION, params).await?;
        let row = rows.first().ok_or_else(|| DatabaseError::unexpected("no row where one was expected"))?;
        Ok((column(row, 0)?, column(row, 1)?))
    }

    /// Calls the function that deposits, in a transaction of its own.
    async fn call(
        &self,
        mailbox: &MailboxId,
        may_create: bool,
        arrival: &Arrival<'_>,
        sound: Sound<'_>,
    ) -> Result<Outcome, StoreError> {
        let Arrival { key, message, status, since, limits, remember, head, size } = arrival;
        let audio = message.audio();
        let (inline, object) = match sound {
            Sound::Inline(bytes) => (Some(bytes), None),
            Sound::Object(name) => (None, Some(name)),
            Sound::Absent => (None, None),
        };
        let pool = self.database.pool();
        let row = pool
            .query_one(
                if *remember { DEPOSIT_AND_REMEMBER } else { DEPOSIT },
                &[
                    &mailbox.as_str(),
                    &may_create,
                    &Uuid::from(*key),
                    &Uuid::from(message.id()),
                    &status_number(*status)?,
                    since,
                    &(message.urgency() == Urgency::Urgent),
                    &nanos(message.head().recorded_at.instant),
                    &millis(message.head().length),
                    &bigint(*size),
                    &audio.media().mime(),
                    &&audio.digest().as_bytes()[..],
                    &bigint(audio.len()),
                    head,
                    &inline,
                    &object,
                    &limits.messages.map(bigint),
                    &limits.length.map(millis),
                    &limits.bytes.map(bigint),
                ],
            )
            .await?;
        Ok(Outcome::from_row(&row)?)
    }

    /// Announces a message that was stored, and answers its id; or the answer in its place.
    fn outcome(&self, mailbox: &MailboxId, outcome: Outcome) -> Result<Option<MessageId>, StoreError> {
        match outcome {
            Outcome::Stored { id, old_version, new_version } => {
                self.changes.note(mailbox, old_version, new_version);
                Ok(Some(id))
            }
            Outcome::Duplicate => Ok(None),
            Outcome::NoMailbox => Err(StoreError::NoSuchMailbox(mailbox.clone())),
            Outcome::Full => Err(StoreError::MailboxFull(mailbox.clone())),
            // The sender sends it again, and it is put again.
            Outcome::SoundNeeded(_) => {
                Err(StoreError::Unavailable("its sound was put so long ago that a sweep may have deleted it".into()))
            }
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
    /// Whether nodes have steps to do for it.
    remember: bool,
    head: Vec<u8>,
    /// How many bytes it has as a mail.
    size: u64,
}

impl<'a> Arrival<'a> {
    fn new(key: DeduplicationKey, message: &'a Message, status: Status) -> Self {
        let head = message.head().encode();
        let size = mail_size(message, &head);
        Self { key, message, status, since: None, limits: MailboxLimits::default(), remember: false, head, size }
    }
}

/// The sound of a message, as the database gets it.
enum Sound<'a> {
    Inline(&'a [u8]),
    Object(&'a str),
    /// The question whether the message would be stored.
    Absent,
}

/// The answer of the function that deposits.
#[derive(Debug, Clone, Copy)]
enum Outcome {
    Stored {
        id: MessageId,
        old_version: i64,
        new_version: i64,
    },
    Duplicate,
    NoMailbox,
    Full,
    /// The message would be stored with a sound that is put into the object store at this time.
    SoundNeeded(DateTime<Utc>),
}

impl Outcome {
    fn from_row(row: &Row) -> Result<Self, DatabaseError> {
        match column(row, 0)? {
            STORED => {
                Ok(Self::Stored { id: column::<Uuid>(row, 1)?.id(), old_version: column(row, 2)?, new_version: column(row, 3)? })
            }
            DUPLICATE => Ok(Self::Duplicate),
            NO_MAILBOX => Ok(Self::NoMailbox),
            FULL => Ok(Self::Full),
            SOUND_NEEDED => Ok(Self::SoundNeeded(column(row, 4)?)),
            outcome => Err(DatabaseError::unexpected(format!("a deposit has the outcome {outcome}"))),
        }
    }
}

/// All bytes of a sound that is short enough for it.
async fn in_memory(audio: &Audio) -> Result<Bytes, StoreError> {
    if let Some(bytes) = audio.in_memory() {
        return Ok(bytes.clone());
    }
    let audio = audio.clone();
    let read = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::with_capacity(usize::try_from(audio.len()).unwrap_or_default());
        audio.reader().read_to_end(&mut bytes).map(|_| Bytes::from(bytes))
    });
    let failed = |error: io::Error| StoreError::Unavailable(error.into());
    read.await.map_err(|error| failed(error.into()))?.map_err(failed)
}

const DEPOSIT: &str = "SELECT outcome, kept_id, old_version, new_version, at FROM voicemail.deposit(\
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)";
/// The row of the arrival is held for this node for half a minute.
const DEPOSIT_AND_REMEMBER: &str = "WITH kept AS (SELECT outcome, kept_id, old_version, new_version, at FROM voicemail.deposit(\
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)), \
    remembered AS (INSERT INTO voicemail.arrival (mailbox, id, free_at) \
        SELECT $1, kept_id, now() + interval '30 seconds' FROM kept WHERE outcome = 0 ON CONFLICT DO NOTHING) \
    SELECT outcome, kept_id, old_version, new_version, at FROM kept";
const EXPECTATION: &str = "SELECT NOT voicemail.is_known($1, $2) AND EXISTS (SELECT FROM voicemail.mailbox WHERE number = $1 AND \
    (new_n + old_n >= $3::bigint OR length_ms >= $4::bigint OR bytes >= $5::bigint) IS NOT TRUE), now()";
const IMPORT_KEY: &str = "SELECT outcome FROM voicemail.import_key($1, $2, $3, $4, $5)";

/// The outcomes of the functions in the database.
const STORED: i16 = 0;
const DUPLICATE: i16 = 1;
const NO_MAILBOX: i16 = 2;
const FULL: i16 = 3;
const SOUND_NEEDED: i16 = 4;
