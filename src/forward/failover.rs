//! [`Failover`]: tries several forwarders in order.

use std::sync::MutexGuard;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::{Acceptance, ForwardError, Forwarder, Outcome};
use crate::lock::Lock;
use crate::message::{MailboxId, Message, MessageId};

/// Several forwarders to the same mailboxes, tried in order.
///
/// The next forwarder is tried when one cannot be reached, and for the recipients that one has deferred. Recipients that were accepted
/// or refused are settled. A forwarder that could not be reached comes last for some seconds, so that not every message waits for it.
///
/// ```
/// # #[cfg(feature = "memory")] {
/// use voicemail::forward::{Failover, MemoryForwarder};
///
/// let forwarder = Failover::new(MemoryForwarder::new()).or(MemoryForwarder::new());
/// # }
/// ```
#[derive(Debug)]
pub struct Failover<F> {
    forwarders: Vec<F>,
    avoid_for: Duration,
    avoided: Lock<Avoided>,
}

impl<F: Forwarder> Failover<F> {
    /// Makes a failover whose preferred forwarder is `first`.
    pub fn new(first: F) -> Self {
        Self { forwarders: vec![first], avoid_for: Duration::from_secs(10), avoided: Lock::default() }
    }

    /// Adds a forwarder that is tried after those given so far.
    #[must_use]
    pub fn or(mut self, next: F) -> Self {
        self.forwarders.push(next);
        self
    }

    /// Sets how long a forwarder that could not be reached comes last; 10 seconds by default.
    #[must_use]
    pub fn avoid_for(mut self, avoid_for: Duration) -> Self {
        self.avoid_for = avoid_for;
        self
    }

    fn avoided(&self) -> MutexGuard<'_, Avoided> {
        self.avoided.lock()
    }
}

#[async_trait]
impl<F: Forwarder> Forwarder for Failover<F> {
    /// # Errors
    ///
    /// When no forwarder could be reached, the error of the one tried first. A final error is returned at once.
    async fn forward(&self, message: &Message, recipients: &[MailboxId]) -> Result<Acceptance, ForwardError> {
        let order = self.avoided().order(self.forwarders.len(), Instant::now());
        let mut answers = Answers::default();
        for index in order {
            let open = answers.open(recipients);
            let answer = self.forwarders[index].forward(message, &open).await;
            match &answer {
                Err(error) if error.is_transient() => self.avoided().handle_failure(index, Instant::now() + self.avoid_for),
                Ok(_) | Err(_) => self.avoided().handle_answer(index),
            }
            if answers.handle(answer) == NextStep::Stop {
                break;
            }
        }
        answers.into_result()
    }

    /// Sends the mail through the first relay that can be reached.
    ///
    /// # Errors
    ///
    /// When no relay could be reached, the error of the forwarder tried first.
    async fn probe_return_path(&self, probe: MessageId) -> Result<Option<Outcome>, ForwardError> {
        let order = self.avoided().order(self.forwarders.len(), Instant::now());
        let mut first_error = None;
        for index in order {
            match self.forwarders[index].probe_return_path(probe).await {
                Ok(Some(outcome)) => return Ok(Some(outcome)),
                Ok(None) => {}
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        first_error.map_or(Ok(None), Err)
    }

    fn reads_sounds(&self) -> bool {
        self.forwarders.iter().all(Forwarder::reads_sounds)
    }
}

/// The forwarders that could not be reached lately, each with the time until which it comes last.
#[derive(Debug, Default)]
struct Avoided {
    until: Vec<(usize, Instant)>,
}

impl Avoided {
    fn handle_failure(&mut self, index: usize, until: Instant) {
        self.handle_answer(index);
        self.until.push((index, until));
    }

    fn handle_answer(&mut self, index: usize) {
        self.until.retain(|(avoided, _)| *avoided != index);
    }

    /// Returns the order in which to try `count` forwarders: as given, with those to avoid last.
    fn order(&self, count: usize, now: Instant) -> Vec<usize> {
        let is_avoided = |index: &usize| self.until.iter().any(|(avoided, until)| avoided == index && now < *until);
        let (last, mut order): (Vec<_>, Vec<_>) = (0..count).partition(is_avoided);
        order.extend(last);
        order
    }
}

/// The combined answer of the forwarders tried so far.
#[derive(Debug, Default)]
struct Answers {
    acceptance: Option<Acceptance>,
    error: Option<ForwardError>,
}

/// Whether another forwarder is tried.
#[derive(Debug, PartialEq, Eq)]
enum NextStep {
    TryNext,
    Stop,
}

impl Answers {
    /// Returns those of `recipients` for whom another attempt makes sense.
    fn open(&self, recipients: &[MailboxId]) -> Vec<MailboxId> {
        let Some(acceptance) = &self.acceptance else { return recipients.to_vec() };
        let deferred = recipients.iter().zip(&acceptance.outcomes).filter(|(_, outcome)| is_deferred(outcome));
        deferred.map(|(recipient, _)| recipient.clone()).collect()
    }

    /// Adds the answer of one forwarder for the recipients that were open.
    fn handle(&mut self, answer: Result<Acceptance, ForwardError>) -> NextStep {
        match (answer, &mut self.acceptance) {
            (Ok(acceptance), None) => self.acceptance = Some(acceptance),
            (Ok(later), Some(acceptance)) => acceptance.merge(later),
            // The failure of a later forwarder leaves the outcomes of an earlier one as they are.
            (Err(_), Some(_)) => {}
            (Err(error), None) => {
                let next = if error.is_transient() { NextStep::TryNext } else { NextStep::Stop };
                if self.error.is_none() || next == NextStep::Stop {
                    self.error = Some(error);
                }
                return next;
            }
        }
        let open = self.acceptance.iter().flat_map(|acceptance| &acceptance.outcomes).any(is_deferred);
        if open { NextStep::TryNext } else { NextStep::Stop }
    }

    fn into_result(self) -> Result<Acceptance, ForwardError> {
        match (self.acceptance, self.error) {
            (Some(acceptance), _) => Ok(acceptance),
            (None, Some(error)) => Err(error),
            (None, None) => Err(ForwardError::Unsendable("there is no forwarder".to_owned())),
        }
    }
}

impl Acceptance {
    /// Replaces the outcomes of the recipients that were deferred by those of a `later` attempt.
    fn merge(&mut self, later: Acceptance) {
        if later.outcomes.iter().any(Outcome::is_accepted) {
            self.transport_security = later.transport_security;
        }
        let deferred = self.outcomes.iter_mut().filter(|outcome| is_deferred(outcome));
        for (outcome, newer) in deferred.zip(later.outcomes) {
            *outcome = newer;
        }
    }
}

fn is_deferred(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Deferred(_) => true,
        Outcome::Accepted | Outcome::Relayed | Outcome::Refused(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::{Reply, TlsVersion, TransportSecurity};

    fn deferred(code: u16) -> Outcome {
        Outcome::Deferred(Reply::new(code, ""))
    }

    fn refused() -> Outcome {
        Outcome::Refused(Reply::new(550, ""))
    }

    fn acceptance(outcomes: &[Outcome], transport_security: TransportSecurity) -> Acceptance {
        Acceptance::new(outcomes.to_vec(), transport_security)
    }

    fn timed_out(peer: &str) -> ForwardError {
        ForwardError::TimedOut { peer: peer.to_owned(), step: "connection" }
    }

    fn mailboxes() -> [MailboxId; 3] {
        ["2041", "2042", "2043"].map(|number| number.parse().unwrap())
    }

    #[test]
    fn a_later_forwarder_gets_only_the_deferred_recipients() {
        let mut answers = Answers::default();
        assert_eq!(answers.open(&mailboxes()), mailboxes());
        let first = Ok(acceptance(&[deferred(450), Outcome::Accepted, deferred(451)], TransportSecurity::PlainText));
        assert_eq!(answers.handle(first), NextStep::TryNext);
        assert_eq!(answers.open(&mailboxes()), [mailboxes()[0].clone(), mailboxes()[2].clone()]);

        let under_tls = TransportSecurity::Tls(TlsVersion::V1_3);
        assert_eq!(answers.handle(Ok(acceptance(&[refused(), Outcome::Accepted], under_tls))), NextStep::Stop);
        let acceptance = answers.into_result().unwrap();
        assert_eq!(acceptance.outcomes, [refused(), Outcome::Accepted, Outcome::Accepted]);
        assert_eq!(acceptance.transport_security, under_tls);
    }

    #[test]
    fn an_acceptance_stands_whatever_the_next_one_answers() {
        let mut answers = Answers::default();
        answers.handle(Ok(acceptance(&[Outcome::Accepted, deferred(450), refused()], TransportSecurity::PlainText)));
        assert_eq!(answers.handle(Err(timed_out("second"))), NextStep::TryNext);
        let final_error = Err(ForwardError::Unsendable("never".to_owned()));
        assert_eq!(answers.handle(final_error), NextStep::TryNext);
        assert_eq!(answers.into_result().unwrap().outcomes, [Outcome::Accepted, deferred(450), refused()]);
    }

    #[test]
    fn the_first_unreachable_error_is_returned_a_final_one_ends_it() {
        let mut answers = Answers::default();
        assert_eq!(answers.handle(Err(timed_out("first"))), NextStep::TryNext);
        assert_eq!(answers.handle(Err(timed_out("second"))), NextStep::TryNext);
        assert!(matches!(answers.into_result(), Err(ForwardError::TimedOut { peer, .. }) if peer == "first"));

        let mut answers = Answers::default();
        answers.handle(Err(timed_out("first")));
        assert_eq!(answers.handle(Err(ForwardError::Unsendable("never".to_owned()))), NextStep::Stop);
        assert!(!answers.into_result().unwrap_err().is_transient());
    }

    #[test]
    fn one_that_could_not_be_reached_comes_last_for_a_while() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut avoided = Avoided::default();
        assert_eq!(avoided.order(3, start), [0, 1, 2]);
        avoided.handle_failure(0, start + 10 * second);
        assert_eq!(avoided.order(3, start + 9 * second), [1, 2, 0]);
        assert_eq!(avoided.order(3, start + 10 * second), [0, 1, 2]);
        avoided.handle_failure(1, start + 20 * second);
        avoided.handle_answer(1);
        assert_eq!(avoided.order(3, start + 11 * second), [0, 1, 2]);
    }

    #[cfg(feature = "memory")]
    #[tokio::test]
    async fn a_dead_first_node_is_not_waited_for_each_time() {
        use crate::forward::{MemoryForwarder, Script};
        use crate::message::{Audio, AudioType, ClockQuality, ClockSource, RecordedAt};

        let quality = ClockQuality::unknown(ClockSource::Manual);
        let recorded_at =
            RecordedAt { instant: "2025-03-30T00:59:40Z".parse().unwrap(), zone: chrono_tz::Europe::London, quality };
        let message = Message::builder(Audio::new(AudioType::Wav, &b"RIFF"[..]), recorded_at).build();
        let (first, second) = (MemoryForwarder::new(), MemoryForwarder::new());
        let failover = Failover::new(first.clone()).or(second.clone());
        first.next(Script::Fail(timed_out("first")));
        for taken_by_second in 1..=3 {
            let acceptance = failover.forward(&message, &mailboxes()[..1]).await.unwrap();
            assert_eq!(acceptance.outcomes, [Outcome::Accepted]);
            assert_eq!(second.taken(&mailboxes()[0]).len(), taken_by_second);
        }
        assert!(first.taken(&mailboxes()[0]).is_empty());
    }
}
