//! [`PeerName`]: the name of a peer.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The name of a peer, which is also its user name: 1 to 255 ASCII letters, digits and `.`, `-`, `_`, `@`, `+`.
///
/// ```
/// use voicemail::intake::PeerName;
///
/// assert!("himalaya.voicemail.example".parse::<PeerName>().is_ok());
/// assert!("berlin\r\noffice".parse::<PeerName>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerName(Arc<str>);

impl PeerName {
    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn to_shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl FromStr for PeerName {
    type Err = InvalidPeerName;

    fn from_str(text: &str) -> Result<Self, InvalidPeerName> {
        let fit = |byte: u8| byte.is_ascii_alphanumeric() || b".-_@+".contains(&byte);
        if (1..=255).contains(&text.len()) && text.bytes().all(fit) { Ok(Self(text.into())) } else { Err(InvalidPeerName) }
    }
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The error for a text that is no [`PeerName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a peer's name has 1 to 255 letters, digits and . - _ @ +")]
pub struct InvalidPeerName;
