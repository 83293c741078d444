//! The encoding of a [`Head`] as text lines, for the spool and for stores.

use std::time::Duration;

use chrono::DateTime;

use super::{
    CallDetails, CallFields, Caller, CallerName, EndReason, Head, MessageId, MessageKind, Privacy, ReceiptRequest, RecordedAt,
    Stamp, Urgency,
};

impl Head {
    /// Encodes the head, for a store that keeps heads apart from mails; [`decode`](Self::decode) reads it back.
    ///
    /// # Layout
    ///
    /// UTF-8 text, in lines that end with a line feed. The first line is `voicemail head 1`; each other line is a name, a colon, a space and a
    /// value. The layout is stored, so it never changes, except that a later version may add lines.
    ///
    /// ```text
    /// voicemail head 1
    /// id: 000102030405060708090a0b0c0d0e0f
    /// site: london                                          (if it is known)
    /// caller-number: +442079460112                          (if it is known)
    /// caller-name: Élodie                                   (if it is known)
    /// recorded-at: 2025-03-30T01:59:40+01:00[Europe/London] (RFC 9557)
    /// clock: sntp; offset=-0.003500; uncertainty=0.010000; age=12
    /// urgency: normal                                       (or urgent)
    /// privacy: normal                                       (or private)
    /// length: 2.500000000                                   (seconds)
    /// ending: complete                                      (or at-limit, truncated)
    /// called: +442079460100                                 (if it is known)
    /// diverted-from: 2041                                   (if it is known)
    /// call-id: a84b4c76e66710@pc33.example.com              (if it is known)
    /// field-queue: Sales, Zürich                            (for each field of the integrator's)
    /// language: en-GB                                       (that of the owner, if it is known)
    /// receipt-to: anna@far.example                          (if the sender requests a receipt)
    /// receipt-about: <1@far.example>                        (the Message-ID of its mail, if it is known)
    /// report: displayed 2002 000102030405060708090a0b0c0d0e0f 2025-03-30T00:59:40Z (if the message is a receipt)
    /// ```
    ///
    /// ```
    /// use voicemail::message::{ClockQuality, ClockSource, Head, RecordedAt};
    ///
    /// let quality = ClockQuality::unknown(ClockSource::System);
    /// let instant = "2025-03-30T00:59:40Z".parse().unwrap();
    /// let head = Head::new(RecordedAt::new(instant, chrono_tz::Europe::London, quality));
    /// assert_eq!(Head::decode(&head.encode()), Ok(head));
    /// ```
    pub fn encode(&self) -> Vec<u8> {
        let mut text = format!("{MAGIC}\n");
        write_lines(self, &mut |name, value| text.extend([name, ": ", value, "\n"]));
        text.into_bytes()
    }

    /// Reads a head that [`encode`](Self::encode) has written. Lines with names that this version does not know are skipped.
    ///
    /// # Errors
    ///
    /// [`InvalidHead`] with the name of the line that is missing or wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidHead> {
        let text = std::str::from_utf8(bytes).map_err(|_| InvalidHead("the text is not UTF-8"))?;
        let mut lines = text.lines();
        if lines.next() != Some(MAGIC) {
            return Err(InvalidHead("the first line is not that of a head"));
        }
        let fields: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(": ")).collect();
        read_lines(&fields)
    }
}

/// Bytes that are not an encoded [`Head`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a readable head: {0}")]
pub struct InvalidHead(pub(crate) &'static str);

/// Passes each line of `head` to `line`, as a name and a value.
pub(crate) fn write_lines(head: &Head, line: &mut impl FnMut(&str, &str)) {
    let Head { id, caller, recorded_at, site, urgency, privacy, length, end_reason, call_details, language, receipt, kind } =
        head;
    line("id", &id.to_string());
    if let Some(site) = site {
        line("site", site.as_str());
    }
    if let Some(number) = &caller.number {
        line("caller-number", number.as_str());
    }
    if let Some(name) = &caller.name {
        line("caller-name", name.as_str());
    }
    line("recorded-at", &Stamp::new(recorded_at.instant, recorded_at.zone).to_rfc9557());
    line("clock", &recorded_at.quality.to_string());
    line("urgency", urgency_name(*urgency));
    line("privacy", privacy_name(*privacy));
    line("length", &format!("{}.{:09}", length.as_secs(), length.subsec_nanos()));
    line("ending", end_reason_name(*end_reason));
    let CallDetails { called, diverted_from, call_id, fields } = call_details;
    if let Some(number) = called {
        line("called", number.as_str());
    }
    if let Some(number) = diverted_from {
        line("diverted-from", number.as_str());
    }
    if let Some(id) = call_id {
        line("call-id", id.as_str());
    }
    for (name, value) in fields.iter() {
        line(&format!("{FIELD}{name}"), value);
    }
    if let Some(language) = language {
        line("language", language.as_str());
    }
    if let Some(request) = receipt {
        line("receipt-to", request.to().as_str());
        if let Some(original) = request.original() {
            line("receipt-about", original);
        }
    }
    if let Some(report) = kind.report() {
        line("report", &report.to_string());
    }
}

/// Reads the lines of a head, each a name and a value. Of several lines with one name, the first counts.
pub(crate) fn read_lines(lines: &[(&str, &str)]) -> Result<Head, InvalidHead> {
    let find = |name: &str| lines.iter().find(|(line, _)| *line == name).map(|(_, value)| *value);
    let need = |name: &'static str| find(name).ok_or(InvalidHead(name));
    let id: MessageId = need("id")?.parse().map_err(|_| InvalidHead("id"))?;
    let (stamp, zone) = need("recorded-at")?.split_once('[').ok_or(InvalidHead("recorded-at"))?;
    let zone = zone.strip_suffix(']').and_then(|zone| zone.parse().ok()).ok_or(InvalidHead("recorded-at"))?;
    let instant = DateTime::parse_from_rfc3339(stamp).map_err(|_| InvalidHead("recorded-at"))?.to_utc();
    let quality = need("clock")?.parse().map_err(|_| InvalidHead("clock"))?;
    Ok(Head {
        id,
        caller: Caller {
            number: find("caller-number").and_then(|number| number.parse().ok()),
            name: find("caller-name").and_then(CallerName::cleaned),
        },
        recorded_at: RecordedAt { instant, zone, quality },
        site: find("site").and_then(|site| site.parse().ok()),
        urgency: named(need("urgency")?, [Urgency::Normal, Urgency::Urgent], urgency_name, "urgency")?,
        privacy: named(need("privacy")?, [Privacy::Normal, Privacy::Private], privacy_name, "privacy")?,
        length: parse_length(need("length")?).ok_or(InvalidHead("length"))?,
        end_reason: named(
            need("ending")?,
            [EndReason::Complete, EndReason::AtLimit, EndReason::Truncated],
            end_reason_name,
            "ending",
        )?,
        call_details: CallDetails {
            called: find("called").and_then(|number| number.parse().ok()),
            diverted_from: find("diverted-from").and_then(|number| number.parse().ok()),
            call_id: find("call-id").and_then(|id| id.parse().ok()),
            fields: CallFields::read(lines.iter().filter_map(|(name, value)| Some((name.strip_prefix(FIELD)?, *value)))),
        },
        language: find("language").and_then(|language| language.parse().ok()),
        receipt: find("receipt-to").and_then(|to| to.parse().ok()).map(|to| {
            // No id is the empty text.
            ReceiptRequest::new(to).about(find("receipt-about").unwrap_or_default())
        }),
        kind: find("report").and_then(|report| report.parse().ok()).map_or(MessageKind::Voice, MessageKind::Receipt),
    })
}

fn named<T: Copy, const N: usize>(
    text: &str,
    choices: [T; N],
    name: fn(T) -> &'static str,
    line: &'static str,
) -> Result<T, InvalidHead> {
    choices.into_iter().find(|choice| name(*choice) == text).ok_or(InvalidHead(line))
}

fn urgency_name(urgency: Urgency) -> &'static str {
    match urgency {
        Urgency::Normal => "normal",
        Urgency::Urgent => "urgent",
    }
}

fn privacy_name(privacy: Privacy) -> &'static str {
    match privacy {
        Privacy::Normal => "normal",
        Privacy::Private => "private",
    }
}

fn end_reason_name(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Complete => "complete",
        EndReason::AtLimit => "at-limit",
        EndReason::Truncated => "truncated",
    }
}

fn parse_length(text: &str) -> Option<Duration> {
    let (secs, nanos) = text.split_once('.')?;
    let nanos: u32 = nanos.parse().ok().filter(|nanos| nanos < &1_000_000_000)?;
    Some(Duration::new(secs.parse().ok()?, nanos))
}

const MAGIC: &str = "voicemail head 1";
/// The beginning of the name of a line with a field of the integrator's.
const FIELD: &str = "field-";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::call_details::tests::any_call_details;

    fn known() -> Head {
        let recorded_at = RecordedAt {
            instant: "2025-03-30T00:59:40Z".parse().unwrap(),
            zone: chrono_tz::Asia::Kathmandu,
            quality: "sntp; offset=-0.003500; uncertainty=0.010000; age=12".parse().unwrap(),
        };
        let mut head = Head::new(recorded_at);
        head.id = MessageId::from_bytes(*b"0123456789abcdef");
        head.caller = Caller { number: "+442079460112".parse().ok(), name: CallerName::cleaned("Élodie: \"山田\"") };
        head.site = "kathmandu-2".parse().ok();
        head.urgency = Urgency::Urgent;
        head.privacy = Privacy::Private;
        head.length = Duration::from_millis(2500);
        head.end_reason = EndReason::AtLimit;
        head
    }

    const KNOWN: &str = "voicemail head 1\n\
        id: 30313233343536373839616263646566\n\
        site: kathmandu-2\n\
        caller-number: +442079460112\n\
        caller-name: Élodie: \"山田\"\n\
        recorded-at: 2025-03-30T06:44:40+05:45[Asia/Kathmandu]\n\
        clock: sntp; offset=-0.003500; uncertainty=0.010000; age=12\n\
        urgency: urgent\n\
        privacy: private\n\
        length: 2.500000000\n\
        ending: at-limit\n";

    #[test]
    fn known_bytes_are_a_known_head() {
        assert_eq!(String::from_utf8(known().encode()).unwrap(), KNOWN);
        assert_eq!(Head::decode(KNOWN.as_bytes()), Ok(known()));
    }

    #[test]
    fn what_is_known_of_a_call_is_in_lines_at_the_end() {
        let call_details = CallDetails::default()
            .called("+442079460100".parse().unwrap())
            .diverted_from("2041".parse().unwrap())
            .call_id("a84b4c76e66710@pc33.example.com".parse().unwrap())
            .field("queue", " Sales: Zürich ")
            .unwrap();
        let head = Head { call_details, language: "de-AT".parse().ok(), ..known() };
        let text = format!(
            "{KNOWN}called: +442079460100\ndiverted-from: 2041\n\
             call-id: a84b4c76e66710@pc33.example.com\nfield-queue:  Sales: Zürich \nlanguage: de-AT\n"
        );
        assert_eq!(String::from_utf8(head.encode()).unwrap(), text);
        assert_eq!(Head::decode(text.as_bytes()), Ok(head));
        let unreadable = format!("{KNOWN}called: \ncall-id: a b\nlanguage: de_AT\nfield-: x\nfield-Queue: x\n");
        assert_eq!(Head::decode(unreadable.as_bytes()), Ok(known()));
    }

    #[test]
    fn a_request_for_a_receipt_reads_back_with_and_without_an_id() {
        let request = ReceiptRequest::new("anna@far.example".parse().unwrap());
        for (receipt, lines) in [
            (request.clone().about("<1@far.example>"), "receipt-to: anna@far.example\nreceipt-about: <1@far.example>\n"),
            (request.clone(), "receipt-to: anna@far.example\n"),
        ] {
            let head = Head { receipt: Some(receipt), ..known() };
            assert_eq!(String::from_utf8(head.encode()).unwrap(), format!("{KNOWN}{lines}"));
            assert_eq!(Head::decode(&head.encode()), Ok(head));
        }
        let unreadable = format!("{KNOWN}receipt-to: anna@far.example, b@c\nreceipt-about: <1@far.example>\n");
        assert_eq!(Head::decode(unreadable.as_bytes()), Ok(known()));
        for id in [format!("<{}>", "i".repeat(249)), "<a b>".to_owned(), "<a\r\nb>".to_owned(), "1@a".to_owned()] {
            assert_eq!(request.clone().about(&id).original(), None, "{id}");
        }
    }

    #[test]
    fn a_receipt_reads_back_and_an_unreadable_one_is_a_message() {
        let line = "report: deleted 2002 07070707070707070707070707070707 2025-03-30T00:59:40Z\n";
        let report = line.trim_start_matches("report: ").trim_end().parse().unwrap();
        let head = Head { kind: MessageKind::Receipt(report), ..known() };
        assert_eq!(String::from_utf8(head.encode()).unwrap(), format!("{KNOWN}{line}"));
        assert_eq!(Head::decode(&head.encode()), Ok(head));
        assert_eq!(Head::decode(format!("{KNOWN}report: lost 2002\n").as_bytes()), Ok(known()));
    }

    #[test]
    fn lines_of_a_later_version_are_skipped() {
        let later = KNOWN.replace("site: ", "mood: happy\nno colon here\nsite: ");
        assert_eq!(Head::decode(later.as_bytes()), Ok(known()));
        assert!(Head::decode(KNOWN.replace("head 1", "head 2").as_bytes()).is_err());
    }

    #[test]
    fn a_missing_or_wrong_line_is_named() {
        for name in ["id", "recorded-at", "clock", "urgency", "privacy", "length", "ending"] {
            for changed in [format!("\nno-{name}: "), format!("\n{name}: ?")] {
                let text = KNOWN.replace(&format!("\n{name}: "), &changed);
                assert_eq!(Head::decode(text.as_bytes()), Err(InvalidHead(name)), "{text}");
            }
        }
    }

    #[test]
    fn a_head_without_caller_or_site_reads_back() {
        let head = Head { site: None, caller: Caller::default(), ..known() };
        assert_eq!(Head::decode(&head.encode()), Ok(head));
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes: Vec<u8>, at in 0..KNOWN.len(), flip: u8, cut in 0..KNOWN.len()) {
            let _ = Head::decode(&bytes);
            let mut changed = KNOWN.as_bytes().to_vec();
            changed[at] ^= flip;
            let _ = Head::decode(&changed);
            let _ = Head::decode(&changed[..cut]);
        }

        #[test]
        fn every_head_reads_back(
            id: [u8; 16], secs in -10_000_000_000_i64..10_000_000_000, nanos in 0..1_000_000_000_u32, length: Duration, name in "\\PC{0,60}",
            call_details in any_call_details()
        ) {
            let instant = DateTime::from_timestamp(secs, nanos).unwrap();
            let head = Head {
                id: MessageId::from_bytes(id),
                recorded_at: RecordedAt { instant, ..known().recorded_at },
                caller: Caller { name: CallerName::cleaned(&name), number: None },
                length,
                call_details,
                ..known()
            };
            prop_assert_eq!(Head::decode(&head.encode()), Ok(head));
        }
    }
}
