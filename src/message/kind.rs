//! [`MessageKind`]: whether a message was recorded by somebody, or is a receipt.

use super::ReceiptReport;

/// The kind of a message.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum MessageKind {
    /// A message that somebody has recorded.
    #[default]
    Voice,
    /// A receipt: it reports to the sender of another message what became of that one, also that it could not be delivered. Nobody has recorded it; its sound is a moment of silence, and
    /// its text and the prompt of the telephone say what it reports.
    ///
    /// It counts like any other message, and lights the lamp: the lamp says that the mailbox has something that its owner has not heard, and the
    /// owner has asked for this.
    Receipt(ReceiptReport),
}

impl MessageKind {
    /// Returns the report of a receipt; `None` for a message that somebody has recorded.
    pub const fn report(&self) -> Option<&ReceiptReport> {
        match self {
            Self::Voice => None,
            Self::Receipt(report) => Some(report),
        }
    }
}
