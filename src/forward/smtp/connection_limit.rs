//! [`ConnectionLimit`]: decides how many connections are worth having. It has no socket and no clock.

use std::time::Duration;

use tokio::time::Instant;

/// An adaptive limit: finds the number of connections beyond which more do not increase the throughput.
///
/// While there is more to send than the connections carry, it measures the throughput, allows more connections, and keeps them if the
/// throughput grows. Otherwise it goes back, and tries again much later. At first it doubles the number; after the first doubling that
/// did not help, it adds one at a time. When the peer asks for less load, it halves the number.
#[derive(Debug)]
pub(super) struct ConnectionLimit {
    max: usize,
    allowed: usize,
    measurement: Measurement,
    /// The number of connections before more were tried, and the throughput then, in KiB per second.
    before: Option<(usize, f64)>,
    /// Whether each doubling so far has helped.
    doubling: bool,
    /// The number of measurements to skip before another connection is tried.
    rest: u32,
}

/// The counts since a measurement began.
#[derive(Debug)]
struct Measurement {
    began: Instant,
    bytes: u64,
    messages: u32,
    wanted_more: bool,
}

impl ConnectionLimit {
    /// A limit of at most `max` connections, and at least one.
    pub(super) fn new(max: usize, now: Instant) -> Self {
        let max = max.max(1);
        Self {
            max,
            allowed: max.min(FIRST_WITH_COPIES),
            measurement: Measurement::new(now),
            before: None,
            doubling: true,
            rest: 0,
        }
    }

    /// Handles that the peer stores each message once: a crash of this process with many under way then leaves no copies.
    pub(super) fn handle_once(&mut self) {
        if self.before.is_none() && self.doubling {
            self.allowed = self.allowed.max(self.max.min(FIRST));
        }
    }

    /// The most connections that there may ever be.
    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// How many connections may be in use now.
    pub(super) fn allowed(&self) -> usize {
        self.allowed
    }

    /// Handles that a message had to share a connection, because no more are allowed.
    pub(super) fn handle_shortage(&mut self) {
        self.measurement.wanted_more = true;
    }

    /// Handles that a message of this size was accepted.
    pub(super) fn handle_arrival(&mut self, bytes: usize, now: Instant) {
        self.measurement.bytes = self.measurement.bytes.saturating_add(bytes as u64);
        self.measurement.messages += 1;
        let took = now.saturating_duration_since(self.measurement.began);
        if took >= MEASUREMENT_TIME && self.measurement.messages >= MEASUREMENT_MESSAGES {
            let measurement = std::mem::replace(&mut self.measurement, Measurement::new(now));
            self.judge(&measurement, took);
        }
    }

    /// Handles that the peer asked for less load: it has no space, or closes connections.
    pub(super) fn handle_push_back(&mut self, now: Instant) {
        self.allowed = (self.allowed / 2).max(1);
        (self.before, self.doubling) = (None, false);
        (self.rest, self.measurement) = (REST_AFTER_PUSH_BACK, Measurement::new(now));
    }

    fn judge(&mut self, measurement: &Measurement, took: Duration) {
        if took > TOO_LONG || !measurement.wanted_more {
            // The throughput says nothing about the connections: there was too little to send.
            self.before = None;
            return;
        }
        let kib = u32::try_from(measurement.bytes / 1024).unwrap_or(u32::MAX);
        let rate = f64::from(kib) / took.as_secs_f64();
        if let Some((allowed, before)) = self.before.take()
            && rate < before * if self.doubling { WORTH_DOUBLING } else { WORTH_IT }
        {
            self.rest = if self.doubling { 0 } else { REST };
            (self.allowed, self.doubling) = (allowed, false);
        } else if self.rest > 0 {
            self.rest -= 1;
        } else if self.allowed < self.max {
            self.before = Some((self.allowed, rate));
            self.allowed = if self.doubling { (self.allowed * 2).min(self.max) } else { self.allowed + 1 };
        }
    }
}

impl Measurement {
    fn new(began: Instant) -> Self {
        Self { began, bytes: 0, messages: 0, wanted_more: false }
    }
}

/// The number of connections at the beginning, to a peer that stores each message once.
const FIRST: usize = 4;
/// The same to any other peer: a message that is under way when this process is killed may be stored twice there.
const FIRST_WITH_COPIES: usize = 2;
/// The shortest time of a measurement, and the fewest messages in it.
const MEASUREMENT_TIME: Duration = Duration::from_millis(200);
const MEASUREMENT_MESSAGES: u32 = 32;
/// A measurement that took longer than this contains pauses, and is discarded.
const TOO_LONG: Duration = Duration::from_secs(30);
/// By how much the throughput must grow for one more connection to be kept.
const WORTH_IT: f64 = 1.03;
/// By how much the throughput must grow for twice as many connections to be kept.
const WORTH_DOUBLING: f64 = 1.6;
const REST: u32 = 20;
const REST_AFTER_PUSH_BACK: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends for `seconds` to a peer that accepts `rate(connections)` messages of 100 kB a second; returns how many connections are allowed
    /// then.
    fn send(limit: &mut ConnectionLimit, now: &mut Instant, seconds: u64, rate: impl Fn(u32) -> u32) -> usize {
        let end = *now + Duration::from_secs(seconds);
        while *now < end {
            limit.handle_shortage();
            *now += Duration::from_secs(1) / rate(u32::try_from(limit.allowed()).unwrap());
            limit.handle_arrival(100_000, *now);
        }
        limit.allowed()
    }

    #[test]
    fn connections_grow_while_they_help_and_hardly_beyond() {
        for best in [1u32, 3, 6, 11] {
            let (mut now, mut limit) = (Instant::now(), ConnectionLimit::new(16, Instant::now()));
            let allowed = send(&mut limit, &mut now, 120, |connections| 300 * connections.min(best));
            assert!((best as usize..=(best as usize).max(FIRST) + 1).contains(&allowed), "{allowed} where {best} are best");
        }
    }

    #[test]
    fn never_more_than_the_most() {
        let (mut now, mut limit) = (Instant::now(), ConnectionLimit::new(5, Instant::now()));
        assert_eq!(send(&mut limit, &mut now, 60, |connections| 100 * connections), 5);
        assert_eq!(ConnectionLimit::new(0, now).allowed(), 1);
    }

    #[test]
    fn a_peer_that_asks_for_less_gets_half_and_later_more_again() {
        let (mut now, mut limit) = (Instant::now(), ConnectionLimit::new(16, Instant::now()));
        let linear = |connections: u32| 300 * connections;
        assert_eq!(send(&mut limit, &mut now, 60, linear), 16);
        limit.handle_push_back(now);
        limit.handle_push_back(now);
        assert_eq!(limit.allowed(), 4);
        assert_eq!(send(&mut limit, &mut now, 60, linear), 16);
    }

    #[test]
    fn rare_messages_change_nothing() {
        let (mut now, mut limit) = (Instant::now(), ConnectionLimit::new(16, Instant::now()));
        for _ in 0..1000 {
            now += Duration::from_secs(1);
            limit.handle_arrival(100_000, now);
        }
        assert_eq!(limit.allowed(), FIRST_WITH_COPIES);
        limit.handle_once();
        assert_eq!(limit.allowed(), FIRST);
    }
}
