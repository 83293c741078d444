//! Reads a [`SipMessage`] from a datagram or a stream.

use std::str;

use bytes::{Buf as _, Bytes, BytesMut};

use super::header::{HeaderName, Headers};
use super::{Method, ParseError, Request, Response, SipMessage, StatusCode};

/// Reads a datagram. Bytes after the body, whose end Content-Length gives, are ignored.
///
/// # Source
///
/// RFC 3261 §18.3.
pub(super) fn datagram(bytes: &[u8]) -> Result<SipMessage, ParseError> {
    let bytes = &bytes[bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()..];
    let head_len = end_of_head(bytes).ok_or(ParseError::Malformed)?;
    let head = Head::parse(&bytes[..head_len])?;
    let body = &bytes[head_len..];
    let len = head.body_len.unwrap_or(body.len());
    if len > MAX_BODY {
        return Err(ParseError::TooLarge);
    }
    let body = body.get(..len).ok_or(ParseError::Malformed)?;
    Ok(head.with_body(Bytes::copy_from_slice(body)))
}

/// Takes the first message out of `input` once it is complete.
///
/// # Source
///
/// RFC 3261 §18.3 and §7.5: Content-Length is required, and line ends before a message are ignored.
pub(super) fn stream(input: &mut BytesMut) -> Result<Option<SipMessage>, ParseError> {
    input.advance(input.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count());
    let Some(head_len) = end_of_head(&input[..input.len().min(MAX_HEAD)]) else {
        return if input.len() >= MAX_HEAD { Err(ParseError::TooLarge) } else { Ok(None) };
    };
    let head = Head::parse(&input[..head_len])?;
    let body_len = head.body_len.ok_or(ParseError::Malformed)?;
    if body_len > MAX_BODY {
        return Err(ParseError::TooLarge);
    }
    if input.len() - head_len < body_len {
        return Ok(None);
    }
    input.advance(head_len);
    Ok(Some(head.with_body(input.split_to(body_len).freeze())))
}

/// A message without its body.
struct Head {
    start: Start,
    headers: Headers,
    body_len: Option<usize>,
}

enum Start {
    Request(Method, String),
    Response(StatusCode),
}

impl Head {
    fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        if bytes.len() > MAX_HEAD {
            return Err(ParseError::TooLarge);
        }
        let mut lines = lines(bytes.strip_suffix(b"\r\n\r\n").ok_or(ParseError::Malformed)?);
        let start = str::from_utf8(lines.next().unwrap_or_default()).map_err(|_| ParseError::Malformed)?;
        let mut head = Self { start: Start::parse(start)?, headers: Headers::default(), body_len: None };
        let mut seen = Vec::new();
        for (count, line) in unfolded(lines).into_iter().enumerate() {
            if count >= MAX_HEADERS || line.len() > MAX_VALUE {
                return Err(ParseError::TooLarge);
            }
            let (name, value) = field(&line)?;
            let Some(name) = HeaderName::parse(name) else { continue };
            if name.is_single() && seen.contains(&name) {
                return Err(ParseError::Malformed);
            }
            seen.push(name);
            head.add(name, value)?;
        }
        Ok(head)
    }

    /// Adds a field, unless its value is not UTF-8: such a field counts as absent, and the others are read all the same.
    fn add(&mut self, name: HeaderName, value: &[u8]) -> Result<(), ParseError> {
        let value = str::from_utf8(value).ok();
        if name == HeaderName::ContentLength {
            let len = value.and_then(|value| len(value.trim())).filter(|_| self.body_len.is_none());
            self.body_len = Some(len.ok_or(ParseError::Malformed)?);
        } else if let Some(value) = value {
            if value.contains(is_forbidden) {
                return Err(ParseError::Malformed);
            }
            self.headers.push(name, value);
        }
        Ok(())
    }

    fn with_body(self, body: Bytes) -> SipMessage {
        let headers = self.headers;
        match self.start {
            Start::Request(method, uri) => SipMessage::Request(Request { method, uri, headers, body }),
            Start::Response(status) => SipMessage::Response(Response { status, headers, body }),
        }
    }
}

impl Start {
    fn parse(line: &str) -> Result<Self, ParseError> {
        if line.len() > MAX_START || line.contains(char::is_control) {
            return Err(ParseError::Malformed);
        }
        let mut words = line.splitn(3, ' ');
        let (first, second, third) = (words.next(), words.next(), words.next());
        let (Some(first), Some(second)) = (first, second) else { return Err(ParseError::Malformed) };
        if first.eq_ignore_ascii_case(VERSION) {
            let digits = second.len() == 3 && second.bytes().all(|byte| byte.is_ascii_digit());
            let status = second.parse().ok().filter(|_| digits).and_then(StatusCode::new);
            return status.map(Self::Response).ok_or(ParseError::Malformed);
        }
        match (Method::parse(first), third) {
            (Some(method), Some(version)) if version.eq_ignore_ascii_case(VERSION) && !second.is_empty() => {
                Ok(Self::Request(method, second.to_owned()))
            }
            _ => Err(ParseError::Malformed),
        }
    }
}

/// Reads a number of bytes; a number that does not fit is read as the largest one, which is above every limit.
fn len(digits: &str) -> Option<usize> {
    let number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    number.then(|| digits.parse().unwrap_or(usize::MAX))
}

/// Splits a header field into its name and its value, which may be in any character set but has no control characters.
fn field(line: &[u8]) -> Result<(&str, &[u8]), ParseError> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or(ParseError::Malformed)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let name = str::from_utf8(name).map_err(|_| ParseError::Malformed)?.trim_end();
    let readable = super::value::is_token(name) && !value.iter().any(|byte| is_forbidden(char::from(*byte)) && byte.is_ascii());
    if readable { Ok((name, value)) } else { Err(ParseError::Malformed) }
}

fn is_forbidden(each: char) -> bool {
    each.is_control() && each != '\t'
}

/// The lines of a head, without their line ends.
fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(head);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = text.windows(2).position(|two| two == b"\r\n");
        rest = end.map(|end| &text[end + 2..]);
        Some(&text[..end.unwrap_or(text.len())])
    })
}

/// Joins folded header fields: a line that begins with a space continues the one before.
fn unfolded<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    let mut fields: Vec<Vec<u8>> = Vec::new();
    for line in lines {
        match fields.last_mut() {
            Some(last) if line.starts_with(b" ") || line.starts_with(b"\t") => {
                last.push(b' ');
                last.extend_from_slice(line.trim_ascii_start());
            }
            _ => fields.push(line.to_owned()),
        }
    }
    fields
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|end| end + 4)
}

pub(super) const VERSION: &str = "SIP/2.0";
const MAX_START: usize = 1024;
pub(super) const MAX_HEAD: usize = 16 * 1024;
const MAX_HEADERS: usize = 128;
const MAX_VALUE: usize = 4096;
pub(super) const MAX_BODY: usize = 16 * 1024;
