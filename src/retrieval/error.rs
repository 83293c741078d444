//! [`RetrievalError`]: the errors of a mailbox service.

use crate::audio::FramesError;
use crate::directory::{DirectoryError, ListNumber, ListStoreError};
use crate::forward::ForwardError;
use crate::message::{MailAddress, MailboxId, MessageId};
use crate::network::Refusal;
use crate::sent::SentStoreError;
use crate::store::StoreError;

/// The reason why a [`MailboxService`](super::MailboxService) could not do what an owner asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RetrievalError {
    /// The message is private, so it cannot be passed on.
    #[error("message {0} is private and cannot be passed on")]
    Private(MessageId),
    /// The message is private, and the voicemail system that it is for may pass it on.
    #[error("message {id} is private, and the system of {to} is not known to keep it so")]
    PrivacyNotHonoured {
        /// The message.
        id: MessageId,
        /// The mailbox at the other system.
        to: MailAddress,
    },
    /// The message is a receipt, so it cannot be passed on or answered.
    #[error("message {0} is a receipt and cannot be passed on or answered")]
    IsReceipt(MessageId),
    /// The caller who left the message has no mailbox here.
    #[error("the caller who left message {0} has no mailbox here to answer to")]
    CallerHasNoMailbox(MessageId),
    /// There is no mailbox with this id.
    #[error("no mailbox {0}")]
    NoSuchMailbox(MailboxId),
    /// The mailbox is no member of the group, or it is no group whose messages belong to the member who accepts them.
    #[error("{member} cannot accept messages of {group}")]
    NoMember {
        /// The mailbox of the group.
        group: MailboxId,
        /// The mailbox that is no member.
        member: MailboxId,
    },
    /// The owner's PBX has no licence for the feature.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The service was built without a way to send e-mail.
    #[error("sending e-mail is not configured")]
    MailNotConfigured,
    /// The sound cannot be decoded, so it cannot be joined to an introduction, or written in another form.
    #[error("the sound of message {id} cannot be decoded")]
    Sound {
        /// The message.
        id: MessageId,
        /// The reason.
        #[source]
        source: FramesError,
    },
    /// The store failed, or has no such mailbox or message.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The service was built without a store for private lists.
    #[error("private lists are not configured")]
    ListsNotConfigured,
    /// The private list has as many members as it can have.
    #[error("list {0} has 360 members, and cannot have more")]
    ListFull(ListNumber),
    /// With the new member, the private list would stand for more mailboxes than one message goes to.
    #[error("list {0} can have at most 1 000 mailboxes, with those of the lists on it")]
    ListTooLarge(ListNumber),
    /// The mailbox is no member of the private list.
    #[error("{member} is not on list {list}")]
    NotOnList {
        /// The number of the list.
        list: ListNumber,
        /// The mailbox.
        member: MailboxId,
    },
    /// The store of private lists failed.
    #[error(transparent)]
    Lists(#[from] ListStoreError),
    /// The store of sent messages failed.
    #[error(transparent)]
    Sent(#[from] SentStoreError),
    /// The directory failed, so it is not known whether the mailbox exists.
    #[error("it cannot be found out now whether mailbox {mailbox} exists")]
    Directory {
        /// The mailbox that was looked up.
        mailbox: MailboxId,
        /// The directory's error.
        #[source]
        source: DirectoryError,
    },
    /// The e-mail could not be handed over.
    #[error(transparent)]
    Mail(#[from] ForwardError),
}

impl RetrievalError {
    /// Returns whether the same call, unchanged, may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Private(_)
            | Self::PrivacyNotHonoured { .. }
            | Self::IsReceipt(_)
            | Self::CallerHasNoMailbox(_)
            | Self::NoSuchMailbox(_)
            | Self::NoMember { .. }
            | Self::Refused(_)
            | Self::MailNotConfigured
            | Self::ListsNotConfigured
            | Self::ListFull(_)
            | Self::ListTooLarge(_)
            | Self::NotOnList { .. }
            | Self::Sound { .. } => false,
            Self::Store(error) => error.is_transient(),
            Self::Sent(error) => error.is_transient(),
            Self::Lists(error) => error.is_transient(),
            Self::Directory { source, .. } => source.is_transient(),
            Self::Mail(error) => error.is_transient(),
        }
    }
}
