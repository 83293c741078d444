//! Mailboxes, their owners, groups and distribution lists: the trait [`Directory`], and a directory that is fixed.

mod error;
mod fixed;
mod group;
mod private_lists;
mod remote_mailbox;
mod retention;
mod thresholds;
mod voicemail_system;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono_tz::Tz;

pub use self::error::DirectoryError;
pub use self::fixed::StaticDirectory;
pub use self::group::Group;
#[cfg(feature = "fs")]
pub use self::private_lists::ListFolder;
pub(crate) use self::private_lists::MOST_MAILBOXES;
#[cfg(feature = "wire")]
pub(crate) use self::private_lists::mailboxes_of;
pub use self::private_lists::{
    CopiedLists, InvalidListMembers, InvalidListNumber, ListNumber, ListStore, ListStoreError, PrivateList, PrivateLists,
    copy_lists,
};
pub use self::remote_mailbox::RemoteMailbox;
pub use self::retention::Retention;
pub use self::thresholds::WarningThresholds;
pub use self::voicemail_system::VoicemailSystem;
pub(crate) use self::voicemail_system::find as find_remote;
use crate::message::{Language, MailAddress, MailboxId, Message, Origin, SiteId};
use crate::rules::ArrivalRules;

/// Looks up mailboxes, their owners, groups and distribution lists.
///
/// # Contract
///
/// - **Known or not.** `Ok(None)` means that there is no such mailbox. A directory that cannot know returns an error, never `None`.
/// - **Small.** A lookup costs no more than one query to a database, because it is made once for each recipient.
/// - **Lists name mailboxes.** A list's number is no mailbox, and its members are mailboxes: at least one, and no list among them.
/// - **Both ways.** A mailbox is a member of each group that [`groups_of`](Self::groups_of) returns for it, and of no other.
/// - **Not nested.** A member of a group is no group itself; a mailbox that gets copies has none made itself.
///
/// [`conformance::directory`](crate::conformance::directory) tests what can be seen from outside.
#[async_trait]
pub trait Directory: Debug + Send + Sync + 'static {
    /// Returns the owner of `mailbox`, or `None` if there is no such mailbox.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    async fn find(&self, mailbox: &MailboxId) -> Result<Option<Owner>, DirectoryError>;

    /// Returns the members of the distribution list `list`, if `owner` may send messages to it; `None` if there is no such list for
    /// this owner. A list inside a list is expanded: all members are mailboxes, each once. By default there are no lists.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    async fn list_members(&self, owner: &MailboxId, list: &MailboxId) -> Result<Option<Vec<MailboxId>>, DirectoryError> {
        let _ = (owner, list);
        Ok(None)
    }

    /// Returns the group whose mailbox is `mailbox`; `None` if it is an owner's own. By default there are no groups.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    async fn group(&self, mailbox: &MailboxId) -> Result<Option<Group>, DirectoryError> {
        let _ = mailbox;
        Ok(None)
    }

    /// Returns the groups that `mailbox` is a member of, each once. It is called for each count of a mailbox. By default there are no groups.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    async fn groups_of(&self, mailbox: &MailboxId) -> Result<Vec<MailboxId>, DirectoryError> {
        let _ = mailbox;
        Ok(Vec::new())
    }

    /// Returns the mailboxes that get a copy of each message to `mailbox`, each once: none, as by default, if it keeps its messages itself.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    async fn copies_to(&self, mailbox: &MailboxId) -> Result<Vec<MailboxId>, DirectoryError> {
        let _ = mailbox;
        Ok(Vec::new())
    }

    /// Returns the mailbox at another voicemail system that owners reach by `number`; `None`, as by default, if there is none.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    async fn remote(&self, number: &MailboxId) -> Result<Option<RemoteMailbox>, DirectoryError> {
        let _ = number;
        Ok(None)
    }
}

/// The owner of a mailbox, and the limits of the mailbox.
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
    /// The PBX of the owner's telephone, where the lamp is lit.
    pub home: SiteId,
    /// The time zone in which times are shown to the owner.
    pub zone: Tz,
    /// The language in which the owner is spoken to on the telephone. `None` is the usual one of the voices in use.
    pub language: Option<Language>,
    /// The shortest and the longest message for this mailbox.
    pub recording: RecordingLimits,
    /// How much the mailbox may hold. The limits of the store for every mailbox apply, too.
    pub holding: MailboxLimits,
    /// How long the messages of the mailbox stay. Each time that is `None` is that of the store.
    pub retention: Retention,
    /// When the owner is warned.
    pub warnings: WarningThresholds,
    /// The mail address of the owner, to which rules send mails that name no other.
    pub email: Option<MailAddress>,
    /// The rules for messages that arrive, unless a [`RuleStore`](crate::rules::RuleStore) has others of the owner.
    pub rules: ArrivalRules,
    /// Whether the owner may change the rules.
    pub may_change_rules: bool,
}

impl Owner {
    /// Returns an owner without a language, a mail address and rules, who may change none, with the usual limits: messages of 1 second to 5
    /// minutes.
    pub fn new(home: SiteId, zone: Tz) -> Self {
        Self {
            home,
            zone,
            language: None,
            recording: RecordingLimits::default(),
            holding: MailboxLimits::default(),
            retention: Retention::default(),
            warnings: WarningThresholds::default(),
            email: None,
            rules: ArrivalRules::default(),
            may_change_rules: false,
        }
    }
}

/// The shortest and the longest recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordingLimits {
    /// The shortest recording that is a message. With a shorter one the caller has hung up without speaking.
    pub min: Duration,
    /// The longest recording: at this length it ends by itself.
    pub max: Duration,
}

impl RecordingLimits {
    /// Returns the limits `min` and `max`.
    pub const fn new(min: Duration, max: Duration) -> Self {
        Self { min, max }
    }
}

impl Default for RecordingLimits {
    fn default() -> Self {
        Self { min: Duration::from_secs(1), max: Duration::from_secs(300) }
    }
}

/// How much a mailbox may hold, without removed messages. `None` is no limit.
///
/// A mailbox that holds as much or more is full, and accepts no message. The last message may bring it above its limit of length or bytes,
/// so that a caller who was allowed to speak is not refused afterwards because of the length of the message. Receipts have [room](Self::for_deposit) in a
/// full mailbox, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MailboxLimits {
    /// The number of messages.
    pub messages: Option<usize>,
    /// The duration of all sounds together.
    pub length: Option<Duration>,
    /// The size of all mails together, in bytes.
    pub bytes: Option<u64>,
}

impl MailboxLimits {
    /// Returns the lower limit of both, each by itself.
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

    /// Returns the limits that apply to the deposit of this message: these, or for a receipt that this node makes, 100 messages and 1 MiB more and any
    /// length.
    ///
    /// A receipt has no sound, and its owner has asked for it; who waits for it does not remove messages first. Every store applies this to a deposit.
    #[must_use]
    pub fn for_deposit(self, origin: &Origin, message: &Message) -> Self {
        if *origin != Origin::Here || message.head().kind.report().is_none() {
            return self;
        }
        Self {
            messages: self.messages.map(|messages| messages.saturating_add(RECEIPTS_BEYOND)),
            length: None,
            bytes: self.bytes.map(|bytes| bytes.saturating_add(RECEIPT_BYTES_BEYOND)),
        }
    }

    /// Returns these limits, with those of `other` in place of the missing ones.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            messages: self.messages.or(other.messages),
            length: self.length.or(other.length),
            bytes: self.bytes.or(other.bytes),
        }
    }

    /// Returns whether there is no limit at all.
    pub fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }
}

/// How much more a full mailbox takes of receipts.
const RECEIPTS_BEYOND: usize = 100;
const RECEIPT_BYTES_BEYOND: u64 = 1024 * 1024;

/// Implements [`Directory`] for a shared or boxed directory, by passing every call on.
macro_rules! delegate {
    ($wrapper:ident) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<D: Directory + ?Sized> Directory for $wrapper<D> {
            async fn find(&self, mailbox: &MailboxId) -> Result<Option<Owner>, DirectoryError> {
                (**self).find(mailbox).await
            }

            async fn list_members(&self, owner: &MailboxId, list: &MailboxId) -> Result<Option<Vec<MailboxId>>, DirectoryError> {
                (**self).list_members(owner, list).await
            }

            async fn group(&self, mailbox: &MailboxId) -> Result<Option<Group>, DirectoryError> {
                (**self).group(mailbox).await
            }

            async fn groups_of(&self, mailbox: &MailboxId) -> Result<Vec<MailboxId>, DirectoryError> {
                (**self).groups_of(mailbox).await
            }

            async fn copies_to(&self, mailbox: &MailboxId) -> Result<Vec<MailboxId>, DirectoryError> {
                (**self).copies_to(mailbox).await
            }

            async fn remote(&self, number: &MailboxId) -> Result<Option<RemoteMailbox>, DirectoryError> {
                (**self).remote(number).await
            }
        }
    };
}

delegate!(Arc);
delegate!(Box);
