//! Any text in a field of a message stays in its field of each mail that this crate writes: the header block has the fields that it should
//! have and no other, and the body has its parts and no other.

use bytes::Bytes;
use mail_parser::{MessageParser, PartType};
use proptest::prelude::*;

use super::tests::messages;
use super::*;
use crate::message::{
    Audio, AudioType, Disposition, Head, MailAddress, MailDialect, MailboxId, Message, MessageId, ReceiptRequest, RecordedAt,
    Stamp,
};

/// Texts that would break out of a field, a line or a part.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        "[!-~]{0,260}",
        "(a|\\r\\nBcc: all@example.com|\\nX: y\\r\\n\\r\\n|\\x00|--=_|\\r\\n\\.\\r\\n|[\"<>\\\\,;:@() =?+]){0,20}",
        "<[!-~]{1,240}>",
        any::<String>(),
    ]
}

/// Addresses as far as they are allowed, of all characters that are.
fn addresses() -> impl Strategy<Value = MailAddress> {
    "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9]{1,63}(\\.[a-z0-9]{1,20}){0,3}"
        .prop_filter_map("an encoded word", |text| text.parse().ok())
}

/// A message that says anything, with a sound that can be decoded, whose sender may request a receipt.
fn requests() -> impl Strategy<Value = (Message, MailAddress)> {
    (messages(), addresses(), hostile(), any::<bool>()).prop_map(|(message, sender, original, asks)| {
        let receipt = asks.then(|| ReceiptRequest::new(sender.clone()).about(&original));
        let recorded_at = RecordedAt { instant: "2025-10-26T01:30:00Z".parse().unwrap(), ..message.head().recorded_at };
        let head = Head { recorded_at, receipt, ..message.head().clone() };
        (Message::new(head, Audio::new(AudioType::Basic, vec![0xd5; 800])), sender)
    })
}

/// Checks that a mail is lines of ASCII, that it has each of these fields once at most and no other, and so many parts with content; returns
/// the texts of those that are text.
fn check(mail: &Bytes, allowed: impl Fn(&str) -> bool, parts: usize) -> Result<Vec<String>, TestCaseError> {
    for line in mail.split_inclusive(|byte| *byte == b'\n') {
        prop_assert!(line.ends_with(b"\r\n") && line.len() <= 1000, "a line ends in CR LF");
        prop_assert!(line[..line.len() - 2].iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~')), "{line:?}");
    }
    let read = MessageParser::default().parse(&mail[..]).unwrap();
    let mut names: Vec<String> = read.headers().iter().map(|field| field.name().to_ascii_lowercase()).collect();
    prop_assert!(names.iter().all(|name| allowed(name)), "{names:?}");
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    prop_assert_eq!(names.len(), count, "no field is there twice");
    prop_assert_eq!((read.from().map_or(0, |from| from.iter().count()), read.to().map_or(0, |to| to.iter().count())), (1, 1));
    let leaves: Vec<_> = read.parts.iter().filter(|part| !matches!(part.body, PartType::Multipart(_))).collect();
    prop_assert_eq!(leaves.len(), parts);
    Ok(leaves.iter().filter_map(|part| part.text_contents()).map(str::to_owned).collect())
}

const COMMON: [&str; 17] = [
    "mime-version",
    "message-context",
    "message-id",
    "date",
    "from",
    "to",
    "subject",
    "content-duration",
    "content-type",
    "content-transfer-encoding",
    "caller-id",
    "caller-name",
    "importance",
    "sensitivity",
    "disposition-notification-to",
    "auto-submitted",
    "in-reply-to",
];

fn is_common(name: &str) -> bool {
    COMMON.contains(&name)
}

/// The lines of the part of a report for machines: its groups of fields.
fn groups(texts: &[String]) -> Vec<Vec<(String, String)>> {
    let fields = |group: &str| {
        let fields = group.lines().map(|line| line.split_once(": ").unwrap_or((line, "")));
        fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    texts.last().unwrap().trim().split("\r\n\r\n").map(fields).collect()
}

fn names(group: &[(String, String)]) -> Vec<&str> {
    group.iter().map(|(name, _)| name.as_str()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_mail_between_nodes_has_its_fields_and_parts_alone((message, sender) in requests()) {
        let recipients: [MailboxId; 1] = ["2041".parse().unwrap()];
        let mail = encode(&message, &Addresses::new("edge.example.com", "example.com", &recipients), TransferEncoding::Base64);
        let mail = mail.to_bytes();
        check(&mail, |name| is_common(name) || name.starts_with("voicemail-"), 2)?;
        let read = decode(&mail).unwrap();
        prop_assert_eq!(read.head(), message.head());
        let asked = message.head().receipt.as_ref().map(ReceiptRequest::to);
        let from = MessageParser::default().parse(&mail[..]).unwrap().from().unwrap().first().unwrap().address().map(str::to_owned);
        prop_assert!(asked.is_none_or(|_| from.as_deref() == Some(sender.as_str())), "{from:?}");
    }

    #[test]
    fn a_mail_to_another_system_has_its_fields_and_parts_alone(
        (message, sender) in requests(),
        to in addresses(),
        has_sender: bool,
        has_name: bool,
        dialect in proptest::sample::select(MailDialect::ALL.to_vec()),
    ) {
        let name = Audio::new(AudioType::Basic, vec![0x55; 800]);
        let from = has_sender.then_some(&sender);
        let system = ToSystem { from, spoken_name: has_name.then_some(&name), ..ToSystem::new("vm.example.com", "example.com", &to, dialect) };
        let mail = encode_for_system(&message, &system).unwrap();
        let is_vpim = dialect != MailDialect::InternetMail;
        let texts = check(&mail, is_common, 2 + usize::from(is_vpim && has_name))?;
        let read = MessageParser::default().parse(&mail[..]).unwrap();
        let expected = from.map_or("non-mail-user@example.com", MailAddress::as_str);
        prop_assert_eq!(read.from().unwrap().first().unwrap().address(), Some(expected));
        prop_assert_eq!(read.to().unwrap().first().unwrap().address(), Some(to.as_str()));
        if is_vpim {
            let card = texts.last().unwrap();
            let caller = &message.head().caller;
            let mut lines = vec!["BEGIN", "VERSION", "N", "FN"];
            lines.extend(caller.number.as_ref().map(|_| "TEL;TYPE=VOICE"));
            lines.extend(from.map(|_| "EMAIL;TYPE=INTERNET"));
            lines.push("END");
            let found: Vec<&str> = card.lines().map(|line| line.split_once(':').map_or(line, |(name, _)| name)).collect();
            prop_assert_eq!(found, lines, "{}", card);
        }
        let (read, head) = (decode(&mail).unwrap(), message.head());
        prop_assert_eq!((&read.head().caller.name, read.head().urgency, read.head().privacy), (&head.caller.name, head.urgency, head.privacy));
    }

    #[test]
    fn a_receipt_has_its_fields_and_parts_alone(
        to in addresses(),
        original in hostile(),
        mailbox in crate::message::mailbox::tests::any_mailbox(),
        disposition in proptest::sample::select(vec![Disposition::Played, Disposition::RemovedUnheard, Disposition::Expired]),
    ) {
        let request = ReceiptRequest::new(to.clone()).about(&original);
        let at = Stamp::new("2025-10-26T01:30:00Z".parse().unwrap(), chrono_tz::Europe::Berlin);
        let mail = receipt(&request, &mailbox, "example.com", "vm.example", MessageId::from_bytes([7; 16]), disposition, &at);
        let texts = check(&mail, is_common, 2)?;
        let groups = groups(&texts);
        let mut expected = vec!["Reporting-UA", "Final-Recipient"];
        expected.extend(request.original().map(|_| "Original-Message-ID"));
        expected.push("Disposition");
        prop_assert_eq!(groups.iter().map(|group| names(group)).collect::<Vec<_>>(), [expected]);
        let read = MessageParser::default().parse(&mail[..]).unwrap();
        prop_assert_eq!(read.to().unwrap().first().unwrap().address(), Some(to.as_str()));
    }
}

/// Any bytes as xtext, RFC 3461 §4.
#[cfg(feature = "node")]
fn xtext(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(*byte).to_string() } else { format!("+{byte:02X}") })
        .collect()
}

#[cfg(feature = "node")]
proptest! {
    #[test]
    fn a_delivery_report_has_its_fields_and_groups_alone(
        to in addresses(),
        envelope in proptest::collection::vec(any::<u8>(), 1..33),
        originals in proptest::collection::vec(proptest::option::of(proptest::collection::vec(any::<u8>(), 1..165)), 1..5),
        mailbox in crate::message::mailbox::tests::any_mailbox(),
    ) {
        use crate::message::ContentDigest;
        use crate::smtp::{MailRequest, RecipientRequest};

        let envelope = MailRequest::read(format!(" ENVID={}\r\n", xtext(&envelope)).as_bytes()).unwrap().envelope_id.unwrap();
        let read = |original: &Option<Vec<u8>>| {
            let word = original.as_ref().map_or(String::new(), |original| format!(" ORCPT=rfc822;{}", xtext(original)));
            RecipientRequest::read(format!("{word}\r\n").as_bytes()).unwrap().original
        };
        let originals: Vec<Option<String>> = originals.iter().map(read).collect();
        let recipients = originals.iter().map(|original| DeliveredRecipient { mailbox: &mailbox, original: original.as_deref(), custody: None });
        let report = DeliveredReport {
            node: "vm1.example",
            domain: "vm.example",
            to: &to,
            id: MessageId::from_bytes([7; 16]),
            digest: ContentDigest::of(b"sound"),
            envelope_id: Some(&envelope),
            recipients: recipients.collect(),
            at: "2026-11-29T18:00:00Z".parse().unwrap(),
        };
        let mail = report.to_mail();
        let groups = groups(&check(&mail, is_common, 2)?);
        prop_assert_eq!(names(&groups[0]), ["Original-Envelope-Id", "Reporting-MTA", "Arrival-Date"]);
        prop_assert_eq!(groups[0][0].1.trim_end(), envelope.trim_end());
        prop_assert_eq!(groups.len(), 1 + originals.len());
        for (group, original) in groups[1..].iter().zip(&originals) {
            let mut expected = vec!["Final-Recipient", "Action", "Status", "X-Voicemail-Digest"];
            if let Some(original) = original {
                expected.insert(0, "Original-Recipient");
                prop_assert_eq!(group[0].1.trim_end(), original.trim_end());
            }
            prop_assert_eq!(names(group), expected);
        }
        let status = read_delivery_status(&mail, DecodeLimits::default()).unwrap();
        prop_assert_eq!(status.recipients.len(), originals.len());
        for recipient in &status.recipients {
            prop_assert_eq!(recipient.addresses.last().unwrap(), &format!("{mailbox}@vm.example"));
            prop_assert_eq!((&*recipient.action, &*recipient.status), ("delivered", "2.0.0"));
        }
    }
}
