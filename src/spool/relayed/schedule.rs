//! [`DueStep`]: what is due for a message that a relay has accepted and nobody has confirmed. It decides, and does nothing itself.

use std::time::Duration;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};

use crate::retry::RetryPolicy;

/// A step that is due for the messages that were relayed at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DueStep {
    /// Report that no receipt has come.
    Report,
    /// Offer the message to its destination again. If it is there already, the receiver stores no second copy and sends its receipt again.
    OfferAgain,
    /// Park the message for an operator.
    Park,
}

impl DueStep {
    /// Returns what has become due since the last look at messages that were relayed at `relayed_at`; `None` if nothing has.
    ///
    /// Each step is returned once: for the look that is the first one after its time. Without a last look, only parking is due.
    pub(super) fn of(
        relayed_at: DateTime<Utc>,
        last_look: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
        policy: &RetryPolicy,
    ) -> Option<Self> {
        let age = |at: DateTime<Utc>| (at - relayed_at).max(TimeDelta::zero()).to_std().unwrap_or_default();
        let (age_now, age_then) = (age(now), age(last_look.unwrap_or(now)));
        let again = |age: Duration| age.as_nanos() / policy.relayed_offered_again.as_nanos().max(1);
        if age_now >= policy.relayed_parked {
            Some(Self::Park)
        } else if again(age_now) > again(age_then) {
            Some(Self::OfferAgain)
        } else {
            (age_now >= policy.relayed_unconfirmed && age_then < policy.relayed_unconfirmed).then_some(Self::Report)
        }
    }
}

/// Returns whether a message that was relayed first at `relayed_at` was sent again since the day that began at `signed_on`, by the look at `last_look`.
///
/// The day may have been the one before the relay's answer, and times of relaying are rounded: so two sendings within a day of each other count as one.
pub(super) fn was_sent_since(
    signed_on: DateTime<Utc>,
    relayed_at: DateTime<Utc>,
    last_look: Option<DateTime<Utc>>,
    policy: &RetryPolicy,
) -> bool {
    let age = last_look.and_then(|at| (at - relayed_at).to_std().ok()).unwrap_or_default();
    let before_last_sending = age.as_nanos() % policy.relayed_offered_again.as_nanos().max(1);
    let since_last = TimeDelta::nanoseconds(i64::try_from(before_last_sending).unwrap_or(i64::MAX));
    let last_sending = relayed_at + TimeDelta::from_std(age).unwrap_or_default() - since_last;
    last_sending - signed_on >= TimeDelta::days(2)
}

/// Returns the beginning of the day that was `days` before that of `now`.
pub(super) fn day_before(now: DateTime<Utc>, days: u16) -> DateTime<Utc> {
    now.date_naive().and_time(NaiveTime::MIN).and_utc() - TimeDelta::days(days.into())
}

/// How exactly times of relaying are kept, and how often they are looked at: a quarter of the shortest wait, from a second to an hour.
pub(super) fn resolution(policy: &RetryPolicy) -> Duration {
    let shortest = policy.relayed_unconfirmed.min(policy.relayed_offered_again).min(policy.relayed_parked);
    Duration::from_secs((shortest / 4).as_secs().clamp(1, 60 * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_764_439_200, 0).unwrap() + TimeDelta::hours(hours)
    }

    fn steps(looks: impl IntoIterator<Item = i64>) -> Vec<(i64, DueStep)> {
        let (policy, mut last) = (RetryPolicy::default(), None);
        let mut steps = Vec::new();
        for look in looks {
            steps.extend(DueStep::of(at(0), last, at(look), &policy).map(|step| (look, step)));
            last = Some(at(look));
        }
        steps
    }

    #[test]
    fn a_message_is_reported_offered_again_and_parked_in_time() {
        let day = 24;
        let again = [6, 12, 18, 24].map(|days| (days * day, DueStep::OfferAgain));
        let expected: Vec<_> = [(4, DueStep::Report)].into_iter().chain(again).collect();
        assert_eq!(steps(0..30 * day), expected);
        assert_eq!(steps([0, 30 * day]), [(30 * day, DueStep::Park)]);
        assert_eq!(steps([31 * day]), [(31 * day, DueStep::Park)], "also at the first look of all");
    }

    #[test]
    fn a_node_that_was_down_does_each_step_late_and_once() {
        assert_eq!(steps([0, 3, 100, 101, 102]), [(100, DueStep::Report)]);
        assert_eq!(steps([0, 3, 400, 401]), [(400, DueStep::OfferAgain)]);
        assert_eq!(steps([500, 501]), [], "without a last look");
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nothing_due() {
        assert_eq!(steps([-1000, -2000, 0, 3, 2, 1]), []);
    }

    #[test]
    fn a_day_is_before_the_last_sending_if_two_days_are_between() {
        let policy = RetryPolicy::default();
        // 18:40 on the 29th, rounded down.
        let was_sent_since = |signed_on: i64, last_look: Option<i64>| {
            was_sent_since(day_before(at(24 * signed_on), 0), at(0), last_look.map(at), &policy)
        };
        for last_look in [None, Some(-1000), Some(0), Some(6 * 24 - 1)] {
            assert!(!was_sent_since(0, last_look) && !was_sent_since(-1, last_look), "{last_look:?}: there was one sending");
        }
        for (signed_on, earlier) in [(0, true), (4, true), (5, false), (6, false), (7, false)] {
            assert_eq!(was_sent_since(signed_on, Some(6 * 24)), earlier, "signed on day {signed_on}");
        }
        assert!(was_sent_since(6, Some(12 * 24)) && !was_sent_since(6, Some(12 * 24 - 1)));
        assert!(was_sent_since(-3, Some(0)), "an operator has released it since");
    }

    #[test]
    fn times_are_kept_exactly_enough_for_the_shortest_wait() {
        assert_eq!(resolution(&RetryPolicy::default()), Duration::from_secs(60 * 60));
        let policy = RetryPolicy::default().relayed_offered_again(Duration::from_secs(8));
        assert_eq!(resolution(&policy), Duration::from_secs(2));
        assert_eq!(resolution(&policy.relayed_unconfirmed(Duration::ZERO)), Duration::from_secs(1));
    }
}
