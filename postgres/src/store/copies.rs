//! Copies messages into other mailboxes; all copies share one sound.

use tokio_postgres::types::ToSql;
use voicemail::message::{ContentDigest, MailboxId, MessageId, Origin};
use voicemail::store::{DeduplicationKey, Deposit, StoreError};

use super::PostgresStore;
use crate::DatabaseError;
use crate::columns::{Uuid, bigint, column, millis};

impl PostgresStore {
    /// Copies a message without reading its sound, in one transaction, which remembers the arrival of the copy if nodes have steps to do for it.
    pub(super) async fn copy_message(&self, from: &MailboxId, id: MessageId, to: &MailboxId) -> Result<Deposit, StoreError> {
        let (may_create_from, _) = self.look_up(from).await?;
        let (may_create_to, limits) = self.look_up(to).await?;
        let rows = self.database.pool().read(DIGEST, &[&from.as_str(), &Uuid::from(id)]).await?;
        let digest = match rows.first() {
            None if !may_create_from => return Err(StoreError::NoSuchMailbox(from.clone())),
            None => None,
            Some(row) => column::<Option<&[u8]>>(row, 0)?,
        };
        let digest = digest.ok_or(StoreError::NoSuchMessage(id))?.try_into().map_err(DatabaseError::unexpected)?;
        let key = DeduplicationKey::of(&Origin::Here, id, ContentDigest::from_bytes(digest));
        let params: [&(dyn ToSql + Sync); 8] = [
            &from.as_str(),
            &Uuid::from(id),
            &to.as_str(),
            &may_create_to,
            &Uuid::from(key),
            &limits.messages.map(bigint),
            &limits.length.map(millis),
            &limits.bytes.map(bigint),
        ];
        let statement = if self.remembers_arrivals() { COPY_AND_REMEMBER } else { COPY };
        let row = self.database.pool().query_one(statement, &params).await?;
        let deposit = match column::<i16>(&row, 0)? {
            0 => Deposit::Stored(column::<Uuid>(&row, 1)?.id()),
            1 => Deposit::Duplicate,
            2 => return Err(StoreError::NoSuchMessage(id)),
            3 => return Err(StoreError::NoSuchMailbox(to.clone())),
            4 => return Err(StoreError::MailboxFull(to.clone())),
            outcome => return Err(DatabaseError::unexpected(format!("a copy has the outcome {outcome}")).into()),
        };
        self.announce(to, &row, 2)?;
        Ok(deposit)
    }
}

const DIGEST: &str = "SELECT m.digest FROM voicemail.mailbox b LEFT JOIN voicemail.message m ON m.mailbox = b.number AND m.id = $2 \
    WHERE b.number = $1";
const COPY: &str =
    "SELECT outcome, kept_id, old_version, new_version FROM voicemail.copy_message($1, $2, $3, $4, $5, $6, $7, $8)";
/// The row of the arrival is held for this node, as that of a deposit.
const COPY_AND_REMEMBER: &str = "WITH kept AS (\
        SELECT outcome, kept_id, old_version, new_version FROM voicemail.copy_message($1, $2, $3, $4, $5, $6, $7, $8)), \
    remembered AS (INSERT INTO voicemail.arrival (mailbox, id, free_at) \
        SELECT $3, kept_id, now() + interval '30 seconds' FROM kept WHERE outcome = 0 ON CONFLICT DO NOTHING) \
    SELECT outcome, kept_id, old_version, new_version FROM kept";
