//! [`Fields`]: the header block of a mail or of a part, split into fields first, and each field read alone.
//!
//! A parser gets the value of one field only, so that no field can change how another one is read.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use mail_parser::parsers::MessageStream;
use mail_parser::{Address, HeaderValue};
use memchr::{memchr, memchr2, memrchr};

use super::date::parse_date;
use super::mime_field::{MimeField, comment_len};
use super::text::text_of;
use super::{DecodeError, DecodeLimits};

/// A header block. Fields are looked up by name in any case; of several fields with one name, the topmost counts.
#[derive(Debug)]
pub(super) struct Fields<'a>(Vec<Field<'a>>);

/// One field of a header block.
#[derive(Debug)]
struct Field<'a> {
    name: &'a [u8],
    /// All bytes between the colon and the next field, including line ends.
    value: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Reads the header block of a mail; returns it with the position of the body.
    pub(super) fn of_mail(mail: &'a [u8], limits: DecodeLimits) -> Result<(Self, usize), DecodeError> {
        let (fields, body) = Self::split(mail, limits)?;
        Ok((fields, body.ok_or(DecodeError::HeaderCutShort)?))
    }

    /// Reads the header block of a part; returns it with the position of the body. One without an empty line has no body.
    pub(super) fn of_part(part: &'a [u8], limits: DecodeLimits) -> Result<(Self, usize), DecodeError> {
        let (fields, body) = Self::split(part, limits)?;
        Ok((fields, body.unwrap_or(part.len())))
    }

    /// Splits the header block of `entity` into its fields, and finds the body: it begins after the first empty line, if there is one within
    /// the limits.
    ///
    /// # Source
    ///
    /// RFC 5322 §2.2: a field is a name, a colon and a value, and goes on in lines that begin with white space. §4.5: white space may
    /// stand before the colon. A line without a colon is no field.
    fn split(entity: &'a [u8], limits: DecodeLimits) -> Result<(Self, Option<usize>), DecodeError> {
        let window = &entity[..entity.len().min(limits.head)];
        let (mut fields, mut count, mut started, mut at) = (Vec::with_capacity(USUAL), 0, None, 0);
        let mut end_field =
            |started: Option<usize>, end: usize| fields.extend(started.and_then(|at| Field::read(&window[at..end])));
        let body = loop {
            if let Some(len) = line_end(&window[at..]) {
                break Some(at + len);
            }
            // A CR is half of the empty line.
            if window.get(at).is_some_and(|byte| !matches!(byte, b' ' | b'\t' | b'\r')) {
                end_field(started.replace(at), at);
                count += 1;
                if count > limits.fields {
                    return Err(DecodeError::TooManyFields);
                }
            }
            match memchr(b'\n', &window[at..]) {
                Some(len) => at += len + 1,
                None => break None,
            }
        };
        if body.is_none() && entity.len() >= limits.head {
            return Err(DecodeError::HeaderTooLong);
        }
        end_field(started, body.map_or(window.len(), |_| at));
        Ok((Self(fields), body))
    }

    /// Returns the value of a text field, unfolded and with its encoded words decoded; `None` if there is no text.
    pub(super) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        text_of(self.find(name)?)
    }

    /// Returns the text of each field whose name begins with `prefix`, from the topmost, with the rest of its name in lower case.
    pub(super) fn with_prefix(&self, prefix: &str) -> Vec<(String, Cow<'a, str>)> {
        let rest = |name: &'a [u8]| {
            let (start, rest) = name.split_at_checked(prefix.len())?;
            if start.eq_ignore_ascii_case(prefix.as_bytes()) { std::str::from_utf8(rest).ok() } else { None }
        };
        let fields = self.0.iter().filter_map(|field| Some((rest(field.name)?.to_ascii_lowercase(), text_of(field.value)?)));
        fields.collect()
    }

    /// Returns the value of a field without the white space around it, still folded.
    pub(super) fn raw(&self, name: &str) -> Option<Cow<'a, str>> {
        Some(String::from_utf8_lossy(self.find(name)?.trim_ascii())).filter(|value| !value.is_empty())
    }

    /// Returns the address of the first mailbox in `From`, with its display name.
    pub(super) fn from(&self) -> Option<(Cow<'a, str>, Option<Cow<'a, str>>)> {
        let HeaderValue::Address(address) = MessageStream::new(self.find("From")?).parse_address() else { return None };
        let mailboxes = match address {
            Address::List(mailboxes) => mailboxes,
            Address::Group(groups) => groups.into_iter().next()?.addresses,
        };
        let first = mailboxes.into_iter().next()?;
        Some((first.address?, first.name))
    }

    /// Returns the instant of `Date`.
    pub(super) fn date(&self) -> Option<DateTime<Utc>> {
        parse_date(self.find("Date")?)
    }

    /// Returns the instant of the topmost `Received`: when the last server accepted the mail.
    pub(super) fn received(&self) -> Option<DateTime<Utc>> {
        let value = self.find("Received")?;
        let date = behind_last_semicolon(value).and_then(parse_date);
        // A comment without an end hides all behind it.
        date.or_else(|| parse_date(&value[memrchr(b';', value)? + 1..]))
    }

    /// Returns the media type with its parameters; `text/plain` when there is none, RFC 2045 §5.2.
    pub(super) fn content_type(&self) -> MimeField {
        let value = self.mime("Content-Type");
        value.filter(|field| !field.value.is_empty()).unwrap_or_else(|| MimeField::parse(b"text/plain"))
    }

    /// Returns a MIME field, without its comments.
    pub(super) fn mime(&self, name: &str) -> Option<MimeField> {
        self.find(name).map(MimeField::parse)
    }

    fn find(&self, name: &str) -> Option<&'a [u8]> {
        self.0.iter().find(|field| field.name.eq_ignore_ascii_case(name.as_bytes())).map(|field| field.value)
    }
}

impl<'a> Field<'a> {
    /// Returns these lines as a field, if there is a colon in them.
    fn read(lines: &'a [u8]) -> Option<Self> {
        let colon = memchr(b':', lines)?;
        Some(Self { name: lines[..colon].trim_ascii_end(), value: &lines[colon + 1..] })
    }
}

/// Returns the text after the last semicolon that is in no comment.
fn behind_last_semicolon(value: &[u8]) -> Option<&[u8]> {
    let (mut rest, mut found) = (value, None);
    while let Some(at) = memchr2(b';', b'(', rest) {
        if rest[at] == b'(' {
            rest = &rest[at + comment_len(&rest[at..])..];
        } else {
            rest = &rest[at + 1..];
            found = Some(rest);
        }
    }
    found
}

/// Returns the length of the line end at the beginning of `bytes`.
fn line_end(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [b'\n', ..] => Some(1),
        [b'\r', b'\n', ..] => Some(2),
        _ => None,
    }
}

/// The number of fields that most mails do not exceed.
const USUAL: usize = 32;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use crate::wire::{decode, decode_head};

    /// The facts that are read from a mail.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Aspect {
        Id,
        Caller,
        Instant,
        Urgency,
        Privacy,
        Audio,
        Receipt,
    }

    const ASPECTS: [Aspect; 7] =
        [Aspect::Id, Aspect::Caller, Aspect::Instant, Aspect::Urgency, Aspect::Privacy, Aspect::Audio, Aspect::Receipt];

    /// A field, and the facts that may change with it.
    type Line = (&'static str, &'static str, &'static [Aspect]);

    const HEADER: [Line; 17] = [
        ("Received", "from a by b; Sun, 26 Oct 2025 03:30:00 +0100", &[Aspect::Instant]),
        ("Return-Path", "<2417@pbx.example>", &[]),
        ("From", "\"PBX\" <2417@pbx.example>", &[Aspect::Caller, Aspect::Receipt]),
        ("Reply-To", "x@pbx.example", &[]),
        ("To", "<2001@voicemail.example>", &[]),
        ("Date", "Tue, 10 Mar 2026 15:00:00 +0000", &[Aspect::Instant]),
        ("Sensitivity", "Private", &[Aspect::Privacy]),
        ("Subject", "=?utf-8?Q?message?=", &[]),
        ("Importance", "High", &[Aspect::Urgency]),
        ("References", "<1@pbx.example>", &[]),
        ("Message-ID", "<7@pbx.example>", &[Aspect::Id, Aspect::Receipt]),
        ("Caller-ID", "2417", &[Aspect::Caller]),
        ("Caller-Name", "Anna", &[Aspect::Caller]),
        ("Disposition-Notification-To", "2417@pbx.example", &[Aspect::Receipt]),
        ("MIME-Version", "1.0 (Voice 2.0)", &[]),
        ("Content-Type", "multipart/mixed; boundary=\"b\"", &[Aspect::Audio]),
        ("X-Last", "x", &[]),
    ];

    const PART: [Line; 6] = [
        ("Content-ID", "<1@x>", &[]),
        ("Content-Type", "audio/x-gsm; name=\"a.gsm\"", &[Aspect::Audio]),
        ("Content-Description", "a message", &[]),
        ("Content-Transfer-Encoding", "base64", &[Aspect::Audio]),
        ("Content-Disposition", "inline; voice=Voice-Message", &[Aspect::Audio]),
        ("Content-Duration", "1", &[]),
    ];

    /// Returns a mail whose field `which` has this value, or is missing.
    fn mail(which: usize, value: Option<&[u8]>) -> Bytes {
        let mut mail = Vec::new();
        let add = |mail: &mut Vec<u8>, at: usize, (name, usual, _): Line| {
            let value = if at == which { value } else { Some(usual.as_bytes()) };
            if let Some(value) = value {
                for piece in [name.as_bytes(), b": ", value, b"\r\n"] {
                    mail.extend_from_slice(piece);
                }
            }
        };
        for (at, line) in HEADER.into_iter().enumerate() {
            add(&mut mail, at, line);
        }
        mail.extend_from_slice(b"\r\n--b\r\n");
        for (at, line) in PART.into_iter().enumerate() {
            add(&mut mail, HEADER.len() + at, line);
        }
        let frame = "0SEhISEhISEhISEhISEhISEhISEhISEhISEhISEhISEh";
        mail.extend_from_slice(format!("\r\n{frame}\r\n--b--\r\n").as_bytes());
        mail.into()
    }

    /// One aspect of a mail, in words.
    fn seen(mail: &Bytes, aspect: Aspect) -> String {
        let head = decode_head(mail).unwrap();
        match aspect {
            Aspect::Id => head.id.to_string(),
            Aspect::Caller => format!("{:?} {:?}", head.caller.number, head.caller.name),
            Aspect::Instant => head.recorded_at.instant.to_string(),
            Aspect::Urgency => format!("{:?}", head.urgency),
            Aspect::Privacy => format!("{:?}", head.privacy),
            Aspect::Audio => format!("{:?}", decode(mail).map(|message| (message.audio().clone(), message.head().length))),
            Aspect::Receipt => format!("{:?}", head.receipt),
        }
    }

    /// Texts that begin or end something, or look as if they did.
    const PIECES: [&[u8]; 31] = [
        b"Tue, 10 Mar 2026 15:00:00 Z",
        b"Tue, 10 Mar 2026 15:00:00 A (",
        b"Tue, 10 Mar 2026 15:00",
        b"(",
        b")",
        b"\"",
        b"\\",
        b"=?utf-8?Q?",
        b"?=",
        b"=?utf-8?B?",
        b"<",
        b">",
        b"@",
        b";",
        b",",
        b":",
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\r\n",
        b" ",
        b"=",
        b"*0*=",
        b"Sensitivity: Normal",
        b"boundary=\"",
        b"\0",
        b"\xff",
        b"[",
        b"]",
        b"--b",
        b"a",
    ];

    /// Returns the bytes as a value of one field: each line but the first begins with white space.
    fn folded(bytes: &[u8], white: u8) -> Vec<u8> {
        let fold = |byte: &u8| if *byte == b'\n' { vec![*byte, white] } else { vec![*byte] };
        bytes.iter().flat_map(fold).collect()
    }

    fn values() -> impl Strategy<Value = Vec<u8>> {
        let piece = proptest::sample::select(PIECES.to_vec());
        let made = proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat());
        let white = prop_oneof![Just(b' '), Just(b'\t')];
        (prop_oneof![made, any::<Vec<u8>>()], white).prop_map(|(bytes, white)| folded(&bytes, white))
    }

    /// Sets each field to this value in turn, and returns the fields that change how another one is read.
    fn changes_another(value: &[u8]) -> Vec<(&'static str, Aspect)> {
        let mut found = Vec::new();
        for (which, (name, _, aspects)) in HEADER.into_iter().chain(PART).enumerate() {
            let (with, without) = (mail(which, Some(value)), mail(which, None));
            let others = ASPECTS.into_iter().filter(|aspect| !aspects.contains(aspect));
            found.extend(others.filter(|aspect| seen(&with, *aspect) != seen(&without, *aspect)).map(|aspect| (name, aspect)));
        }
        found
    }

    #[test]
    fn what_ends_in_the_middle_ends_with_its_field() {
        for piece in PIECES {
            assert_eq!(changes_another(&folded(piece, b' ')), [], "{}", piece.escape_ascii());
        }
    }

    #[test]
    fn a_field_is_read_as_it_stands_in_the_mail() {
        let usual = mail(usize::MAX, None);
        let all: Vec<String> = ASPECTS.into_iter().map(|aspect| seen(&usual, aspect)).collect();
        for (at, (name, usual, aspects)) in HEADER.into_iter().chain(PART).enumerate() {
            assert_eq!(mail(at, Some(usual.as_bytes())), mail(usize::MAX, None));
            for (aspect, usual) in ASPECTS.into_iter().zip(&all) {
                // Each fact does change with its field, or the property below would test nothing.
                let without = seen(&mail(at, None), aspect);
                assert!(aspects.contains(&aspect) || without == *usual, "{name} {aspect:?}");
            }
        }
        assert_eq!(all[3..5], ["Urgent", "Private"]);
        assert!(all[5].contains("audio/GSM"), "{}", all[5]);
    }

    #[test]
    fn space_before_a_colon_and_lines_without_fields_are_tolerated() {
        let mail = "From someone Thu Mar  5 10:00:00 2026\r\n  Sensitivity: Private\r\nDate  : Thu, 5 Mar 2026 10:00:00 Z\r\n\
                    no field\r\nIMPORTANCE:high\r\nImportance: normal\r\n\r\n";
        let head = decode_head(mail.as_bytes()).unwrap();
        assert_eq!(head.recorded_at.instant.to_string(), "2026-03-05 10:00:00 UTC");
        assert_eq!(format!("{:?} {:?}", head.urgency, head.privacy), "Urgent Normal");
    }

    #[test]
    fn a_server_tells_its_time_behind_a_semicolon_of_no_comment() {
        for received in [
            "from a by b; Sun, 26 Oct 2025 03:30:00 +0100",
            "from a (b; c) by d (e; f) ; Sun, 26 Oct 2025 03:30:00 +0100 (CET; winter (by law;))",
            "from a (b by c; Sun, 26 Oct 2025 03:30:00 +0100",
        ] {
            let mail = format!("Received: {received}\r\nDate: Thu, 1 Jan 1970 00:00:07 +0000\r\n\r\n");
            let head = decode_head(mail.as_bytes()).unwrap();
            assert_eq!(head.recorded_at.instant.to_string(), "2025-10-26 02:30:00 UTC", "{received}");
        }
    }

    proptest! {
        #[test]
        fn no_value_of_a_field_changes_how_another_is_read(value in values()) {
            prop_assert_eq!(changes_another(&value), []);
        }
    }
}
