//! [`Destinations`]: which destination may have another run, which fails, and when a failing one is probed. A state machine without I/O.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::retry::{Backoff, RetrySchedule};

/// The name of a destination, and the step that it belongs to by its place in the order of the steps.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct DestinationId {
    pub step: usize,
    pub name: Arc<str>,
}

/// The destinations that have runs or have failed.
///
/// A destination that fails has one run at a time, the *probe*, at times that a [`Backoff`] gives. When a run succeeds, the destination has as many runs at once as
/// before. Failures of other runs that began before count as one failure.
#[derive(Debug)]
pub(super) struct Destinations {
    destinations: HashMap<DestinationId, Destination>,
    backoff: Backoff,
}

#[derive(Debug, Default)]
struct Destination {
    /// When each run began.
    runs: Vec<Instant>,
    failing: Option<Failing>,
    /// Whether jobs in the store may wait for the destination.
    has_jobs: bool,
}

#[derive(Debug)]
struct Failing {
    since: Instant,
    schedule: RetrySchedule,
    probe_at: Instant,
    probing: bool,
    /// When a job in the store is next made due for the probe.
    release_at: Instant,
}

/// Whether a run may begin. These are all the cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It may, as the probe of a destination that fails or not.
    Run { probe: bool },
    /// The destination has as many runs as it may have.
    Busy,
    /// The destination fails, or its runs take long.
    Blocked,
}

/// How a run ended, as far as its destination is concerned. These are all the cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DestinationOutcome {
    /// The destination works.
    Works,
    /// The destination fails, and is not tried again before this wait is over.
    Fails(Duration),
    /// The run was given up by this node: it says nothing about the destination.
    Unknown,
}

impl Destinations {
    pub(super) fn new(backoff: Backoff) -> Self {
        Self { destinations: HashMap::new(), backoff }
    }

    /// Whether another run may begin in the destination.
    pub(super) fn check(&self, id: &DestinationId, now: Instant) -> Admission {
        let Some(destination) = self.destinations.get(id) else { return Admission::Run { probe: false } };
        match &destination.failing {
            Some(failing) if failing.probing || failing.probe_at > now => Admission::Blocked,
            Some(_) => Admission::Run { probe: true },
            None if destination.runs.len() < MAX_RUNS => Admission::Run { probe: false },
            None if destination.runs.iter().all(|begun| now.saturating_duration_since(*begun) >= LONG) => Admission::Blocked,
            None => Admission::Busy,
        }
    }

    /// Returns for how long this node has seen the destination fail.
    pub(super) fn failing_for(&self, id: &DestinationId, now: Instant) -> Duration {
        let failing = self.destinations.get(id).and_then(|destination| destination.failing.as_ref());
        failing.map_or(Duration::ZERO, |failing| now.saturating_duration_since(failing.since))
    }

    /// Handles a run that began at `now`.
    pub(super) fn handle_begun(&mut self, id: &DestinationId, probe: bool, now: Instant) {
        let destination = self.destinations.entry(id.clone()).or_default();
        destination.runs.push(now);
        if let Some(failing) = destination.failing.as_mut().filter(|_| probe) {
            failing.probing = true;
        }
    }

    /// Handles the end of a run that began at `begun`.
    pub(super) fn handle_ended(
        &mut self,
        id: &DestinationId,
        (probe, begun): (bool, Instant),
        outcome: DestinationOutcome,
        (now, jitter): (Instant, f64),
    ) {
        let may_remember =
            self.destinations.values().filter(|destination| destination.failing.is_some()).take(MAX_FAILING).count()
                < MAX_FAILING;
        let Some(destination) = self.destinations.get_mut(id) else { return };
        if let Some(at) = destination.runs.iter().position(|run| *run == begun) {
            destination.runs.swap_remove(at);
        }
        match (outcome, &mut destination.failing) {
            (DestinationOutcome::Works, failing) => *failing = None,
            (DestinationOutcome::Unknown, Some(failing)) => failing.probing &= !probe,
            (DestinationOutcome::Fails(wait), Some(failing)) => {
                if probe {
                    failing.probing = false;
                    failing.probe_at = failing.schedule.handle_failure(now, jitter);
                }
                failing.probe_at = failing.probe_at.max(now + wait);
                failing.release_at = failing.probe_at;
            }
            (DestinationOutcome::Fails(wait), failing @ None) if may_remember => {
                let mut schedule = RetrySchedule::new(self.backoff);
                let probe_at = schedule.handle_failure(now, jitter).max(now + wait);
                *failing = Some(Failing { since: now, schedule, probe_at, probing: false, release_at: probe_at });
            }
            (DestinationOutcome::Unknown | DestinationOutcome::Fails(_), None) => {}
        }
        self.forget_idle(id);
    }

    /// Handles a job that waits in the store for the destination.
    pub(super) fn handle_held(&mut self, id: &DestinationId) {
        self.destinations.entry(id.clone()).or_default().has_jobs = true;
    }

    /// Returns the destinations of which jobs are to be made due, and how many of each: for a destination that works, as many as it has room for; for one whose
    /// probe is due, one.
    pub(super) fn poll_releases(&mut self, now: Instant) -> Vec<(DestinationId, usize)> {
        let mut releases = Vec::new();
        for (id, destination) in &mut self.destinations {
            match &mut destination.failing {
                Some(failing) if !failing.probing && failing.probe_at <= now && failing.release_at <= now => {
                    failing.release_at = now + RELEASE_AGAIN;
                    destination.has_jobs = false;
                    releases.push((id.clone(), 1));
                }
                None if destination.has_jobs && destination.runs.is_empty() => {
                    destination.has_jobs = false;
                    releases.push((id.clone(), RELEASED_AT_ONCE));
                }
                _ => {}
            }
        }
        releases
    }

    /// Handles the answer of the store: how many jobs were made due, of those that it was asked for. If it had as many, it may have more, whatever has become
    /// of the destination meanwhile.
    pub(super) fn handle_released(&mut self, id: &DestinationId, asked: usize, released: usize) {
        if released == asked {
            self.handle_held(id);
        }
        self.forget_idle(id);
    }

    /// Forgets destinations that have failed, and that nothing waits for.
    pub(super) fn forget_old(&mut self, now: Instant) {
        let long = self.backoff.max() * 3;
        self.destinations.retain(|_, destination| {
            let old = destination.failing.as_ref().is_some_and(|failing| failing.probe_at + long <= now);
            !(old && destination.runs.is_empty() && !destination.has_jobs)
        });
    }

    /// Returns how many destinations are remembered.
    pub(super) fn len(&self) -> usize {
        self.destinations.len()
    }

    fn forget_idle(&mut self, id: &DestinationId) {
        if self
            .destinations
            .get(id)
            .is_some_and(|destination| destination.runs.is_empty() && destination.failing.is_none() && !destination.has_jobs)
        {
            self.destinations.remove(id);
        }
    }
}

/// How many runs a destination may have at once.
const MAX_RUNS: usize = 2;
/// When all runs of a destination have taken this long, nothing waits for them in memory.
const LONG: Duration = Duration::from_secs(5);
/// How many destinations are remembered as failing. In more destinations, each job waits by itself.
const MAX_FAILING: usize = 1024;
/// How long to wait for a job that was made due for a probe, before another one is: another node may have the first one.
const RELEASE_AGAIN: Duration = Duration::from_secs(5);
/// How many jobs of a destination that works are made due at once.
const RELEASED_AT_ONCE: usize = MAX_RUNS;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn destinations() -> (Destinations, DestinationId) {
        let backoff = Backoff::new(SECOND, 60 * SECOND).unwrap();
        (Destinations::new(backoff), DestinationId { step: 0, name: "mx.example".into() })
    }

    #[test]
    fn a_failing_destination_is_probed_by_one_run_at_a_time() {
        let ((mut destinations, id), start) = (destinations(), Instant::now());
        for _ in 0..2 {
            assert_eq!(destinations.check(&id, start), Admission::Run { probe: false });
            destinations.handle_begun(&id, false, start);
        }
        assert_eq!(destinations.check(&id, start), Admission::Busy);
        assert_eq!(destinations.check(&id, start + LONG), Admission::Blocked);
        for _ in 0..2 {
            destinations.handle_ended(&id, (false, start), DestinationOutcome::Fails(Duration::ZERO), (start, 0.0));
        }
        assert_eq!(destinations.check(&id, start), Admission::Blocked, "both count as one failure");
        let due = start + SECOND;
        assert_eq!(destinations.check(&id, due), Admission::Run { probe: true });
        assert_eq!(destinations.failing_for(&id, due), due - start);
        destinations.handle_begun(&id, true, due);
        assert_eq!(destinations.check(&id, due), Admission::Blocked);
        destinations.handle_ended(&id, (true, due), DestinationOutcome::Fails(Duration::ZERO), (due, 0.0));
        assert_eq!(destinations.check(&id, due + SECOND), Admission::Blocked, "the second wait is longer");
        let due = due + 2 * SECOND;
        destinations.handle_begun(&id, true, due);
        destinations.handle_ended(&id, (true, due), DestinationOutcome::Works, (due, 0.0));
        assert_eq!(destinations.check(&id, due), Admission::Run { probe: false });
        assert_eq!(destinations.len(), 0);
    }

    #[test]
    fn a_failing_destination_is_remembered_while_jobs_wait_for_it() {
        let ((mut destinations, id), start) = (destinations(), Instant::now());
        destinations.handle_begun(&id, false, start);
        destinations.handle_ended(&id, (false, start), DestinationOutcome::Fails(Duration::ZERO), (start, 0.0));
        destinations.handle_held(&id);
        let late = start + 1000 * SECOND;
        destinations.forget_old(late);
        assert_eq!(destinations.poll_releases(late), [(id.clone(), 1)], "a probe");
        destinations.handle_released(&id, 1, 0);
        destinations.forget_old(late);
        assert_eq!(destinations.len(), 0, "another node has done the jobs");
    }

    #[test]
    fn jobs_follow_though_their_destination_was_forgotten() {
        for outcome in [DestinationOutcome::Works, DestinationOutcome::Fails(Duration::ZERO)] {
            let ((mut destinations, id), start) = (destinations(), Instant::now());
            destinations.handle_held(&id);
            assert_eq!(destinations.poll_releases(start), [(id.clone(), RELEASED_AT_ONCE)]);
            // A job that was made due runs and ends before the store has answered.
            destinations.handle_begun(&id, false, start);
            destinations.handle_ended(&id, (false, start), outcome, (start, 0.0));
            destinations.handle_released(&id, RELEASED_AT_ONCE, RELEASED_AT_ONCE);
            let due = start + SECOND;
            if outcome != DestinationOutcome::Works {
                assert_eq!(destinations.poll_releases(due), [(id.clone(), 1)], "the probe");
                destinations.handle_released(&id, 1, 1);
                destinations.handle_begun(&id, true, due);
                destinations.handle_ended(&id, (true, due), DestinationOutcome::Works, (due, 0.0));
            }
            assert_eq!(destinations.poll_releases(due), [(id.clone(), RELEASED_AT_ONCE)], "{outcome:?}");
            destinations.handle_released(&id, RELEASED_AT_ONCE, 1);
            assert_eq!((destinations.poll_releases(due), destinations.len()), (vec![], 0));
        }
    }

    #[test]
    fn jobs_follow_when_their_destination_works_again() {
        let ((mut destinations, id), start) = (destinations(), Instant::now());
        destinations.handle_begun(&id, false, start);
        destinations.handle_ended(&id, (false, start), DestinationOutcome::Fails(Duration::ZERO), (start, 0.0));
        destinations.handle_held(&id);
        assert_eq!(destinations.poll_releases(start), []);
        let due = start + SECOND;
        assert_eq!(destinations.poll_releases(due), [(id.clone(), 1)], "one for the probe");
        destinations.handle_released(&id, 1, 1);
        assert_eq!(destinations.poll_releases(due), []);
        destinations.handle_begun(&id, true, due);
        destinations.handle_ended(&id, (true, due), DestinationOutcome::Works, (due, 0.0));
        assert_eq!(destinations.poll_releases(due), [(id.clone(), RELEASED_AT_ONCE)]);
        destinations.handle_released(&id, RELEASED_AT_ONCE, RELEASED_AT_ONCE);
        assert_eq!(destinations.poll_releases(due), [(id.clone(), RELEASED_AT_ONCE)], "there may be more");
        destinations.handle_released(&id, RELEASED_AT_ONCE, 1);
        assert_eq!((destinations.poll_releases(due), destinations.len()), (Vec::new(), 0));
    }

    #[test]
    fn a_destination_is_not_probed_before_its_server_asked_for_it() {
        let ((mut destinations, id), start) = (destinations(), Instant::now());
        destinations.handle_begun(&id, false, start);
        destinations.handle_ended(&id, (false, start), DestinationOutcome::Fails(600 * SECOND), (start, 0.0));
        assert_eq!(destinations.check(&id, start + 599 * SECOND), Admission::Blocked);
        assert_eq!(destinations.check(&id, start + 600 * SECOND), Admission::Run { probe: true });
    }

    #[test]
    fn any_number_of_failing_destinations_takes_bounded_memory() {
        let ((mut destinations, _), start) = (destinations(), Instant::now());
        for number in 0..100_000 {
            let id = DestinationId { step: 0, name: format!("{number}").into() };
            destinations.handle_begun(&id, false, start);
            destinations.handle_ended(&id, (false, start), DestinationOutcome::Fails(Duration::ZERO), (start, 0.0));
        }
        assert_eq!(destinations.len(), MAX_FAILING);
        destinations.forget_old(start + 3600 * SECOND);
        assert_eq!(destinations.len(), 0);
    }
}
