//! The values of the store as columns: ids, statuses, times, sizes.

use std::error::Error as StdError;
use std::time::Duration;

use bytes::{BufMut as _, BytesMut};
use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use voicemail::message::{AudioType, Message, MessageId, Status};
use voicemail::store::{DeduplicationKey, Position, StoreError};

use crate::DatabaseError;

/// 16 bytes, as a column of type `uuid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Uuid(pub [u8; 16]);

impl Uuid {
    pub(super) fn id(self) -> MessageId {
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
pub(super) fn column<'a, T: FromSql<'a>>(row: &'a Row, at: usize) -> Result<T, DatabaseError> {
    row.try_get(at).map_err(DatabaseError::unexpected)
}

/// The number of a status in the database.
pub(super) fn status_number(status: Status) -> Result<i16, StoreError> {
    let number = STATUSES.into_iter().zip(0..).find(|(known, _)| *known == status).map(|(_, number)| number);
    number.ok_or(StoreError::Unsupported("this status"))
}

pub(super) fn status_of(number: i16) -> Result<Status, DatabaseError> {
    let status = usize::try_from(number).ok().and_then(|number| STATUSES.get(number)).copied();
    status.ok_or_else(|| DatabaseError::unexpected(format!("a message has the status {number}")))
}

pub(super) fn media_of(text: &str) -> Option<AudioType> {
    AudioType::ALL.into_iter().find(|media| media.mime() == text)
}

/// Nanoseconds since 1970. A moment before 1677 or after 2262 counts as the first or the last moment between.
pub(super) fn nanos(instant: DateTime<Utc>) -> i64 {
    let beyond = if instant < DateTime::UNIX_EPOCH { i64::MIN } else { i64::MAX };
    instant.timestamp_nanos_opt().unwrap_or(beyond)
}

/// The same for a position in the order of recording.
pub(super) fn nanos_of(position: Position) -> i64 {
    let beyond = if position.secs < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
    nanos(DateTime::from_timestamp(position.secs, position.nanos).unwrap_or(beyond))
}

pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn bigint(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// How many bytes the message has as a mail: that which it arrived as, or one with its sound in base 64.
pub(super) fn mail_size(message: &Message, head: &[u8]) -> u64 {
    if let Some(mail) = message.mail() {
        return mail.len() as u64;
    }
    if let Some(file) = message.mail_file() {
        return file.size();
    }
    // RFC 2045 §6.8: 57 bytes are a line of 76 letters, and its end.
    message.audio().len().div_ceil(57).saturating_mul(78).saturating_add(head.len() as u64)
}

/// Each at its number.
const STATUSES: [Status; 3] = [Status::New, Status::Old, Status::Removed];
pub(super) const NEW: i16 = 0;
pub(super) const OLD: i16 = 1;
pub(super) const REMOVED: i16 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_and_media_type_reads_back() {
        for (status, number) in [(Status::New, NEW), (Status::Old, OLD), (Status::Removed, REMOVED)] {
            assert_eq!(status_number(status).unwrap(), number);
            assert_eq!(status_of(number).unwrap(), status);
        }
        assert!(status_of(3).is_err());
        for media in AudioType::ALL {
            assert_eq!(media_of(media.mime()), Some(media));
        }
    }

    #[test]
    fn moments_beyond_64_bits_are_the_first_and_the_last() {
        assert_eq!(nanos("1970-01-01T00:00:01Z".parse().unwrap()), 1_000_000_000);
        assert_eq!(nanos("1500-01-01T00:00:00Z".parse().unwrap()), i64::MIN);
        assert_eq!(nanos("2500-01-01T00:00:00Z".parse().unwrap()), i64::MAX);
    }
}
