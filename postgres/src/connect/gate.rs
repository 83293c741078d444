//! [`Gate`]: decides who may try to connect while the database is away.

use std::time::{Duration, Instant};

/// Decides who may try to connect. While the database answers, everybody may; after a failure, one at a time, with a pause before each try. So a
/// database that returns is met by one connection first, and not by those of all callers at once.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    failed: Option<Failed>,
}

#[derive(Debug, Clone, Copy)]
struct Failed {
    next_try: Instant,
    trying: bool,
}

/// The answer of a [`Gate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// The caller connects, and reports what came of it.
    Try,
    /// The database was away a moment ago: the caller gives up at once.
    GiveUp,
}

impl Gate {
    /// Decides for a caller that wants to connect at `now`.
    pub(crate) fn poll_admission(&mut self, now: Instant) -> Admission {
        match &mut self.failed {
            None => Admission::Try,
            Some(failed) if !failed.trying && now >= failed.next_try => {
                failed.trying = true;
                Admission::Try
            }
            Some(_) => Admission::GiveUp,
        }
    }

    /// A connection was made.
    pub(crate) fn handle_success(&mut self) {
        self.failed = None;
    }

    /// No connection could be made.
    pub(crate) fn handle_failure(&mut self, now: Instant) {
        self.failed = Some(Failed { next_try: now + PAUSE, trying: false });
    }

    /// A try was given up before it ended, as when its caller hung up.
    pub(crate) fn handle_abandoned(&mut self) {
        if let Some(failed) = &mut self.failed {
            failed.trying = false;
        }
    }
}

/// The pause after a failure. A quarter of a second finds a database again well within two seconds of its return.
const PAUSE: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_the_database_answers_everybody_may_connect() {
        let (mut gate, now) = (Gate::default(), Instant::now());
        for _ in 0..16 {
            assert_eq!(gate.poll_admission(now), Admission::Try);
        }
    }

    #[test]
    fn after_a_failure_one_caller_tries_at_a_time() {
        let (mut gate, start) = (Gate::default(), Instant::now());
        gate.handle_failure(start);
        assert_eq!(gate.poll_admission(start), Admission::GiveUp);
        let later = start + PAUSE;
        assert_eq!(gate.poll_admission(later), Admission::Try);
        assert_eq!(gate.poll_admission(later), Admission::GiveUp);
        gate.handle_success();
        assert_eq!(gate.poll_admission(later), Admission::Try);
        assert_eq!(gate.poll_admission(later), Admission::Try);
    }

    #[test]
    fn a_try_that_was_abandoned_is_left_to_the_next_caller() {
        let (mut gate, start) = (Gate::default(), Instant::now());
        gate.handle_failure(start);
        assert_eq!(gate.poll_admission(start + PAUSE), Admission::Try);
        gate.handle_abandoned();
        assert_eq!(gate.poll_admission(start + PAUSE), Admission::Try);
    }
}
