//! [`ReturnPaths`]: return paths that only this node can have made, so that a report about a message cannot be forged.
//!
//! ```text
//! vm+0123456789abcdef0123456789abcdef-aaxk3v5q7wz2m4n6p7q@edge.example.com
//!    the id of the message            day, tag
//! ```
//!
//! The day is the number of days since 1970 modulo 1000, in three characters of base32; the tag is the first 80 bits of
//! HMAC-SHA-256(key, `"bounce1" ‖ id ‖ day ‖ node`), in sixteen. The local part has 55 of the 64 characters that RFC 5321 §4.5.3.1.1 allows.
//! Postfix and Exim send a report to such an address as it was given.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use ring::hmac;
use subtle::ConstantTimeEq as _;

use crate::message::MessageId;

/// The keys that sign the return paths of a node's messages, by which reports about them come back. Clones share the keys.
///
/// A node and its forwarder need the same keys, and keep them over restarts: reports come back for days. To change the key, give the new
/// one to [`new`](Self::new), and the one before to [`with_old_key`](Self::with_old_key) for a month.
///
/// ```
/// use voicemail::message::MessageId;
/// use voicemail::smtp::{ReturnPathError, ReturnPaths};
///
/// let paths = ReturnPaths::new("edge.example.com", &[7; 32]);
/// let (id, now) = (MessageId::random(), "2026-11-29T18:00:00Z".parse()?);
/// let local = paths.sign(id, now);
/// assert_eq!((local.len(), paths.verify(&local, now)?.id), (55, id));
/// assert_eq!(ReturnPaths::new("edge.example.com", &[8; 32]).verify(&local, now), Err(ReturnPathError::NotSigned));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ReturnPaths {
    node: Arc<str>,
    key: hmac::Key,
    old_key: Option<hmac::Key>,
}

impl ReturnPaths {
    /// How many bytes a key has. They must be random, and known to this node alone.
    pub const KEY_LEN: usize = 32;
    /// How many days a return path is valid.
    pub const VALID_DAYS: u16 = 30;

    /// Signs and verifies with `key` for the node with this host name.
    pub fn new(node: &str, key: &[u8; Self::KEY_LEN]) -> Self {
        Self { node: node.to_ascii_lowercase().into(), key: key_of(key), old_key: None }
    }

    /// Verifies what `key` has signed, too.
    #[must_use]
    pub fn with_old_key(self, key: &[u8; Self::KEY_LEN]) -> Self {
        Self { old_key: Some(key_of(key)), ..self }
    }

    /// The host name of the node, in lower case: the domain of its return paths.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Returns the local part of the return path for the message `id`, which is sent `at` this time.
    pub fn sign(&self, id: MessageId, at: DateTime<Utc>) -> String {
        let day = day_of(at);
        let mut local = format!("{PREFIX}{id}-");
        base32(&mut local, u128::from(day), DAY_CHARS);
        base32(&mut local, tag(&self.key, id, day, &self.node), TAG_CHARS);
        local
    }

    /// Returns which message a return path was signed for, given its local part in any case. A mark of the form `prvs=…=`, which some
    /// gateways put before it (draft-levine-smtp-batv), is not looked at.
    ///
    /// # Errors
    ///
    /// A [`ReturnPathError`] when it is none of this node's, or too old at the time `now`.
    pub fn verify(&self, local: &str, now: DateTime<Utc>) -> Result<SignedReturnPath, ReturnPathError> {
        let local = local.to_ascii_lowercase();
        let (id, signature) = split(&local).ok_or(ReturnPathError::Malformed)?;
        let (day, given) = signature.split_at_checked(DAY_CHARS).ok_or(ReturnPathError::Malformed)?;
        let (day, given) = (number(day), number(given));
        let (Some(day), Some(given)) = (day.and_then(|day| u16::try_from(day).ok()), given) else {
            return Err(ReturnPathError::Malformed);
        };
        let fits = |key: &hmac::Key| tag(key, id, day, &self.node).to_be_bytes().ct_eq(&given.to_be_bytes());
        let signed = fits(&self.key) | self.old_key.as_ref().map_or(subtle::Choice::from(0), fits);
        if !bool::from(signed) {
            return Err(ReturnPathError::NotSigned);
        }
        match (day_of(now) + DAYS - day) % DAYS {
            // A clock that was set back since makes it one of tomorrow.
            TOMORROW => Ok(SignedReturnPath { id, days_ago: 0 }),
            days_ago if days_ago <= Self::VALID_DAYS => Ok(SignedReturnPath { id, days_ago }),
            _ => Err(ReturnPathError::TooOld),
        }
    }

    /// Whether a local part has the form of a return path, signed or not.
    pub(crate) fn has_form(local: &str) -> bool {
        split(&local.to_ascii_lowercase()).is_some()
    }
}

impl fmt::Debug for ReturnPaths {
    /// Shows no key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReturnPaths").field("node", &self.node).finish_non_exhaustive()
    }
}

/// A return path that this node has signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignedReturnPath {
    /// The id of the message that it was signed for.
    pub id: MessageId,
    /// How many days ago it was signed, in days of UTC: 0 is today.
    pub days_ago: u16,
}

/// Why an address is no return path of this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReturnPathError {
    /// The address has another form.
    #[error("the address has not the form of a return path")]
    Malformed,
    /// The signature is wrong: another node has signed it, or nobody.
    #[error("the return path was not signed by this node")]
    NotSigned,
    /// The return path is older than [`ReturnPaths::VALID_DAYS`].
    #[error("the return path is too old")]
    TooOld,
}

/// Splits a local part in lower case into the id and the signature.
fn split(local: &str) -> Option<(MessageId, &str)> {
    let local = match local.strip_prefix("prvs=") {
        Some(rest) => rest.split_once('=')?.1,
        None => local,
    };
    let (id, signature) = local.strip_prefix(PREFIX)?.split_once('-')?;
    (signature.len() == DAY_CHARS + TAG_CHARS).then_some(())?;
    Some((id.parse().ok()?, signature))
}

fn key_of(bytes: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, bytes)
}

/// Returns the day of a time, modulo [`DAYS`].
fn day_of(at: DateTime<Utc>) -> u16 {
    u16::try_from((at.timestamp().div_euclid(24 * 60 * 60)).rem_euclid(i64::from(DAYS))).unwrap_or_default()
}

/// Returns 80 bits of the signature.
fn tag(key: &hmac::Key, id: MessageId, day: u16, node: &str) -> u128 {
    let mut context = hmac::Context::with_key(key);
    for part in [b"bounce1", &id.as_bytes()[..], &day.to_be_bytes(), node.as_bytes()] {
        context.update(part);
    }
    context.sign().as_ref()[..TAG_BYTES].iter().fold(0, |tag, byte| tag << 8 | u128::from(*byte))
}

/// Appends the last `chars` digits of a number in base32.
fn base32(text: &mut String, number: u128, chars: usize) {
    let digit = |at: usize| char::from(DIGITS[(number >> (5 * at) & 31) as usize]);
    text.extend((0..chars).rev().map(digit));
}

/// Reads a number in base32, of lower-case digits.
fn number(text: &str) -> Option<u128> {
    text.bytes().try_fold(0, |number: u128, char| {
        let digit = DIGITS.iter().position(|digit| *digit == char)?;
        Some(number << 5 | digit as u128)
    })
}

const PREFIX: &str = "vm+";
/// RFC 4648 §6, in lower case.
const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const DAYS: u16 = 1000;
const TOMORROW: u16 = DAYS - 1;
const DAY_CHARS: usize = 3;
const TAG_BYTES: usize = 10;
const TAG_CHARS: usize = 16;

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-29T18:00:00Z".parse().unwrap()
    }

    fn paths() -> ReturnPaths {
        ReturnPaths::new("Edge.example.com", &[7; 32])
    }

    const ID: MessageId = MessageId::from_bytes([0xab; 16]);

    #[test]
    fn a_return_path_is_read_in_any_case_and_behind_a_mark() {
        let local = paths().sign(ID, now());
        assert!(local.starts_with("vm+abababab") && local.len() == 55, "{local}");
        for local in [local.to_ascii_uppercase(), format!("prvs=1234abcdef={local}"), format!("PRVS=x={local}")] {
            assert_eq!(paths().verify(&local, now()).unwrap().id, ID, "{local}");
        }
        assert_eq!(format!("{:?}", paths()), "ReturnPaths { node: \"edge.example.com\", .. }");
    }

    #[test]
    fn a_return_path_is_valid_for_thirty_days_across_the_year() {
        for start in ["2026-12-20T23:59:59Z", "1999-01-01T00:00:00Z", "1969-12-31T12:00:00Z"] {
            let start: DateTime<Utc> = start.parse().unwrap();
            let local = paths().sign(ID, start);
            for (days, valid) in [(-2, false), (-1, true), (0, true), (30, true), (31, false), (400, false), (998, false)] {
                let verified = paths().verify(&local, start + TimeDelta::days(days));
                let days_ago = u16::try_from(days).unwrap_or(0);
                let expected = if valid { Ok(SignedReturnPath { id: ID, days_ago }) } else { Err(ReturnPathError::TooOld) };
                assert_eq!(verified, expected, "{days} days after {start}");
            }
        }
    }

    #[test]
    fn an_old_key_verifies_and_signs_nothing() {
        let changed = ReturnPaths::new("edge.example.com", &[8; 32]).with_old_key(&[7; 32]);
        assert!(changed.verify(&paths().sign(ID, now()), now()).is_ok());
        assert_eq!(paths().verify(&changed.sign(ID, now()), now()), Err(ReturnPathError::NotSigned));
    }

    #[test]
    fn no_changed_character_verifies() {
        let local = paths().sign(ID, now());
        for at in 0..local.len() {
            for other in "abcdefghijklmnopqrstuvwxyz0123456789-+=.".chars().filter(|other| !local[at..].starts_with(*other)) {
                let mut forged = local.clone();
                forged.replace_range(at..=at, &other.to_string());
                assert!(paths().verify(&forged, now()).is_err(), "{forged}");
            }
        }
        let other_node = ReturnPaths::new("edge2.example.com", &[7; 32]);
        assert_eq!(other_node.verify(&local, now()), Err(ReturnPathError::NotSigned));
        for text in ["", "vm+", "prvs=", "prvs=a", "vm+ab-cd", "voicemail", "vm+\u{e9}", &local[..54], &format!("{local}a")] {
            assert_eq!(paths().verify(text, now()), Err(ReturnPathError::Malformed), "{text}");
        }
    }
}
