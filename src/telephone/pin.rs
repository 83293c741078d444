//! PINs: [`Pin`], its [`PinHash`], and the [`PinVerdict`] on what was entered.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::message::{read_hex, write_hex};

/// The PIN of a mailbox: 4 to 12 digits, not all the same, and neither ascending nor descending one by one.
///
/// ```
/// use voicemail::telephone::Pin;
///
/// assert!("480913".parse::<Pin>().is_ok());
/// for weak in ["123", "1111", "1234", "9876"] {
///     assert!(weak.parse::<Pin>().is_err());
/// }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Pin(Box<str>);

impl FromStr for Pin {
    type Err = InvalidPin;

    fn from_str(text: &str) -> Result<Self, InvalidPin> {
        let digits = text.as_bytes();
        if !(MIN_DIGITS..=MAX_DIGITS).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
            return Err(InvalidPin);
        }
        let steps = |step: u8| digits.windows(2).all(|pair| (pair[0] - b'0' + step) % 10 == pair[1] - b'0');
        if steps(0) || steps(1) || steps(9) { Err(InvalidPin) } else { Ok(Self(text.into())) }
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(..)")
    }
}

/// The digits that an owner typed as a PIN, right or wrong. `Debug` shows none of them.
#[derive(Clone, PartialEq, Eq)]
pub struct EnteredPin(String);

impl EnteredPin {
    /// The digits, for [`PinStore::check`](super::PinStore::check).
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T: Into<String>> From<T> for EnteredPin {
    fn from(digits: T) -> Self {
        Self(digits.into())
    }
}

impl fmt::Debug for EnteredPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnteredPin(..)")
    }
}

/// A text that is no [`Pin`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a PIN has 4 to 12 digits, not all alike and not one after the other")]
pub struct InvalidPin;

/// The salted hash of a PIN, with a salt of 128 random bits. Its text form can be stored anywhere.
///
/// A PIN has so few digits that somebody who has the hash can find the PIN in the end; the many rounds of hashing make that slow.
/// The lockout is what keeps callers from guessing.
#[derive(Clone, PartialEq, Eq)]
pub struct PinHash {
    rounds: u32,
    salt: [u8; 16],
    hash: [u8; 32],
}

impl PinHash {
    /// Hashes `pin` with a new random salt. Takes some milliseconds.
    ///
    /// # Panics
    ///
    /// Panics if the operating system has no random bits, which does not happen on Linux once it has started.
    pub fn new(pin: &Pin) -> Self {
        Self::in_rounds(pin, ROUNDS)
    }

    pub(super) fn in_rounds(pin: &Pin, rounds: u32) -> Self {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).expect("the operating system gives random bits");
        Self { rounds, salt, hash: stretched(&pin.0, &salt, rounds) }
    }

    /// Returns whether `entered` is the PIN. The time that this takes does not depend on what was entered.
    pub fn is_of(&self, entered: &str) -> bool {
        let hash = stretched(entered, &self.salt, self.rounds);
        // Every byte is compared, so that the time does not show where the first difference is.
        self.hash.iter().zip(hash).fold(0, |differs, (one, other)| differs | (one ^ other)) == 0
    }
}

impl fmt::Display for PinHash {
    /// Writes `sha256-20000:SALT:HASH`, with salt and hash in hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256-{}:", self.rounds)?;
        write_hex(f, &self.salt)?;
        f.write_str(":")?;
        write_hex(f, &self.hash)
    }
}

impl FromStr for PinHash {
    type Err = InvalidPinHash;

    fn from_str(text: &str) -> Result<Self, InvalidPinHash> {
        let read = || {
            let mut parts = text.split(':');
            let rounds =
                parts.next()?.strip_prefix("sha256-")?.parse().ok().filter(|rounds| (1..=MAX_ROUNDS).contains(rounds))?;
            let (salt, hash) = (read_hex(parts.next()?)?, read_hex(parts.next()?)?);
            parts.next().is_none().then_some(Self { rounds, salt, hash })
        };
        read().ok_or(InvalidPinHash)
    }
}

impl fmt::Debug for PinHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PinHash(..)")
    }
}

/// A text that is no [`PinHash`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the hash of a PIN has the form sha256-20000:SALT:HASH")]
pub struct InvalidPinHash;

/// For how long a PIN opens its mailbox. These are all the cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinUse {
    /// Until it is changed.
    Usual,
    /// For the first use, in which it is changed.
    First,
}

impl PinUse {
    /// The verdict on the right PIN.
    pub(super) fn verdict(self) -> PinVerdict {
        match self {
            Self::Usual => PinVerdict::Right,
            Self::First => PinVerdict::Initial,
        }
    }
}

/// The result of checking an entered PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PinVerdict {
    /// The PIN is right.
    Right,
    /// The PIN is right, and opens the mailbox for its first use only: its owner chooses another before all else.
    Initial,
    /// The PIN is wrong.
    Wrong,
    /// The PIN was not checked, because there were too many wrong ones. After this time, one more may be tried.
    Locked(Duration),
    /// The PIN was not checked, because the mailbox has none: no PIN opens it.
    NoPin,
    /// The PIN was not checked, because the attempt cannot be stored at the moment. The cause is in the log.
    Unavailable,
}

/// Hashes `entered` with `salt`, `rounds` times.
fn stretched(entered: &str, salt: &[u8; 16], rounds: u32) -> [u8; 32] {
    let mut hash = [0; 32];
    for _ in 0..rounds {
        let mut hasher = Sha256::new();
        hasher.update(hash);
        hasher.update(salt);
        hasher.update(entered);
        hash = hasher.finalize().into();
    }
    hash
}

const MIN_DIGITS: usize = 4;
const MAX_DIGITS: usize = 12;
const ROUNDS: u32 = 20_000;
/// The highest number of rounds that is read, so that no stored text can make a check take very long.
const MAX_ROUNDS: u32 = 10_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_pin_has_another_hash_each_time_and_each_reads_back() {
        let pin: Pin = "480913".parse().unwrap();
        let (one, other) = (PinHash::new(&pin), PinHash::new(&pin));
        assert_ne!(one, other);
        for hash in [&one, &other] {
            let read: PinHash = hash.to_string().parse().unwrap();
            assert!(read == *hash && read.is_of("480913") && !read.is_of("480914") && !read.is_of(""));
        }
        assert!(!format!("{pin:?} {one:?}").contains("4809"));
        for text in ["", "sha256-0::", "sha256-1:00:00", "md5-1:00:00", &format!("{one}:"), &format!("{one}")[1..]] {
            assert!(text.parse::<PinHash>().is_err(), "{text}");
        }
    }
}
