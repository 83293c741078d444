//! [`Licence`]: what a PBX may use, and until when.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Days, NaiveDate, Utc};
use chrono_tz::Tz;

use super::LicenceName;
use crate::message::Stamp;

/// A licence of a PBX: for what, and the last day on which it is valid, if there is one.
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

    /// What it is for.
    pub const fn class(&self) -> LicenceClass {
        self.class
    }

    /// The last day on which it is valid; `None` when it does not expire.
    pub const fn last_day(&self) -> Option<NaiveDate> {
        self.last_day
    }

    /// Whether its last day is over at `now` on a PBX in `zone`.
    pub fn has_expired(&self, now: DateTime<Utc>, zone: Tz) -> bool {
        self.has_expired_after(0, now, zone)
    }

    /// The same with so many days of grace after its last one.
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
    /// `campaigns until 2027-01-01`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.last_day {
            Some(last_day) => write!(f, "{} until {last_day}", self.class),
            None => self.class.fmt(f),
        }
    }
}

/// What a licence is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LicenceClass {
    /// Voicemail at all; every other class but unified messaging and call archive builds on it.
    Voicemail,
    /// Mailboxes seen from a mail client.
    UnifiedMessaging,
    /// Recordings of calls kept in an archive.
    CallArchive,
    /// Text read aloud.
    TextToSpeech,
    /// Messages exchanged with other voicemail systems.
    NetworkedMessaging,
    /// Questions asked of callers, their answers kept.
    Campaigns,
    /// Call flows that ask a database of somebody else.
    ThirdPartyDatabase,
    /// A feature that this crate has no word for.
    Other(LicenceName),
}

impl LicenceClass {
    /// All classes but those of other names.
    pub const ALL: [Self; 7] = [
        Self::Voicemail,
        Self::UnifiedMessaging,
        Self::CallArchive,
        Self::TextToSpeech,
        Self::NetworkedMessaging,
        Self::Campaigns,
        Self::ThirdPartyDatabase,
    ];

    /// Its name in a description.
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

    /// Whether a PBX on centralized voicemail needs a licence of its own for it; all others it has from the central PBX.
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
     third-party-database, or a name of your own such as x-fax"
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
        assert_eq!("fax".parse::<LicenceClass>(), Err(UnknownLicenceClass), "a slip of the pen is no name of somebody's own");
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
    fn a_licence_is_valid_to_the_last_second_of_its_last_day_where_its_pbx_is() {
        let licence = Licence::until(LicenceClass::Voicemail, "2026-12-31".parse().unwrap());
        let zone = chrono_tz::Pacific::Kiritimati;
        assert!(!licence.has_expired("2026-12-31T09:59:59Z".parse().unwrap(), zone));
        assert!(licence.has_expired("2026-12-31T10:00:00Z".parse().unwrap(), zone));
        assert!(!Licence::perpetual(LicenceClass::Voicemail).has_expired(DateTime::<Utc>::MAX_UTC, zone));
    }
}
