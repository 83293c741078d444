//! [`RetryPolicy`]: all waits between the attempts of a node.

use std::time::Duration;

use super::Backoff;

/// How long a node waits before it tries again, for everything that it retries.
///
/// [`NodeBuilder::retry`](crate::node::NodeBuilder::retry) takes it for a whole node; a [`Spool`](crate::spool::Spool) and an
/// [`Outbox`](crate::outbox::Outbox) that are used alone take it too. A message is never given up: it waits in the spool until the other
/// node has answered for it or an operator decides. Only a mail to the outside has a [lifetime](Self::mail_lifetime).
///
/// | field | what is retried | default |
/// |---|---|---|
/// | `destination_unreachable` | a node that cannot be reached: single messages are sent as probes | 500 ms to 3 s |
/// | `destination_unavailable` | a node that answers that it takes no message now, as while its database is away: the same | 500 ms to 1 s |
/// | `message_deferred` | one message that the other node cannot take now, as when its mailbox is full | 1 s to 5 min |
/// | `relayed_unconfirmed` | behind a relay: after this time without a receipt, an event reports the message | 4 h |
/// | `relayed_offered_again` | behind a relay: the message is sent again after each such time without a receipt | 6 days |
/// | `relayed_parked` | behind a relay: after this time without a receipt, the message is parked | 30 days |
/// | `return_path_unproven` | behind a relay: after this time without the probe that the node sends to itself, an event reports that receipts cannot come back; the next probe follows after four times as long | 15 min |
/// | `mail_deferred` | one mail in the outbox, whatever the reason | 1 min to 30 min |
/// | `mail_lifetime` | how long a mail in the outbox is tried | 5 days |
/// | `greeting_unreachable` | a node that needs greetings and cannot be reached | 1 s to 30 s |
/// | `greeting_refused` | one greeting that a node does not take now | 1 min to 1 h |
/// | `step_failed` | one step on arrival that failed, and a server that fails for all of its steps | 5 s to 1 h |
/// | `step_lifetime` | how long a step on arrival is tried before it is parked for an operator | 5 days |
/// | `lamp_failed` | one lamp that could not be updated; at least 1 s | 1 s to 60 s |
///
/// ```
/// use std::time::Duration;
/// use voicemail::retry::{Backoff, RetryPolicy};
///
/// let probes = Backoff::new(Duration::from_secs(1), Duration::from_secs(10))?;
/// let policy = RetryPolicy::default().destination_unreachable(probes).mail_lifetime(Duration::from_secs(86_400));
/// assert_eq!(policy.destination_unreachable.max(), Duration::from_secs(10));
/// assert_eq!(policy.message_deferred, RetryPolicy::default().message_deferred);
/// # Ok::<(), voicemail::retry::InvalidBackoff>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// The waits between probes of a node that cannot be reached. A node that is back is noticed within the longest of them; after that time a
    /// probe without an answer is followed by another one.
    pub destination_unreachable: Backoff,
    /// The waits between probes of a node that answers, and accepts no message at all, as when its disk is full or its database is away. Its return
    /// is noticed within the longest of them.
    pub destination_unavailable: Backoff,
    /// The waits between the attempts of one message that the other node cannot take now.
    pub message_deferred: Backoff,
    /// How long a relayed message may be without a receipt before [`Event::Unconfirmed`](crate::event::Event::Unconfirmed) reports it.
    pub relayed_unconfirmed: Duration,
    /// How long a relayed message may be without a receipt before it is sent again, and then each time again.
    pub relayed_offered_again: Duration,
    /// How long a relayed message may be without a receipt before it is parked.
    pub relayed_parked: Duration,
    /// How long a probe of the way back through a relay may take before [`Event::ReturnPathFails`](crate::event::Event::ReturnPathFails) reports it.
    pub return_path_unproven: Duration,
    /// The waits between the attempts of one mail in the outbox.
    pub mail_deferred: Backoff,
    /// How long a mail may stay in the outbox: the first attempt that fails after this time is the last one, if there were as many attempts as the waits
    /// make in a tenth of it. So a clock that is set ahead by years gives no mail up; one that is set back leaves the time to the attempts.
    pub mail_lifetime: Duration,
    /// The waits between attempts to bring greetings to a node that cannot be reached.
    pub greeting_unreachable: Backoff,
    /// The waits between the attempts of one greeting that a node does not take now.
    pub greeting_refused: Backoff,
    /// The waits between the attempts of one part of a step on arrival, and between the probes of a destination that fails.
    pub step_failed: Backoff,
    /// How long a part of a step is tried: the first attempt that fails after this time is the last one, if there were as many attempts as the waits make
    /// in a tenth of it, as for [`mail_lifetime`](Self::mail_lifetime). While a part waits for a destination that fails, the
    /// attempts of the others count for it.
    pub step_lifetime: Duration,
    /// The waits between the attempts to update one lamp. A wait of less than one second counts as one second (RFC 3842 §3.7).
    pub lamp_failed: Backoff,
}

impl RetryPolicy {
    /// Sets the waits between probes of a node that cannot be reached.
    #[must_use]
    pub fn destination_unreachable(self, backoff: Backoff) -> Self {
        Self { destination_unreachable: backoff, ..self }
    }

    /// Sets the waits between probes of a node that answers that it takes no message now.
    #[must_use]
    pub fn destination_unavailable(self, backoff: Backoff) -> Self {
        Self { destination_unavailable: backoff, ..self }
    }

    /// Sets the waits between the attempts of one message that the other node cannot take now.
    #[must_use]
    pub fn message_deferred(self, backoff: Backoff) -> Self {
        Self { message_deferred: backoff, ..self }
    }

    /// Sets how long a relayed message may be without a receipt before an event reports it. Times of relaying are kept to a quarter of the shortest of
    /// these three waits, from a second to an hour.
    #[must_use]
    pub fn relayed_unconfirmed(self, wait: Duration) -> Self {
        Self { relayed_unconfirmed: wait, ..self }
    }

    /// Sets how long a relayed message may be without a receipt before it is sent again: longer than the relay keeps a message.
    ///
    /// # Source
    ///
    /// RFC 5321 §4.5.4.1: a relay tries for at least 4 to 5 days.
    #[must_use]
    pub fn relayed_offered_again(self, wait: Duration) -> Self {
        Self { relayed_offered_again: wait, ..self }
    }

    /// Sets how long a relayed message may be without a receipt before it is parked. Return paths are valid for 30 days.
    #[must_use]
    pub fn relayed_parked(self, wait: Duration) -> Self {
        Self { relayed_parked: wait, ..self }
    }

    /// Sets how long a probe of the way back through a relay may take. Greylisting alone may take some minutes.
    #[must_use]
    pub fn return_path_unproven(self, wait: Duration) -> Self {
        Self { return_path_unproven: wait, ..self }
    }

    /// Sets the waits between the attempts of one mail in the outbox.
    ///
    /// # Source
    ///
    /// RFC 5321 §4.5.4.1 asks for at least 30 minutes between attempts as a rule, and for some more attempts at the start.
    #[must_use]
    pub fn mail_deferred(self, backoff: Backoff) -> Self {
        Self { mail_deferred: backoff, ..self }
    }

    /// Sets how long a mail is tried before it is given up.
    ///
    /// # Source
    ///
    /// RFC 5321 §4.5.4.1: at least 4 to 5 days.
    #[must_use]
    pub fn mail_lifetime(self, lifetime: Duration) -> Self {
        Self { mail_lifetime: lifetime, ..self }
    }

    /// Sets the waits between attempts to bring greetings to a node that cannot be reached.
    #[must_use]
    pub fn greeting_unreachable(self, backoff: Backoff) -> Self {
        Self { greeting_unreachable: backoff, ..self }
    }

    /// Sets the waits between the attempts of one greeting that a node does not take now.
    #[must_use]
    pub fn greeting_refused(self, backoff: Backoff) -> Self {
        Self { greeting_refused: backoff, ..self }
    }

    /// Sets the waits between the attempts of one part of a step on arrival.
    #[must_use]
    pub fn step_failed(self, backoff: Backoff) -> Self {
        Self { step_failed: backoff, ..self }
    }

    /// Sets how long a part of a step on arrival is tried before it is parked.
    #[must_use]
    pub fn step_lifetime(self, lifetime: Duration) -> Self {
        Self { step_lifetime: lifetime, ..self }
    }

    /// Sets the waits between the attempts to update one lamp.
    #[must_use]
    pub fn lamp_failed(self, backoff: Backoff) -> Self {
        Self { lamp_failed: backoff, ..self }
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            destination_unreachable: Backoff::from_millis(500, 3_000),
            destination_unavailable: Backoff::from_millis(500, 1_000),
            message_deferred: Backoff::from_millis(1_000, 300_000),
            relayed_unconfirmed: Duration::from_secs(4 * 60 * 60),
            relayed_offered_again: Duration::from_secs(6 * 24 * 60 * 60),
            relayed_parked: Duration::from_secs(30 * 24 * 60 * 60),
            return_path_unproven: Duration::from_secs(15 * 60),
            mail_deferred: Backoff::from_millis(60_000, 30 * 60_000),
            mail_lifetime: Duration::from_secs(5 * 24 * 60 * 60),
            greeting_unreachable: Backoff::from_millis(1_000, 30_000),
            greeting_refused: Backoff::from_millis(60_000, 60 * 60_000),
            step_failed: Backoff::from_millis(5_000, 60 * 60_000),
            step_lifetime: Duration::from_secs(5 * 24 * 60 * 60),
            lamp_failed: Backoff::from_millis(1_000, 60_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::retry::RetrySchedule;

    /// The waits between the first `count` failures, without jitter.
    fn waits(backoff: Backoff, count: usize) -> Vec<f64> {
        let (mut now, mut schedule) = (Instant::now(), RetrySchedule::new(backoff));
        let next = |_| {
            let due = schedule.handle_failure(now, 0.0);
            let wait = due - std::mem::replace(&mut now, due);
            wait.as_secs_f64()
        };
        (0..count).map(next).collect()
    }

    #[test]
    fn the_default_waits_are_the_documented_ones() {
        let policy = RetryPolicy::default();
        assert_eq!(waits(policy.destination_unreachable, 5), [0.5, 1.0, 2.0, 3.0, 3.0]);
        assert_eq!(waits(policy.destination_unavailable, 3), [0.5, 1.0, 1.0]);
        assert_eq!(waits(policy.message_deferred, 11), [1., 2., 4., 8., 16., 32., 64., 128., 256., 300., 300.]);
        assert_eq!(waits(policy.mail_deferred, 7), [60.0, 120.0, 240.0, 480.0, 960.0, 1800.0, 1800.0]);
        assert_eq!(policy.mail_lifetime, Duration::from_secs(432_000));
        assert_eq!(waits(policy.greeting_unreachable, 7), [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]);
        assert_eq!(waits(policy.greeting_refused, 8), [60., 120., 240., 480., 960., 1920., 3600., 3600.]);
        assert_eq!(waits(policy.lamp_failed, 8), [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]);
    }

    #[test]
    fn a_default_is_a_backoff_that_anybody_could_have_made() {
        let policy = RetryPolicy::default();
        for backoff in [
            policy.destination_unreachable,
            policy.destination_unavailable,
            policy.message_deferred,
            policy.mail_deferred,
            policy.greeting_unreachable,
            policy.greeting_refused,
            policy.step_failed,
            policy.lamp_failed,
        ] {
            assert_eq!(Backoff::new(backoff.first(), backoff.max()), Ok(backoff));
        }
    }
}
