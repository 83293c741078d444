//! [`ManualClock`]: a clock that is set by hand.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Clock, Reading};
use crate::lock::Lock;
use crate::message::{ClockQuality, ClockSource};

/// A clock that shows the same time until it is set or advanced: for tests, and for recordings whose time is known.
///
/// ```
/// use chrono::TimeDelta;
/// use voicemail::clock::{Clock, ManualClock};
///
/// let clock = ManualClock::at("2025-03-30T00:59:40Z".parse().unwrap());
/// clock.advance(TimeDelta::seconds(20));
/// assert_eq!(clock.now().instant.to_rfc3339(), "2025-03-30T01:00:00+00:00");
/// ```
#[derive(Debug)]
pub struct ManualClock(Lock<DateTime<Utc>>);

impl ManualClock {
    /// Returns a clock that shows `instant`.
    pub fn at(instant: DateTime<Utc>) -> Self {
        Self(Lock::new(instant))
    }

    /// Sets the clock, also backwards.
    pub fn set(&self, instant: DateTime<Utc>) {
        *self.0.lock() = instant;
    }

    /// Advances the clock by `step`.
    pub fn advance(&self, step: TimeDelta) {
        *self.0.lock() += step;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Reading {
        let instant = *self.0.lock();
        Reading { instant, quality: ClockQuality::unknown(ClockSource::Manual) }
    }
}
