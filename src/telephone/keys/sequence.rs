//! [`KeySequence`]: the keys that are pressed one after the other for a function.

use std::fmt;
use std::str::FromStr;

use super::super::digit::Digit;

/// The keys that are pressed one after the other for a function: one to four.
///
/// ```
/// use voicemail::telephone::{Digit, KeySequence};
///
/// let keys: KeySequence = "**8".parse()?;
/// assert_eq!(keys.as_slice(), [Digit::Star, Digit::Star, Digit::Eight]);
/// assert_eq!(keys.to_string(), "**8");
/// # Ok::<(), voicemail::telephone::InvalidKeySequence>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeySequence {
    /// The keys; those behind the length are [`Digit::Zero`].
    digits: [Digit; MAX_KEYS],
    len: usize,
}

impl KeySequence {
    /// Returns the keys, in the order in which they are pressed.
    pub fn as_slice(&self) -> &[Digit] {
        &self.digits[..self.len]
    }

    /// Whether the keys are the same as `other`, or the beginning of it, or it is the beginning of them.
    pub(super) fn is_ambiguous_with(&self, other: &Self) -> bool {
        let shorter = self.len.min(other.len);
        self.digits[..shorter] == other.digits[..shorter]
    }
}

impl FromStr for KeySequence {
    type Err = InvalidKeySequence;

    fn from_str(text: &str) -> Result<Self, InvalidKeySequence> {
        let mut sequence = Self { digits: [Digit::Zero; MAX_KEYS], len: 0 };
        for c in text.chars() {
            let place = sequence.digits.get_mut(sequence.len).ok_or(InvalidKeySequence)?;
            *place = Digit::from_char(c).ok_or(InvalidKeySequence)?;
            sequence.len += 1;
        }
        if sequence.len == 0 { Err(InvalidKeySequence) } else { Ok(sequence) }
    }
}

impl fmt::Display for KeySequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().iter().try_for_each(|digit| write!(f, "{}", digit.to_char()))
    }
}

impl fmt::Debug for KeySequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySequence({self})")
    }
}

/// A text that is no [`KeySequence`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the keys of a function are 1 to {MAX_KEYS} of 0 to 9, * and #")]
#[non_exhaustive]
pub struct InvalidKeySequence;

const MAX_KEYS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_has_one_to_four_keys_of_a_telephone() {
        for text in ["0", "*", "##", "**8", "1234"] {
            assert_eq!(text.parse::<KeySequence>().unwrap().to_string(), text);
        }
        for text in ["", "12345", "1a", " 1", "A"] {
            assert_eq!(text.parse::<KeySequence>(), Err(InvalidKeySequence), "{text:?}");
        }
    }
}
