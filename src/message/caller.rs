//! [`Caller`]: the number and the name of a caller.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The number and the name of a caller, as far as the telephone network passed them on.
///
/// A withheld number is `None`, and so is a name that was not sent.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct Caller {
    /// The number to call back.
    pub number: Option<CallerNumber>,
    /// The name to show.
    pub name: Option<CallerName>,
}

impl Caller {
    /// A caller with this number and this name, as far as they are known.
    pub fn new(number: Option<CallerNumber>, name: Option<CallerName>) -> Self {
        Self { number, name }
    }
}

impl fmt::Debug for Caller {
    /// Shows which of the two are known, but not the values: caller data belongs in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = |known: bool| if known { "known" } else { "unknown" };
        write!(f, "Caller(number {}, name {})", known(self.number.is_some()), known(self.name.is_some()))
    }
}

/// A caller's number: 1 to 15 ASCII digits, with a `+` before them for an E.164 number.
///
/// ```
/// use voicemail::message::CallerNumber;
///
/// assert!("+442079460112".parse::<CallerNumber>().is_ok());
/// assert!("sip:anna@example.com".parse::<CallerNumber>().is_err());
/// ```
///
/// # Source
///
/// RFC 3939 §3: digits only; §3.2: at most 15.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CallerNumber(Arc<str>);

impl CallerNumber {
    /// Returns the number as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CallerNumber {
    type Err = InvalidCallerNumber;

    fn from_str(text: &str) -> Result<Self, InvalidCallerNumber> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        let valid = (1..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        if valid { Ok(Self(text.into())) } else { Err(InvalidCallerNumber) }
    }
}

impl fmt::Display for CallerNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CallerNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallerNumber(..)")
    }
}

/// A text that is no [`CallerNumber`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a caller's number has 1 to 15 digits, with or without a + before them")]
#[non_exhaustive]
pub struct InvalidCallerNumber;

/// A caller's name in any script: 1 to 50 characters, none of them a control or a direction override, no space at either end.
///
/// Networks pass on any text that a caller typed, so there is no error: [`cleaned`](Self::cleaned) keeps the part that is fit to show.
///
/// ```
/// use voicemail::message::CallerName;
///
/// let name = CallerName::cleaned(" Élodie\r\nBcc: all@example.com ").unwrap();
/// assert_eq!(name.as_str(), "Élodie Bcc: all@example.com");
/// assert_eq!(CallerName::cleaned("\u{7}"), None);
/// ```
///
/// # Source
///
/// RFC 3939 §4: at most 50 characters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CallerName(Arc<str>);

impl CallerName {
    /// Returns the part of `text` that is fit to show, or `None` if nothing is left. Runs of white space and control characters become one
    /// space, invisible direction marks are removed, and the first 50 characters stay.
    pub fn cleaned(text: &str) -> Option<Self> {
        let visible: String = text.chars().filter(|c| !is_direction_mark(*c)).collect();
        let mut name = String::with_capacity(visible.len());
        let mut count = 0;
        for word in visible.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
            if count > 0 && count + 1 < MAX_NAME_CHARS {
                name.push(' ');
                count += 1;
            }
            for c in word.chars().take(MAX_NAME_CHARS - count) {
                name.push(c);
                count += 1;
            }
            if count + 1 >= MAX_NAME_CHARS {
                break;
            }
        }
        (!name.is_empty()).then(|| Self(name.into()))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CallerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CallerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallerName(..)")
    }
}

/// Whether `c` changes the writing direction of the text after it, with which a name could disguise the rest of a line.
fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

const MAX_NAME_CHARS: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(text: &str) -> Option<String> {
        CallerName::cleaned(text).map(|name| name.to_string())
    }

    #[test]
    fn names_in_any_script_stay_as_they_are() {
        for name in ["Jürgen Groß", "山田 太郎", "محمد العلي", "प्रिया शर्मा", "Pat O'Brien, \"Skip\"", "김민지 (Grace Kim)"]
        {
            assert_eq!(cleaned(name).as_deref(), Some(name));
        }
    }

    #[test]
    fn a_cleaned_name_is_its_own_cleaning() {
        for text in
            ["  a \t b\u{0}c\u{85}d  ", "\u{202e}evil", &"x y".repeat(40), &"é".repeat(80), &format!("{} b", "a".repeat(49))]
        {
            let once = cleaned(text).unwrap();
            assert!(once.chars().count() <= 50 && !once.contains(char::is_control), "{once:?}");
            assert_eq!(cleaned(&once).as_deref(), Some(&*once));
        }
    }

    #[test]
    fn debug_shows_neither_number_nor_name() {
        let caller = Caller { number: "2417".parse().ok(), name: CallerName::cleaned("Anna") };
        let shown = format!("{caller:?} {:?} {:?}", caller.number, caller.name);
        assert!(!shown.contains("2417") && !shown.contains("Anna"), "{shown}");
    }
}
