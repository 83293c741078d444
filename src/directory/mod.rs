//! Who has a mailbox: the trait [`Directory`], and the directory beside it.

mod error;
mod fixed;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono_tz::Tz;

pub use self::error::DirectoryError;
pub use self::fixed::StaticDirectory;
use crate::message::{MailboxId, SiteId};

/// Knows which mailboxes there are, and whose.
///
/// # Contract
///
/// - **Known or not.** `Ok(None)` means that there is no such mailbox; not knowing is an error, never `None`.
/// - **Small.** A lookup costs no more than one question to a database; it is asked once for each recipient.
///
/// [`conformance::directory`](crate::conformance::directory) tests what can be seen from outside.
#[async_trait]
pub trait Directory: Debug + Send + Sync + 'static {
    /// The owner of `mailbox`, or `None` if there is no such mailbox.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    async fn find(&self, mailbox: &MailboxId) -> Result<Option<Owner>, DirectoryError>;
}

/// Whose mailbox it is, and what it may hold.
///
/// ```
/// use voicemail::directory::Owner;
///
/// let owner = Owner::new("london".parse().unwrap(), chrono_tz::Europe::London);
/// assert_eq!(owner.recording.max.as_secs(), 300);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Owner {
    /// The PBX that the owner's telephone is on: its lamp lights there.
    pub home: SiteId,
    /// The zone that the owner reads times in.
    pub zone: Tz,
    /// How long a message for this mailbox must and may be.
    pub recording: RecordingLimits,
    /// How much the mailbox may hold, beside what its store allows every mailbox.
    pub holding: MailboxLimits,
}

impl Owner {
    /// An owner with the usual limits: messages of 1 second to 5 minutes.
    pub fn new(home: SiteId, zone: Tz) -> Self {
        Self { home, zone, recording: RecordingLimits::default(), holding: MailboxLimits::default() }
    }
}

/// How long a message must be to be one, and how long it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordingLimits {
    /// A shorter recording is no message: the caller hung up without speaking.
    pub min: Duration,
    /// A recording ends by itself at this length.
    pub max: Duration,
}

impl RecordingLimits {
    /// At least `min` and at most `max`.
    pub const fn new(min: Duration, max: Duration) -> Self {
        Self { min, max }
    }
}

impl Default for RecordingLimits {
    fn default() -> Self {
        Self { min: Duration::from_secs(1), max: Duration::from_secs(300) }
    }
}

/// How much a mailbox may hold, removed messages not counted. Without a number there is no limit.
///
/// A mailbox that holds as much or more is full, and takes no message. The last message that it takes may bring it above its limit
/// of length or bytes, so that a caller who was let speak is not refused for the length of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MailboxLimits {
    /// How many messages.
    pub messages: Option<usize>,
    /// How long their sounds may last together.
    pub length: Option<Duration>,
    /// How many bytes their mails may have together.
    pub bytes: Option<u64>,
}

impl MailboxLimits {
    /// The tighter of both, in each respect.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        fn tighter<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
            one.into_iter().chain(other).min()
        }
        Self {
            messages: tighter(self.messages, other.messages),
            length: tighter(self.length, other.length),
            bytes: tighter(self.bytes, other.bytes),
        }
    }

    /// What this one says, and `other` where it says nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            messages: self.messages.or(other.messages),
            length: self.length.or(other.length),
            bytes: self.bytes.or(other.bytes),
        }
    }

    /// Whether a mailbox can be full at all.
    pub fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }
}

/// Passes every call on, so that a shared or boxed directory is a directory.
macro_rules! delegate {
    ($wrapper:ident) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<D: Directory + ?Sized> Directory for $wrapper<D> {
            async fn find(&self, mailbox: &MailboxId) -> Result<Option<Owner>, DirectoryError> {
                (**self).find(mailbox).await
            }
        }
    };
}

delegate!(Arc);
delegate!(Box);
