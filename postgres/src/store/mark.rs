//! Changes the status of messages, and deletes removed ones.

use chrono::{DateTime, Utc};
use tokio_postgres::types::ToSql;
use voicemail::message::{MailboxId, MessageId, Status};
use voicemail::store::StoreError;

use super::PostgresStore;
use super::values::status_number;
use crate::DatabaseError;
use crate::columns::{Uuid, column};

impl PostgresStore {
    /// Sets the status of a message, if it has the `expected` one; answers whether this has changed it.
    ///
    /// Also a mark that changes nothing locks the mailbox, so that its answer waits until the earlier change is on the standby.
    pub(super) async fn change_status(
        &self,
        mailbox: &MailboxId,
        id: MessageId,
        expected: Option<Status>,
        status: Status,
    ) -> Result<bool, StoreError> {
        let (may_create, _) = self.look_up(mailbox).await?;
        let (number, id_column) = (mailbox.as_str(), Uuid::from(id));
        let params: [&(dyn ToSql + Sync); 5] =
            [&number, &may_create, &id_column, &status_number(status)?, &expected.map(status_number).transpose()?];
        let row = self.database.pool().query_one(MARK, &params).await?;
        match column::<i16>(&row, 0)? {
            0 => self.announce(mailbox, &row, 1).map(|()| true),
            1 => Ok(false),
            2 => Err(StoreError::NoSuchMailbox(mailbox.clone())),
            3 => Err(StoreError::NoSuchMessage(id)),
            outcome => Err(DatabaseError::unexpected(format!("a mark has the outcome {outcome}")).into()),
        }
    }

    /// Deletes removed messages in steps, each a transaction.
    pub(super) async fn delete_removed(&self, mailbox: &MailboxId) -> Result<usize, StoreError> {
        let (may_create, _) = self.look_up(mailbox).await?;
        let mut count = 0;
        loop {
            let params: [&(dyn ToSql + Sync); 4] = [&mailbox.as_str(), &may_create, &None::<DateTime<Utc>>, &DELETED_A_STEP];
            let row = self.database.pool().query_one(EXPUNGE, &params).await?;
            if column::<i16>(&row, 0)? != 0 {
                return Err(StoreError::NoSuchMailbox(mailbox.clone()));
            }
            let deleted: i32 = column(&row, 1)?;
            self.announce(mailbox, &row, 2)?;
            count += usize::try_from(deleted).unwrap_or_default();
            if deleted < DELETED_A_STEP {
                return Ok(count);
            }
        }
    }
}

pub(super) const MARK: &str = "SELECT outcome, old_version, new_version FROM voicemail.mark($1, $2, $3, $4, $5)";
pub(super) const EXPUNGE: &str = "SELECT outcome, deleted, old_version, new_version FROM voicemail.expunge($1, $2, $3, $4)";
/// How many messages one transaction deletes at most.
const DELETED_A_STEP: i32 = 1000;
