//! [`SoundName`]: the name of a sound in an object store.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, Utc};
use object_store::path::Path;

/// The name of a sound in an object store: the day on which it was put, and 128 random bits, as in
/// `2026-11-29/5c1a0f3e9b7d42868f0c6f1b2d3e4a59`.
///
/// A name is used once, and never again after its sound was deleted. It is not made from the sound, so two messages with the same sound have two
/// objects, and no deposit can come to need an object that a sweep is about to delete.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SoundName {
    day: NaiveDate,
    random: u128,
}

impl SoundName {
    /// Returns a new name for a sound that is put at the moment `now`.
    pub(super) fn new(now: DateTime<Utc>) -> Self {
        let mut random = [0; 16];
        getrandom::fill(&mut random).expect("the operating system gives random bits");
        Self { day: now.date_naive(), random: u128::from_ne_bytes(random) }
    }

    /// Returns the day, in UTC, on which the sound was put.
    pub fn day(&self) -> NaiveDate {
        self.day
    }

    /// Returns the place of the sound's object.
    pub(super) fn path(&self) -> Path {
        Path::from(self.to_string())
    }
}

impl fmt::Display for SoundName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:032x}", self.day, self.random)
    }
}

impl FromStr for SoundName {
    type Err = InvalidSoundName;

    fn from_str(text: &str) -> Result<Self, InvalidSoundName> {
        let read = || {
            let (day, random) = text.split_once('/')?;
            Some(Self { day: day.parse().ok()?, random: u128::from_str_radix(random, 16).ok()? })
        };
        // One sound has one name: other ways to write the same day or number are refused.
        read().filter(|name| name.to_string() == text).ok_or(InvalidSoundName)
    }
}

/// A text that is no [`SoundName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name of a sound has the form 2026-11-29/ and 32 hexadecimal digits")]
pub struct InvalidSoundName;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_and_no_two_are_alike() {
        let now = "2026-11-29T23:59:59Z".parse().unwrap();
        let (one, other) = (SoundName::new(now), SoundName::new(now));
        assert_ne!(one, other);
        assert_eq!(one.to_string().parse(), Ok(one.clone()));
        assert_eq!(one.path().as_ref(), one.to_string());
        assert!(one.to_string().starts_with("2026-11-29/"));
    }

    #[test]
    fn a_text_of_another_form_is_no_name() {
        let digits = "0f".repeat(16);
        assert!(format!("2026-11-29/{digits}").parse::<SoundName>().is_ok());
        for text in [
            String::new(),
            digits.clone(),
            format!("2026-11-29{digits}"),
            format!("2026-11-9/{digits}"),
            format!("2026-02-30/{digits}"),
            format!("2026-11-29/{}", digits.to_uppercase()),
            format!("2026-11-29/+{}", &digits[1..]),
            format!("2026-11-29/{}", &digits[1..]),
            format!("2026-11-29/0{digits}"),
            format!("2026-11-29/{digits}#1"),
            format!("a/2026-11-29/{digits}"),
        ] {
            assert_eq!(text.parse::<SoundName>(), Err(InvalidSoundName), "{text}");
        }
    }
}
