//! [`CallId`]: the id that a PBX has given a call.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The id that a PBX has given a call: 1 to 255 visible ASCII characters, such as the `Call-ID` of a SIP call.
///
/// It stands in [events](crate::event::Event) and in logs, so that they can be compared with those of the PBX.
///
/// ```
/// use voicemail::message::CallId;
///
/// assert!("a84b4c76e66710@pc33.example.com".parse::<CallId>().is_ok());
/// assert!("a84b4c76e66710 ".parse::<CallId>().is_err());
/// ```
///
/// # Source
///
/// RFC 3261 §25.1: a `callid` is made of visible ASCII characters, and has no limit of its own.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CallId(Arc<str>);

impl CallId {
    /// The most characters of an id.
    pub const MAX_LEN: usize = 255;

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CallId {
    type Err = InvalidCallId;

    fn from_str(text: &str) -> Result<Self, InvalidCallId> {
        if is_visible_ascii(text, Self::MAX_LEN) { Ok(Self(text.into())) } else { Err(InvalidCallId) }
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no [`CallId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the id of a call has 1 to {} visible ASCII characters, without spaces", CallId::MAX_LEN)]
#[non_exhaustive]
pub struct InvalidCallId;

/// Returns whether `text` has 1 to `most` characters, all of them visible ASCII.
pub(super) fn is_visible_ascii(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_visible_ascii_within_its_limit() {
        for text in ["1", "a84b4c76e66710@pc33.example.com", "=?utf-8?Q?a?=", "<\"[]\\{}:/?>@~", &"9".repeat(255)] {
            assert_eq!(text.parse::<CallId>().unwrap().as_str(), text);
        }
        for text in ["", " ", "a b", "a\r\n", "a\nb", "\0", "\u{202e}a", "山", "☎️", &"9".repeat(256)] {
            assert_eq!(text.parse::<CallId>(), Err(InvalidCallId), "{text:?}");
        }
    }
}
