//! [`MimeField`]: a MIME field as its value and its parameters.

use super::text::text_of;

/// A MIME field as its value and its parameters, without comments: `Content-Type`, `Content-Disposition`, `Content-Transfer-Encoding`.
///
/// # Source
///
/// RFC 2045 §5.1 for the form; RFC 822 §3.4.3 for comments; RFC 2231 for long, encoded and translated parameters; RFC 6266 §4.3: the
/// encoded form of a parameter goes before the plain one.
#[derive(Debug)]
pub(super) struct MimeField {
    /// The value in lower case: `audio/wav`, `base64`, `inline`.
    pub(super) value: String,
    /// The parameters: names in lower case, and values as in the field.
    parameters: Vec<(String, String)>,
}

impl MimeField {
    /// Reads the value of a field. Parts that cannot be understood are left out.
    pub(super) fn parse(field: &[u8]) -> Self {
        let mut scanner = Scanner { rest: field };
        let value = scanner.value();
        let mut parameters = Vec::new();
        while scanner.next_parameter() {
            parameters.extend(scanner.parameter());
        }
        Self { value, parameters }
    }

    /// Returns the value of a parameter, decoded; `name` is in lower case.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        self.encoded(name).or_else(|| {
            let plain = self.find(name)?;
            // No standard allows encoded words here, but many programs write them.
            if plain.contains("=?") {
                return text_of(format!("{plain}\n").as_bytes()).map(std::borrow::Cow::into_owned);
            }
            Some(plain.to_owned())
        })
    }

    /// Returns the value of a parameter that is encoded or split as in RFC 2231.
    fn encoded(&self, name: &str) -> Option<String> {
        let mut sections: Vec<(u32, bool, &str)> =
            self.parameters.iter().filter_map(|(key, value)| section(key, value, name)).collect();
        sections.sort_by_key(|(number, ..)| *number);
        let mut bytes = Vec::new();
        for (expected, (number, is_encoded, value)) in (0..).zip(sections) {
            if number != expected {
                break;
            }
            match (is_encoded, expected) {
                // The charset and the language come first.
                (true, 0) => percent_decode(value.splitn(3, '\'').last().unwrap_or(value), &mut bytes),
                (true, _) => percent_decode(value, &mut bytes),
                (false, _) => bytes.extend_from_slice(value.as_bytes()),
            }
        }
        Some(String::from_utf8_lossy(&bytes).into_owned()).filter(|value| !value.is_empty())
    }

    fn find(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Returns the number of a section of the parameter `name`, and whether it is encoded: `name*`, `name*0`, `name*1*`.
fn section<'a>(key: &str, value: &'a str, name: &str) -> Option<(u32, bool, &'a str)> {
    match key.strip_prefix(name)?.strip_prefix('*')? {
        "" => Some((0, true, value)),
        number => match number.strip_suffix('*') {
            Some(number) => Some((number.parse().ok()?, true, value)),
            None => Some((number.parse().ok()?, false, value)),
        },
    }
}

fn percent_decode(text: &str, out: &mut Vec<u8>) {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        let pair = behind.split_first_chunk().filter(|_| *byte == b'%');
        let decoded = pair.and_then(|([high, low], behind)| Some((digit(high)? << 4 | digit(low)?, behind)));
        match decoded {
            Some((byte, behind)) => {
                out.push(byte);
                rest = behind;
            }
            None => out.push(*byte),
        }
    }
}

/// Reads a field from its beginning to its end.
struct Scanner<'a> {
    rest: &'a [u8],
}

impl Scanner<'_> {
    /// Reads the value before the parameters; white space and comments may stand around its slash.
    fn value(&mut self) -> String {
        let mut value = Vec::new();
        self.skip_space();
        loop {
            value.extend_from_slice(self.word(b";/=\"("));
            self.skip_space();
            match self.rest {
                [b'/', rest @ ..] => {
                    value.push(b'/');
                    self.rest = rest;
                    self.skip_space();
                }
                [b'"', ..] if value.is_empty() => value = self.quoted(),
                _ => break,
            }
        }
        value.make_ascii_lowercase();
        String::from_utf8_lossy(&value).into_owned()
    }

    /// Skips to the text after the next semicolon that is in no comment and no quotes; returns whether there is one.
    fn next_parameter(&mut self) -> bool {
        loop {
            self.skip_space();
            match self.rest {
                [] => return false,
                [b';', rest @ ..] => {
                    self.rest = rest;
                    return true;
                }
                [b'"', ..] => drop(self.quoted()),
                [_, rest @ ..] => self.rest = rest,
            }
        }
    }

    /// Reads a parameter: its name and its value.
    fn parameter(&mut self) -> Option<(String, String)> {
        self.skip_space();
        let mut name = self.word(b";=\"(").to_vec();
        name.make_ascii_lowercase();
        self.skip_space();
        let [b'=', rest @ ..] = self.rest else { return None };
        self.rest = rest;
        self.skip_space();
        let value = if self.rest.starts_with(b"\"") { self.quoted() } else { self.unquoted() };
        Some((String::from_utf8(name).ok()?, String::from_utf8_lossy(&value).into_owned()))
    }

    /// Reads a value without quotes, which may need some: words, up to a semicolon.
    fn unquoted(&mut self) -> Vec<u8> {
        let mut value = self.word(b";").to_vec();
        loop {
            self.skip_space();
            match self.word(b";") {
                [] => return value,
                word => {
                    value.push(b' ');
                    value.extend_from_slice(word);
                }
            }
        }
    }

    /// Reads up to white space or one of `ends`.
    fn word(&mut self, ends: &[u8]) -> &[u8] {
        let len = self.rest.iter().position(|byte| byte.is_ascii_whitespace() || ends.contains(byte)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(len);
        self.rest = rest;
        word
    }

    /// Reads a quoted value, without its backslashes and line ends.
    fn quoted(&mut self) -> Vec<u8> {
        let mut value = Vec::new();
        let mut bytes = self.rest.get(1..).unwrap_or_default().iter();
        while let Some(byte) = bytes.next() {
            match byte {
                b'"' => break,
                b'\\' => value.extend(bytes.next()),
                b'\r' | b'\n' => {}
                byte => value.push(*byte),
            }
        }
        self.rest = bytes.as_slice();
        value
    }

    /// Skips white space and comments.
    fn skip_space(&mut self) {
        loop {
            match self.rest {
                [b'(', ..] => self.rest = &self.rest[comment_len(self.rest)..],
                [byte, rest @ ..] if byte.is_ascii_whitespace() => self.rest = rest,
                _ => return,
            }
        }
    }
}

/// Returns the length of the comment at the beginning of `bytes`, including nested ones. A comment without an end goes on to the end of the
/// field.
pub(super) fn comment_len(bytes: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b'\\' => at += 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            break;
        }
    }
    at.min(bytes.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_read_without_their_comments() {
        for (field, value) in [
            (" base64 (made by PBX)\r\n", "base64"),
            ("(made) (by (a) PBX\\)) BASE64;", "base64"),
            ("Audio / (what) X-WAV; name=a", "audio/x-wav"),
            ("audio/wav name=a.wav", "audio/wav"),
            ("\"base64\"", "base64"),
            ("multipart/mixed(comment); boundary=b", "multipart/mixed"),
            ("", ""),
            ("(never ends", ""),
        ] {
            assert_eq!(MimeField::parse(field.as_bytes()).value, value, "{field}");
        }
    }

    #[test]
    fn parameters_are_read_in_every_form() {
        for (field, expected) in [
            ("attachment; filename=\"a.txt\"; filename*=utf-8''b%20%C3%A9.wav", "b é.wav"),
            ("attachment; filename*=iso-8859-1'en'b.wav; filename=a.txt", "b.wav"),
            ("inline; filename*1*=%2Ewav; filename*0=\"msg\"", "msg.wav"),
            ("inline; filename*0*=us-ascii''a%; filename*2=lost", "a%"),
            ("inline (c); FileName (c) = (c) \"a;\\\"b.wav\" (c); filename=c", "a;\"b.wav"),
            ("inline; filename=msg (1) .wav; x=y", "msg .wav"),
            ("inline; filename=msg(1).wav; x=y", "msg(1).wav"),
            ("inline; filename=my message.wav", "my message.wav"),
            ("inline; filename=\"=?utf-8?B?bXNnLndhdg==?=\"", "msg.wav"),
            ("inline; x=\"; filename=no\"; broken; =; filename=\"long\r\n name.wav\"", "long name.wav"),
            ("inline; filename=\"never ends.wav", "never ends.wav"),
        ] {
            assert_eq!(MimeField::parse(field.as_bytes()).parameter("filename").as_deref(), Some(expected), "{field}");
        }
        assert_eq!(MimeField::parse(b"inline; filename*x=a; name=b").parameter("filename"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop_oneof![any::<Vec<u8>>(), "[;=*\"'%()\\\\ a0/\\n]{0,60}".prop_map(String::into_bytes)]) {
            let field = MimeField::parse(&bytes);
            let _ = field.parameter("a");
        }
    }
}
