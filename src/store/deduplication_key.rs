//! [`DeduplicationKey`]: the key by which a store recognises a message that comes again.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use crate::message::{ContentDigest, Message, MessageId, Origin};

/// The key that identifies a message within its mailbox: two messages of one mailbox are the same if they have the same key. 128 bits, written as 32
/// lower-case hexadecimal digits.
///
/// The key is made of the [`Origin`], the [`MessageId`] and the digest of the audio, so that nobody can suppress a message by guessing its id.
/// The mailbox is not part of it.
///
/// # Layout
///
/// The key is stored, so its layout never changes. It is the first 16 bytes of the SHA-256 digest of these bytes, in this order:
///
/// 1. the length in bytes of the origin's text, as 64 bits, little-endian;
/// 2. the origin's text, as its `Display` writes it: `here`, `unproven`, or `peer ` and the name;
/// 3. the 16 bytes of the id;
/// 4. the 32 bytes of the SHA-256 digest of the audio.
///
/// ```
/// use voicemail::message::{ContentDigest, MessageId, Origin};
/// use voicemail::store::DeduplicationKey;
///
/// let key = DeduplicationKey::of(&Origin::Here, MessageId::from_bytes([7; 16]), ContentDigest::of(b"RIFF.."));
/// assert_eq!(key.to_string().parse(), Ok(key));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeduplicationKey([u8; 16]);

impl DeduplicationKey {
    /// The key of the message `id` from `origin` whose audio has this `digest`.
    pub fn of(origin: &Origin, id: MessageId, digest: ContentDigest) -> Self {
        let origin = origin.to_string();
        let mut hasher = Sha256::new();
        hasher.update((origin.len() as u64).to_le_bytes());
        hasher.update(origin);
        hasher.update(id.as_bytes());
        hasher.update(digest.as_bytes());
        let hash: [u8; 32] = hasher.finalize().into();
        let mut key = [0; 16];
        key.copy_from_slice(&hash[..16]);
        Self(key)
    }

    /// The key of `message` from `origin`.
    pub fn of_message(origin: &Origin, message: &Message) -> Self {
        Self::of(origin, message.id(), message.audio().digest())
    }

    /// A key that was stored as these 16 bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes, to be stored.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for DeduplicationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&MessageId::from_bytes(self.0), f)
    }
}

impl fmt::Debug for DeduplicationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for DeduplicationKey {
    type Err = InvalidDeduplicationKey;

    fn from_str(text: &str) -> Result<Self, InvalidDeduplicationKey> {
        text.parse::<MessageId>().map(|bytes| Self(*bytes.as_bytes())).map_err(|_| InvalidDeduplicationKey)
    }
}

/// A text that is not a [`DeduplicationKey`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a deduplication key has 32 hexadecimal digits")]
pub struct InvalidDeduplicationKey;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_never_changes() {
        let id = MessageId::from_bytes(*b"0123456789abcdef");
        let digest = ContentDigest::of(b"RIFF..");
        let key = |origin: &Origin| DeduplicationKey::of(origin, id, digest).to_string();
        assert_eq!(key(&Origin::Here), "072ec80125271ff5a3f1ff64363ce8b0");
        assert_eq!(key(&Origin::Peer("london.example".into())), "ac98f1b164e50d723fcebaefca55a8a9");
        assert_eq!(key(&Origin::Unproven), "2a9808ca6ab8def423a6914d88ad3193");
    }

    #[test]
    fn a_key_reads_back_from_text_and_bytes() {
        let key = DeduplicationKey::from_bytes([0xfe; 16]);
        assert_eq!(key.to_string(), "fe".repeat(16));
        assert_eq!(key.to_string().parse(), Ok(key));
        assert_eq!(DeduplicationKey::from_bytes(*key.as_bytes()), key);
        for text in ["", "fe", &"fe".repeat(17), &"xx".repeat(16)] {
            assert_eq!(text.parse::<DeduplicationKey>(), Err(InvalidDeduplicationKey), "{text}");
        }
    }
}
