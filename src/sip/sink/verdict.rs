//! [`Failure`]: why a NOTIFY did not do its work, and what that means.

use std::io;
use std::time::Duration;

use super::super::message::{Name, Response, Status};
use crate::message::MailboxId;
use crate::mwi::MwiError;

/// Why a NOTIFY did not do its work.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// No connection, or it broke.
    #[error("the peer cannot be reached: {0}")]
    Broken(#[from] io::Error),
    /// Nobody answered.
    #[error("the peer does not answer")]
    Silent,
    /// The peer said no.
    #[error("the peer answers {status}")]
    Answered {
        status: Status,
        /// After how long to come again, by its own account.
        retry_after: Option<Duration>,
    },
    /// The peer wants a proof that cannot be given.
    #[error("the peer answers {0}, and no login that is configured satisfies it")]
    Unproven(Status),
}

impl Failure {
    pub(super) fn answered(response: &Response) -> Self {
        let retry_after = response.headers.number(Name::RetryAfter).map(|secs| Duration::from_secs(secs.into()));
        Self::Answered { status: response.status, retry_after }
    }

    /// Whether another address of the same peer may do better, and for how long this one is to be left alone.
    ///
    /// # Source
    ///
    /// RFC 3263 §4.3: no answer, no connection, and 503.
    pub(super) fn next_address_after(&self) -> Option<Duration> {
        match self {
            Self::Broken(_) | Self::Silent => Some(LEFT_ALONE),
            Self::Answered { status: Status::SERVICE_UNAVAILABLE, retry_after } => {
                Some(retry_after.unwrap_or(LEFT_ALONE).min(LONGEST_LEFT_ALONE))
            }
            Self::Answered { .. } | Self::Unproven(_) => None,
        }
    }

    /// What a sink answers for `mailbox`.
    pub(super) fn into_error(self, mailbox: &MailboxId) -> MwiError {
        match &self {
            Self::Broken(_) | Self::Silent => MwiError::Unavailable(self.into()),
            Self::Unproven(_) => MwiError::Refused(self.into()),
            Self::Answered { status, .. } => match status.code() {
                // Nobody of this name.
                404 | 410 | 604 => MwiError::NoSuchMailbox(mailbox.clone()),
                // Not now: no time, not there, busy, a fault that may be mended.
                408 | 480 | 486 | 491 | 500 | 502..=504 | 600 => MwiError::Unavailable(self.into()),
                // Not this request, however often it comes: 481 and 489 among them. RFC 3261 §21, RFC 6665 §4.2.2.
                _ => MwiError::Refused(self.into()),
            },
        }
    }
}

/// How long an address that does not answer is tried after all others.
const LEFT_ALONE: Duration = Duration::from_secs(30);
const LONGEST_LEFT_ALONE: Duration = Duration::from_secs(600);
