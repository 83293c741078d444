//! [`MailboxId`]: whose mailbox.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The number of a mailbox: 1 to 15 ASCII digits, with a `+` before them for an E.164 number.
///
/// What passed this rule is safe as a file name, as the local part of an address, in a header and in a SIP body.
///
/// ```
/// use voicemail::message::MailboxId;
///
/// assert!("2041".parse::<MailboxId>().is_ok());
/// assert!("+493023125014".parse::<MailboxId>().is_ok());
/// assert!("../2041".parse::<MailboxId>().is_err());
/// ```
///
/// # Source
///
/// RFC 3801 §4.1.1: addresses are numbers, E.164 preferred; E.164 §6: at most 15 digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MailboxId(Arc<str>);

impl MailboxId {
    /// The number as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MailboxId {
    type Err = InvalidMailboxId;

    fn from_str(text: &str) -> Result<Self, InvalidMailboxId> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        let valid = (1..=MAX_DIGITS).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        if valid { Ok(Self(text.into())) } else { Err(InvalidMailboxId) }
    }
}

impl Borrow<str> for MailboxId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MailboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MailboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no [`MailboxId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a mailbox number has 1 to 15 digits, with or without a + before them")]
pub struct InvalidMailboxId;

const MAX_DIGITS: usize = 15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digits_with_one_leading_plus_are_a_mailbox() {
        for text in ["1", "2041", "123456789012345", "+12145551213"] {
            assert_eq!(text.parse::<MailboxId>().map(|id| id.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "+", "++1", "1234567890123456", "20 41", "20/41", "..", "2041\r\n", "２０４１", "-1", "2041@x"] {
            assert_eq!(text.parse::<MailboxId>(), Err(InvalidMailboxId), "{text:?}");
        }
    }
}
