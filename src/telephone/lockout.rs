//! [`LockoutCounter`]: counts recent wrong PINs, and decides whether another PIN may be tried.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use crate::message::{CallerNumber, MailboxId};

/// The source of PIN attempts for which wrong PINs are counted together: one mailbox, or one telephone that may try many
/// mailboxes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AttemptSource {
    /// All attempts on this mailbox, from any telephone.
    Mailbox(MailboxId),
    /// All attempts from the telephone with this number, on any mailbox.
    Caller(CallerNumber),
}

/// A counter of recent wrong PINs, which locks out after too many. Wrong PINs are forgiven one by one, so no lockout is for ever.
/// The text form can be stored anywhere.
///
/// Five PINs may be wrong; then each further attempt must wait until one is forgiven, which takes 15 minutes. A mailbox can thus
/// be tried some 100 times a day, and a PIN of 6 digits is guessed after 14 years on average.
///
/// A clock that goes back forgives nothing: the 15 minutes begin again at the time that the clock shows when the change is
/// noticed, so a lockout lasts no longer than 15 minutes from then, however far the clock went back. When the clock later
/// reaches, or is set to, a time that it had shown before, only the time after that counts, so that a change of the clock gains
/// no attempts. A clock that jumps ahead forgives as if that time had passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LockoutCounter {
    /// How many were wrong at the time `last`.
    wrong: u32,
    last: Option<DateTime<Utc>>,
    /// The latest time that the clock had shown before it went back.
    ahead: Option<DateTime<Utc>>,
}

impl LockoutCounter {
    /// Returns how long the source stays locked out, or `None` if an attempt is allowed. Also notices a clock that went back.
    pub fn locked_for(&mut self, now: DateTime<Utc>) -> Option<Duration> {
        if let Some(last) = self.last.filter(|last| now < *last) {
            *self = Self { wrong: self.wrong, last: Some(now), ahead: self.ahead.max(Some(last)) };
        }
        let (left, until_next) = self.left(now);
        (left >= MAX_WRONG).then(|| FORGIVEN_EVERY * (left - MAX_WRONG) + until_next)
    }

    /// Counts one more wrong PIN.
    pub fn handle_wrong(&mut self, now: DateTime<Utc>) {
        let (left, until_next) = self.left(now);
        // The time that has already passed until the next one is forgiven still counts.
        let passed = if left == 0 { Duration::ZERO } else { FORGIVEN_EVERY.saturating_sub(until_next) };
        let passed = TimeDelta::from_std(passed).unwrap_or_default();
        let ahead = self.ahead.max(self.last).filter(|ahead| now < *ahead);
        *self = Self { wrong: left.saturating_add(1), last: Some(now - passed), ahead };
    }

    /// Takes back the last counted PIN, because it was right.
    pub fn handle_right(&mut self) {
        self.wrong = self.wrong.saturating_sub(1);
        if self.wrong == 0 {
            *self = Self::default();
        }
    }

    /// Returns whether all wrong PINs are forgiven.
    pub fn is_forgiven(&self, now: DateTime<Utc>) -> bool {
        self.left(now).0 == 0
    }

    /// Returns how many are not forgiven yet, and the time until the next one is.
    fn left(&self, now: DateTime<Utc>) -> (u32, Duration) {
        let Some(last) = self.last else { return (0, Duration::ZERO) };
        // A clock that is past its earlier time again may have jumped there: only the time after that has passed for certain.
        let from = self.ahead.filter(|ahead| *ahead <= now).unwrap_or(last);
        // A clock that went back forgives nothing.
        let since = (now - from).to_std().unwrap_or_default();
        let forgiven = since.as_secs() / FORGIVEN_EVERY.as_secs();
        let left = self.wrong.saturating_sub(u32::try_from(forgiven).unwrap_or(u32::MAX));
        let into = Duration::from_secs(since.as_secs() % FORGIVEN_EVERY.as_secs());
        (left, FORGIVEN_EVERY.saturating_sub(into))
    }
}

impl fmt::Display for LockoutCounter {
    /// Writes `3 wrong since 2026-11-22T18:00:00.000000000Z`: one is forgiven 15 minutes after that. If the clock has gone back,
    /// `before` and the latest time that it had shown follow.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = |moment: DateTime<Utc>| moment.to_rfc3339_opts(SecondsFormat::Nanos, true);
        write!(f, "{} wrong", self.wrong)?;
        self.last.map_or(Ok(()), |last| write!(f, " since {}", moment(last)))?;
        self.ahead.map_or(Ok(()), |ahead| write!(f, " before {}", moment(ahead)))
    }
}

impl FromStr for LockoutCounter {
    type Err = InvalidLockoutCounter;

    fn from_str(text: &str) -> Result<Self, InvalidLockoutCounter> {
        let read = || {
            let (wrong, moments) = text.split_once(" wrong")?;
            let wrong = wrong.parse().ok()?;
            if moments.is_empty() {
                return (wrong == 0).then(Self::default);
            }
            let moments = moments.strip_prefix(" since ").filter(|_| wrong > 0)?;
            let (last, ahead) = moments.split_once(" before ").map_or((moments, None), |(last, ahead)| (last, Some(ahead)));
            let ahead = ahead.map(str::parse).transpose().ok()?;
            Some(Self { wrong, last: Some(last.parse().ok()?), ahead })
        };
        read().ok_or(InvalidLockoutCounter)
    }
}

/// A text that is no [`LockoutCounter`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a count of wrong PINs has the form 3 wrong since 2026-11-22T18:00:00Z")]
pub struct InvalidLockoutCounter;

const MAX_WRONG: u32 = 5;
const FORGIVEN_EVERY: Duration = Duration::from_secs(15 * 60);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::minutes(minutes)
    }

    fn minutes(minutes: u64) -> Duration {
        Duration::from_secs(minutes * 60)
    }

    /// A count of five wrong PINs at the minute 0.
    fn locked() -> LockoutCounter {
        let mut attempts = LockoutCounter::default();
        for _ in 0..5 {
            assert_eq!(attempts.locked_for(at(0)), None);
            attempts.handle_wrong(at(0));
        }
        attempts
    }

    #[test]
    fn five_may_be_wrong_and_then_one_every_quarter_of_an_hour() {
        let mut attempts = locked();
        assert_eq!(attempts.locked_for(at(0)), Some(minutes(15)));
        assert_eq!(attempts.locked_for(at(14)), Some(minutes(1)));
        assert_eq!(attempts.locked_for(at(15)), None);
        attempts.handle_wrong(at(20));
        assert_eq!(attempts.locked_for(at(20)), Some(minutes(10)), "the time that had passed counts");
        assert!(!attempts.is_forgiven(at(89)) && attempts.is_forgiven(at(90)));
    }

    #[test]
    fn endless_attempts_are_limited_to_one_per_15_minutes() {
        let (mut attempts, mut tries) = (LockoutCounter::default(), 0);
        for minute in 0..24 * 60 {
            if attempts.locked_for(at(minute)).is_none() {
                attempts.handle_wrong(at(minute));
                tries += 1;
            }
        }
        assert!((90..=101).contains(&tries), "{tries}");
    }

    #[test]
    fn a_clock_years_back_forgives_nothing_and_locks_15_minutes() {
        let mut attempts = locked();
        let years = -10 * 366 * 24 * 60;
        assert_eq!(attempts.locked_for(at(years)), Some(minutes(15)));
        assert_eq!(attempts.locked_for(at(years + 5)), Some(minutes(10)), "its time goes on from there");
        assert_eq!(attempts.locked_for(at(years + 15)), None);
        assert!(attempts.is_forgiven(at(years + 75)));
        // Noticed by the attempt, and not before.
        let mut attempts = LockoutCounter::default();
        attempts.handle_wrong(at(0));
        for _ in 0..4 {
            attempts.handle_wrong(at(years));
        }
        assert_eq!(attempts.locked_for(at(years)), Some(minutes(15)));
        assert!(attempts.is_forgiven(at(years + 75)) && !attempts.is_forgiven(at(0)));
    }

    #[test]
    fn a_clock_set_back_and_right_again_forgives_nothing_extra() {
        let mut attempts = locked();
        assert_eq!(attempts.locked_for(at(-600)), Some(minutes(15)));
        assert_eq!(attempts.locked_for(at(1)), Some(minutes(14)));
        assert_eq!(attempts.locked_for(at(15)), None);
        let mut attempts = locked();
        attempts.locked_for(at(-600));
        assert_eq!(attempts.locked_for(at(-585)), None);
        attempts.handle_wrong(at(-585));
        assert_eq!(attempts.locked_for(at(2)), Some(minutes(13)), "set right after a try, too");
    }

    #[test]
    fn a_count_reads_back_as_it_was_written_and_nothing_else_is_one() {
        let mut back = locked();
        back.locked_for(at(-600));
        for attempts in [LockoutCounter::default(), locked(), back] {
            assert_eq!(attempts.to_string().parse(), Ok(attempts));
        }
        assert_eq!(locked().to_string(), "5 wrong since 2024-10-04T00:00:00.000000000Z");
        let moment = "2026-11-22T18:00:00Z";
        for text in [
            "",
            "0",
            "3 wrong",
            "-1 wrong",
            "3 wrong since",
            "3 wrong since yesterday",
            &format!("0 wrong since {moment}"),
            &format!("3 wrong since {moment} before"),
            &format!("3 wrong before {moment}"),
        ] {
            assert_eq!(text.parse::<LockoutCounter>(), Err(InvalidLockoutCounter), "{text}");
        }
    }

    proptest! {
        #[test]
        fn counts_read_back_and_two_waits_end_any_lockout(
            steps in prop::collection::vec((any::<bool>(), -4_000_000_000_i64..4_000_000_000), 1..20)
        ) {
            let mut attempts = LockoutCounter::default();
            for (wrong, minute) in steps {
                if attempts.locked_for(at(minute)).is_none() && wrong {
                    attempts.handle_wrong(at(minute));
                }
                prop_assert_eq!(attempts.to_string().parse(), Ok(attempts));
                let (mut waiting, mut now) = (attempts, at(minute));
                for _ in 0..2 {
                    let wait = waiting.locked_for(now).unwrap_or_default();
                    prop_assert!(wait <= Duration::from_secs(15 * 60));
                    now += wait;
                }
                prop_assert_eq!(waiting.locked_for(now), None);
            }
        }
    }
}
