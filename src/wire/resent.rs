//! The fields that are added to a mail that is passed on or that is an answer.

use bytes::{Bytes, BytesMut};

use crate::message::{MailAddress, MessageId, Stamp};

/// Adds `Resent-` fields before `mail`, for the owner who passes it on, the recipients and the time. The rest stays unchanged.
///
/// # Source
///
/// RFC 5322 §3.6.6.
pub(crate) fn resent(mail: &Bytes, from: &MailAddress, to: &[MailAddress], at: &Stamp, node: &str) -> Bytes {
    let recipients: Vec<String> = to.iter().take(MAX_NAMED).map(|to| format!("<{to}>")).collect();
    let recipients = if to.len() <= MAX_NAMED { recipients.join(",\r\n ") } else { "undisclosed-recipients:;".to_owned() };
    let id = MessageId::random();
    let head = format!(
        "Resent-Date: {}\r\nResent-From: <{from}>\r\nResent-To: {recipients}\r\nResent-Message-ID: <{id}@{node}>\r\n",
        at.to_rfc5322()
    );
    prepend(head.as_bytes(), mail)
}

/// Adds `In-Reply-To` before `mail`, which answers the message `answered` of `node`.
///
/// # Source
///
/// RFC 5322 §3.6.4.
pub(crate) fn in_reply_to(mail: &Bytes, answered: MessageId, node: &str) -> Bytes {
    prepend(format!("In-Reply-To: <{answered}@{node}>\r\n").as_bytes(), mail)
}

fn prepend(head: &[u8], mail: &Bytes) -> Bytes {
    let mut all = BytesMut::with_capacity(head.len() + mail.len());
    all.extend_from_slice(head);
    all.extend_from_slice(mail);
    all.freeze()
}

/// The most recipients that are named, so that the header block stays within its limit.
const MAX_NAMED: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::decode;

    #[test]
    fn a_mail_that_is_passed_on_is_the_same_message() {
        let mail = Bytes::from_static(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/own.eml")));
        let at = Stamp::new("2025-10-26T01:30:00Z".parse().unwrap(), chrono_tz::Europe::Berlin);
        let to: Vec<MailAddress> = (0..100).map(|n| format!("{n}@{}.example", "d".repeat(60)).parse().unwrap()).collect();
        let passed =
            in_reply_to(&resent(&mail, &"2041@example.com".parse().unwrap(), &to, &at, "vm.example"), MessageId::random(), "x");
        assert!(passed.ends_with(&mail));
        let (passed, original) = (decode(&passed).unwrap(), decode(&mail).unwrap());
        assert_eq!((passed.head(), passed.audio()), (original.head(), original.audio()));
    }
}
