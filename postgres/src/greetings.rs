//! [`PostgresGreetings`]: the newest edition of each greeting, in the database.

use std::io::Read as _;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use voicemail::greeting::{
    Edition, Greeting, GreetingEntry, GreetingId, GreetingStore, GreetingStoreError, GreetingVersion, KeepOutcome,
};
use voicemail::message::{Audio, AudioType, ContentDigest, MailboxId};

use crate::{Database, DatabaseError};

/// Keeps the newest edition of each greeting in the database, for any number of nodes at once: a greeting that one node keeps is played by all.
///
/// Sounds are in the database whatever their size. One edition is kept of each greeting, and of a removed greeting its removal, so that no older edition
/// that comes late is played again.
///
/// A sound that is not the one that was put stays in its row for an operator, marked `is_damaged`; the next edition replaces it.
#[derive(Debug, Clone)]
pub struct PostgresGreetings {
    database: Database,
}

impl PostgresGreetings {
    /// The greetings in `database`.
    pub fn new(database: &Database) -> Self {
        Self { database: database.clone() }
    }

    async fn keep(&self, greeting: &Greeting) -> Result<bool, DatabaseError> {
        let GreetingId { mailbox, kind, .. } = greeting.id();
        let Edition { version, digest, .. } = greeting.edition();
        let sound = match greeting.sound() {
            Some(audio) => Some(bytes_of(audio).await?),
            None => None,
        };
        let pool = self.database.pool();
        let row = pool
            .query_one(
                "SELECT voicemail.put_greeting($1, $2, $3, $4, $5, $6, $7)",
                &[
                    &mailbox.as_str(),
                    &kind.as_str(),
                    &version_number(version)?,
                    &digest.as_ref().map(|digest| &digest.as_bytes()[..]),
                    &greeting.until(),
                    &greeting.sound().map(|audio| audio.media().mime()),
                    &sound.as_deref(),
                ],
            )
            .await?;
        Ok(row.try_get(0)?)
    }

    async fn find(&self, id: &GreetingId) -> Result<Option<Found>, DatabaseError> {
        let rows = self.database.pool().read(READ, &[&id.mailbox.as_str(), &id.kind.as_str()]).await?;
        rows.first().map(|row| Found::of(id, row)).transpose()
    }

    async fn mark_damaged(&self, id: &GreetingId, version: GreetingVersion) -> Result<(), DatabaseError> {
        let version = version_number(version)?;
        self.database.pool().query(MARK_DAMAGED, &[&id.mailbox.as_str(), &id.kind.as_str(), &version]).await.map(drop)
    }
}

#[async_trait]
impl GreetingStore for PostgresGreetings {
    async fn put(&self, greeting: Greeting) -> Result<KeepOutcome, GreetingStoreError> {
        let is_kept = self.keep(&greeting).await.map_err(unavailable)?;
        Ok(if is_kept { KeepOutcome::Kept } else { KeepOutcome::HasNewer })
    }

    async fn read(&self, id: &GreetingId) -> Result<Option<Greeting>, GreetingStoreError> {
        match self.find(id).await.map_err(unavailable)? {
            None => Ok(None),
            Some(Found::Whole(greeting)) => Ok(Some(greeting)),
            Some(Found::Damaged(version)) => {
                self.mark_damaged(id, version).await.map_err(unavailable)?;
                Err(GreetingStoreError::Damaged(id.clone()))
            }
        }
    }

    async fn list(&self, mailbox: &MailboxId) -> Result<Vec<GreetingEntry>, GreetingStoreError> {
        let rows = self.database.pool().read(LIST, &[&mailbox.as_str()]).await.map_err(unavailable)?;
        entries(&rows).map_err(unavailable)
    }

    async fn list_all(&self) -> Result<Vec<GreetingEntry>, GreetingStoreError> {
        let rows = self.database.pool().read(LIST_ALL, &[]).await.map_err(unavailable)?;
        entries(&rows).map_err(unavailable)
    }
}

/// The row of a greeting.
enum Found {
    Whole(Greeting),
    /// The sound is not the one that was put.
    Damaged(GreetingVersion),
}

impl Found {
    fn of(id: &GreetingId, row: &Row) -> Result<Self, DatabaseError> {
        let version = version_of(row.try_get(0)?)?;
        let until: Option<DateTime<Utc>> = row.try_get(2)?;
        let (Some(media), Some(sound)) = (row.try_get::<_, Option<&str>>(3)?, row.try_get::<_, Option<&[u8]>>(4)?) else {
            return Ok(Self::Whole(Greeting::new(id.clone(), version, None)));
        };
        let known = AudioType::ALL.into_iter().find(|known| known.mime() == media);
        let media = known.ok_or_else(|| DatabaseError::unexpected(format!("a greeting has the media type {media}")))?;
        let sound = Audio::new(media, Bytes::copy_from_slice(sound));
        if Some(sound.digest()) != digest_of(row.try_get(1)?)? {
            return Ok(Self::Damaged(version));
        }
        let greeting = Greeting::new(id.clone(), version, Some(sound));
        Ok(Self::Whole(until.into_iter().fold(greeting, Greeting::with_until)))
    }
}

/// The entries of rows. A row of a mailbox or kind that this version does not know is skipped: a newer version has put it there.
fn entries(rows: &[Row]) -> Result<Vec<GreetingEntry>, DatabaseError> {
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        if let (Ok(mailbox), Ok(kind)) = (row.try_get::<_, &str>(0)?.parse(), row.try_get::<_, &str>(1)?.parse()) {
            let edition = Edition::new(version_of(row.try_get(2)?)?, digest_of(row.try_get(3)?)?);
            entries.push(GreetingEntry::new(GreetingId::new(mailbox, kind), edition, row.try_get(4)?));
        }
    }
    Ok(entries)
}

/// The bytes of a sound, also if it is not in memory.
async fn bytes_of(audio: &Audio) -> Result<Bytes, DatabaseError> {
    if let Some(bytes) = audio.in_memory() {
        return Ok(bytes.clone());
    }
    let mut reader = audio.reader();
    let read = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).map(|_| bytes)
    });
    Ok(read.await.map_err(DatabaseError::unexpected)?.map_err(DatabaseError::unexpected)?.into())
}

fn version_number(version: GreetingVersion) -> Result<i64, DatabaseError> {
    version.to_string().parse().map_err(DatabaseError::unexpected)
}

fn version_of(number: i64) -> Result<GreetingVersion, DatabaseError> {
    format!("{number:020}").parse().map_err(DatabaseError::unexpected)
}

fn digest_of(bytes: Option<&[u8]>) -> Result<Option<ContentDigest>, DatabaseError> {
    bytes.map(|bytes| <[u8; 32]>::try_from(bytes).map(ContentDigest::from_bytes)).transpose().map_err(DatabaseError::unexpected)
}

fn unavailable(error: DatabaseError) -> GreetingStoreError {
    GreetingStoreError::Unavailable(error.into())
}

const READ: &str =
    "SELECT version, digest, ends, media, sound FROM voicemail.greeting WHERE mailbox = $1 AND kind = $2 AND NOT is_damaged";
const LIST: &str = "SELECT mailbox, kind, version, digest, ends FROM voicemail.greeting WHERE mailbox = $1 AND NOT is_damaged";
const LIST_ALL: &str = "SELECT mailbox, kind, version, digest, ends FROM voicemail.greeting WHERE NOT is_damaged";
const MARK_DAMAGED: &str = "UPDATE voicemail.greeting SET is_damaged = true WHERE mailbox = $1 AND kind = $2 AND version = $3";
