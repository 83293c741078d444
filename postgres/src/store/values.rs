//! The values of the store as columns: statuses, types of sound, positions, sizes.

use chrono::{DateTime, Utc};
use voicemail::message::{AudioType, Message, Status};
use voicemail::store::{Position, StoreError};

use crate::DatabaseError;
use crate::columns::nanos;

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

/// Nanoseconds since 1970 of a position in the order of recording, as [`nanos`] counts them.
pub(super) fn nanos_of(position: Position) -> i64 {
    let beyond = if position.secs < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
    nanos(DateTime::from_timestamp(position.secs, position.nanos).unwrap_or(beyond))
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
}
