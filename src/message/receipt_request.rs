//! [`ReceiptRequest`]: the wish of a sender to learn what became of a message.

use std::sync::Arc;

use super::MailAddress;
use super::call_id::is_visible_ascii;

/// A request of the sender of a message for a read receipt (RFC 8098): where the receipt goes, and which mail it is about.
///
/// ```
/// use voicemail::message::ReceiptRequest;
///
/// let request = ReceiptRequest::new("anna@far.example".parse().unwrap()).about("<1@far.example>");
/// assert_eq!(request.original(), Some("<1@far.example>"));
/// assert_eq!(request.about("no id").original(), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReceiptRequest {
    to: MailAddress,
    original: Option<Arc<str>>,
}

impl ReceiptRequest {
    /// The most bytes of a `Message-ID` with its angle brackets.
    pub const MAX_ORIGINAL_LEN: usize = 250;

    /// Returns a request for a receipt to this address, about a mail whose `Message-ID` is not known.
    pub const fn new(to: MailAddress) -> Self {
        Self { to, original: None }
    }

    /// Sets the `Message-ID` of the mail, with its angle brackets. An id that is longer than [`MAX_ORIGINAL_LEN`](Self::MAX_ORIGINAL_LEN) or
    /// has other characters than visible ASCII counts as not known, because no header field could repeat it.
    #[must_use]
    pub fn about(self, message_id: &str) -> Self {
        let is_id =
            is_visible_ascii(message_id, Self::MAX_ORIGINAL_LEN) && message_id.starts_with('<') && message_id.ends_with('>');
        Self { original: is_id.then(|| message_id.into()), ..self }
    }

    /// Returns the address that the receipt is sent to.
    pub const fn to(&self) -> &MailAddress {
        &self.to
    }

    /// Returns the `Message-ID` of the mail, with its angle brackets, if it is known.
    pub fn original(&self) -> Option<&str> {
        self.original.as_deref()
    }
}

/// Whether the owner who sends a message requests a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ReceiptChoice {
    /// No receipt is requested.
    #[default]
    NotRequested,
    /// Each addressee's mailbox sends a receipt.
    Requested,
}
