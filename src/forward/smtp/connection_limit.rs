//! [`ConnectionLimit`]: how many connections are worth having. Decides; does nothing.

use std::time::Duration;

use tokio::time::Instant;

/// Finds the number of connections beyond which more bring nothing.
///
/// While there is more to send than the connections take, it counts what arrives in a while, tries more connections, and keeps them
/// if more arrives; else it goes back and tries again much later. It begins with twice as many at a time, and once that was too
/// much goes on by one. A peer that asks for less is given half.
#[derive(Debug)]
pub(super) struct ConnectionLimit {
    max: usize,
    allowed: usize,
    measurement: Measurement,
    /// How many there were before more were tried, and what arrived in a second then.
    before: Option<(usize, f64)>,
    /// Whether twice as many were not too much yet.
    doubling: bool,
    /// Whiles to pass before another is tried.
    rest: u32,
}

/// What happened since a while began.
#[derive(Debug)]
struct Measurement {
    began: Instant,
    bytes: u64,
    messages: u32,
    wanted_more: bool,
}

impl ConnectionLimit {
    /// At most `most` connections, which is at least one.
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

    /// The peer keeps a message once, so that a crash of this process with many under way costs nothing.
    pub(super) fn handle_once(&mut self) {
        if self.before.is_none() && self.doubling {
            self.allowed = self.allowed.max(self.max.min(FIRST));
        }
    }

    /// How many connections there may ever be.
    pub(super) fn most(&self) -> usize {
        self.max
    }

    /// How many connections may be in use now.
    pub(super) fn allowed(&self) -> usize {
        self.allowed
    }

    /// A message would have had a connection to itself, if more were allowed.
    pub(super) fn handle_shortage(&mut self) {
        self.measurement.wanted_more = true;
    }

    /// A message of so many bytes has arrived.
    pub(super) fn handle_arrival(&mut self, bytes: usize, now: Instant) {
        self.measurement.bytes = self.measurement.bytes.saturating_add(bytes as u64);
        self.measurement.messages += 1;
        let took = now.saturating_duration_since(self.measurement.began);
        if took >= MEASUREMENT_TIME && self.measurement.messages >= MEASUREMENT_MESSAGES {
            let measurement = std::mem::replace(&mut self.measurement, Measurement::new(now));
            self.judge(&measurement, took);
        }
    }

    /// The peer asked for less: it is out of room, or closes connections.
    pub(super) fn handle_push_back(&mut self, now: Instant) {
        self.allowed = (self.allowed / 2).max(1);
        (self.before, self.doubling) = (None, false);
        (self.rest, self.measurement) = (REST_AFTER_PUSH_BACK, Measurement::new(now));
    }

    fn judge(&mut self, measurement: &Measurement, took: Duration) {
        if took > TOO_LONG || !measurement.wanted_more {
            // It says nothing of the connections: there was too little to send.
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

/// Connections at the beginning, to a peer that keeps a message once.
const FIRST: usize = 4;
/// The same to any other: a message that is under way when this process is killed may come twice there.
const FIRST_WITH_COPIES: usize = 2;
/// How long is counted, at least; and for how many messages.
const MEASUREMENT_TIME: Duration = Duration::from_millis(200);
const MEASUREMENT_MESSAGES: u32 = 32;
/// In a while as long as this there were pauses.
const TOO_LONG: Duration = Duration::from_secs(30);
/// How much more must arrive for a connection to be kept.
const WORTH_IT: f64 = 1.03;
/// How much more must arrive over twice as many.
const WORTH_DOUBLING: f64 = 1.6;
const REST: u32 = 20;
const REST_AFTER_PUSH_BACK: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends for `seconds` to a peer that takes `rate(connections)` messages of 100 kB a second; answers how many are allowed then.
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
    fn as_many_connections_as_bring_more_are_used_and_hardly_one_beyond() {
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
    fn what_comes_now_and_then_tells_nothing() {
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
