//! [`Retention`]: how long messages stay.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::message::Status;

/// How long messages stay where they stand; without a time, for ever.
///
/// A new or an old message that has grown too old is removed, as if its owner had done so, and can be restored until it has been
/// removed for as long as removed messages stay. Then it is deleted for good. Housekeeping does it in bounded steps, a step every
/// minute, however busy the store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// New messages, since they were recorded.
    pub new: Option<Duration>,
    /// Old messages, since they were recorded.
    pub old: Option<Duration>,
    /// Removed messages, since they were removed.
    pub removed: Option<Duration>,
}

impl Retention {
    /// Before which second since 1970 a message must have been recorded, or removed, to be too old at `now`.
    pub(super) fn end_of(&self, status: Status, now: DateTime<Utc>) -> Option<i64> {
        let stays = match status {
            Status::New => self.new,
            Status::Old => self.old,
            Status::Removed => self.removed,
        }?;
        let stays = TimeDelta::from_std(stays).unwrap_or(TimeDelta::MAX);
        Some(now.checked_sub_signed(stays)?.timestamp())
    }

    pub(super) fn is_for_ever(&self) -> bool {
        *self == Self::default()
    }
}
