//! The store as a [`CopyableStore`]: it lists its mailboxes and the keys of their messages.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use voicemail::message::{MailboxId, MessageId, Status};
use voicemail::store::{CopyableStore, DeduplicationKey, MessageStore as _, StoreError, StoredKey};

use super::PostgresStore;
use super::values::status_of;
use crate::DatabaseError;
use crate::columns::{Uuid, bigint, column, page_of_mailboxes};

#[async_trait]
impl CopyableStore for PostgresStore {
    async fn mailboxes(&self, after: Option<&MailboxId>, limit: usize) -> Result<Vec<MailboxId>, StoreError> {
        Ok(page_of_mailboxes(&self.database, MAILBOXES, after, limit).await?)
    }

    async fn create(&self, mailbox: &MailboxId) -> Result<(), StoreError> {
        self.look_up(mailbox).await?;
        self.create_mailbox(mailbox).await
    }

    async fn keys(
        &self,
        mailbox: &MailboxId,
        after: Option<DeduplicationKey>,
        limit: usize,
    ) -> Result<Vec<StoredKey>, StoreError> {
        let (number, limit, after) = (mailbox.as_str(), bigint(limit), after.map(Uuid::from));
        let mut params: Vec<&(dyn ToSql + Sync)> = vec![&number, &limit];
        params.extend(after.as_ref().map(|after| after as &(dyn ToSql + Sync)));
        let rows = self.database.pool().read(&keys_statement(after.is_some()), &params).await?;
        if rows.is_empty() {
            // A mailbox that is not there has no keys, either.
            self.summary(mailbox).await?;
        }
        Ok(rows.iter().map(stored_key).collect::<Result<_, DatabaseError>>()?)
    }

    async fn delete(&self, mailbox: &MailboxId, id: MessageId) -> Result<(), StoreError> {
        let (may_create, _) = self.look_up(mailbox).await?;
        let row = self.database.pool().query_one(DELETE, &[&mailbox.as_str(), &may_create, &Uuid::from(id)]).await?;
        match column::<i16>(&row, 0)? {
            0 => self.announce(mailbox, &row, 1),
            2 => Err(StoreError::NoSuchMailbox(mailbox.clone())),
            3 => Err(StoreError::NoSuchMessage(id)),
            outcome => Err(DatabaseError::unexpected(format!("a deletion has the outcome {outcome}")).into()),
        }
    }

    async fn forget(&self, mailbox: &MailboxId, key: DeduplicationKey) -> Result<(), StoreError> {
        self.database.pool().query(FORGET, &[&mailbox.as_str(), &Uuid::from(key)]).await?;
        Ok(())
    }
}

fn stored_key(row: &Row) -> Result<StoredKey, DatabaseError> {
    let key = DeduplicationKey::from_bytes(column::<Uuid>(row, 0)?.0);
    let at: DateTime<Utc> = column(row, 3)?;
    let (Some(id), Some(status)) = (column::<Option<Uuid>>(row, 1)?, column::<Option<i16>>(row, 2)?) else {
        return Ok(StoredKey::key_only(key).removed_at(at));
    };
    let status = status_of(status)?;
    let stored = StoredKey::of_message(key, id.id(), status);
    Ok(if status == Status::Removed { stored.removed_at(at) } else { stored })
}

/// The statement for a page of keys. `$1` is the mailbox, `$2` how many keys, `$3` the key that the page begins behind.
fn keys_statement(is_after: bool) -> String {
    let behind = if is_after { " AND key > $3" } else { "" };
    format!(
        "SELECT key, id, status, at FROM (\
         (SELECT key, id, status, since AS at FROM voicemail.message WHERE mailbox = $1{behind} ORDER BY key LIMIT $2) UNION ALL \
         (SELECT key, NULL, NULL, at FROM voicemail.gone WHERE mailbox = $1{behind} ORDER BY key LIMIT $2)) k ORDER BY key LIMIT $2"
    )
}

const MAILBOXES: &str =
    "SELECT number FROM voicemail.mailbox WHERE number COLLATE \"C\" > $1 ORDER BY number COLLATE \"C\" LIMIT $2";
const DELETE: &str = "SELECT outcome, old_version, new_version FROM voicemail.delete_message($1, $2, $3)";
const FORGET: &str = "DELETE FROM voicemail.gone WHERE mailbox = $1 AND key = $2";
