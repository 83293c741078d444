//! [`NotifyError`]: a NOTIFY that failed, and what follows from that.

use std::io;
use std::time::Duration;

use super::super::message::{HeaderName, Response, StatusCode};
use crate::message::MailboxId;
use crate::mwi::MwiError;

/// A NOTIFY that failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotifyError {
    /// The connection could not be opened, or broke.
    #[error("the peer cannot be reached: {0}")]
    ConnectionFailed(#[from] io::Error),
    /// The transaction timed out without a response.
    #[error("the peer does not answer")]
    NoAnswer,
    /// The peer rejected the NOTIFY.
    #[error("the peer answers {status}")]
    Rejected {
        status: StatusCode,
        /// The Retry-After of the response.
        retry_after: Option<Duration>,
    },
    /// The peer asks for credentials, and there are none, or they were refused.
    #[error("the peer answers {0}, and the configured credentials, if any, do not satisfy it")]
    Unauthorized(StatusCode),
}

impl NotifyError {
    pub(super) fn rejected(response: &Response) -> Self {
        let retry_after = response.headers.number(HeaderName::RetryAfter).map(|secs| Duration::from_secs(secs.into()));
        Self::Rejected { status: response.status, retry_after }
    }

    /// Returns how long this address is tried last, if another address of the same peer may succeed; `None` if the failure is final.
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

    /// The error that the sink returns for `mailbox`.
    pub(super) fn into_error(self, mailbox: &MailboxId) -> MwiError {
        match &self {
            Self::ConnectionFailed(_) | Self::NoAnswer => MwiError::Unavailable(self.into()),
            Self::Unauthorized(_) => MwiError::Refused(self.into()),
            Self::Rejected { status, .. } => match status.code() {
                // The user is unknown.
                404 | 410 | 604 => MwiError::NoSuchMailbox(mailbox.clone()),
                // Temporary: a timeout, an absent or busy user, or a fault of the server.
                408 | 480 | 486 | 491 | 500 | 502..=504 | 600 => MwiError::Unavailable(self.into()),
                // Final, 481 and 489 among them: the same request would be refused again. RFC 3261 §21, RFC 6665 §4.2.2.
                _ => MwiError::Refused(self.into()),
            },
        }
    }
}

/// How long an address that does not answer is tried last.
const AVOID_TIME: Duration = Duration::from_secs(30);
const MAX_AVOID_TIME: Duration = Duration::from_secs(600);
