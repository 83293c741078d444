//! [`SkewCheck`]: reports nodes whose clocks are wrong.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use crate::clock::{Clock, Reading};
use crate::event::{Event, Events};
use crate::message::{Head, RecordedAt};

/// Compares the time of each message from another node with this node's clock, and reports a difference above a limit.
///
/// A message cannot have been recorded in the future. If its time says so, the clock of the other node is fast, or this one is slow. A
/// slow clock cannot be seen from the time of a message, because the message may have waited; then the uncertainty that the other node
/// states counts.
#[derive(Debug)]
pub(super) struct SkewCheck {
    clock: Arc<dyn Clock>,
    events: Events,
    max: Duration,
}

impl SkewCheck {
    pub(super) fn new(clock: Arc<dyn Clock>, events: Events, max: Duration) -> Self {
        Self { clock, events, max }
    }

    /// Reports the clock that dated the message, if it is off by more than the limit.
    pub(super) fn check(&self, head: &Head) {
        if let Some(by) = off_by(&head.recorded_at, &self.clock.now(), self.max) {
            self.events.emit(Event::ClockSkew { id: head.id, site: head.site.clone(), by });
        }
    }
}

/// Returns by how much the clock that dated the message is off, if that is more than `max`.
fn off_by(recorded_at: &RecordedAt, now: &Reading, max: Duration) -> Option<Duration> {
    let doubt = recorded_at.quality.uncertainty.unwrap_or_default();
    let ahead = recorded_at.instant - now.instant - TimeDelta::from_std(now.quality.uncertainty.unwrap_or_default()).ok()?;
    let by = doubt.max(ahead.to_std().unwrap_or_default());
    (by > max).then_some(by)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{ClockQuality, ClockSource};

    #[test]
    fn a_clock_is_off_when_it_is_ahead_or_says_so() {
        let now = Reading {
            instant: "2026-11-22T18:00:00Z".parse().unwrap(),
            quality: ClockQuality { uncertainty: Some(Duration::from_secs(1)), ..ClockQuality::unknown(ClockSource::Sntp) },
        };
        let limit = Duration::from_secs(5);
        let by = |seconds_ahead, doubt| {
            let quality = ClockQuality { uncertainty: doubt, ..ClockQuality::unknown(ClockSource::System) };
            let instant = now.instant + TimeDelta::seconds(seconds_ahead);
            off_by(&RecordedAt { instant, zone: chrono_tz::UTC, quality }, &now, limit)
        };
        let secs = |secs| Some(Duration::from_secs(secs));
        assert_eq!(by(6, None), None, "one second of it may be this clock's");
        assert_eq!(by(7, None), secs(6));
        assert_eq!(by(-100_000, None), None, "it may have waited");
        assert_eq!((by(-100_000, secs(5)), by(-100_000, secs(9))), (None, secs(9)));
        assert_eq!(by(i64::from(i32::MAX), None), secs(2_147_483_646));
    }
}
