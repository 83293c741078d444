//! Read receipts (RFC 8098): the request in a mail, and the receipt itself.

use bytes::Bytes;

use super::DecodeLimits;
use super::fields::Fields;
use crate::message::{MailAddress, MailboxId, MessageId, Stamp};

/// A request for a read receipt in a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReceiptRequest {
    /// The address that the receipt is sent to.
    pub(crate) to: MailAddress,
    /// The `Message-ID` of the mail, with its angle brackets, if it has one that can be repeated.
    pub(crate) original: Option<String>,
}

/// Reads the request for a receipt from `mail`, if it has one.
///
/// A request counts only if the receipt is to go to the address that the mail is from. Any other could be used to flood a third person.
///
/// # Source
///
/// RFC 8098 §2.1: `Disposition-Notification-To`.
pub(crate) fn receipt_request(mail: &[u8]) -> Option<ReceiptRequest> {
    let (fields, _) = Fields::of_mail(mail, DecodeLimits::default()).ok()?;
    let field = fields.text("Disposition-Notification-To")?;
    let wanted = field.trim();
    let wanted = match wanted.split_once('<') {
        Some((_, rest)) => rest.strip_suffix('>')?,
        None => wanted,
    };
    let to: MailAddress = wanted.parse().ok()?;
    let (from, _) = fields.from()?;
    let (local, domain) = from.rsplit_once('@')?;
    let same = to.local_part() == local && to.domain().eq_ignore_ascii_case(domain);
    let repeatable =
        |id: &&str| id.len() <= 250 && id.bytes().all(|byte| byte.is_ascii_graphic()) && id.starts_with('<') && id.ends_with('>');
    let original = fields.raw("Message-ID").as_deref().filter(repeatable).map(str::to_owned);
    same.then_some(ReceiptRequest { to, original })
}

/// The end of a message, which a receipt reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Disposition {
    /// The owner has heard the message.
    Played,
    /// The owner removed the message unheard.
    RemovedUnheard,
    /// The message was removed unheard because of its age.
    Expired,
}

impl Disposition {
    /// Returns the value of the field `Disposition`.
    ///
    /// # Source
    ///
    /// RFC 8098 §3.2.6; RFC 3801 §4.5 for voice mailboxes.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Played => "manual-action/MDN-sent-automatically; displayed",
            Self::RemovedUnheard => "manual-action/MDN-sent-automatically; deleted",
            Self::Expired => "automatic-action/MDN-sent-automatically; deleted/expired",
        }
    }

    const fn sentence(self) -> &'static str {
        match self {
            Self::Played => "has been played.",
            Self::RemovedUnheard => "was removed before it was played.",
            Self::Expired => "was never played, and has been removed because of its age.",
        }
    }
}

/// Writes a receipt. Two receipts for the same end of the same message have the same `Message-ID`.
///
/// # Source
///
/// RFC 8098 §3.
pub(crate) fn receipt(
    request: &ReceiptRequest,
    mailbox: &MailboxId,
    domain: &str,
    node: &str,
    message: MessageId,
    disposition: Disposition,
    at: &Stamp,
) -> Bytes {
    let to = &request.to;
    let kind = match disposition {
        Disposition::Played => "played",
        Disposition::RemovedUnheard => "removed",
        Disposition::Expired => "expired",
    };
    let original = request.original.as_ref().map_or(String::new(), |id| format!("Original-Message-ID: {id}\r\n"));
    let in_reply_to = request.original.as_ref().map_or(String::new(), |id| format!("In-Reply-To: {id}\r\n"));
    let boundary = format!("=_{}", MessageId::random());
    let (date, sentence, disposition) = (at.to_rfc5322(), disposition.sentence(), disposition.as_str());
    format!(
        "MIME-Version: 1.0\r\n\
         Message-ID: <{message}.{kind}@{node}>\r\n\
         {in_reply_to}\
         Date: {date}\r\n\
         From: <{mailbox}@{domain}>\r\n\
         To: <{to}>\r\n\
         Subject: Voice Message {kind}\r\n\
         Auto-Submitted: auto-replied\r\n\
         Content-Type: multipart/report; report-type=disposition-notification;\r\n boundary=\"{boundary}\"\r\n\
         \r\n\
         --{boundary}\r\n\
         Content-Type: text/plain; charset=us-ascii\r\n\
         \r\n\
         Your voice message for {mailbox} {sentence}\r\n\
         \r\n\
         --{boundary}\r\n\
         Content-Type: message/disposition-notification\r\n\
         \r\n\
         Reporting-UA: {node}; voicemail\r\n\
         Final-Recipient: rfc822;{mailbox}@{domain}\r\n\
         {original}\
         Disposition: {disposition}\r\n\
         \r\n\
         --{boundary}--\r\n"
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(fields: &str) -> Option<ReceiptRequest> {
        receipt_request(format!("Message-ID: <1@a.example>\r\nFrom: Anna <anna@a.example>\r\n{fields}\r\n\r\n").as_bytes())
    }

    #[test]
    fn a_receipt_is_asked_for_by_the_sender_for_itself_alone() {
        for value in ["anna@a.example", "<anna@A.example>", "\"Anna\" <anna@a.example>"] {
            let asked = request(&format!("Disposition-Notification-To: {value}")).unwrap();
            assert_eq!((asked.to.local_part(), asked.original.as_deref()), ("anna", Some("<1@a.example>")));
        }
        for value in ["victim@b.example", "anna@a.example, victim@b.example", "<anna@a.example>, <victim@b.example>", "", "@"] {
            assert_eq!(request(&format!("Disposition-Notification-To: {value}")), None, "{value}");
        }
        assert_eq!(request("Subject: none asked for"), None);
    }

    #[test]
    fn a_receipt_says_what_became_of_which_message() {
        let asked = request("Disposition-Notification-To: anna@a.example").unwrap();
        let at = Stamp::new("2025-10-26T01:30:00Z".parse().unwrap(), chrono_tz::Europe::Berlin);
        let id = MessageId::from_bytes([7; 16]);
        let mail = receipt(&asked, &"2041".parse().unwrap(), "example.com", "vm.example", id, Disposition::Played, &at);
        let text = std::str::from_utf8(&mail).unwrap();
        for line in [
            "Content-Type: multipart/report; report-type=disposition-notification;",
            "Final-Recipient: rfc822;2041@example.com",
            "Original-Message-ID: <1@a.example>",
            "Disposition: manual-action/MDN-sent-automatically; displayed",
            "Date: Sun, 26 Oct 2025 02:30:00 +0100",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        assert!(text.lines().all(|line| line.len() <= 998 && line.is_ascii()));
        assert_eq!(receipt_request(&mail), None, "nobody asks for a receipt of a receipt");
    }
}
