//! [`Attempts`]: how many wrong PINs there were lately, and whether another may be tried.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::message::{CallerNumber, MailboxId};

/// What wrong PINs are counted for: all who try one mailbox, and one telephone that tries many.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// Whoever tries this mailbox.
    Mailbox(MailboxId),
    /// This telephone, whatever it tries.
    Caller(CallerNumber),
}

/// How many wrong PINs there were lately. They are forgiven one by one, so that nobody is locked out for ever.
///
/// Five may be wrong; then each further try must wait until one is forgiven, which takes 15 minutes. So a mailbox whose PIN has 6
/// digits can be tried some 100 times a day, and is guessed after 14 years on average.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attempts {
    /// How many, when the last one was.
    wrong: u32,
    last: Option<DateTime<Utc>>,
}

impl Attempts {
    /// How long nobody may try, if it is so.
    pub fn locked_for(&self, now: DateTime<Utc>) -> Option<Duration> {
        let (left, until_next) = self.left(now);
        (left >= MAX_WRONG).then(|| FORGIVEN_EVERY * (left - MAX_WRONG) + until_next)
    }

    /// One more was wrong.
    pub fn handle_wrong(&mut self, now: DateTime<Utc>) {
        let (left, until_next) = self.left(now);
        // What has passed of the time to the next one forgiven goes on to count.
        let passed = if left == 0 { Duration::ZERO } else { FORGIVEN_EVERY.saturating_sub(until_next) };
        let passed = TimeDelta::from_std(passed).unwrap_or_default();
        *self = Self { wrong: left.saturating_add(1), last: Some(now - passed) };
    }

    /// The last one that was counted was right after all.
    pub fn handle_right(&mut self) {
        self.wrong = self.wrong.saturating_sub(1);
    }

    /// Whether all is forgiven.
    pub fn is_forgiven(&self, now: DateTime<Utc>) -> bool {
        self.left(now).0 == 0
    }

    /// How many are not forgiven yet, and how long until the next one is.
    fn left(&self, now: DateTime<Utc>) -> (u32, Duration) {
        let Some(last) = self.last else { return (0, Duration::ZERO) };
        // A clock that went back forgives nothing.
        let since = (now - last).to_std().unwrap_or_default();
        let forgiven = since.as_secs() / FORGIVEN_EVERY.as_secs();
        let left = self.wrong.saturating_sub(u32::try_from(forgiven).unwrap_or(u32::MAX));
        let into = Duration::from_secs(since.as_secs() % FORGIVEN_EVERY.as_secs());
        (left, FORGIVEN_EVERY.saturating_sub(into))
    }
}

const MAX_WRONG: u32 = 5;
const FORGIVEN_EVERY: Duration = Duration::from_secs(15 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::minutes(minutes)
    }

    #[test]
    fn five_may_be_wrong_and_then_one_every_quarter_of_an_hour() {
        let mut attempts = Attempts::default();
        for _ in 0..5 {
            assert_eq!(attempts.locked_for(at(0)), None);
            attempts.handle_wrong(at(0));
        }
        assert_eq!(attempts.locked_for(at(0)), Some(Duration::from_secs(15 * 60)));
        assert_eq!(attempts.locked_for(at(14)), Some(Duration::from_secs(60)));
        assert_eq!(attempts.locked_for(at(15)), None);
        attempts.handle_wrong(at(20));
        assert_eq!(attempts.locked_for(at(20)), Some(Duration::from_secs(10 * 60)), "the time that had passed counts");
        assert_eq!(attempts.locked_for(at(-100)), Some(Duration::from_secs(15 * 60)), "a clock that goes back opens nothing");
        assert!(!attempts.is_forgiven(at(89)) && attempts.is_forgiven(at(90)));
    }

    #[test]
    fn whoever_tries_without_end_gets_no_more_than_one_try_a_quarter() {
        let (mut attempts, mut tries) = (Attempts::default(), 0);
        for minute in 0..24 * 60 {
            if attempts.locked_for(at(minute)).is_none() {
                attempts.handle_wrong(at(minute));
                tries += 1;
            }
        }
        assert!((90..=101).contains(&tries), "{tries}");
    }
}
