//! [`Step`]: the step of a migration for one key.

use chrono::{DateTime, Utc};

use crate::message::{MessageId, Status};
use crate::store::StoredKey;

/// The step of a migration for one key, which the source, the target or both of them have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing: both have the same.
    Nothing,
    /// Copy the message, which the source has under this id.
    CopyMessage { id: MessageId, status: Status, removed_at: Option<DateTime<Utc>> },
    /// Copy the key of a deleted message.
    CopyKey { removed_at: Option<DateTime<Utc>> },
    /// Set the status of the message, which the target has under this id.
    SetStatus { id: MessageId, status: Status },
    /// Delete the message, which the target has under this id: it was deleted in the source.
    Delete { id: MessageId },
    /// Copy the message, which the source has under this id, although the target remembers it as deleted.
    RestoreMessage { id: MessageId, status: Status, removed_at: Option<DateTime<Utc>> },
    /// Report that the target has the message under this id, and the source does not know it.
    ReportUnknown { id: MessageId },
}

impl Step {
    /// Decides by what the source and the target have for one key.
    pub(super) fn of(source: Option<&StoredKey>, target: Option<&StoredKey>) -> Self {
        let Some(source) = source else {
            return match target.and_then(|key| key.message) {
                Some((id, _)) => Self::ReportUnknown { id },
                // A key that the source has forgotten already.
                None => Self::Nothing,
            };
        };
        let removed_at = source.removed_at;
        match (source.message, target.map(|key| key.message)) {
            (Some((id, status)), None) => Self::CopyMessage { id, status, removed_at },
            (None, None) => Self::CopyKey { removed_at },
            (Some((_, wanted)), Some(Some((_, status)))) if wanted == status => Self::Nothing,
            (Some((_, status)), Some(Some((id, _)))) => Self::SetStatus { id, status },
            (Some((id, status)), Some(None)) => Self::RestoreMessage { id, status, removed_at },
            (None, Some(Some((id, _)))) => Self::Delete { id },
            (None, Some(None)) => Self::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::DeduplicationKey;

    fn message(id: u8, status: Status) -> StoredKey {
        StoredKey::of_message(DeduplicationKey::from_bytes([7; 16]), MessageId::from_bytes([id; 16]), status)
    }

    fn deleted() -> StoredKey {
        StoredKey::key_only(DeduplicationKey::from_bytes([7; 16])).removed_at(DateTime::UNIX_EPOCH)
    }

    #[test]
    fn the_source_decides_what_the_target_gets() {
        let (one, two) = (MessageId::from_bytes([1; 16]), MessageId::from_bytes([2; 16]));
        let removed_at = Some(DateTime::UNIX_EPOCH);
        let (new, old) = (message(1, Status::New), message(2, Status::Old));
        let removed = message(1, Status::Removed).removed_at(DateTime::UNIX_EPOCH);
        for (source, target, step) in [
            (Some(new), None, Step::CopyMessage { id: one, status: Status::New, removed_at: None }),
            (Some(removed), None, Step::CopyMessage { id: one, status: Status::Removed, removed_at }),
            (Some(deleted()), None, Step::CopyKey { removed_at }),
            (Some(new), Some(old), Step::SetStatus { id: two, status: Status::New }),
            (Some(new), Some(message(2, Status::New)), Step::Nothing),
            (Some(deleted()), Some(old), Step::Delete { id: two }),
            (Some(deleted()), Some(deleted()), Step::Nothing),
            (Some(new), Some(deleted()), Step::RestoreMessage { id: one, status: Status::New, removed_at: None }),
            (None, Some(old), Step::ReportUnknown { id: two }),
            (None, Some(deleted()), Step::Nothing),
        ] {
            assert_eq!(Step::of(source.as_ref(), target.as_ref()), step, "{source:?} {target:?}");
        }
    }
}
