//! [`Disposition`]: the outcome of a message.

use std::fmt;
use std::str::FromStr;

use super::DeliveryFailure;

/// The outcome of a message, as a receipt reports it.
///
/// # Source
///
/// RFC 8098 §3.2.6, and RFC 3801 §4.7 for voice mailboxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Disposition {
    /// The owner has heard the message.
    Played,
    /// The owner removed the message unheard.
    RemovedUnheard,
    /// The message was removed unheard because of its age.
    Expired,
    /// The message never reached its mailbox, which is at another voicemail system.
    NotDelivered(DeliveryFailure),
}

impl Disposition {
    /// All dispositions.
    pub const ALL: [Self; 8] = [
        Self::Played,
        Self::RemovedUnheard,
        Self::Expired,
        Self::NotDelivered(DeliveryFailure::NoSuchMailbox),
        Self::NotDelivered(DeliveryFailure::MailboxFull),
        Self::NotDelivered(DeliveryFailure::TooLong),
        Self::NotDelivered(DeliveryFailure::NotReached),
        Self::NotDelivered(DeliveryFailure::Refused),
    ];

    /// Returns the name: `displayed`, `deleted`, `expired`, or `failed/` and the name of a [`DeliveryFailure`].
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Played => "displayed",
            Self::RemovedUnheard => "deleted",
            Self::Expired => "expired",
            Self::NotDelivered(DeliveryFailure::NoSuchMailbox) => "failed/no-such-mailbox",
            Self::NotDelivered(DeliveryFailure::MailboxFull) => "failed/mailbox-full",
            Self::NotDelivered(DeliveryFailure::TooLong) => "failed/too-long",
            Self::NotDelivered(DeliveryFailure::NotReached) => "failed/not-reached",
            Self::NotDelivered(DeliveryFailure::Refused) => "failed/refused",
        }
    }
}

impl fmt::Display for Disposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Disposition {
    type Err = UnknownDisposition;

    fn from_str(text: &str) -> Result<Self, UnknownDisposition> {
        Self::ALL.into_iter().find(|disposition| disposition.as_str() == text).ok_or(UnknownDisposition)
    }
}

/// A text that names no [`Disposition`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no disposition has this name; dispositions are displayed, deleted, expired, failed/..")]
#[non_exhaustive]
pub struct UnknownDisposition;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_disposition_has_a_name_and_each_failure_is_one() {
        for disposition in Disposition::ALL {
            assert_eq!(disposition.as_str().parse(), Ok(disposition));
        }
        for failure in DeliveryFailure::ALL {
            let disposition = Disposition::NotDelivered(failure);
            assert_eq!(disposition.as_str().strip_prefix("failed/"), Some(failure.as_str()));
            assert!(Disposition::ALL.contains(&disposition));
        }
        assert!("failed".parse::<Disposition>().is_err());
    }
}
