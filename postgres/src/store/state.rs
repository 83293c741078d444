//! Counts messages, and checks whether there is room for one more.

use std::time::Duration;

use tokio_postgres::Row;
use voicemail::directory::MailboxLimits;
use voicemail::message::{MailboxId, Summary};
use voicemail::store::{MailboxState, MailboxUsage, StoreError};

use super::PostgresStore;
use crate::DatabaseError;
use crate::columns::{bigint, column, millis};

impl PostgresStore {
    pub(super) async fn read_state(&self, mailbox: &MailboxId) -> Result<MailboxState, StoreError> {
        let row = self.read_mailbox(mailbox).await?.0;
        Ok(state_of(&row)?)
    }

    pub(super) async fn check_room(&self, mailbox: &MailboxId, size: u64) -> Result<(), StoreError> {
        self.check_size(size)?;
        let (row, limits) = self.read_mailbox(mailbox).await?;
        if reaches(&row, &limits)? { Err(StoreError::MailboxFull(mailbox.clone())) } else { Ok(()) }
    }

    pub(super) async fn read_usage(&self, mailbox: &MailboxId) -> Result<MailboxUsage, StoreError> {
        let retention = self.retention_of(mailbox).await?;
        let (row, limits) = self.read_mailbox(mailbox).await?;
        Ok(usage_of(&row)?.with_limits(limits).with_retention(retention))
    }

    /// The row of the mailbox, which is made if it is missing and may be made; and the limits of the mailbox.
    async fn read_mailbox(&self, mailbox: &MailboxId) -> Result<(Row, MailboxLimits), StoreError> {
        let (may_create, limits) = self.look_up(mailbox).await?;
        let pool = self.database.pool();
        let mut rows = pool.read(STATE, &[&mailbox.as_str()]).await?;
        if rows.is_empty() && may_create {
            self.create_mailbox(mailbox).await?;
            rows = pool.read(STATE, &[&mailbox.as_str()]).await?;
        }
        let row = rows.into_iter().next().ok_or_else(|| StoreError::NoSuchMailbox(mailbox.clone()))?;
        Ok((row, limits))
    }
}

fn state_of(row: &Row) -> Result<MailboxState, DatabaseError> {
    let count = |at: usize| column::<i32>(row, at).map(|count| u32::try_from(count).unwrap_or_default());
    let summary = Summary::new(count(1)?, count(3)?).with_urgent(count(2)?, count(4)?);
    let version: i64 = column(row, 0)?;
    Ok(MailboxState::new(summary).with_version(u64::try_from(version).unwrap_or_default()))
}

fn usage_of(row: &Row) -> Result<MailboxUsage, DatabaseError> {
    let messages = i64::from(column::<i32>(row, 1)?) + i64::from(column::<i32>(row, 3)?);
    let (length, bytes): (i64, i64) = (column(row, 5)?, column(row, 6)?);
    let length = Duration::from_millis(u64::try_from(length).unwrap_or_default());
    let usage = MailboxUsage::new(usize::try_from(messages).unwrap_or_default(), length);
    Ok(usage.with_bytes(u64::try_from(bytes).unwrap_or_default()))
}

/// Whether the mailbox holds as much as it may.
fn reaches(row: &Row, limits: &MailboxLimits) -> Result<bool, DatabaseError> {
    let messages = i64::from(column::<i32>(row, 1)?) + i64::from(column::<i32>(row, 3)?);
    let (length, bytes): (i64, i64) = (column(row, 5)?, column(row, 6)?);
    let reached = |held: i64, limit: Option<i64>| limit.is_some_and(|limit| held >= limit);
    Ok(reached(messages, limits.messages.map(bigint))
        || reached(length, limits.length.map(millis))
        || reached(bytes, limits.bytes.map(bigint)))
}

const STATE: &str =
    "SELECT version, new_n, new_urgent, old_n, old_urgent, length_ms, bytes FROM voicemail.mailbox WHERE number = $1";
