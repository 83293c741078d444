//! Moves messages from one mailbox to another.

use tokio_postgres::types::ToSql;
use voicemail::message::{MailboxId, MessageId};
use voicemail::store::{Deposit, StoreError};

use super::PostgresStore;
use crate::DatabaseError;
use crate::columns::{Uuid, bigint, column, millis};

impl PostgresStore {
    /// Moves a message in one transaction. When its answer is lost, the same call again answers that there is no such message.
    pub(super) async fn move_message(&self, from: &MailboxId, id: MessageId, to: &MailboxId) -> Result<Deposit, StoreError> {
        let (may_create_from, _) = self.look_up(from).await?;
        let (may_create_to, limits) = self.look_up(to).await?;
        let params: [&(dyn ToSql + Sync); 8] = [
            &from.as_str(),
            &may_create_from,
            &Uuid::from(id),
            &to.as_str(),
            &may_create_to,
            &limits.messages.map(bigint),
            &limits.length.map(millis),
            &limits.bytes.map(bigint),
        ];
        let row = self.database.pool().query_one(TRANSFER, &params).await?;
        let deposit = match column::<i16>(&row, 0)? {
            0 => Deposit::Stored(column::<Uuid>(&row, 1)?.id()),
            1 => Deposit::Duplicate,
            2 => return Err(StoreError::NoSuchMailbox(from.clone())),
            3 => return Err(StoreError::NoSuchMessage(id)),
            4 => return Err(StoreError::NoSuchMailbox(to.clone())),
            5 => return Err(StoreError::MailboxFull(to.clone())),
            outcome => return Err(DatabaseError::unexpected(format!("a transfer has the outcome {outcome}")).into()),
        };
        self.announce(from, &row, 2)?;
        self.announce(to, &row, 4)?;
        Ok(deposit)
    }
}

const TRANSFER: &str =
    "SELECT outcome, kept_id, from_old, from_new, to_old, to_new FROM voicemail.transfer($1, $2, $3, $4, $5, $6, $7, $8)";
