//! [`NotifyError`]: why a NOTIFY did not do its work, and what that means.

use std::io;
use std::time::Duration;

use super::super::message::{HeaderName, Response, StatusCode};
use crate::message::MailboxId;
use crate::mwi::MwiError;

/// Why a NOTIFY did not do its work.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotifyError {
    /// No connection, or it broke.
    #[error("the peer cannot be reached: {0}")]
    ConnectionFailed(#[from] io::Error),
    /// Nobody answered.
    #[error("the peer does not answer")]
    NoAnswer,
    /// The peer said no.
    #[error("the peer answers {status}")]
    Rejected {
        status: StatusCode,
        /// After how long to come again, by its own account.
        retry_after: Option<Duration>,
    },
    /// The peer wants a proof that cannot be given.
    #[error("the peer answers {0}, and no login that is configured satisfies it")]
    Unauthorized(StatusCode),
}

impl NotifyError {
    pub(super) fn rejected(response: &Response) -> Self {
        let retry_after = response.headers.number(HeaderName::RetryAfter).map(|secs| Duration::from_secs(secs.into()));
        Self::Rejected { status: response.status, retry_after }
    }

    /// Whether another address of the same peer may do better, and for how long this one is to be left alone.
    ///
    /// # Source
    ///
    /// RFC 3263 §4.3: no answer, no connection, and 503.
    pub(super) fn next_address_after(&self) -> Option<Duration> {
        match self {
            Self::ConnectionFailed(_) | Self::NoAnswer => Some(AVOID_TIME),
            Self::Rejected { status: StatusCode::SERVICE_UNAVAILABLE, retry_after } => {
                Some(retry_after.unwrap_or(AVOID_TIME).min(MAX_AVOID_TIME))
            }
            Self::Rejected { .. } | Self::Unauthorized(_) => None,
        }
    }

    /// What a sink answers for `mailbox`.
    pub(super) fn into_error(self, mailbox: &MailboxId) -> MwiError {
        match &self {
            Self::ConnectionFailed(_) | Self::NoAnswer => MwiError::Unavailable(self.into()),
            Self::Unauthorized(_) => MwiError::Refused(self.into()),
            Self::Rejected { status, .. } => match status.code() {
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
const AVOID_TIME: Duration = Duration::from_secs(30);
const MAX_AVOID_TIME: Duration = Duration::from_secs(600);
