//! [`WarningThresholds`]: when an owner is warned.

/// When the owner of a mailbox is warned that it is nearly full, and that messages grow too old. `None` is the usual value.
///
/// ```
/// use voicemail::directory::WarningThresholds;
///
/// let usual = WarningThresholds::default();
/// assert_eq!((usual.percent(), usual.days()), (90, 3));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct WarningThresholds {
    /// The percentage of a limit from which on the mailbox counts as nearly full, from 1 to 100; 90 by default. With 100, it is only full.
    pub percent: Option<u8>,
    /// How many days before their removal messages are announced; 3 by default. With 0, none are.
    pub days: Option<u16>,
}

impl WarningThresholds {
    /// Returns these thresholds with this percentage of a limit.
    #[must_use]
    pub fn with_percent(self, percent: u8) -> Self {
        Self { percent: Some(percent), ..self }
    }

    /// Returns these thresholds with so many days before a removal.
    #[must_use]
    pub fn with_days(self, days: u16) -> Self {
        Self { days: Some(days), ..self }
    }

    /// Returns these thresholds, with those of `other` in place of the missing ones.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { percent: self.percent.or(other.percent), days: self.days.or(other.days) }
    }

    /// Returns the percentage in force.
    pub fn percent(&self) -> u8 {
        self.percent.unwrap_or(90)
    }

    /// Returns the number of days in force.
    pub fn days(&self) -> u16 {
        self.days.unwrap_or(3)
    }
}
