//! [`MailAddress`]: an e-mail address that needs no quotes.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// An e-mail address: a local part of 1 to 64 printable ASCII characters without any that need quotes, `@`, and a host name.
///
/// Such an address is safe in an SMTP command and in a header. A local part with `=?` is refused, which could begin an encoded word.
///
/// ```
/// use voicemail::message::MailAddress;
///
/// assert!("anna.gross@example.com".parse::<MailAddress>().is_ok());
/// assert!("anna@example.com\r\nDATA".parse::<MailAddress>().is_err());
/// ```
///
/// # Source
///
/// RFC 5321 §4.1.2: `Dot-string` and `Domain`; §4.5.3.1: at most 64 and 255 characters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MailAddress(Arc<str>);

impl MailAddress {
    /// Returns the address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the part before the `@`.
    pub fn local_part(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(local, _)| local)
    }

    /// Returns the part after the `@`.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

impl FromStr for MailAddress {
    type Err = InvalidMailAddress;

    fn from_str(text: &str) -> Result<Self, InvalidMailAddress> {
        let (local, domain) = text.rsplit_once('@').ok_or(InvalidMailAddress)?;
        let atom =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || ATOM_MARKS.contains(&byte));
        let label = |part: &str| {
            (1..=63).contains(&part.len())
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !part.starts_with('-')
                && !part.ends_with('-')
        };
        // RFC 2047 §5: an encoded word is no part of an address, but many programs would decode one there, and read another address.
        let local = if local.contains("=?") { "" } else { local };
        let valid = local.len() <= 64 && domain.len() <= 255 && local.split('.').all(atom) && domain.split('.').all(label);
        if valid { Ok(Self(text.into())) } else { Err(InvalidMailAddress) }
    }
}

impl fmt::Display for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MailAddress {
    /// Shows nothing of the address, because the recipients of a user belong in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MailAddress(..)")
    }
}

/// A text that is no [`MailAddress`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an e-mail address reads like name@host.example, without quotes or spaces")]
#[non_exhaustive]
pub struct InvalidMailAddress;

/// The characters of an atom beside letters and digits, RFC 5322 §3.2.3.
const ATOM_MARKS: &[u8] = b"!#$%&'*+-/=?^_`{|}~";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_needs_no_quotes() {
        for text in ["a@b", "anna.gross+voice@mail.example.com", "+12145551213@vm1.example.com"] {
            let address: MailAddress = text.parse().unwrap();
            assert_eq!(format!("{}@{}", address.local_part(), address.domain()), text);
            assert_eq!(format!("{address:?}"), "MailAddress(..)");
        }
        let long = format!("{}@b", "a".repeat(65));
        for text in [
            "",
            "@",
            "a@",
            "@b",
            "a b@c",
            "a@b c",
            "a@b\r\n",
            "a@-b",
            "a..b@c",
            "<a@b>",
            "a@b,c@d",
            "é@b",
            "\"a\"@b",
            "=?utf-8?q?a?=@b",
            &long,
        ] {
            assert_eq!(text.parse::<MailAddress>(), Err(InvalidMailAddress), "{text:?}");
        }
    }
}
