//! PINs: [`Pin`], its [`PinHash`], and [`MemoryPins`], which checks PINs in memory.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::MutexGuard;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};

use super::{AttemptSource, LockoutCounter};
use crate::lock::Lock;
use crate::message::{CallerNumber, MailboxId, read_hex, write_hex};

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
    /// The digits, for [`MemoryPins::check`].
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

/// PINs and lockouts in memory, for all calls together. A restart forgets them; a `PinFolder` keeps them on disk.
///
/// Too many wrong PINs lock a mailbox for all callers, and lock out a telephone that tries many mailboxes. There is no default
/// PIN: nobody gets into a mailbox without one.
///
/// ```
/// use voicemail::telephone::{MemoryPins, PinHash, PinVerdict};
///
/// let (mailbox, now) = ("2041".parse()?, "2026-11-22T18:00:00Z".parse()?);
/// let pins = MemoryPins::default();
/// assert_eq!(pins.check(&mailbox, None, "2041", now), PinVerdict::NoPin);
/// pins.set(mailbox.clone(), PinHash::new(&"480913".parse()?));
/// assert_eq!(pins.check(&mailbox, None, "480913", now), PinVerdict::Right);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct MemoryPins(Lock<Pins>);

#[derive(Debug, Default)]
struct Pins {
    pins: HashMap<MailboxId, PinHash>,
    attempts: HashMap<AttemptSource, LockoutCounter>,
}

impl MemoryPins {
    /// Sets the PIN of `mailbox` to the one of `hash`. A mailbox or telephone that is locked out stays so.
    pub fn set(&self, mailbox: MailboxId, hash: PinHash) {
        self.lock().pins.insert(mailbox, hash);
    }

    /// Checks the PIN `entered` for `mailbox` by a telephone with the number `caller`, if its number is known. Takes some
    /// milliseconds.
    pub fn check(&self, mailbox: &MailboxId, caller: Option<&CallerNumber>, entered: &str, now: DateTime<Utc>) -> PinVerdict {
        let sources: Vec<AttemptSource> =
            [Some(AttemptSource::Mailbox(mailbox.clone())), caller.cloned().map(AttemptSource::Caller)]
                .into_iter()
                .flatten()
                .collect();
        let hash = {
            let mut pins = self.lock();
            let locked = sources.iter().filter_map(|source| pins.attempts.get_mut(source)?.locked_for(now)).max();
            if let Some(wait) = locked {
                return PinVerdict::Locked(wait);
            }
            let Some(hash) = pins.pins.get(mailbox).cloned() else { return PinVerdict::NoPin };
            // Counted before it is checked, so that many calls at once get no more attempts than calls one after the other.
            for source in &sources {
                pins.attempts.entry(source.clone()).or_default().handle_wrong(now);
            }
            if pins.attempts.len() > MAX_ATTEMPTS {
                pins.attempts.retain(|_, attempts| !attempts.is_forgiven(now));
            }
            hash
        };
        if !hash.is_of(entered) {
            return PinVerdict::Wrong;
        }
        let mut pins = self.lock();
        pins.attempts.remove(&AttemptSource::Mailbox(mailbox.clone()));
        // A telephone that knows one PIN may still be guessing others, so its earlier wrong PINs stay counted.
        if let Some(attempts) = caller.and_then(|caller| pins.attempts.get_mut(&AttemptSource::Caller(caller.clone()))) {
            attempts.handle_right();
        }
        PinVerdict::Right
    }

    fn lock(&self) -> MutexGuard<'_, Pins> {
        self.0.lock()
    }
}

/// The result of checking an entered PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PinVerdict {
    /// The PIN is right.
    Right,
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
/// How many sources are remembered before those without counted wrong PINs are forgotten.
const MAX_ATTEMPTS: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-22T18:00:00Z".parse().unwrap()
    }

    fn pins() -> (MemoryPins, MailboxId) {
        let (pins, mailbox) = (MemoryPins::default(), "2041".parse::<MailboxId>().unwrap());
        let hash = PinHash { rounds: 1, salt: [7; 16], hash: stretched("480913", &[7; 16], 1) };
        pins.set(mailbox.clone(), hash);
        (pins, mailbox)
    }

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

    #[test]
    fn five_wrong_pins_lock_out_the_right_pin_until_forgiveness() {
        let (pins, mailbox) = pins();
        for _ in 0..5 {
            assert_eq!(pins.check(&mailbox, None, "0000", now()), PinVerdict::Wrong);
        }
        let PinVerdict::Locked(wait) = pins.check(&mailbox, None, "480913", now()) else { panic!("locked, in another call too") };
        assert_eq!(pins.check(&mailbox, None, "480913", now() + wait), PinVerdict::Right);
        assert_eq!(pins.check(&mailbox, None, "0000", now()), PinVerdict::Wrong, "a right PIN clears the count");
    }

    #[test]
    fn a_telephone_that_tries_many_mailboxes_is_locked_out_alone() {
        let (pins, mailbox) = pins();
        let thief: CallerNumber = "4420".parse().unwrap();
        for number in 0..5 {
            let other: MailboxId = format!("30{number}").parse().unwrap();
            pins.set(other.clone(), PinHash { rounds: 1, salt: [1; 16], hash: [0; 32] });
            assert_eq!(pins.check(&other, Some(&thief), "0000", now()), PinVerdict::Wrong);
        }
        assert!(matches!(pins.check(&mailbox, Some(&thief), "480913", now()), PinVerdict::Locked(_)));
        let owner: CallerNumber = "4421".parse().unwrap();
        for _ in 0..10 {
            assert_eq!(pins.check(&mailbox, Some(&owner), "480913", now()), PinVerdict::Right);
        }
    }

    #[test]
    fn many_calls_at_once_get_no_more_tries() {
        let (pins, mailbox) = pins();
        let tried = std::thread::scope(|scope| {
            let calls: Vec<_> = (0..32).map(|_| scope.spawn(|| pins.check(&mailbox, None, "0000", now()))).collect();
            calls.into_iter().map(|call| call.join().unwrap()).filter(|verdict| *verdict == PinVerdict::Wrong).count()
        });
        assert_eq!(tried, 5);
    }
}
