//! Digest: how a password is proven without being said. [`DigestChallenge`] and [`DigestCredentials`] are a client's side, [`DigestAuthenticator`] a server's.
//!
//! # Source
//!
//! RFC 7616, and RFC 8760 for SHA-256 in SIP; without `qop` as RFC 2069 had it. `auth-int` and the `-sess` algorithms are not taken.

mod client;
mod nonce;
mod params;
mod server;
#[cfg(test)]
mod tests;

use std::fmt::{self, Write as _};

use md5::{Digest as _, Md5};
use sha2::Sha256;

pub use self::client::{DigestChallenge, DigestCredentials};
pub use self::server::{DigestAuthenticator, DigestSecret, DigestVerdict};

/// What a password is hashed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DigestAlgorithm {
    /// RFC 1321: broken as a hash, and all that many telephones have.
    Md5,
    /// FIPS 180-4.
    Sha256,
}

impl DigestAlgorithm {
    /// Its name in a field.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Md5, Self::Sha256].into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// The hash of `parts` with colons between them, in small hexadecimal digits.
    fn hash(self, parts: &[&str]) -> String {
        let text = parts.join(":");
        match self {
            Self::Md5 => hex(&Md5::digest(text)),
            Self::Sha256 => hex(&Sha256::digest(text)),
        }
    }

    /// What a nonce and a request make of the hash of a name and its password. RFC 7616 §3.4.1.
    fn response(self, secret: &str, nonce: &str, proof: Option<&NonceCount<'_>>, method: &str, uri: &str) -> String {
        let request = self.hash(&[method, uri]);
        match proof {
            Some(count) => self.hash(&[secret, nonce, count.nc, count.cnonce, AUTH, &request]),
            None => self.hash(&[secret, nonce, &request]),
        }
    }
}

/// What a client adds to a nonce, where `qop` is spoken of.
struct NonceCount<'a> {
    nc: &'a str,
    cnonce: &'a str,
}

/// In small hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A text in quotation marks.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for each in self.0.chars().filter(|each| !each.is_control()) {
            if matches!(each, '"' | '\\') {
                f.write_char('\\')?;
            }
            f.write_char(each)?;
        }
        f.write_char('"')
    }
}

/// The only quality of protection that is taken: of the request, not of its body.
const AUTH: &str = "auth";
