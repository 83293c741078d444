//! [`EnhancedStatus`]: an enhanced status code.

use std::fmt;
use std::str::FromStr;

/// An enhanced status code, such as `4.2.2` for a full mailbox.
///
/// ```
/// use voicemail::smtp::EnhancedStatus;
///
/// let status: EnhancedStatus = "4.2.2".parse()?;
/// assert_eq!((status.class(), status.subject(), status.detail()), (4, 2, 2));
/// # Ok::<(), voicemail::smtp::InvalidStatus>(())
/// ```
///
/// # Source
///
/// RFC 3463 §2: a class of 2, 4 or 5, and a subject and a detail of one to three digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EnhancedStatus {
    class: u8,
    subject: u16,
    detail: u16,
}

impl EnhancedStatus {
    /// The class: 2 for success, 4 for a failure that may pass, 5 for a permanent one.
    pub fn class(self) -> u8 {
        self.class
    }

    /// The subject: 1 an address, 2 a mailbox, 3 the mail system, 4 the network, 5 the protocol, 6 the content, 7 security.
    pub fn subject(self) -> u16 {
        self.subject
    }

    /// The detail: a condition within the subject.
    pub fn detail(self) -> u16 {
        self.detail
    }

    /// Parses a status; `const`, so that the server's replies are checked when they are compiled.
    pub(super) const fn parse(text: &[u8]) -> Option<Self> {
        let (mut numbers, mut nth, mut digits, mut at) = ([0; 3], 0, 0, 0);
        while at < text.len() {
            match text[at] {
                digit @ b'0'..=b'9' if digits < 3 => {
                    numbers[nth] = numbers[nth] * 10 + (digit - b'0') as u16;
                    digits += 1;
                }
                // The class has one digit.
                b'.' if digits == 1 || digits > 0 && nth == 1 => {
                    nth += 1;
                    digits = 0;
                    if nth == numbers.len() {
                        return None;
                    }
                }
                _ => return None,
            }
            at += 1;
        }
        let [class, subject, detail] = numbers;
        let class = match class {
            2 => 2,
            4 => 4,
            5 => 5,
            _ => return None,
        };
        if nth == 2 && digits > 0 { Some(Self { class, subject, detail }) } else { None }
    }

    /// Takes the status off the beginning of a reply's text; returns it with the rest of the text.
    ///
    /// Its class must be the first digit of the reply code (RFC 2034 §4); otherwise the text only looks like a status.
    pub(super) fn split_off(code: u16, text: &str) -> Option<(Self, &str)> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let status: Self = word.parse().ok()?;
        (u16::from(status.class) == code / 100).then_some((status, rest.trim_start()))
    }
}

impl FromStr for EnhancedStatus {
    type Err = InvalidStatus;

    fn from_str(text: &str) -> Result<Self, InvalidStatus> {
        Self::parse(text.as_bytes()).ok_or(InvalidStatus)
    }
}

impl fmt::Display for EnhancedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// The error for a text that is no enhanced status code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no enhanced status code: one reads like 4.2.2, and begins with 2, 4 or 5")]
pub struct InvalidStatus;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_by_its_grammar_only() {
        for text in ["2.0.0", "4.2.2", "5.123.999"] {
            assert_eq!(text.parse::<EnhancedStatus>().unwrap().to_string(), text);
        }
        for text in [
            "", ".", "3.0.0", "2", "2.0", "2.0.", "2.0.0.", "2.0.0.0", "2.1000.0", "2..0", "2.+1.0", "22.0.0", "02.0.0", "2.0.0,",
        ] {
            assert!(text.parse::<EnhancedStatus>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_status_of_another_class_than_the_code_is_text() {
        assert!(EnhancedStatus::split_off(250, "2.1.5 ok").is_some_and(|(_, rest)| rest == "ok"));
        assert!(EnhancedStatus::split_off(250, "2.1.5").is_some_and(|(_, rest)| rest.is_empty()));
        assert_eq!(EnhancedStatus::split_off(250, "5.1.5 ok"), None);
        assert_eq!(EnhancedStatus::split_off(0, "2.1.5 ok"), None);
    }
}
