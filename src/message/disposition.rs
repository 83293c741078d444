//! [`Disposition`]: the end of a message in its mailbox.

use std::fmt;
use std::str::FromStr;

/// The end of a message in its mailbox, as a receipt reports it.
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
}

impl Disposition {
    /// All dispositions.
    pub const ALL: [Self; 3] = [Self::Played, Self::RemovedUnheard, Self::Expired];

    /// Returns the name: `displayed`, `deleted` or `expired`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Played => "displayed",
            Self::RemovedUnheard => "deleted",
            Self::Expired => "expired",
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
#[error("no disposition has this name; dispositions are displayed, deleted, expired")]
#[non_exhaustive]
pub struct UnknownDisposition;
