//! [`CallRefusal`]: why a call is refused instead of answered, as a SIP status.

use std::time::Duration;

use crate::network::Refusal;
use crate::record::RecordError;

/// Why a call is refused instead of answered. Each reason is a SIP status, which a leg of another protocol translates.
///
/// ```
/// use voicemail::call::{BusyAnswer, CallRefusal};
/// use voicemail::record::RecordError;
///
/// let refusal = CallRefusal::of(&RecordError::NoSuchMailbox("2041".parse().unwrap()), BusyAnswer::Line);
/// assert_eq!((refusal.status_code(), refusal.reason()), (404, "Not Found"));
/// ```
///
/// # Source
///
/// RFC 3261 §21.4 and §21.5 for the statuses; §20.33 for `Retry-After`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallRefusal {
    /// 404: the network has no such mailbox.
    NoSuchMailbox,
    /// 486: all ports of the PBX are busy.
    Busy,
    /// 403: the PBX has no valid licence.
    NotLicensed,
    /// 480: this node does not serve the PBX, or has no mailboxes to log in to.
    NotServedHere,
    /// 488: calls in the format of the leg cannot be recorded.
    FormatNotUsable,
    /// 503: the call may succeed after this time.
    Unavailable {
        /// The time after which the call may be tried again.
        retry_after: Duration,
    },
    /// 500: the driver's own fault, or that of the program that uses it.
    Failed,
}

/// The answer to a call for which no port is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum BusyAnswer {
    /// 486: a caller hears the busy tone. Right for telephones.
    #[default]
    Line,
    /// 503 with `Retry-After`: a trunk tries its next route.
    Trunk,
}

impl CallRefusal {
    /// Returns the refusal for a recording that could not begin.
    ///
    /// A full mailbox is no reason to refuse the call: the caller hears it. It is [`Unavailable`](Self::Unavailable) here, for a PBX that
    /// wants it so.
    pub fn of(error: &RecordError, busy: BusyAnswer) -> Self {
        match error {
            RecordError::Refused(refusal) => Self::of_site(refusal, busy),
            RecordError::NoSuchMailbox(_) | RecordError::Mailboxes(_) => Self::NoSuchMailbox,
            RecordError::UnusableFormat(_) => Self::FormatNotUsable,
            RecordError::DirectoryUnavailable { .. }
            | RecordError::MailboxFull(_)
            | RecordError::DiskNearlyFull { .. }
            | RecordError::Disk(_)
            | RecordError::Stopping => Self::unavailable(),
            RecordError::TooShort { .. }
            | RecordError::TooLong { .. }
            | RecordError::UnreadableAudio(_)
            | RecordError::Discarded
            | RecordError::KeptAlready => Self::Failed,
        }
    }

    /// Returns the refusal for a PBX that may not use voicemail now.
    pub fn of_site(refusal: &Refusal, busy: BusyAnswer) -> Self {
        match refusal {
            Refusal::NotServedHere(_) => Self::NotServedHere,
            Refusal::Unlicensed { .. } | Refusal::Expired { .. } => Self::NotLicensed,
            Refusal::AllPortsBusy { .. } => match busy {
                BusyAnswer::Line => Self::Busy,
                BusyAnswer::Trunk => Self::unavailable(),
            },
        }
    }

    /// Returns the refusal of a call that may succeed soon.
    pub(super) const fn unavailable() -> Self {
        Self::Unavailable { retry_after: RETRY_AFTER }
    }

    /// Returns the SIP status, 400 to 599.
    pub const fn status_code(self) -> u16 {
        match self {
            Self::NotLicensed => 403,
            Self::NoSuchMailbox => 404,
            Self::NotServedHere => 480,
            Self::Busy => 486,
            Self::FormatNotUsable => 488,
            Self::Failed => 500,
            Self::Unavailable { .. } => 503,
        }
    }

    /// Returns the reason phrase of the status.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NotLicensed => "Forbidden",
            Self::NoSuchMailbox => "Not Found",
            Self::NotServedHere => "Temporarily Unavailable",
            Self::Busy => "Busy Here",
            Self::FormatNotUsable => "Not Acceptable Here",
            Self::Failed => "Server Internal Error",
            Self::Unavailable { .. } => "Service Unavailable",
        }
    }

    /// Returns the time for the header field `Retry-After`, if the refusal has one.
    pub const fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after } => Some(retry_after),
            Self::NotLicensed | Self::NoSuchMailbox | Self::NotServedHere | Self::Busy | Self::FormatNotUsable | Self::Failed => {
                None
            }
        }
    }
}

/// After this time, a port may be free, or the directory or the disk back.
const RETRY_AFTER: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;
    use crate::network::LicenceClass;

    #[test]
    fn each_refusal_has_the_status_of_its_kind() {
        let pbx = || "tokyo".parse().unwrap();
        let busy = || Refusal::AllPortsBusy { pbx: pbx(), limit: 1 };
        let class = LicenceClass::Voicemail;
        for (error, status) in [
            (RecordError::NoSuchMailbox("1".parse().unwrap()), 404),
            (busy().into(), 486),
            (Refusal::Unlicensed { pbx: pbx(), class }.into(), 403),
            (Refusal::Expired { pbx: pbx(), class, on: NaiveDate::MIN }.into(), 403),
            (Refusal::NotServedHere(pbx()).into(), 480),
            (RecordError::Stopping, 503),
            (RecordError::DiskNearlyFull { free: 0, files: 0 }, 503),
        ] {
            let refusal = CallRefusal::of(&error, BusyAnswer::Line);
            assert_eq!(refusal.status_code(), status, "{error}");
            assert_eq!(refusal.retry_after().is_some(), status == 503);
        }
        let trunk = CallRefusal::of_site(&busy(), BusyAnswer::Trunk);
        assert_eq!((trunk.status_code(), trunk.retry_after()), (503, Some(RETRY_AFTER)));
    }
}
