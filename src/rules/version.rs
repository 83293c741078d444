//! [`RulesVersion`]: the version of the rules of a mailbox.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// The version of the rules of a mailbox: 32 hexadecimal digits. Equal rules have the same version, and others have another.
///
/// An interface over HTTP can use it as the entity tag of the rules (RFC 9110 §8.8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RulesVersion(u128);

impl RulesVersion {
    pub(super) fn of(text: &str) -> Self {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&Sha256::digest(text)[..16]);
        Self(u128::from_be_bytes(bytes))
    }
}

impl fmt::Display for RulesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for RulesVersion {
    type Err = InvalidRulesVersion;

    fn from_str(text: &str) -> Result<Self, InvalidRulesVersion> {
        let valid = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        u128::from_str_radix(text, 16).ok().filter(|_| valid).map(Self).ok_or(InvalidRulesVersion)
    }
}

/// A text that is no [`RulesVersion`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the version of rules has 32 hexadecimal digits in lower case")]
#[non_exhaustive]
pub struct InvalidRulesVersion;
