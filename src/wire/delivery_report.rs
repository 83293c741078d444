//! Delivery reports (RFC 3464): the receipt of the node that stores a message, and reports of any mail server, read.

use std::fmt::Write as _;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use memchr::memchr;

use super::DecodeLimits;
use super::fields::Fields;
use crate::message::{ContentDigest, MailAddress, MailboxId, MessageId};

/// A report that a node has stored a message.
#[derive(Debug)]
pub(crate) struct DeliveredReport<'a> {
    /// The host name of the node.
    pub(crate) node: &'a str,
    /// The domain of its mailboxes.
    pub(crate) domain: &'a str,
    /// The address that the report goes to.
    pub(crate) to: &'a MailAddress,
    /// The id of the message.
    pub(crate) id: MessageId,
    /// The digest of its sound.
    pub(crate) digest: ContentDigest,
    /// The id of the envelope, if the sender gave one: printable ASCII.
    pub(crate) envelope_id: Option<&'a str>,
    /// The mailboxes that have it.
    pub(crate) recipients: Vec<DeliveredRecipient<'a>>,
    pub(crate) at: DateTime<Utc>,
}

/// A mailbox that has a message.
#[derive(Debug)]
pub(crate) struct DeliveredRecipient<'a> {
    pub(crate) mailbox: &'a MailboxId,
    /// The recipient as the sender gave it, with its type: printable ASCII.
    pub(crate) original: Option<&'a str>,
    /// The proof for the node that asked, if it asked for one.
    pub(crate) custody: Option<String>,
}

impl DeliveredReport<'_> {
    /// Writes the report. Each one has another `Message-ID`.
    ///
    /// # Source
    ///
    /// RFC 3464 §2, RFC 6522; RFC 3834 §5 for `Auto-Submitted`. Fields that begin with `X-` are extensions (RFC 3464 §2.4).
    pub(crate) fn to_mail(&self) -> Bytes {
        let Self { node, domain, to, id, digest, envelope_id, recipients, at } = self;
        let (date, boundary, unique) = (at.to_rfc2822(), format!("=_{}", MessageId::random()), MessageId::random());
        let envelope_id = envelope_id.map(|envelope| format!("Original-Envelope-Id: {envelope}\r\n")).unwrap_or_default();
        let mut groups = String::new();
        for DeliveredRecipient { mailbox, original, custody } in recipients {
            let original = original.map(|original| format!("Original-Recipient: {original}\r\n")).unwrap_or_default();
            // Writing to a string does not fail.
            let _ = write!(
                groups,
                "\r\n{original}Final-Recipient: rfc822;{mailbox}@{domain}\r\nAction: delivered\r\nStatus: 2.0.0\r\n{DIGEST}: sha-256={digest}\r\n"
            );
            if let Some(custody) = custody {
                let _ = write!(groups, "{CUSTODY}: {custody}\r\n");
            }
        }
        format!(
            "MIME-Version: 1.0\r\n\
             Message-ID: <{id}.{unique}.delivered@{node}>\r\n\
             In-Reply-To: <{id}@{to_domain}>\r\n\
             Date: {date}\r\n\
             From: <voicemail@{node}>\r\n\
             To: <{to}>\r\n\
             Subject: Voice message stored\r\n\
             Auto-Submitted: auto-replied\r\n\
             Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"{boundary}\"\r\n\
             \r\n\
             --{boundary}\r\n\
             Content-Type: text/plain; charset=us-ascii\r\n\
             \r\n\
             {node} has stored the voice message {id}.\r\n\
             \r\n\
             --{boundary}\r\n\
             Content-Type: message/delivery-status\r\n\
             \r\n\
             {envelope_id}Reporting-MTA: dns; {node}\r\n\
             Arrival-Date: {date}\r\n\
             {groups}\
             \r\n\
             --{boundary}--\r\n",
            to_domain = to.domain(),
        )
        .into()
    }
}

/// The contents of a report about the delivery of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeliveryStatus {
    /// The mail server that reports.
    pub(crate) reporting_mta: Option<String>,
    /// The recipients, at most 100.
    pub(crate) recipients: Vec<RecipientStatus>,
}

/// The part of a report about one recipient. All texts are printable ASCII of at most 500 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecipientStatus {
    /// The addresses of the recipient, the first one as the sender gave it, as far as they are known.
    pub(crate) addresses: Vec<String>,
    /// `delivered`, `failed` or the like, in lower case.
    pub(crate) action: String,
    /// The enhanced status code.
    pub(crate) status: String,
    /// The reply of the server that refused the message.
    pub(crate) diagnostic: Option<String>,
    /// The digest of the sound that was stored.
    pub(crate) digest: Option<ContentDigest>,
    /// The proof of the node that stored the message.
    pub(crate) custody: Option<String>,
}

/// Reads a delivery report; `None` for any other mail. Reports inside other mails are not read.
///
/// # Source
///
/// RFC 3464 §2.1: groups of fields, of which the first is about the message, and each other one about a recipient.
pub(crate) fn read_delivery_status(mail: &[u8], limits: DecodeLimits) -> Option<DeliveryStatus> {
    status(part_of_report(mail, "message/delivery-status", limits)?, limits)
}

/// Returns the content of the first part of this type in a report; `None` for any other mail.
///
/// # Source
///
/// RFC 6522 §3.
pub(super) fn part_of_report<'a>(mail: &'a [u8], wanted: &str, limits: DecodeLimits) -> Option<&'a [u8]> {
    let (fields, body) = Fields::of_mail(mail, limits).ok()?;
    let media = fields.content_type();
    if !media.value.eq_ignore_ascii_case("multipart/report") {
        return None;
    }
    let boundary = format!("--{}", media.parameter("boundary")?);
    for part in parts(&mail[body..], boundary.as_bytes()).into_iter().take(limits.parts) {
        let Ok((fields, start)) = Fields::of_part(part, limits) else { continue };
        if fields.content_type().value.eq_ignore_ascii_case(wanted) {
            return Some(&part[start..]);
        }
    }
    None
}

fn status(text: &[u8], limits: DecodeLimits) -> Option<DeliveryStatus> {
    let groups: Vec<Fields<'_>> = groups(text)
        .into_iter()
        .take(MOST_RECIPIENTS + 1)
        .filter_map(|group| Some(Fields::of_part(group, limits).ok()?.0))
        .collect();
    let (message, recipients) = groups.split_first()?;
    // Some servers leave the first group out.
    let recipients = if message.raw("Action").is_some() { &groups[..] } else { recipients };
    Some(DeliveryStatus {
        reporting_mta: message.raw("Reporting-MTA").map(|name| behind_type(&name)),
        recipients: recipients.iter().filter_map(recipient).collect(),
    })
}

fn recipient(fields: &Fields<'_>) -> Option<RecipientStatus> {
    let addresses = ["Original-Recipient", "Final-Recipient"];
    Some(RecipientStatus {
        addresses: addresses.into_iter().filter_map(|name| fields.raw(name)).map(|address| behind_type(&address)).collect(),
        action: clean(&fields.raw("Action")?).to_ascii_lowercase(),
        status: fields.raw("Status").map(|status| clean(&status)).unwrap_or_default(),
        diagnostic: fields.raw("Diagnostic-Code").map(|reply| behind_type(&reply)),
        digest: fields.raw(DIGEST).and_then(|digest| digest.strip_prefix("sha-256=")?.parse().ok()),
        custody: fields
            .raw(CUSTODY)
            .map(|proof| proof.split_ascii_whitespace().collect::<String>())
            .filter(|proof| is_short_word(proof)),
    })
}

/// Returns the text behind the type of a value, such as `rfc822; `.
fn behind_type(value: &str) -> String {
    clean(value.split_once(';').map_or(value, |(_, text)| text))
}

/// Returns whether a text is one word of printable ASCII of at most 500 bytes.
fn is_short_word(text: &str) -> bool {
    text.len() <= MOST_TEXT && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Makes one line of printable ASCII of at most 500 bytes.
fn clean(text: &str) -> String {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    words.join(" ").chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }).take(MOST_TEXT).collect()
}

/// Splits the body of a multipart into its parts.
fn parts<'a>(body: &'a [u8], boundary: &[u8]) -> Vec<&'a [u8]> {
    let (mut parts, mut start) = (Vec::new(), None);
    for (at, line) in lines(body) {
        let Some(rest) = line.strip_prefix(boundary).map(<[u8]>::trim_ascii_end) else { continue };
        if !matches!(rest, b"" | b"--") {
            continue;
        }
        parts.extend(start.map(|start| &body[start..at]));
        start = rest.is_empty().then_some(at + line.len());
        if start.is_none() {
            return parts;
        }
    }
    parts.extend(start.map(|start| &body[start..]));
    parts
}

/// Splits a text at its empty lines.
fn groups(text: &[u8]) -> Vec<&[u8]> {
    let (mut groups, mut start) = (Vec::new(), None);
    for (at, line) in lines(text) {
        if line.trim_ascii().is_empty() {
            groups.extend(start.take().map(|start| &text[start..at]));
        } else if start.is_none() {
            start = Some(at);
        }
    }
    groups.extend(start.map(|start| &text[start..]));
    groups
}

/// Returns each line with its end, and where it begins.
fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
        let line = &rest[..memchr(b'\n', rest).map_or(rest.len(), |end| end + 1)];
        let begin = at;
        at += line.len();
        Some((begin, line))
    })
}

const DIGEST: &str = "X-Voicemail-Digest";
const CUSTODY: &str = "X-Voicemail-Custody";
const MOST_RECIPIENTS: usize = 100;
const MOST_TEXT: usize = 500;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(mail: &str) -> Option<DeliveryStatus> {
        read_delivery_status(mail.as_bytes(), DecodeLimits::default())
    }

    fn report() -> String {
        let (to, one, other) = ("vm+x@edge.example".parse().unwrap(), "2041".parse().unwrap(), "+4930".parse().unwrap());
        let report = DeliveredReport {
            node: "vm1.example",
            domain: "vm.example",
            to: &to,
            id: MessageId::from_bytes([7; 16]),
            digest: ContentDigest::of(b"sound"),
            envelope_id: Some("0aa3ff"),
            recipients: vec![
                DeliveredRecipient { mailbox: &one, original: None, custody: Some("1;edge.example;AAAA".to_owned()) },
                DeliveredRecipient { mailbox: &other, original: Some("rfc822;+4930@old.example"), custody: None },
            ],
            at: "2026-11-29T18:00:00Z".parse().unwrap(),
        };
        String::from_utf8(report.to_mail().to_vec()).unwrap()
    }

    #[test]
    fn a_part_that_cannot_be_read_hides_no_status_behind_it() {
        let text = "I'm sorry to have to inform you: your message could not be delivered.\r\n".repeat(5_000);
        let (before, behind) =
            report().split_once("Content-Type: text/plain").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        let (_, behind) = behind.split_once("\r\n--").unwrap();
        let mail = format!("{before}{text}\r\n--{behind}");
        assert_eq!(read(&mail), read(&report()), "{}", &mail[mail.len() - 800..]);
    }

    #[test]
    fn a_receipt_reads_back_as_it_was_written() {
        let mail = report();
        assert!(mail.is_ascii() && mail.lines().all(|line| line.len() <= 998), "{mail}");
        let status = read(&mail).unwrap();
        assert_eq!(status.reporting_mta.as_deref(), Some("vm1.example"));
        let [one, other] = &status.recipients[..] else { panic!("{status:?}") };
        assert_eq!((&one.addresses[..], &*one.action, &*one.status), (&["2041@vm.example".to_owned()][..], "delivered", "2.0.0"));
        assert_eq!((one.custody.as_deref(), one.digest), (Some("1;edge.example;AAAA"), Some(ContentDigest::of(b"sound"))));
        assert_eq!(
            (&other.addresses[..], &other.custody),
            (&["+4930@old.example", "+4930@vm.example"].map(str::to_owned)[..], &None)
        );
        assert!(mail.contains("\r\n\r\nOriginal-Envelope-Id: 0aa3ff\r\nReporting-MTA: dns; vm1.example\r\n"), "{mail}");
    }

    /// As Postfix 3.7 and Exim 4.96 write them, shortened.
    #[test]
    fn the_refusals_of_postfix_and_exim_are_read() {
        let head = "From: MAILER-DAEMON\nContent-Type: multipart/report; report-type=delivery-status;\n\tboundary=\"4Z/x.1\"\n\n";
        let postfix = format!(
            "{head}This is a MIME-encapsulated message.\n\n--4Z/x.1\nContent-Type: text/plain\n\nI'm sorry\n\n--4Z/x.1\n\
             Content-Description: Delivery report\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; relay.example\n\
             X-Postfix-Queue-ID: 4Z\n\nFinal-Recipient: rfc822; 2041@vm.example\nOriginal-Recipient: rfc822;2041@vm.example\n\
             Action: failed\nStatus: 5.1.1\nRemote-MTA: dns; vm1.example\nDiagnostic-Code: smtp; 550 5.1.1 no such\n    mailbox here\n\n\
             --4Z/x.1\nContent-Type: text/rfc822-headers\n\nSubject: x\nAction: delivered\n\n--4Z/x.1--\n"
        );
        for mail in [postfix.clone(), postfix.replace('\n', "\r\n")] {
            let status = read(&mail).unwrap();
            assert_eq!(status.reporting_mta.as_deref(), Some("relay.example"));
            let [only] = &status.recipients[..] else { panic!("{status:?}") };
            assert_eq!((&*only.action, &*only.status), ("failed", "5.1.1"));
            assert_eq!(only.diagnostic.as_deref(), Some("550 5.1.1 no such mailbox here"));
        }
        let exim = format!(
            "{head}--4Z/x.1\nContent-type: text/plain\n\nx\n\n--4Z/x.1\nContent-type: message/delivery-status\n\n\
             Reporting-MTA: dns; exim.example\n\nAction: failed\nFinal-Recipient: rfc822;2041@vm.example\nStatus: 5.0.0\n\
             Diagnostic-Code: smtp; 550 5.1.1 caf\u{e9}\u{7f}\n\n--4Z/x.1--\n"
        );
        let status = read(&exim).unwrap();
        assert_eq!(
            (&*status.recipients[0].status, status.recipients[0].diagnostic.as_deref()),
            ("5.0.0", Some("550 5.1.1 caf??"))
        );
    }

    #[test]
    fn what_is_no_delivery_report_is_none() {
        let report = report();
        for other in [
            String::new(),
            "Subject: out of office\r\n\r\nAction: failed\r\n".to_owned(),
            report.replace("multipart/report", "multipart/mixed"),
            report.replace("message/delivery-status", "message/disposition-notification"),
            format!(
                "Content-Type: multipart/report; boundary=outer\r\n\r\n--outer\r\nContent-Type: message/rfc822\r\n\r\n{report}"
            ),
        ] {
            assert_eq!(read(&other), None, "{other}");
        }
        let many = report.replace("\r\nFinal-Recipient", &"\r\nAction: failed\r\n\r\nFinal-Recipient".repeat(200));
        assert!(read(&many).unwrap().recipients.len() <= 100);
    }

    proptest! {
        #[test]
        fn a_damaged_report_never_panics(damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
            let mut mail = report().into_bytes();
            for (at, byte) in damage {
                let at = at.index(mail.len());
                mail[at] = byte;
            }
            let _ = read_delivery_status(&mail, DecodeLimits::default());
        }
    }
}
