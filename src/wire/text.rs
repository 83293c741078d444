//! Unstructured text of a header field, read and written.

use std::borrow::Cow;

use encodify::rfc2047;
use mail_parser::HeaderValue;
use mail_parser::parsers::MessageStream;
use memchr::{memchr, memmem};

/// Returns the text of a value, unfolded and with its encoded words decoded.
pub(super) fn text_of(value: &[u8]) -> Option<Cow<'_, str>> {
    let line = value.trim_ascii_end();
    if memchr(b'\n', line).is_none() && memmem::find(line, b"=?").is_none() {
        return Some(String::from_utf8_lossy(line.trim_ascii_start())).filter(|text| !text.is_empty());
    }
    match MessageStream::new(value).parse_unstructured() {
        HeaderValue::Text(text) => Some(text),
        _ => None,
    }
}

/// Returns `text` as the value of a field from which [`text_of`] reads it to the last character: as it is if nothing on its way can change
/// it, else as encoded words.
pub(super) fn encoded_text(text: &str) -> String {
    // A line is folded at its spaces, if at all.
    let keeps_spaces = text.len() <= MAX_UNFOLDED && text.trim() == text && !text.contains("  ");
    if is_plain(text) && (keeps_spaces || !text.contains(' ')) { text.to_owned() } else { encoded_words(text) }
}

/// Returns `text` as the value of a field for people to read: as it is if it can stand there, else as encoded words.
pub(crate) fn readable_text(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { encoded_words(text) }
}

/// Returns whether `text` can stand in a field as it is.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && !text.contains("=?")
}

/// Returns `text` as encoded words with spaces between them, RFC 2047 §2.
fn encoded_words(text: &str) -> String {
    let mut words = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        if !words.is_empty() {
            words.push(' '); // belongs to no word: RFC 2047 §6.2
        }
        words.push_str("=?utf-8?B?");
        let taken = rfc2047::B.encode_payload(rest, MAX_PAYLOAD, &mut words);
        words.push_str("?=");
        rest = &rest[taken..];
    }
    words
}

/// The longest text that fits into the first line of a field with any name, which has 78 characters, RFC 5322 §2.1.1.
const MAX_UNFOLDED: usize = 26;
/// Keeps a word within 75 characters, RFC 2047 §2. Holds at least one character of any script.
const MAX_PAYLOAD: usize = 60;
