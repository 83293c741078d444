//! [`ContentDigest`]: the SHA-256 digest by which a receiver checks that a sound arrived unchanged.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// SHA-256 of a message's audio, written as 64 lower-case hexadecimal digits.
///
/// The node that records computes it. It is sent with the message, and each receiver checks it before it accepts the message.
///
/// ```
/// use voicemail::message::ContentDigest;
///
/// let digest = ContentDigest::of(b"abc");
/// assert!(digest.to_string().starts_with("ba7816bf"));
/// assert_eq!(digest.to_string().parse(), Ok(digest));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentDigest([u8; 32]);

impl ContentDigest {
    /// Computes the digest of `content`.
    pub fn of(content: &[u8]) -> Self {
        Self(Sha256::digest(content).into())
    }

    /// Computes the digest of all parts in order: for audio that is read piece by piece.
    ///
    /// # Errors
    ///
    /// The first error among the parts.
    pub fn of_parts<E>(parts: impl IntoIterator<Item = Result<impl AsRef<[u8]>, E>>) -> Result<Self, E> {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part?.as_ref());
        }
        Ok(Self(hasher.finalize().into()))
    }

    /// Returns the digest of all bytes that were given to `hasher`.
    #[cfg(feature = "wire")]
    pub(crate) fn from_hasher(hasher: Sha256) -> Self {
        Self(hasher.finalize().into())
    }

    /// Returns the digest whose 32 bytes these are: for stores outside this crate that keep digests as bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ContentDigest {
    type Err = InvalidContentDigest;

    fn from_str(text: &str) -> Result<Self, InvalidContentDigest> {
        read_hex(text).map(Self).ok_or(InvalidContentDigest)
    }
}

/// A text that is no [`ContentDigest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a content digest has 64 hexadecimal digits")]
#[non_exhaustive]
pub struct InvalidContentDigest;

/// Writes `bytes` as lower-case hexadecimal digits.
pub(crate) fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Reads exactly `N` bytes from `2 N` hexadecimal digits, in either case.
pub(crate) fn read_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_give_the_digest_of_the_whole() {
        let parts = [Ok::<_, ()>(&b"ab"[..]), Ok(b"c")];
        assert_eq!(ContentDigest::of_parts(parts), Ok(ContentDigest::of(b"abc")));
    }

    #[test]
    fn a_digest_is_made_again_from_its_bytes() {
        let digest = ContentDigest::of(b"abc");
        assert_eq!(ContentDigest::from_bytes(*digest.as_bytes()), digest);
    }

    #[test]
    fn a_text_of_another_length_or_alphabet_is_refused() {
        for text in ["", "ba78", &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(text.parse::<ContentDigest>(), Err(InvalidContentDigest), "{text}");
        }
    }
}
