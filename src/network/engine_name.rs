//! [`EngineName`]: the name of the engine that keeps the mailboxes.

use std::fmt;
use std::str::FromStr;

/// The name of the engine that keeps the mailboxes of several central nodes, such as one database: 1 to 63 lower-case ASCII letters, digits and
/// hyphens, for example `company-mail`.
///
/// It is a name and not an address: each node has its own settings to reach the engine, and a password that belongs in no description.
///
/// ```
/// use voicemail::network::EngineName;
///
/// let engine: EngineName = "company-mail".parse().unwrap();
/// assert_eq!(engine.as_str(), "company-mail");
/// assert!("postgres://one.example/mail".parse::<EngineName>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EngineName(String);

impl EngineName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EngineName {
    type Err = InvalidEngineName;

    fn from_str(text: &str) -> Result<Self, InvalidEngineName> {
        let is_of_a_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let valid = (1..=LONGEST).contains(&text.len()) && text.bytes().all(is_of_a_name);
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidEngineName) }
    }
}

impl fmt::Display for EngineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no [`EngineName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an engine's name is 1 to 63 lower-case letters, digits and hyphens")]
#[non_exhaustive]
pub struct InvalidEngineName;

const LONGEST: usize = 63;
