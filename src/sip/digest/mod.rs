//! Digest authentication: a client proves that it knows a password without sending it. [`DigestChallenge`] and [`DigestCredentials`] are the
//! client's side, [`DigestAuthenticator`] is the server's.
//!
//! # Source
//!
//! RFC 7616, and RFC 8760 for SHA-256 in SIP; a challenge without `qop` is answered as in RFC 2069. `auth-int` and the `-sess` algorithms
//! are not supported.

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

/// A hash algorithm of digest authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DigestAlgorithm {
    /// RFC 1321: broken as a hash, but the only one that many telephones support.
    Md5,
    /// FIPS 180-4.
    Sha256,
}

impl DigestAlgorithm {
    /// The name in a header field.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Md5, Self::Sha256].into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// The hash of `parts`, joined by colons, in lower-case hexadecimal digits.
    fn hash(self, parts: &[&str]) -> String {
        let text = parts.join(":");
        match self {
            Self::Md5 => hex(&Md5::digest(text)),
            Self::Sha256 => hex(&Sha256::digest(text)),
        }
    }

    /// The `response` value for a nonce and a request; `secret` is the hash of user, realm and password. RFC 7616 §3.4.1.
    fn response(self, secret: &str, nonce: &str, proof: Option<&NonceCount<'_>>, method: &str, uri: &str) -> String {
        let request = self.hash(&[method, uri]);
        match proof {
            Some(count) => self.hash(&[secret, nonce, count.nc, count.cnonce, AUTH, &request]),
            None => self.hash(&[secret, nonce, &request]),
        }
    }
}

/// The values that a client adds to a nonce where the challenge has a `qop`.
struct NonceCount<'a> {
    nc: &'a str,
    cnonce: &'a str,
}

/// Writes `bytes` in lower-case hexadecimal digits.
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

/// The only supported quality of protection: it protects the request, not its body.
const AUTH: &str = "auth";
