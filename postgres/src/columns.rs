//! Values as columns: ids, times, durations, numbers.

use std::error::Error as StdError;
use std::time::Duration;

use bytes::{BufMut as _, BytesMut};
use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use voicemail::message::{MailboxId, MessageId};
use voicemail::store::DeduplicationKey;

use crate::{Database, DatabaseError};

/// 16 bytes, as a column of type `uuid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Uuid(pub [u8; 16]);

impl Uuid {
    pub(crate) fn id(self) -> MessageId {
        MessageId::from_bytes(self.0)
    }
}

impl From<MessageId> for Uuid {
    fn from(id: MessageId) -> Self {
        Self(*id.as_bytes())
    }
}

impl From<DeduplicationKey> for Uuid {
    fn from(key: DeduplicationKey) -> Self {
        Self(*key.as_bytes())
    }
}

impl ToSql for Uuid {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        out.put_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::UUID
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Uuid {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(raw.try_into()?))
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::UUID
    }
}

/// The value of the column `at`.
pub(crate) fn column<'a, T: FromSql<'a>>(row: &'a Row, at: usize) -> Result<T, DatabaseError> {
    row.try_get(at).map_err(DatabaseError::unexpected)
}

/// The mailboxes in the only column of a statement, whose parameters are the text that they begin behind, and how many they are at most.
pub(crate) async fn page_of_mailboxes(
    database: &Database,
    sql: &str,
    after: Option<&MailboxId>,
    limit: usize,
) -> Result<Vec<MailboxId>, DatabaseError> {
    let after = after.map_or("", MailboxId::as_str);
    let rows = database.pool().read(sql, &[&after, &bigint(limit)]).await?;
    // No other program puts rows there, so each of them is a mailbox.
    rows.iter().map(|row| column::<&str>(row, 0)?.parse().map_err(DatabaseError::unexpected)).collect()
}

/// Nanoseconds since 1970. A moment before 1677 or after 2262 counts as the first or the last moment between.
pub(crate) fn nanos(instant: DateTime<Utc>) -> i64 {
    let beyond = if instant < DateTime::UNIX_EPOCH { i64::MIN } else { i64::MAX };
    instant.timestamp_nanos_opt().unwrap_or(beyond)
}

pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

pub(crate) fn bigint(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_beyond_64_bits_are_the_first_and_the_last() {
        assert_eq!(nanos("1970-01-01T00:00:01Z".parse().unwrap()), 1_000_000_000);
        assert_eq!(nanos("1500-01-01T00:00:00Z".parse().unwrap()), i64::MIN);
        assert_eq!(nanos("2500-01-01T00:00:00Z".parse().unwrap()), i64::MAX);
    }
}
