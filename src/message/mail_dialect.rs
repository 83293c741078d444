//! [`MailDialect`].

use std::fmt;
use std::str::FromStr;

/// The form of a mail that another voicemail system understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum MailDialect {
    /// VPIM version 2 with the sound as 32KADPCM, which each such system must play: `vpim`. RFC 3801.
    #[default]
    Vpim,
    /// VPIM version 2 with the sound as it is stored: `vpim-as-stored`.
    VpimAsStored,
    /// An Internet mail with a text and a sound that mail programs play: `mail`. RFC 4239.
    InternetMail,
}

impl MailDialect {
    /// All dialects.
    pub const ALL: [Self; 3] = [Self::Vpim, Self::VpimAsStored, Self::InternetMail];

    /// The name of the dialect in a description.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vpim => "vpim",
            Self::VpimAsStored => "vpim-as-stored",
            Self::InternetMail => "mail",
        }
    }
}

impl fmt::Display for MailDialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for MailDialect {
    type Err = UnknownMailDialect;

    fn from_str(name: &str) -> Result<Self, UnknownMailDialect> {
        let found = Self::ALL.into_iter().find(|dialect| dialect.as_str() == name);
        found.ok_or_else(|| UnknownMailDialect(name.to_owned()))
    }
}

/// The error for a text that names no [`MailDialect`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a dialect is one of vpim, vpim-as-stored, mail; found {0:?}")]
pub struct UnknownMailDialect(String);
