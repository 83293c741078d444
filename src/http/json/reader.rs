//! [`read_json`]: reads a JSON text of another system.

use std::collections::BTreeMap;

/// A value of JSON.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Json>),
    /// Of two members with one name, the last one.
    Object(BTreeMap<String, Json>),
}

impl Json {
    /// Returns the member of an object with this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        if let Self::Object(members) = self { members.get(name) } else { None }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(crate) fn as_number(&self) -> Option<f64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    pub(crate) fn as_list(&self) -> &[Self] {
        if let Self::List(values) = self { values } else { &[] }
    }
}

/// Reads a JSON text; `None` if it is none, or is nested more than 32 levels deep.
///
/// # Source
///
/// RFC 8259; §9 allows the limit.
pub(crate) fn read_json(text: &str) -> Option<Json> {
    let mut reader = Reader { rest: text, depth: 0 };
    let value = reader.value()?;
    reader.skip_space();
    reader.rest.is_empty().then_some(value)
}

struct Reader<'a> {
    rest: &'a str,
    depth: u32,
}

impl Reader<'_> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    /// Reads these characters, if they come next behind white space.
    fn take(&mut self, expected: &str) -> Option<()> {
        self.skip_space();
        self.rest = self.rest.strip_prefix(expected)?;
        Some(())
    }

    fn value(&mut self) -> Option<Json> {
        self.skip_space();
        match self.rest.as_bytes().first()? {
            b'{' => self.nested(Self::object),
            b'[' => self.nested(Self::list),
            b'"' => self.text().map(Json::Text),
            b't' => self.take("true").map(|()| Json::Bool(true)),
            b'f' => self.take("false").map(|()| Json::Bool(false)),
            b'n' => self.take("null").map(|()| Json::Null),
            _ => self.number(),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Option<Json>) -> Option<Json> {
        self.depth += 1;
        let value = if self.depth > DEEPEST { None } else { read(self) };
        self.depth -= 1;
        value
    }

    fn object(&mut self) -> Option<Json> {
        self.take("{")?;
        let mut members = BTreeMap::new();
        if self.take("}").is_some() {
            return Some(Json::Object(members));
        }
        loop {
            self.skip_space();
            let name = self.text()?;
            self.take(":")?;
            members.insert(name, self.value()?);
            if self.take(",").is_none() {
                self.take("}")?;
                return Some(Json::Object(members));
            }
        }
    }

    fn list(&mut self) -> Option<Json> {
        self.take("[")?;
        let mut values = Vec::new();
        if self.take("]").is_some() {
            return Some(Json::List(values));
        }
        loop {
            values.push(self.value()?);
            if self.take(",").is_none() {
                self.take("]")?;
                return Some(Json::List(values));
            }
        }
    }

    fn number(&mut self) -> Option<Json> {
        let end =
            self.rest.find(|char: char| !matches!(char, '0'..='9' | '-' | '+' | '.' | 'e' | 'E')).unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at(end);
        let digits = number.strip_prefix('-').unwrap_or(number);
        let valid =
            digits.starts_with(|char: char| char.is_ascii_digit()) && digits.ends_with(|char: char| char.is_ascii_digit());
        self.rest = rest;
        number.parse().ok().filter(|_| valid).map(Json::Number)
    }

    fn text(&mut self) -> Option<String> {
        self.rest = self.rest.strip_prefix('"')?;
        let mut text = String::new();
        loop {
            let end = self.rest.find(|char| matches!(char, '"' | '\\' | '\0'..='\x1f'))?;
            let (plain, rest) = self.rest.split_at(end);
            text.push_str(plain);
            let mut chars = rest.chars();
            let end = chars.next();
            self.rest = chars.as_str();
            match end {
                Some('"') => return Some(text),
                Some('\\') => text.push(self.escaped()?),
                _ => return None,
            }
        }
    }

    fn escaped(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let escape = chars.next()?;
        self.rest = chars.as_str();
        Some(match escape {
            '"' | '\\' | '/' => escape,
            'b' => '\x08',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let first = self.code_unit()?;
                let second = match first {
                    0xd800..0xdc00 => {
                        self.rest = self.rest.strip_prefix("\\u")?;
                        Some(self.code_unit()?)
                    }
                    _ => None,
                };
                let units = [first].into_iter().chain(second);
                char::decode_utf16(units).next()?.ok()?
            }
            _ => return None,
        })
    }

    /// Reads four hexadecimal digits.
    fn code_unit(&mut self) -> Option<u16> {
        let digits = self.rest.get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        let unit = u16::from_str_radix(digits, 16).ok()?;
        self.rest = self.rest.get(4..)?;
        Some(unit)
    }
}

const DEEPEST: u32 = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::http::quote;

    #[test]
    fn a_text_of_another_system_is_read() {
        let json =
            read_json(" {\"text\": \"a\\n\\u00fc\\ud83d\\ude42\\/\", \"n\": [1, -2.5e1, null, true, {}, []]}\r\n").unwrap();
        assert_eq!(json.get("text").and_then(Json::as_text), Some("a\nü🙂/"));
        let values = json.get("n").unwrap().as_list();
        assert_eq!(values[..4], [Json::Number(1.0), Json::Number(-25.0), Json::Null, Json::Bool(true)]);
        assert_eq!(values[1].as_number(), Some(-25.0));
        assert_eq!(json.get("other"), None);
    }

    #[test]
    fn text_that_is_no_json_is_refused() {
        for text in [
            "",
            "{",
            "[1,]",
            "{\"a\"}",
            "\"\n\"",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "1 2",
            "+1",
            ".5",
            "nul",
            "-",
            "1e",
            "\"\\u+123\"",
        ] {
            assert_eq!(read_json(text), None, "{text}");
        }
        assert_eq!(read_json(&"[".repeat(100_000)), None);
        assert_eq!(read_json(&format!("{}{}", "[".repeat(33), "]".repeat(33))), None);
        assert!(read_json(&format!("{}{}", "[".repeat(32), "]".repeat(32))).is_some());
    }

    proptest! {
        #[test]
        fn a_quoted_text_reads_back(text in any::<String>()) {
            prop_assert_eq!(read_json(&quote(&text)), Some(Json::Text(text)));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "[\\[\\]{}\",:\\\\u0-9a-eE.+ -]{0,60}") {
            let _ = read_json(&text);
        }
    }
}
