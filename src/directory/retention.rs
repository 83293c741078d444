//! [`Retention`]: how long messages stay.

use std::time::Duration;

#[cfg(any(feature = "wire", feature = "memory"))]
use chrono::{DateTime, TimeDelta, Utc};

#[cfg(any(feature = "wire", feature = "memory"))]
use crate::message::Status;

/// How long the messages of a mailbox stay; by default, for ever.
///
/// A new or an old message that is too old is removed, as if its owner had done so, and can be restored until it has been
/// removed for as long as removed messages stay. Then it is deleted for good. Housekeeping does this in bounded steps, one every
/// minute, however busy the store is.
///
/// ```
/// use std::time::Duration;
/// use voicemail::directory::Retention;
///
/// const DAY: Duration = Duration::from_secs(86_400);
/// let retention = Retention::default().old_for(30 * DAY).removed_for(7 * DAY);
/// assert_eq!(retention.new, None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Retention {
    /// How long new messages stay after they were recorded.
    pub new: Option<Duration>,
    /// How long old messages stay after they were recorded.
    pub old: Option<Duration>,
    /// How long removed messages stay after they were removed.
    pub removed: Option<Duration>,
}

impl Retention {
    /// Sets how long new messages stay after they were recorded.
    #[must_use]
    pub fn new_for(self, time: Duration) -> Self {
        Self { new: Some(time), ..self }
    }

    /// Sets how long old messages stay after they were recorded.
    #[must_use]
    pub fn old_for(self, time: Duration) -> Self {
        Self { old: Some(time), ..self }
    }

    /// Sets how long removed messages stay after they were removed.
    #[must_use]
    pub fn removed_for(self, time: Duration) -> Self {
        Self { removed: Some(time), ..self }
    }

    /// Returns these times, with those of `other` in place of the missing ones.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { new: self.new.or(other.new), old: self.old.or(other.old), removed: self.removed.or(other.removed) }
    }

    /// Returns whether all messages stay for ever.
    pub fn is_for_ever(&self) -> bool {
        *self == Self::default()
    }

    /// The second since 1970 before which a message must have been recorded, or removed, to be too old at `now`.
    #[cfg(any(feature = "wire", feature = "memory"))]
    pub(crate) fn end_of(&self, status: Status, now: DateTime<Utc>) -> Option<i64> {
        let stays = match status {
            Status::New => self.new,
            Status::Old => self.old,
            Status::Removed => self.removed,
        }?;
        let stays = TimeDelta::from_std(stays).unwrap_or(TimeDelta::MAX);
        Some(now.checked_sub_signed(stays)?.timestamp())
    }
}
