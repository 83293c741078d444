//! Read receipts of other systems (RFC 8098), read.

use super::DecodeLimits;
use super::delivery_report::part_of_report;
use super::fields::Fields;
use crate::message::{Disposition, MessageId};

/// A read receipt about a mail of this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReadReceipt {
    /// The id of the message in the mail: the left side of its `Message-ID`.
    pub(crate) id: MessageId,
    pub(crate) disposition: Disposition,
}

/// Reads a receipt about the end of a message; `None` for any other mail, for a receipt about something else, such as `processed`, and for one about a
/// mail whose `Message-ID` this crate cannot have written.
///
/// # Source
///
/// RFC 8098 §3.1 and §3.2; RFC 3801 §4.7.
pub(crate) fn read_receipt(mail: &[u8], limits: DecodeLimits) -> Option<ReadReceipt> {
    let part = part_of_report(mail, "message/disposition-notification", limits)?;
    let end = (0..part.len()).find(|at| !part[*at].is_ascii_whitespace())?;
    let (fields, _) = Fields::of_part(&part[end..], limits).ok()?;
    let original = fields.raw("Original-Message-ID")?;
    let original = original.trim().strip_prefix('<')?.strip_suffix('>')?;
    let (id, _) = original.split_once('@')?;
    Some(ReadReceipt { id: id.parse().ok()?, disposition: disposition(&fields.raw("Disposition")?)? })
}

/// Reads the value of the field `Disposition`: `automatic-action/MDN-sent-automatically; deleted/expired`.
fn disposition(value: &str) -> Option<Disposition> {
    let (_, kind) = value.split_once(';')?;
    let (kind, modifier) = kind.split_once('/').unwrap_or((kind, ""));
    let is_about = |wanted: &str| kind.trim().eq_ignore_ascii_case(wanted);
    let modifiers = || modifier.split(',').map(str::trim);
    if modifiers().any(|modifier| modifier.eq_ignore_ascii_case("error")) {
        None
    } else if is_about("displayed") {
        Some(Disposition::Played)
    } else if is_about("deleted") && modifiers().any(|modifier| modifier.eq_ignore_ascii_case("expired")) {
        Some(Disposition::Expired)
    } else {
        is_about("deleted").then_some(Disposition::RemovedUnheard)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::{ReceiptRequest, Stamp};
    use crate::wire::receipt;

    const ID: MessageId = MessageId::from_bytes([7; 16]);

    fn read(mail: &str) -> Option<ReadReceipt> {
        read_receipt(mail.as_bytes(), DecodeLimits::default())
    }

    fn written(disposition: Disposition) -> String {
        let request = ReceiptRequest::new("2001@example.com".parse().unwrap()).about(&format!("<{ID}@vm.example>"));
        let at = Stamp::new("2025-10-26T01:30:00Z".parse().unwrap(), chrono_tz::UTC);
        let mail = receipt(&request, &"617".parse().unwrap(), "far.example", "vm.far.example", ID, disposition, &at);
        String::from_utf8(mail.to_vec()).unwrap()
    }

    /// As a VPIM system writes it.
    const VPIM: &str = "To: 2001@example.com\nFrom: Anna <617@far.example>\nMIME-Version: 1.0 (Voice 2.0)\nContent-Type: Multipart/Report;\n \
        report-type=disposition-notification;\n boundary=RAA14128\n\n--RAA14128\nContent-Type: text/plain\n\nplayed\n\n--RAA14128\n\
        content-type: Message/Disposition-Notification\n\nReporting-UA: gregs-laptop.far.example (Unity FooBar 4.0)\nOriginal-Recipient: \
        rfc822;617@far.example\nFinal-Recipient: rfc822;617@far.example\nOriginal-Message-ID:\n <07070707070707070707070707070707@vm.example>\n\
        Disposition: manual-action/MDN-sent-automatically; displayed\n\n--RAA14128--\n";

    #[test]
    fn receipts_read_back_as_they_were_written() {
        for disposition in [Disposition::Played, Disposition::RemovedUnheard, Disposition::Expired] {
            assert_eq!(read(&written(disposition)), Some(ReadReceipt { id: ID, disposition }));
        }
        let played = Some(ReadReceipt { id: ID, disposition: Disposition::Played });
        assert_eq!((read(VPIM), read(&VPIM.replace('\n', "\r\n"))), (played, played));
    }

    #[test]
    fn only_an_end_of_a_message_counts() {
        for (value, expected) in [
            ("MANUAL-ACTION/MDN-sent-manually; DISPLAYED", Some(Disposition::Played)),
            ("automatic-action/MDN-sent-automatically;deleted/x, expired", Some(Disposition::Expired)),
            ("manual-action/MDN-sent-manually; deleted", Some(Disposition::RemovedUnheard)),
            ("manual-action/MDN-sent-manually; displayed/error", None),
            ("automatic-action/MDN-sent-automatically; processed", None),
            ("automatic-action/MDN-sent-automatically; dispatched", None),
            ("automatic-action/MDN-sent-automatically; failed", None),
            ("displayed", None),
        ] {
            let mail = VPIM.replace("manual-action/MDN-sent-automatically; displayed", value);
            assert_eq!(read(&mail), expected.map(|disposition| ReadReceipt { id: ID, disposition }), "{value}");
        }
    }

    #[test]
    fn what_is_no_receipt_about_a_mail_of_ours_is_none() {
        for mail in [
            String::new(),
            VPIM.replace("Multipart/Report", "multipart/mixed"),
            VPIM.replace("Message/Disposition-Notification", "message/delivery-status"),
            VPIM.replace("Original-Message-ID", "X-Original-Message-ID"),
            VPIM.replace("<07070707070707070707070707070707@", "<1234@"),
            VPIM.replace("Disposition:", "X-Disposition:"),
        ] {
            assert_eq!(read(&mail), None, "{mail}");
        }
    }

    proptest! {
        #[test]
        fn a_damaged_receipt_never_panics(damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
            let mut mail = VPIM.as_bytes().to_vec();
            for (at, byte) in damage {
                let at = at.index(mail.len());
                mail[at] = byte;
            }
            let _ = read_receipt(&mail, DecodeLimits::default());
        }
    }
}
