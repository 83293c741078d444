//! [`ReceiptReport`]: what a receipt says of a message.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, Utc};

use super::{Disposition, MailboxId, MessageId};

/// The report of a receipt about a message: which one, in whose mailbox, and what became of it.
///
/// The moment at which it happened is that of the receipt itself: [`Head::recorded_at`](super::Head::recorded_at).
///
/// As text it is `DISPOSITION MAILBOX MESSAGE MOMENT`, with a moment of RFC 3339.
///
/// ```
/// use voicemail::message::{Disposition, ReceiptReport};
///
/// let report: ReceiptReport = "displayed 2002 000102030405060708090a0b0c0d0e0f 2025-03-30T00:59:40Z".parse()?;
/// assert_eq!((report.disposition, report.mailbox.as_str()), (Disposition::Played, "2002"));
/// # Ok::<(), voicemail::message::InvalidReceiptReport>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ReceiptReport {
    /// The outcome of the message.
    pub disposition: Disposition,
    /// The mailbox that the message was for; of one at another voicemail system, the number by which owners reach it.
    pub mailbox: MailboxId,
    /// The id of the message in that mailbox.
    pub message: MessageId,
    /// When the message was recorded, or sent to another voicemail system.
    pub recorded_at: DateTime<Utc>,
}

impl ReceiptReport {
    /// A report of what became of the message `message`, recorded at `recorded_at`, in `mailbox`.
    pub const fn new(disposition: Disposition, mailbox: MailboxId, message: MessageId, recorded_at: DateTime<Utc>) -> Self {
        Self { disposition, mailbox, message, recorded_at }
    }
}

impl fmt::Display for ReceiptReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { disposition, mailbox, message, recorded_at } = self;
        write!(f, "{disposition} {mailbox} {message} {}", recorded_at.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl FromStr for ReceiptReport {
    type Err = InvalidReceiptReport;

    fn from_str(text: &str) -> Result<Self, InvalidReceiptReport> {
        let mut words = text.split(' ');
        let mut word = || words.next().ok_or(InvalidReceiptReport);
        let disposition = word()?.parse().map_err(|_| InvalidReceiptReport)?;
        let mailbox = word()?.parse().map_err(|_| InvalidReceiptReport)?;
        let message = word()?.parse().map_err(|_| InvalidReceiptReport)?;
        let recorded_at = DateTime::parse_from_rfc3339(word()?).map_err(|_| InvalidReceiptReport)?.to_utc();
        if word().is_ok() {
            return Err(InvalidReceiptReport);
        }
        Ok(Self { disposition, mailbox, message, recorded_at })
    }
}

/// A text that is no [`ReceiptReport`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a report of a receipt is a disposition, a mailbox, the id of a message and a moment")]
#[non_exhaustive]
pub struct InvalidReceiptReport;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_back_and_other_texts_are_refused() {
        let id = MessageId::from_bytes([7; 16]);
        for disposition in Disposition::ALL {
            let recorded_at = "2025-03-30T00:59:40.123456789Z".parse().unwrap();
            let report = ReceiptReport::new(disposition, "sales.berlin".parse().unwrap(), id, recorded_at);
            assert_eq!(report.to_string().parse(), Ok(report.clone()));
            for not in [format!("{report} more"), format!(" {report}"), report.to_string().replace('d', "?")] {
                assert_eq!(not.parse::<ReceiptReport>(), Err(InvalidReceiptReport), "{not}");
            }
        }
        for not in ["", "displayed", "displayed 2002", "displayed ../2 07070707070707070707070707070707 2025-03-30T00:59:40Z"] {
            assert_eq!(not.parse::<ReceiptReport>(), Err(InvalidReceiptReport), "{not}");
        }
    }
}
