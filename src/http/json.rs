//! JSON, as far as this crate writes and reads it: the text of RFC 8259.

#[cfg(feature = "http-client")]
mod reader;

use std::fmt::Write as _;

#[cfg(feature = "http-client")]
pub(crate) use self::reader::{Json, read_json};

/// Returns a text as a JSON string, with its quotes.
///
/// # Source
///
/// RFC 8259 §7.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            // Two characters end a line in JavaScript, though not in JSON.
            '\0'..=' ' | '\x7f' | '\u{2028}' | '\u{2029}' if char != ' ' => {
                // Writing to a String does not fail.
                let _ = write!(quoted, "\\u{:04x}", u32::from(char));
            }
            _ => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_quoted() {
        assert_eq!(quote("a \"b\" \\ ü 🙂"), r#""a \"b\" \\ ü 🙂""#);
        assert_eq!(quote("\r\n\0\u{2028}"), r#""\u000d\u000a\u0000\u2028""#);
    }
}
