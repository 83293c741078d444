//! [`PartyNumber`]: the number of a party of a call.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::MailboxId;
use super::call_id::is_visible_ascii;

/// The number or the name of a party of a call as the PBX gave it: 1 to 64 visible ASCII characters, such as `+442079460100`, `*98` or
/// `sip:anna@example.com`.
///
/// ```
/// use voicemail::message::PartyNumber;
///
/// assert!("+442079460100".parse::<PartyNumber>().is_ok());
/// assert!("2041\r\nBcc: all@example.com".parse::<PartyNumber>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PartyNumber(Arc<str>);

impl PartyNumber {
    /// The most characters of a number.
    pub const MAX_LEN: usize = 64;

    /// Returns the number as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PartyNumber {
    type Err = InvalidPartyNumber;

    fn from_str(text: &str) -> Result<Self, InvalidPartyNumber> {
        if is_visible_ascii(text, Self::MAX_LEN) { Ok(Self(text.into())) } else { Err(InvalidPartyNumber) }
    }
}

impl From<&MailboxId> for PartyNumber {
    /// A mailbox as the number that was dialled to reach it.
    fn from(mailbox: &MailboxId) -> Self {
        Self(mailbox.as_str().into())
    }
}

impl fmt::Display for PartyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PartyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PartyNumber(..)")
    }
}

/// A text that is no [`PartyNumber`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the number of a party has 1 to {} visible ASCII characters, without spaces", PartyNumber::MAX_LEN)]
#[non_exhaustive]
pub struct InvalidPartyNumber;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_visible_ascii_within_its_limit() {
        for text in ["2041", "*98", "sip:anna@example.com", "=?utf-8?Q?a?=", "\"<>\\,;:", &"9".repeat(64)] {
            assert_eq!(text.parse::<PartyNumber>().unwrap().as_str(), text);
        }
        for text in ["", " ", "20 41", "2041\r\n", "2041\n", "20\0", "\u{202e}1402", "٢٠٤١", "☎️", &"9".repeat(65)] {
            assert_eq!(text.parse::<PartyNumber>(), Err(InvalidPartyNumber), "{text:?}");
        }
        assert_eq!(PartyNumber::from(&"sales".parse::<MailboxId>().unwrap()).as_str(), "sales");
    }
}
