//! Unstructured text of a header field.

use std::borrow::Cow;

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
