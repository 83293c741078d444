//! [`Discipline`]: the time of day from measurements and the monotonic clock. It decides only, and queries no server.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

use super::packet::Reply;
use crate::clock::Reading;
use crate::message::{ClockQuality, ClockSource};

/// One exchange with a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    /// The middle of the exchange, by this machine's monotonic clock.
    pub at: Instant,
    /// The time of day then, by the server.
    pub utc: DateTime<Utc>,
    /// How long the exchange took, without the time that the server took.
    pub delay: Duration,
    /// How far the server may be off, by its own estimate.
    pub root_distance: Duration,
}

impl Sample {
    /// Returns the sample of a request that was sent at `sent`, and of its reply that came at `received`; `None` when the server claims to have
    /// taken longer than the whole exchange.
    pub(super) fn of(sent: Instant, reply: &Reply, received: Instant) -> Option<Self> {
        let all = received.checked_duration_since(sent)?;
        let served = (reply.sent - reply.received).to_std().ok()?;
        let delay = all.checked_sub(served)?;
        let utc = reply.received + TimeDelta::from_std(served / 2).ok()?;
        Some(Self { at: sent + all / 2, utc, delay, root_distance: reply.root_distance })
    }

    /// Returns how far the sample may be from the true time.
    pub(super) fn uncertainty(&self) -> Duration {
        self.delay / 2 + self.root_distance
    }

    /// Returns the time of day at `at` by this sample.
    fn at(&self, at: Instant) -> DateTime<Utc> {
        match at.checked_duration_since(self.at) {
            Some(since) => self.utc + delta(since),
            None => self.utc - delta(self.at - at),
        }
    }

    /// Returns whether both samples can be right.
    fn agrees(&self, other: &Self) -> bool {
        let apart = (self.at(self.at) - other.at(self.at)).abs();
        apart <= delta(self.uncertainty() + other.uncertainty() + SLACK)
    }
}

/// Returns the best of one server's samples at `now`: the least uncertain one, where age adds to the uncertainty. Samples that are too old do not
/// count.
pub(super) fn freshest<'a>(samples: impl IntoIterator<Item = &'a Sample>, now: Instant) -> Option<Sample> {
    let age = |sample: &Sample| now.saturating_duration_since(sample.at);
    let young = samples.into_iter().filter(|sample| age(sample) <= SAMPLE_LIFE);
    young.copied().min_by_key(|sample| sample.uncertainty() + drift(age(sample)))
}

/// Returns the sample to use: of those that most others agree with, the least uncertain one, whose exchange was the quickest.
pub(super) fn best(samples: &[Sample]) -> Option<Sample> {
    let friends = |sample: &Sample| samples.iter().filter(|other| sample.agrees(other)).count();
    samples.iter().copied().min_by_key(|sample| (std::cmp::Reverse(friends(sample)), sample.uncertainty()))
}

/// The time of day that the clock reports.
///
/// Before the first measurement it reports nothing. After it, the reported time never goes back: when a measurement shows that it is ahead, it
/// runs a little slower until it is right; when it is behind by more than a second, it jumps forward; else it runs a little faster.
#[derive(Debug, Default)]
pub(super) struct Discipline {
    state: Option<DisciplineState>,
}

#[derive(Debug, Clone, Copy)]
struct DisciplineState {
    /// The moment of the last measurement.
    reported_at: Instant,
    /// The time of day that was reported then.
    reported: DateTime<Utc>,
    /// How far that was behind the true time; the clock catches up with it.
    behind: TimeDelta,
    measured_at: Instant,
    uncertainty: Duration,
    system_offset: TimeDelta,
}

impl Discipline {
    /// Takes in a measurement at `now`, when the operating system's clock says `system`.
    pub(super) fn handle_sample(&mut self, sample: &Sample, now: Instant, system: DateTime<Utc>) {
        let right = sample.at(now);
        let (reported, behind) = match self.reported(now) {
            None => (right, TimeDelta::zero()),
            Some(reported) if right - reported > STEP_FORWARD => (right, TimeDelta::zero()),
            Some(reported) => (reported, right - reported),
        };
        self.state = Some(DisciplineState {
            reported_at: now,
            reported,
            behind,
            measured_at: sample.at,
            uncertainty: sample.uncertainty(),
            system_offset: right - system,
        });
    }

    /// Returns the reading at `now`; `None` before the first measurement.
    pub(super) fn reading(&self, now: Instant) -> Option<Reading> {
        let (state, instant) = (self.state?, self.reported(now)?);
        let age = now.saturating_duration_since(state.measured_at);
        let left = state.behind - state.caught_up(now);
        let left = left.abs().to_std().unwrap_or(Duration::MAX);
        let quality = ClockQuality {
            source: ClockSource::Sntp,
            offset: Some(TimeDelta::microseconds(state.system_offset.num_microseconds().unwrap_or(i64::MAX / 2))),
            uncertainty: Some(whole_micros(state.uncertainty.saturating_add(left).saturating_add(drift(age)))),
            age: Some(Duration::from_secs(age.as_secs())),
        };
        Some(Reading { instant, quality })
    }

    fn reported(&self, now: Instant) -> Option<DateTime<Utc>> {
        let state = self.state?;
        let since = now.saturating_duration_since(state.reported_at);
        Some(state.reported + delta(since) + state.caught_up(now))
    }
}

impl DisciplineState {
    /// Returns how much of the lag has been caught up with; negative when the clock was ahead.
    fn caught_up(&self, now: Instant) -> TimeDelta {
        let most = delta(now.saturating_duration_since(self.reported_at)) / SLEW_PARTS;
        self.behind.clamp(-most, most)
    }
}

/// Returns how far a quartz clock may drift in `time`.
fn drift(time: Duration) -> Duration {
    Duration::from_nanos(u64::try_from(time.as_nanos() * DRIFT_PPM / 1_000_000).unwrap_or(u64::MAX))
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

/// Rounds up to whole microseconds, as a quality is written.
fn whole_micros(duration: Duration) -> Duration {
    Duration::from_micros(u64::try_from(duration.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX))
}

/// The clock runs at most a 20th slower or faster: it catches up with one second in 20.
const SLEW_PARTS: i32 = 20;
const STEP_FORWARD: TimeDelta = TimeDelta::seconds(1);
/// The drift of a quartz clock between two measurements, in millionths.
const DRIFT_PPM: u128 = 50;
/// How long a sample is compared with those of other servers.
const SAMPLE_LIFE: Duration = Duration::from_secs(300);
/// Servers that differ by no more than this agree, whatever their own estimates are.
const SLACK: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn utc(millis: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::milliseconds(millis)
    }

    fn sample(at: Instant, utc: DateTime<Utc>, delay_millis: u64) -> Sample {
        Sample { at, utc, delay: Duration::from_millis(delay_millis), root_distance: Duration::ZERO }
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_sample_is_mid_exchange_without_the_servers_own_time() {
        let sent = Instant::now();
        let reply = Reply { received: utc(1000), sent: utc(1010), root_distance: Duration::from_millis(3) };
        let read = Sample::of(sent, &reply, sent + Duration::from_millis(50)).unwrap();
        assert_eq!((read.at, read.utc), (sent + Duration::from_millis(25), utc(1005)));
        assert_eq!((read.delay, read.uncertainty()), (Duration::from_millis(40), Duration::from_millis(23)));
        assert_eq!(Sample::of(sent, &reply, sent + Duration::from_millis(9)), None);
    }

    #[test]
    fn the_quickest_of_those_that_agree_wins_and_a_liar_is_outvoted() {
        let at = Instant::now();
        let (slow, quick) = (sample(at, utc(8), 40), sample(at, utc(1), 4));
        let liar = sample(at, utc(90_000), 1);
        assert_eq!(best(&[slow, liar, quick]), Some(quick));
        assert_eq!(best(&[slow]), Some(slow));
        assert_eq!(best(&[]), None);
    }

    #[test]
    fn a_quick_exchange_counts_until_its_age_makes_it_worse() {
        let start = Instant::now();
        let (quick, slow) = (sample(start, utc(0), 2), sample(start + secs(10), utc(10_000), 20));
        let at = |seconds| freshest(&[quick, slow], start + secs(seconds));
        assert_eq!(at(10), Some(quick));
        assert_eq!(at(301), Some(slow), "the other one is too old");
        assert_eq!(at(400), None);
    }

    #[test]
    fn the_time_follows_the_monotonic_clock_and_gives_its_quality() {
        let (start, mut discipline) = (Instant::now(), Discipline::default());
        assert_eq!(discipline.reading(start), None);
        discipline.handle_sample(&sample(start, utc(0), 10), start, utc(-3500));
        let reading = discipline.reading(start + secs(100)).unwrap();
        assert_eq!(reading.instant, utc(100_000));
        assert_eq!(reading.quality.to_string(), "sntp; offset=3.500000; uncertainty=0.010000; age=100");
    }

    #[test]
    fn an_early_clock_slows_and_a_late_one_jumps_or_speeds_up() {
        for (found, after_10_secs, at_last) in [(-1000, 9500, 99_000), (900, 10_500, 100_900), (5000, 15_000, 105_000)] {
            let (start, mut discipline) = (Instant::now(), Discipline::default());
            discipline.handle_sample(&sample(start, utc(0), 0), start, utc(0));
            discipline.handle_sample(&sample(start, utc(found), 0), start, utc(0));
            let told = |discipline: &Discipline, secs_later| discipline.reading(start + secs(secs_later)).unwrap();
            assert_eq!(told(&discipline, 10).instant, utc(after_10_secs), "{found} ms");
            assert_eq!(told(&discipline, 100).instant, utc(at_last), "{found} ms");
            let (early, late) = (told(&discipline, 1).quality.uncertainty, told(&discipline, 100).quality.uncertainty);
            assert!(found == 5000 || early > late, "{found} ms: what is left to catch up is told");
        }
    }

    proptest! {
        #[test]
        fn after_the_first_measurement_the_time_never_goes_back(
            steps in proptest::collection::vec((0..100_000_u64, proptest::option::of(-1_000_000_000_i64..1_000_000_000)), 1..50)
        ) {
            let (mut now, mut discipline) = (Instant::now(), Discipline::default());
            discipline.handle_sample(&sample(now, utc(0), 0), now, utc(0));
            let mut last = discipline.reading(now).unwrap().instant;
            for (millis, found) in steps {
                now += Duration::from_millis(millis);
                if let Some(found) = found {
                    discipline.handle_sample(&sample(now, last + TimeDelta::milliseconds(found), 1), now, utc(found));
                }
                let told = discipline.reading(now).unwrap().instant;
                prop_assert!(told >= last, "{} after {}", told, last);
                last = told;
            }
        }
    }
}
