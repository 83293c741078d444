//! [`ClockWatch`]: notices that the clock was set, by the monotonic clock. It decides, and does nothing itself.

use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};

/// The last readings of the clock and of the monotonic clock.
#[derive(Debug, Default)]
pub(in crate::spool) struct ClockWatch(Option<(DateTime<Utc>, Instant)>);

/// A clock that was set, or a machine that slept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClockStep {
    /// The last time that the clock showed before.
    pub(super) before: DateTime<Utc>,
    /// How far the clock was set: ahead, or back if it is below zero.
    pub(super) by: TimeDelta,
}

impl ClockWatch {
    /// Handles readings of both clocks; returns a step since the last readings, if it is a day or more.
    pub(super) fn handle_reading(&mut self, at: DateTime<Utc>, monotonic: Instant) -> Option<ClockStep> {
        let (before, then) = self.0.replace((at, monotonic))?;
        let elapsed = TimeDelta::from_std(monotonic.saturating_duration_since(then)).ok()?;
        let by = (at - before).checked_sub(&elapsed)?;
        (by.abs() >= LEAST).then_some(ClockStep { before, by })
    }
}

/// The shortest step that matters for waits of days.
const LEAST: TimeDelta = TimeDelta::days(1);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_step_is_what_the_monotonic_clock_does_not_explain() {
        let (mut watch, start, booted) = (ClockWatch::default(), DateTime::UNIX_EPOCH, Instant::now());
        assert_eq!(watch.handle_reading(start, booted), None, "the first reading");
        assert_eq!(watch.handle_reading(start + HOUR, booted + HOUR), None);
        let years = TimeDelta::days(56 * 365);
        let step = watch.handle_reading(start + years + 2 * HOUR, booted + 2 * HOUR);
        assert_eq!(step, Some(ClockStep { before: start + HOUR, by: years }));
        assert_eq!(watch.handle_reading(start + years + 50 * HOUR, booted + 50 * HOUR), None, "the node was busy for two days");
        assert_eq!(watch.handle_reading(start + years + 73 * HOUR, booted + 50 * HOUR), None, "less than a day");
        let step = watch.handle_reading(start + 51 * HOUR, booted + 51 * HOUR);
        assert_eq!(step.map(|step| step.by), Some(-years - TimeDelta::hours(23)), "back again");
        for at in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC, DateTime::<Utc>::MIN_UTC] {
            assert!(watch.handle_reading(at, booted).is_some());
        }
    }
}
