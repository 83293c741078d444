//! [`Load`]: how many requests are under way to each end point, and which end points fail.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How many requests are under way to each end point, and until when an end point that has failed is left alone.
#[derive(Debug, Default)]
pub(super) struct Load {
    end_points: HashMap<String, State>,
}

#[derive(Debug, Default)]
struct State {
    under_way: usize,
    failing_until: Option<Instant>,
}

impl Load {
    /// Begins a request to an end point; or returns how long it must wait.
    pub(super) fn begin(&mut self, end_point: &str, now: Instant) -> Result<(), Duration> {
        let state = self.end_points.entry(end_point.to_owned()).or_default();
        if let Some(until) = state.failing_until.filter(|until| *until > now) {
            return Err(until - now);
        }
        if state.under_way >= AT_ONCE {
            return Err(FULL_WAIT);
        }
        state.under_way += 1;
        Ok(())
    }

    /// Handles the end of a request; a failure says when the request is tried again.
    pub(super) fn handle_ended(&mut self, end_point: &str, failed: Option<Duration>, now: Instant) {
        let Some(state) = self.end_points.get_mut(end_point) else { return };
        state.under_way = state.under_way.saturating_sub(1);
        state.failing_until = failed.map(|wait| now + wait.min(LEFT_ALONE));
        if state.under_way == 0 && state.failing_until.is_none() {
            self.end_points.remove(end_point);
        }
    }
}

/// How many requests are under way to one end point at most.
const AT_ONCE: usize = 4;
const FULL_WAIT: Duration = Duration::from_secs(1);
/// How long an end point that has failed gets no request.
const LEFT_ALONE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_requests_are_under_way_to_one_end_point() {
        let (mut load, now) = (Load::default(), Instant::now());
        for _ in 0..4 {
            assert_eq!(load.begin("a", now), Ok(()));
        }
        assert_eq!((load.begin("a", now), load.begin("b", now)), (Err(FULL_WAIT), Ok(())));
        load.handle_ended("a", None, now);
        assert_eq!(load.begin("a", now), Ok(()));
    }

    #[test]
    fn an_end_point_that_fails_is_left_alone_for_a_minute() {
        let (mut load, now) = (Load::default(), Instant::now());
        load.begin("a", now).unwrap();
        load.handle_ended("a", Some(Duration::from_secs(3600)), now);
        assert_eq!(load.begin("a", now + Duration::from_secs(20)), Err(Duration::from_secs(40)));
        assert_eq!(load.begin("b", now), Ok(()));
        assert_eq!(load.begin("a", now + Duration::from_secs(60)), Ok(()));
        load.handle_ended("a", None, now);
        load.handle_ended("b", None, now);
        assert!(load.end_points.is_empty());
    }
}
