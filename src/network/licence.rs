//! [`Licence`]: the right of a PBX to use a feature, until a last day if there is one.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Days, NaiveDate, Utc};
use chrono_tz::Tz;

use super::LicenceName;
use crate::message::Stamp;

/// A licence of a PBX: the class of features that it is for, and the last day on which it is valid, if there is one.
///
/// ```
/// use voicemail::network::{Licence, LicenceClass};
///
/// let licence = Licence::until(LicenceClass::Campaigns, "2027-01-01".parse().unwrap());
/// let new_year_in_tokyo = "2027-01-01T15:00:00Z".parse().unwrap(); // the 2nd has begun there
/// assert!(licence.has_expired(new_year_in_tokyo, chrono_tz::Asia::Tokyo));
/// assert!(!licence.has_expired(new_year_in_tokyo, chrono_tz::Europe::London));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Licence {
    class: LicenceClass,
    last_day: Option<NaiveDate>,
}

impl Licence {
    /// A licence that does not expire.
    pub const fn perpetual(class: LicenceClass) -> Self {
        Self { class, last_day: None }
    }

    /// A licence that is valid up to the end of `last_day` by the calendar of its PBX.
    pub const fn until(class: LicenceClass, last_day: NaiveDate) -> Self {
        Self { class, last_day: Some(last_day) }
    }

    /// The class of features that the licence is for.
    pub const fn class(&self) -> LicenceClass {
        self.class
    }

    /// The last day on which the licence is valid; `None` if it does not expire.
    pub const fn last_day(&self) -> Option<NaiveDate> {
        self.last_day
    }

    /// Returns whether the last day is over at `now` on a PBX in `zone`.
    pub fn has_expired(&self, now: DateTime<Utc>, zone: Tz) -> bool {
        self.has_expired_after(0, now, zone)
    }

    /// Returns whether the last day and `days` days of grace after it are over at `now` on a PBX in `zone`.
    pub fn has_expired_after(&self, days: u32, now: DateTime<Utc>, zone: Tz) -> bool {
        let counts_to = |last_day: NaiveDate| last_day.checked_add_days(Days::new(days.into())).unwrap_or(NaiveDate::MAX);
        self.last_day.is_some_and(|last_day| Stamp::new(now, zone).local().date_naive() > counts_to(last_day))
    }
}

impl From<LicenceClass> for Licence {
    fn from(class: LicenceClass) -> Self {
        Self::perpetual(class)
    }
}

impl fmt::Display for Licence {
    /// Writes the class and the last day, such as `campaigns until 2027-01-01`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.last_day {
            Some(last_day) => write!(f, "{} until {last_day}", self.class),
            None => self.class.fmt(f),
        }
    }
}

/// The class of features that a licence is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LicenceClass {
    /// Voicemail itself, which every class but unified messaging and call archive needs too.
    Voicemail,
    /// Access to mailboxes from a mail client.
    UnifiedMessaging,
    /// An archive of recorded calls.
    CallArchive,
    /// Text that is read aloud.
    TextToSpeech,
    /// Exchange of messages with other voicemail systems.
    NetworkedMessaging,
    /// Campaigns: callers are asked questions, and their answers are stored.
    Campaigns,
    /// Call flows that query a database of a third party.
    ThirdPartyDatabase,
    /// A class that an integrator defines.
    Other(LicenceName),
}

impl LicenceClass {
    /// All classes but [`Other`](Self::Other).
    pub const ALL: [Self; 7] = [
        Self::Voicemail,
        Self::UnifiedMessaging,
        Self::CallArchive,
        Self::TextToSpeech,
        Self::NetworkedMessaging,
        Self::Campaigns,
        Self::ThirdPartyDatabase,
    ];

    /// The name of the class in a description.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Voicemail => "voicemail",
            Self::UnifiedMessaging => "unified-messaging",
            Self::CallArchive => "call-archive",
            Self::TextToSpeech => "text-to-speech",
            Self::NetworkedMessaging => "networked-messaging",
            Self::Campaigns => "campaigns",
            Self::ThirdPartyDatabase => "third-party-database",
            Self::Other(name) => name.as_str(),
        }
    }

    /// Returns whether a PBX on centralized voicemail needs its own licence of this class. For all other classes, the licences of
    /// the central PBX count.
    pub(super) const fn is_for_each_pbx(self) -> bool {
        match self {
            Self::UnifiedMessaging | Self::CallArchive => true,
            Self::Voicemail
            | Self::TextToSpeech
            | Self::NetworkedMessaging
            | Self::Campaigns
            | Self::ThirdPartyDatabase
            | Self::Other(_) => false,
        }
    }
}

impl FromStr for LicenceClass {
    type Err = UnknownLicenceClass;

    fn from_str(text: &str) -> Result<Self, UnknownLicenceClass> {
        let known = Self::ALL.into_iter().find(|class| class.as_str() == text);
        known.or_else(|| text.parse().ok().map(Self::Other)).ok_or(UnknownLicenceClass)
    }
}

impl fmt::Display for LicenceClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no [`LicenceClass`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a licence is one of voicemail, unified-messaging, call-archive, text-to-speech, networked-messaging, campaigns, \
     third-party-database, or your own name such as x-fax"
)]
pub struct UnknownLicenceClass;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_reads_back_as_written_and_is_named_in_the_error() {
        for class in LicenceClass::ALL {
            assert_eq!(class.to_string().parse(), Ok(class));
            assert!(UnknownLicenceClass.to_string().contains(class.as_str()));
        }
        assert_eq!("Voicemail".parse::<LicenceClass>(), Err(UnknownLicenceClass));
        assert_eq!("fax".parse::<LicenceClass>(), Err(UnknownLicenceClass), "a misspelt class is no new one");
        assert_eq!("x-fax".parse::<LicenceClass>().unwrap().to_string(), "x-fax");
    }

    #[test]
    fn days_of_grace_come_after_the_last_day_and_never_overflow() {
        let licence = Licence::until(LicenceClass::Voicemail, "2026-12-31".parse().unwrap());
        let zone = chrono_tz::Pacific::Kiritimati;
        assert!(!licence.has_expired_after(30, "2027-01-30T09:59:59Z".parse().unwrap(), zone));
        assert!(licence.has_expired_after(30, "2027-01-30T10:00:00Z".parse().unwrap(), zone));
        assert!(!licence.has_expired_after(u32::MAX, "2027-01-30T10:00:00Z".parse().unwrap(), zone));
    }

    #[test]
    fn a_licence_is_valid_to_the_end_of_its_last_day_at_its_pbx() {
        let licence = Licence::until(LicenceClass::Voicemail, "2026-12-31".parse().unwrap());
        let zone = chrono_tz::Pacific::Kiritimati;
        assert!(!licence.has_expired("2026-12-31T09:59:59Z".parse().unwrap(), zone));
        assert!(licence.has_expired("2026-12-31T10:00:00Z".parse().unwrap(), zone));
        assert!(!Licence::perpetual(LicenceClass::Voicemail).has_expired(DateTime::<Utc>::MAX_UTC, zone));
    }
}
