//! [`SiteId`]: the name of a PBX.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The name of a PBX, unique in its network: 1 to 63 ASCII letters, digits and hyphens, no hyphen at either end.
///
/// ```
/// use voicemail::message::SiteId;
///
/// assert!("berlin-2".parse::<SiteId>().is_ok());
/// assert!("Berlin office".parse::<SiteId>().is_err());
/// ```
///
/// # Source
///
/// The rule of a DNS label, RFC 1123 §2.1.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SiteId(Arc<str>);

impl SiteId {
    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SiteId {
    type Err = InvalidSiteId;

    fn from_str(text: &str) -> Result<Self, InvalidSiteId> {
        let valid = (1..=63).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-');
        if valid { Ok(Self(text.into())) } else { Err(InvalidSiteId) }
    }
}

impl fmt::Display for SiteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SiteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no [`SiteId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a PBX's id has 1 to 63 letters, digits and hyphens, with no hyphen at either end")]
#[non_exhaustive]
pub struct InvalidSiteId;
