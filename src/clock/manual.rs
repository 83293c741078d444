//! [`ManualClock`].

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use super::{Clock, Reading};
use crate::message::{ClockQuality, ClockSource};

/// A clock that stands still until it is set or advanced: for tests, and for recordings whose time is known.
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
pub struct ManualClock(Mutex<DateTime<Utc>>);

impl ManualClock {
    /// A clock that stands at `instant`.
    pub fn at(instant: DateTime<Utc>) -> Self {
        Self(Mutex::new(instant))
    }

    /// Sets it, backwards too.
    pub fn set(&self, instant: DateTime<Utc>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = instant;
    }

    /// Moves it on by `step`.
    pub fn advance(&self, step: TimeDelta) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += step;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Reading {
        let instant = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Reading { instant, quality: ClockQuality::unknown(ClockSource::Manual) }
    }
}
