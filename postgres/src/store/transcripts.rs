//! Keeps and reads the transcripts of messages, each in the row of its message.

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use voicemail::message::{Language, MailboxId, MessageId, Transcript};
use voicemail::store::StoreError;

use super::PostgresStore;
use crate::DatabaseError;
use crate::columns::{Uuid, column};

impl PostgresStore {
    pub(super) async fn put_transcript(
        &self,
        mailbox: &MailboxId,
        id: MessageId,
        transcript: &Transcript,
    ) -> Result<(), StoreError> {
        let (may_create, _) = self.look_up(mailbox).await?;
        let params: [&(dyn ToSql + Sync); 6] = [
            &mailbox.as_str(),
            &Uuid::from(id),
            &transcript.text(),
            &transcript.engine(),
            &transcript.language().map(Language::as_str),
            &transcript.confidence(),
        ];
        let row = self.database.pool().query_one(SET, &params).await?;
        let (is_set, has_mailbox) = (column(&row, 0)?, column(&row, 1)?);
        match (is_set, may_create || has_mailbox) {
            (true, _) => Ok(()),
            (false, true) => Err(StoreError::NoSuchMessage(id)),
            (false, false) => Err(StoreError::NoSuchMailbox(mailbox.clone())),
        }
    }

    pub(super) async fn read_transcript(&self, mailbox: &MailboxId, id: MessageId) -> Result<Option<Transcript>, StoreError> {
        let (may_create, _) = self.look_up(mailbox).await?;
        let rows = self.database.pool().read(READ, &[&mailbox.as_str(), &Uuid::from(id)]).await?;
        match rows.first() {
            Some(row) if column(row, 0)? => Ok(transcript_of(row)?),
            None if !may_create => Err(StoreError::NoSuchMailbox(mailbox.clone())),
            _ => Err(StoreError::NoSuchMessage(id)),
        }
    }
}

fn transcript_of(row: &Row) -> Result<Option<Transcript>, DatabaseError> {
    let Some(text) = column::<Option<&str>>(row, 1)? else { return Ok(None) };
    let transcript = Transcript::new(text, column::<Option<&str>>(row, 2)?.unwrap_or_default());
    // A tag that this version does not know is left out.
    let language = column::<Option<&str>>(row, 3)?.and_then(|tag| tag.parse().ok());
    let transcript = language.into_iter().fold(transcript, Transcript::with_language);
    Ok(Some(column::<Option<f32>>(row, 4)?.into_iter().fold(transcript, Transcript::with_confidence)))
}

const SET: &str = "WITH done AS (UPDATE voicemail.message SET transcript = $3, transcript_engine = $4, transcript_language = $5, \
        transcript_confidence = $6 WHERE mailbox = $1 AND id = $2 RETURNING 1) \
    SELECT EXISTS (SELECT FROM done), EXISTS (SELECT FROM voicemail.mailbox WHERE number = $1)";
const READ: &str = "SELECT m.id IS NOT NULL, m.transcript, m.transcript_engine, m.transcript_language, m.transcript_confidence \
    FROM voicemail.mailbox b LEFT JOIN voicemail.message m ON m.mailbox = b.number AND m.id = $2 WHERE b.number = $1";
