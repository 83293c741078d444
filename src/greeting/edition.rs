//! [`Edition`]: one of several recordings of a greeting; the greatest is in force.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};

use crate::message::ContentDigest;

/// One of several recordings of a greeting, or its removal. The greatest edition is in force.
///
/// The version decides. If two editions have the same version but different sounds, as when two central nodes shared one greeting, the digests
/// decide, so that all nodes choose the same one; a removal is less than any sound of its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Edition {
    /// When it was recorded or removed.
    pub version: GreetingVersion,
    /// The digest of its sound; `None` for a removal.
    pub digest: Option<ContentDigest>,
}

impl Edition {
    /// Returns the edition of `version` whose sound has this digest; without a digest, a removal.
    pub const fn new(version: GreetingVersion, digest: Option<ContentDigest>) -> Self {
        Self { version, digest }
    }
}

/// The version of a greeting: the moment of its recording or removal in microseconds since 1970, written as 20 digits, so that names sort by age.
///
/// It grows with each recording of one greeting. When the clock goes back, it is one microsecond later than the last version.
///
/// ```
/// use voicemail::greeting::GreetingVersion;
///
/// let first = GreetingVersion::next(None, "2025-03-30T00:59:40Z".parse().unwrap());
/// let second = GreetingVersion::next(Some(first), "2019-01-01T00:00:00Z".parse().unwrap());
/// assert!(second > first);
/// assert_eq!(second.recorded_at().to_rfc3339(), "2025-03-30T00:59:40.000001+00:00");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GreetingVersion(u64);

impl GreetingVersion {
    /// Returns the version of a recording that is made `now`, after the version `last`.
    pub fn next(last: Option<Self>, now: DateTime<Utc>) -> Self {
        let now = u64::try_from(now.timestamp_micros()).unwrap_or(0);
        Self(last.map_or(now, |last| now.max(last.0.saturating_add(1))).min(LATEST))
    }

    /// Returns the moment when the greeting was recorded or removed, if the clock was right.
    pub fn recorded_at(self) -> DateTime<Utc> {
        i64::try_from(self.0).ok().and_then(DateTime::from_timestamp_micros).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

impl fmt::Display for GreetingVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}", self.0)
    }
}

impl FromStr for GreetingVersion {
    type Err = InvalidGreetingVersion;

    fn from_str(text: &str) -> Result<Self, InvalidGreetingVersion> {
        let digits = text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
        let micros = text.parse().ok().filter(|micros| digits && *micros <= LATEST);
        micros.map(Self).ok_or(InvalidGreetingVersion)
    }
}

/// A text that is no [`GreetingVersion`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a greeting's version has 20 digits, and is a moment before the year 10000")]
#[non_exhaustive]
pub struct InvalidGreetingVersion;

const DIGITS: usize = 20;
/// The last microsecond of the year 9999.
const LATEST: u64 = 253_402_300_799_999_999;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_grow_whatever_the_clock_does_and_round_trip() {
        let mut last = None;
        for now in ["2025-03-30T00:59:40Z", "2025-03-30T00:59:40Z", "1969-01-01T00:00:00Z", "9999-12-31T23:59:00Z"] {
            let version = GreetingVersion::next(last, now.parse().unwrap());
            assert!(Some(version) > last);
            assert_eq!(version.to_string().parse(), Ok(version));
            last = Some(version);
        }
        assert_eq!(GreetingVersion::next(last, DateTime::<Utc>::MAX_UTC).to_string().parse(), Ok(GreetingVersion(LATEST)));
    }

    #[test]
    fn other_texts_are_no_version() {
        for text in ["", "1", "0000000000000000001", "-0000000000000000001", "+0000000000000000001", "99999999999999999999"] {
            assert_eq!(text.parse::<GreetingVersion>(), Err(InvalidGreetingVersion), "{text}");
        }
    }

    #[test]
    fn of_two_editions_of_one_version_every_node_takes_the_same() {
        let version = GreetingVersion(7);
        let of = |sound: &[u8]| Edition { version, digest: Some(ContentDigest::of(sound)) };
        let removed = Edition { version, digest: None };
        assert!(of(b"a") != of(b"b") && removed < of(b"a").min(of(b"b")));
        assert!(Edition { version: GreetingVersion(8), digest: None } > of(b"a").max(of(b"b")));
    }
}
