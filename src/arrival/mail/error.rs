//! [`MailStepError`]: the error type of mails to owners.

use std::io;

use super::OwnerRulesError;
use crate::forward::{ForwardError, Reply};
use crate::message::MailboxId;
use crate::network::Refusal;
use crate::store::StoreError;

/// Why a mail to an owner was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MailStepError {
    /// The rules of the mailbox could not be found.
    #[error(transparent)]
    Rules(#[from] OwnerRulesError),
    /// The message could not be read or marked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sound could not be read.
    #[error("the sound of the message cannot be read")]
    Sound(#[source] io::Error),
    /// The PBX of the owner has no licence for unified messaging.
    #[error("mails to the owner of mailbox {mailbox} need a licence")]
    NoLicence {
        /// The mailbox.
        mailbox: MailboxId,
        /// The reason of the refusal.
        #[source]
        source: Refusal,
    },
    /// The mail server did not accept the mail.
    #[error("the mail server answered {0}")]
    NotAccepted(Reply),
    /// No mail server answered.
    #[error(transparent)]
    Mail(#[from] ForwardError),
}
