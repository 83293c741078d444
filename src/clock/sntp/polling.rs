//! [`Polling`]: the schedule by which a time server is polled. It decides only, and polls nothing.

use std::time::{Duration, Instant};

/// The schedule by which one time server is polled.
///
/// At the start the server is polled four times in six seconds, and then every 64 s. A server that does not answer is polled again after 4 s,
/// and after twice as long each time. A server that answers RATE is polled half as often from then on, or at the interval that it
/// names if that is longer. No two polls are less than 2 s apart.
///
/// # Source
///
/// RFC 5905 §7.4 for RATE and DENY; RFC 4330 §10 for polling a silent server ever less often. Its 15 s between two polls hold but for the
/// start and the first repetitions, which are those of ntpd's `iburst`: 2 s and more.
#[derive(Debug)]
pub(super) struct Polling {
    /// `None` when the server is never polled again.
    due: Option<Instant>,
    /// No poll may be made before this moment.
    not_before: Instant,
    interval: Duration,
    /// How many polls of the quick start are left.
    first: u32,
    failures: u32,
}

impl Polling {
    pub(super) fn new(now: Instant) -> Self {
        Self { due: Some(now), not_before: now, interval: INTERVAL, first: FIRST, failures: 0 }
    }

    /// Returns when the server is polled next; `None` for never.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Returns the earliest moment of a poll, for a caller that does not wait until the server is due; `None` if it may not be polled.
    pub(super) fn earliest(&self) -> Option<Instant> {
        if self.interval > INTERVAL { self.due } else { self.due.map(|_| self.not_before) }
    }

    /// Returns the time between two polls while the server answers.
    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    /// Takes the next poll for a caller, which makes it at the moment returned, `now` or later.
    pub(super) fn handle_poll(&mut self, now: Instant) -> Instant {
        let at = now.max(self.not_before);
        self.not_before = at + GAP;
        // A caller that is dropped reports no result.
        self.due = self.due.map(|due| due.max(self.not_before));
        at
    }

    /// The server has answered with its time.
    pub(super) fn handle_answer(&mut self, now: Instant) {
        self.failures = 0;
        self.first = self.first.saturating_sub(1);
        let pause = if self.first > 0 && self.interval == INTERVAL { GAP } else { self.interval };
        self.wait(now, pause);
    }

    /// The server has not answered, or not with its time.
    pub(super) fn handle_failure(&mut self, now: Instant) {
        let pause = FIRST_PAUSE * 2_u32.pow(self.failures.min(MAX_DOUBLINGS));
        self.failures = self.failures.saturating_add(1);
        self.wait(now, if self.interval > INTERVAL { pause.max(self.interval) } else { pause });
    }

    /// The server has asked to be polled less often: at the interval that it names, or less often.
    pub(super) fn handle_rate(&mut self, named: Duration, now: Instant) {
        self.first = 0;
        self.interval = (self.interval * 2).max(named).min(LONGEST);
        self.wait(now, self.interval);
    }

    /// The server has denied access.
    pub(super) fn handle_denied(&mut self) {
        self.due = None;
    }

    fn wait(&mut self, now: Instant, pause: Duration) {
        self.due = self.due.map(|_| self.not_before.max(now + pause));
    }
}

/// The least time between two polls of one server.
pub(super) const GAP: Duration = Duration::from_secs(2);
/// The time between two polls of a server that answers.
pub(super) const INTERVAL: Duration = Duration::from_secs(64);
/// The longest interval, of RFC 5905 §7.2: 2^17 s.
const LONGEST: Duration = Duration::from_secs(1 << 17);
const FIRST: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_secs(4);
/// 4 seconds, doubled 10 times, are 68 minutes.
const MAX_DOUBLINGS: u32 = 10;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The result of one poll.
    #[derive(Debug, Clone, Copy)]
    enum PollResult {
        Time,
        Nothing,
        Rate(Duration),
        /// The caller was dropped.
        Dropped,
    }

    fn answers() -> impl Strategy<Value = PollResult> {
        prop_oneof![
            3 => Just(PollResult::Time),
            2 => Just(PollResult::Nothing),
            1 => (0..20_u32).prop_map(|power| PollResult::Rate(Duration::from_secs(1 << power))),
            1 => Just(PollResult::Dropped),
        ]
    }

    fn handle(polling: &mut Polling, answer: PollResult, now: Instant) {
        match answer {
            PollResult::Time => polling.handle_answer(now),
            PollResult::Nothing => polling.handle_failure(now),
            PollResult::Rate(named) => polling.handle_rate(named, now),
            PollResult::Dropped => {}
        }
    }

    #[test]
    fn a_server_is_polled_four_times_and_then_every_64_s() {
        let start = Instant::now();
        let mut polling = Polling::new(start);
        let mut polled = Vec::new();
        for _ in 0..6 {
            let at = polling.handle_poll(polling.poll_timeout().unwrap());
            polled.push((at - start).as_secs());
            polling.handle_answer(at);
        }
        assert_eq!(polled, [0, 2, 4, 6, 70, 134]);
    }

    #[test]
    fn a_silent_server_is_polled_ever_less_often() {
        let start = Instant::now();
        let mut polling = Polling::new(start);
        let mut now = start;
        let pauses = (0..13).map(|_| {
            let at = polling.handle_poll(now);
            polling.handle_failure(at);
            now = polling.poll_timeout().unwrap();
            (now - at).as_secs()
        });
        let pauses: Vec<_> = pauses.collect();
        assert_eq!((pauses[0], pauses[1], pauses[10], pauses[12]), (4, 8, 4096, 4096));
    }

    #[test]
    fn each_rate_at_least_doubles_the_interval_for_good() {
        let start = Instant::now();
        let mut polling = Polling::new(start);
        for (named, interval) in [(8, 128), (8, 256), (1024, 1024), (8, 2048)] {
            let at = polling.handle_poll(polling.poll_timeout().unwrap());
            polling.handle_rate(Duration::from_secs(named), at);
            assert_eq!(polling.poll_timeout(), Some(at + Duration::from_secs(interval)));
            assert_eq!(polling.earliest(), polling.poll_timeout(), "nobody may poll it before");
        }
        let at = polling.handle_poll(polling.poll_timeout().unwrap());
        polling.handle_answer(at);
        assert_eq!(polling.poll_timeout(), Some(at + Duration::from_secs(2048)), "an answer does not undo it");
        let at = polling.handle_poll(polling.poll_timeout().unwrap());
        polling.handle_failure(at);
        assert_eq!(polling.poll_timeout(), Some(at + Duration::from_secs(2048)), "nor does silence");
        polling.handle_denied();
        assert_eq!((polling.poll_timeout(), polling.earliest()), (None, None));
    }

    proptest! {
        #[test]
        fn no_two_polls_are_less_than_2_s_apart(
            steps in proptest::collection::vec((answers(), 0..3000_u64, any::<bool>()), 1..60)
        ) {
            let mut now = Instant::now();
            let mut polling = Polling::new(now);
            let (mut last, mut interval) = (None::<Instant>, INTERVAL);
            for (answer, millis, waits) in steps {
                // A caller that waits until it is due, or one that asks at any moment.
                now = if waits { now.max(polling.poll_timeout().unwrap()) } else { now.max(polling.earliest().unwrap()) };
                let at = polling.handle_poll(now);
                prop_assert!(at >= now);
                if let Some(last) = last {
                    prop_assert!(at - last >= GAP);
                }
                now = at + Duration::from_millis(millis);
                handle(&mut polling, answer, now);
                if let PollResult::Rate(_) = answer {
                    prop_assert!(polling.interval >= (interval * 2).min(LONGEST));
                    interval = polling.interval;
                }
                last = Some(at);
            }
        }
    }
}
