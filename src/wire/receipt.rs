//! Read receipts (RFC 8098): the request in a mail, and the receipt itself.

use bytes::Bytes;

use super::fields::Fields;
use crate::message::{Disposition, MailAddress, MailboxId, MessageId, ReceiptRequest, Stamp};

/// Reads the request for a receipt from the header block of a mail, if it has one.
///
/// A request counts only if the receipt is to go to the address that the mail is from. Any other could be used to flood a third person.
///
/// # Source
///
/// RFC 8098 §2.1: `Disposition-Notification-To`.
pub(super) fn requested(fields: &Fields<'_>) -> Option<ReceiptRequest> {
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
    // A mail without an id has the empty text, which is none.
    same.then(|| ReceiptRequest::new(to).about(&fields.raw("Message-ID").unwrap_or_default()))
}

/// Returns the value of the field `Disposition`.
///
/// # Source
///
/// RFC 8098 §3.2.6; RFC 3801 §4.7 for voice mailboxes.
const fn field(disposition: Disposition) -> &'static str {
    match disposition {
        Disposition::Played => "manual-action/MDN-sent-automatically; displayed",
        Disposition::RemovedUnheard => "manual-action/MDN-sent-automatically; deleted",
        Disposition::Expired => "automatic-action/MDN-sent-automatically; deleted/expired",
        Disposition::NotDelivered(_) => "automatic-action/MDN-sent-automatically; deleted/error",
    }
}

/// Returns the end of the sentence that says it to people.
const fn sentence(disposition: Disposition) -> &'static str {
    match disposition {
        Disposition::Played => "has been played.",
        Disposition::RemovedUnheard => "was removed before it was played.",
        Disposition::Expired => "was never played, and has been removed because of its age.",
        Disposition::NotDelivered(_) => "could not be delivered.",
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
    let to = request.to();
    let kind = match disposition {
        Disposition::Played => "played",
        Disposition::RemovedUnheard => "removed",
        Disposition::Expired => "expired",
        Disposition::NotDelivered(_) => "failed",
    };
    let original = request.original().map_or(String::new(), |id| format!("Original-Message-ID: {id}\r\n"));
    let in_reply_to = request.original().map_or(String::new(), |id| format!("In-Reply-To: {id}\r\n"));
    let boundary = format!("=_{}", MessageId::random());
    let (date, sentence, disposition) = (at.to_rfc5322(), sentence(disposition), field(disposition));
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
    use crate::wire::{Addresses, DecodeLimits, TransferEncoding, decode, decode_head, encode};

    fn request_in(mail: &[u8]) -> Option<ReceiptRequest> {
        requested(&Fields::of_mail(mail, DecodeLimits::default()).unwrap().0)
    }

    fn request(fields: &str) -> Option<ReceiptRequest> {
        request_in(format!("Message-ID: <1@a.example>\r\nFrom: Anna <anna@a.example>\r\n{fields}\r\n\r\n").as_bytes())
    }

    #[test]
    fn a_receipt_is_asked_for_by_the_sender_for_itself_alone() {
        for value in ["anna@a.example", "<anna@A.example>", "\"Anna\" <anna@a.example>"] {
            let asked = request(&format!("Disposition-Notification-To: {value}")).unwrap();
            assert_eq!((asked.to().local_part(), asked.original()), ("anna", Some("<1@a.example>")));
        }
        for value in ["victim@b.example", "anna@a.example, victim@b.example", "<anna@a.example>, <victim@b.example>", "", "@"] {
            assert_eq!(request(&format!("Disposition-Notification-To: {value}")), None, "{value}");
        }
        assert_eq!(request("Subject: none asked for"), None);
    }

    #[test]
    fn a_request_stays_with_its_message_through_any_mail() {
        const ASTERISK: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/asterisk.eml"));
        const OWN: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/own.eml"));
        let fields = "From: Anna <anna@a.example>\r\nDisposition-Notification-To: <anna@a.example>\r\n";
        let long = format!("<{}@a.example>", "i".repeat(300));
        for (mail, original) in [
            (format!("{fields}{OWN}"), Some("<0123456789abcdef0123456789abcdef@edge.example.com>")),
            (format!("{fields}{ASTERISK}"), Some("<Asterisk-1-1310405980-2001-5628@remote1.example>")),
            (format!("{fields}Message-ID: {long}\r\n{ASTERISK}"), None),
        ] {
            let message = decode(&mail.clone().into()).unwrap();
            let request = message.head().receipt.as_ref().unwrap();
            assert_eq!((request.to().as_str(), request.original()), ("anna@a.example", original));
            assert_eq!(decode_head(mail.as_bytes()).unwrap().receipt.as_ref(), Some(request));
            let written =
                encode(&message, &Addresses::new("vm.example", "example.com", &[]), TransferEncoding::Base64).to_bytes();
            assert_eq!(decode(&written).unwrap().head(), message.head());
        }
        assert_eq!(decode(&OWN.into()).unwrap().head().receipt, None);
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
        assert_eq!(request_in(&mail), None, "nobody asks for a receipt of a receipt");
    }
}
