//! [`LicenceName`]: the name of a licence class that this crate does not define.

use std::fmt;
use std::str::FromStr;

/// The name of a licence class that an integrator defines: `x-`, then 1 to 29 lower-case ASCII letters, digits and hyphens.
///
/// The prefix `x-` keeps a misspelt class from being taken for a new one.
///
/// ```
/// use voicemail::network::{LicenceClass, LicenceName};
///
/// let fax: LicenceName = "x-fax".parse().unwrap();
/// assert_eq!(LicenceClass::Other(fax).as_str(), "x-fax");
/// assert!("fax".parse::<LicenceName>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LicenceName {
    /// The name, padded with zeros, which no name contains.
    bytes: [u8; MAX],
}

impl LicenceName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        // A name is ASCII, so it is valid UTF-8.
        std::str::from_utf8(&self.bytes).unwrap_or_default().trim_end_matches('\0')
    }
}

impl FromStr for LicenceName {
    type Err = InvalidLicenceName;

    fn from_str(text: &str) -> Result<Self, InvalidLicenceName> {
        let own = text.strip_prefix("x-").ok_or(InvalidLicenceName)?;
        let is_of_a_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if own.is_empty() || text.len() > MAX || !own.bytes().all(is_of_a_name) {
            return Err(InvalidLicenceName);
        }
        let mut bytes = [0; MAX];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Self { bytes })
    }
}

impl fmt::Display for LicenceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for LicenceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no [`LicenceName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a licence's name is x- and 1 to 29 lower-case letters, digits and hyphens")]
pub struct InvalidLicenceName;

const MAX: usize = 31;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_as_written_and_other_texts_are_refused() {
        let longest = format!("x-{}", "a".repeat(29));
        for text in ["x-1", "x-fax-2", &longest] {
            assert_eq!(text.parse::<LicenceName>().map(|name| name.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "x-", "fax", "x-Fax", "x-f ax", "x-fäx", "x-a\0", &format!("{longest}a")] {
            assert_eq!(text.parse::<LicenceName>(), Err(InvalidLicenceName), "{text:?}");
        }
    }
}
