//! [`MailboxUsage`]: how much a mailbox holds, and what its store allows; with the [`MailboxRoom`] that is left.

use std::time::Duration;

use crate::directory::{MailboxLimits, Retention};

/// How much a mailbox holds, removed messages not counted; and the limits and the retention that its store applies to it now.
///
/// ```
/// use std::time::Duration;
/// use voicemail::directory::MailboxLimits;
/// use voicemail::store::MailboxUsage;
///
/// let mut limits = MailboxLimits::default();
/// (limits.messages, limits.length) = (Some(100), Some(Duration::from_secs(600)));
/// let usage = MailboxUsage::new(93, Duration::from_secs(60)).with_limits(limits);
/// assert_eq!(usage.percent(), Some(93));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MailboxUsage {
    /// The number of messages, new and old.
    pub messages: usize,
    /// The duration of all their sounds together.
    pub length: Duration,
    /// The size of all their mails together, in bytes; `None` from a store that does not count it.
    pub bytes: Option<u64>,
    /// The limits in force.
    pub limits: MailboxLimits,
    /// The retention in force.
    pub retention: Retention,
}

impl MailboxUsage {
    /// Returns the usage of a mailbox that holds this much, without limits, in a store that does not count bytes.
    pub fn new(messages: usize, length: Duration) -> Self {
        Self { messages, length, bytes: None, limits: MailboxLimits::default(), retention: Retention::default() }
    }

    /// Returns the same usage with this size.
    #[must_use]
    pub fn with_bytes(self, bytes: u64) -> Self {
        Self { bytes: Some(bytes), ..self }
    }

    /// Returns the same usage under these limits.
    #[must_use]
    pub fn with_limits(self, limits: MailboxLimits) -> Self {
        Self { limits, ..self }
    }

    /// Returns the same usage of a mailbox whose messages stay so long.
    #[must_use]
    pub fn with_retention(self, retention: Retention) -> Self {
        Self { retention, ..self }
    }

    /// Returns how much of the limit that is nearest to being reached is used, in percent rounded down; `None` without limits. From 100 on, the
    /// mailbox is full.
    pub fn percent(&self) -> Option<u64> {
        fn of(held: u128, limit: Option<u128>) -> Option<u64> {
            let percent = held.saturating_mul(100).checked_div(limit?).unwrap_or(100);
            Some(u64::try_from(percent).unwrap_or(u64::MAX))
        }
        let Self { messages, length, bytes, limits, .. } = self;
        let of_messages = of(*messages as u128, limits.messages.map(|limit| limit as u128));
        let of_length = of(length.as_nanos(), limits.length.map(|limit| limit.as_nanos()));
        let of_bytes = bytes.and_then(|bytes| of(bytes.into(), limits.bytes.map(u128::from)));
        [of_messages, of_length, of_bytes].into_iter().flatten().max()
    }
}

/// How much room a mailbox has left. These are all the cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum MailboxRoom {
    /// The mailbox holds less than the [threshold](crate::directory::WarningThresholds::percent), or has no limits.
    #[default]
    Enough,
    /// The mailbox is nearly full.
    Little,
    /// The mailbox is full: it takes no message until some are removed.
    None,
}

impl MailboxRoom {
    /// Returns the room of a mailbox that counts as nearly full from `percent` on.
    pub fn of(usage: &MailboxUsage, percent: u8) -> Self {
        match usage.percent() {
            Some(100..) => Self::None,
            Some(used) if used >= percent.into() => Self::Little,
            Some(_) | None => Self::Enough,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_limit_counts_and_an_unknown_size_does_not() {
        let hour = Duration::from_secs(3600);
        let limits = MailboxLimits { messages: Some(10), length: Some(hour), bytes: Some(1000) };
        let percent = |messages, length, bytes: Option<u64>| {
            let usage = MailboxUsage { bytes, ..MailboxUsage::new(messages, length) };
            usage.with_limits(limits).percent()
        };
        assert_eq!(percent(3, hour / 2, Some(100)), Some(50));
        assert_eq!(percent(3, hour / 2, Some(999)), Some(99), "rounded down: it is not full");
        assert_eq!(percent(10, hour / 2, None), Some(100));
        assert_eq!(percent(0, hour * 3, None), Some(300));
        assert_eq!(percent(0, Duration::ZERO, None), Some(0));
        assert_eq!(MailboxUsage::new(7, hour).with_bytes(u64::MAX).percent(), None);
    }
}
