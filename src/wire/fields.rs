//! [`Fields`]: the header block of a mail or of a part, read by `mail-parser`, which nothing else here names.

use std::iter;
use std::sync::LazyLock;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use mail_parser::parsers::MessageStream;
use mail_parser::{ContentType, Header, HeaderName, HeaderValue, MessageParser};
use memchr::memchr_iter;

use super::{DecodeError, DecodeLimits};

/// A header block. Fields are looked up by name in any case; of several with one name the topmost counts.
#[derive(Debug)]
pub(super) struct Fields<'a>(Vec<Header<'a>>);

impl<'a> Fields<'a> {
    /// Reads the header block of a mail; answers it with the place where the body begins.
    pub(super) fn of_mail(mail: &'a [u8], limits: DecodeLimits) -> Result<(Self, usize), DecodeError> {
        let body = body_start(mail, limits)?.ok_or(DecodeError::HeaderCutShort)?;
        Ok((Self::parse(&mail[..body]), body))
    }

    /// Reads the header block of a part; answers it with the place where the body begins. One without an empty line has no body.
    pub(super) fn of_part(part: &'a [u8], limits: DecodeLimits) -> Result<(Self, usize), DecodeError> {
        let body = body_start(part, limits)?.unwrap_or(part.len());
        Ok((Self::parse(&part[..body]), body))
    }

    fn parse(block: &'a [u8]) -> Self {
        let mut fields = Vec::new();
        MessageStream::new(block).parse_headers(&PARSER, &mut fields);
        Self(fields)
    }

    /// The value of a field that is text, unfolded, its encoded words decoded.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.find(name)?.as_text()
    }

    /// The address of the first mailbox in `From`, with the name shown beside it.
    pub(super) fn from(&self) -> Option<(&str, Option<&str>)> {
        let mailbox = self.find("From")?.as_address()?.first()?;
        Some((mailbox.address()?, mailbox.name()))
    }

    /// The instant that `Date` tells.
    pub(super) fn date(&self) -> Option<DateTime<Utc>> {
        instant(*self.find("Date")?.as_datetime()?)
    }

    /// The instant that the topmost `Received` tells: when the last server on the way took the mail.
    pub(super) fn received(&self) -> Option<DateTime<Utc>> {
        let (_, date) = self.text("Received")?.rsplit_once(';')?;
        // The parser ends a date at the end of its line.
        instant(mail_parser::DateTime::parse_rfc822(&format!("{}\n", date.trim()))?)
    }

    /// The media type, `type/subtype`, in lower case; `text/plain` when there is none, RFC 2045 §5.2.
    pub(super) fn media_type(&self) -> String {
        let Some(value) = self.content("Content-Type") else { return "text/plain".to_owned() };
        let subtype = value.subtype().unwrap_or_default();
        format!("{}/{subtype}", value.ctype()).to_ascii_lowercase()
    }

    /// A parameter of `Content-Type`.
    pub(super) fn type_parameter(&self, name: &str) -> Option<&str> {
        self.content("Content-Type")?.attribute(name)
    }

    /// A parameter of `Content-Disposition`.
    pub(super) fn disposition_parameter(&self, name: &str) -> Option<&str> {
        self.content("Content-Disposition")?.attribute(name)
    }

    fn content(&self, name: &str) -> Option<&ContentType<'a>> {
        self.find(name)?.as_content_type()
    }

    fn find(&self, name: &str) -> Option<&HeaderValue<'a>> {
        self.0.iter().find(|field| field.name().eq_ignore_ascii_case(name)).map(Header::value)
    }
}

/// Where the body begins: after the first empty line, if there is one within the limits.
fn body_start(entity: &[u8], limits: DecodeLimits) -> Result<Option<usize>, DecodeError> {
    let window = &entity[..entity.len().min(limits.head)];
    let mut fields = 0;
    for at in iter::once(0).chain(memchr_iter(b'\n', window).map(|at| at + 1)) {
        if let Some(len) = line_end(&window[at..]) {
            return Ok(Some(at + len));
        }
        // RFC 5322 §2.2.3: a line that begins with white space goes on with the field before it. A CR is half of the empty line.
        fields += usize::from(window.get(at).is_some_and(|byte| !matches!(byte, b' ' | b'\t' | b'\r')));
        if fields > limits.fields {
            return Err(DecodeError::TooManyFields);
        }
    }
    if entity.len() >= limits.head { Err(DecodeError::HeaderTooLong) } else { Ok(None) }
}

/// The length of the line end that `bytes` begin with.
fn line_end(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [b'\n', ..] => Some(1),
        [b'\r', b'\n', ..] => Some(2),
        _ => None,
    }
}

/// The instant of a parsed date; `None` when the calendar or the clock has no such reading.
fn instant(date: mail_parser::DateTime) -> Option<DateTime<Utc>> {
    let second = u32::from(date.second).min(59); // a leap second
    let local = NaiveDate::from_ymd_opt(i32::from(date.year), u32::from(date.month), u32::from(date.day))?.and_hms_opt(
        u32::from(date.hour),
        u32::from(date.minute),
        second,
    )?;
    let offset = TimeDelta::minutes(i64::from(date.tz_hour) * 60 + i64::from(date.tz_minute));
    let utc = if date.tz_before_gmt { local.checked_add_signed(offset) } else { local.checked_sub_signed(offset) };
    utc.map(|utc| utc.and_utc())
}

/// Reads everything as text but what has a form of its own.
static PARSER: LazyLock<MessageParser> = LazyLock::new(|| {
    MessageParser::new()
        .header_address(HeaderName::From)
        .header_date(HeaderName::Date)
        .header_content_type(HeaderName::ContentType)
        .header_content_type(HeaderName::ContentDisposition)
        .header_raw(HeaderName::MessageId)
        .header_raw(HeaderName::Received)
        .default_header_text()
});
