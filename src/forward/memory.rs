//! [`MemoryForwarder`]: a forwarder for tests.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, MutexGuard};

use async_trait::async_trait;

use super::{Acceptance, ForwardError, Forwarder, Outcome, Reply, TransportSecurity};
use crate::lock::Lock;
use crate::message::{MailboxId, Message, Origin};
use crate::store::MessageStore;

/// A forwarder that keeps messages in memory and fails as its script says: for tests and first steps. Clones share their state.
///
/// ```
/// # use voicemail::message::{Audio, AudioType, ClockQuality, ClockSource, MailboxId, Message, RecordedAt};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let quality = ClockQuality::unknown(ClockSource::System);
/// # let recorded_at = RecordedAt::new("2025-03-30T00:59:40Z".parse().unwrap(), chrono_tz::Europe::London, quality);
/// # let message = Message::builder(Audio::new(AudioType::Wav, &b"RIFF.."[..]), recorded_at).build();
/// use voicemail::forward::{Forwarder, MemoryForwarder, Outcome, Script};
///
/// let mailbox: MailboxId = "2041".parse().unwrap();
/// let forwarder = MemoryForwarder::new();
/// forwarder.next(Script::LoseTheAnswer);
///
/// assert!(forwarder.forward(&message, &[mailbox.clone()]).await.is_err());
/// assert_eq!(forwarder.forward(&message, &[mailbox.clone()]).await.unwrap().outcomes, [Outcome::Accepted]);
/// assert_eq!(forwarder.taken(&mailbox).len(), 2);
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct MemoryForwarder {
    state: Arc<Lock<Memory>>,
    store: Option<(Arc<dyn MessageStore>, Origin)>,
}

/// The behaviour of a [`MemoryForwarder`] in one call.
#[derive(Debug)]
#[non_exhaustive]
pub enum Script {
    /// Accepts the message for every recipient for whom [`answer`](MemoryForwarder::answer) set no other outcome.
    Accept,
    /// Defers the message for every recipient.
    Defer(Reply),
    /// Refuses the message for every recipient.
    Refuse(Reply),
    /// Accepts the message for no recipient and returns this error.
    Fail(ForwardError),
    /// Accepts the message as [`Accept`](Self::Accept) does, and then returns an error as if the connection broke.
    LoseTheAnswer,
    /// Accepts the message for no recipient and never returns, which breaks the contract: wrap it in a
    /// [`TimeLimited`](super::TimeLimited).
    NeverAnswer,
}

#[derive(Debug, Default)]
struct Memory {
    next: VecDeque<Script>,
    answers: HashMap<MailboxId, Outcome>,
    taken: Vec<(MailboxId, Message)>,
}

impl MemoryForwarder {
    /// A forwarder that accepts every message and keeps it in memory.
    pub fn new() -> Self {
        Self::default()
    }

    /// A forwarder that deposits each accepted message in `store`, with this `origin`: a whole central node in memory.
    pub fn into_store(store: impl MessageStore, origin: Origin) -> Self {
        Self { state: Arc::default(), store: Some((Arc::new(store), origin)) }
    }

    /// Sets the behaviour of the next call that has no script yet. Calls without a script are accepted.
    pub fn next(&self, script: Script) {
        self.state().next.push_back(script);
    }

    /// Sets the `outcome` for `mailbox` in every accepted call from now on.
    pub fn answer(&self, mailbox: MailboxId, outcome: Outcome) {
        self.state().answers.insert(mailbox, outcome);
    }

    /// Returns the messages accepted for `mailbox` in order, including repeated ones.
    pub fn taken(&self, mailbox: &MailboxId) -> Vec<Message> {
        let state = self.state();
        state.taken.iter().filter(|(owner, _)| owner == mailbox).map(|(_, message)| message.clone()).collect()
    }

    async fn take(&self, message: &Message, mailbox: &MailboxId) -> Outcome {
        let scripted = self.state().answers.get(mailbox).cloned().unwrap_or(Outcome::Accepted);
        let outcome = match (scripted, &self.store) {
            (Outcome::Accepted, Some((store, origin))) => match store.deposit(mailbox, origin, message).await {
                Ok(_) => Outcome::Accepted,
                Err(error) if error.is_transient() => Outcome::Deferred(Reply::new(451, error.to_string())),
                Err(error) => Outcome::Refused(Reply::new(550, error.to_string())),
            },
            (scripted, _) => scripted,
        };
        if outcome.is_accepted() {
            self.state().taken.push((mailbox.clone(), message.clone()));
        }
        outcome
    }

    fn state(&self) -> MutexGuard<'_, Memory> {
        self.state.lock()
    }
}

#[async_trait]
impl Forwarder for MemoryForwarder {
    async fn forward(&self, message: &Message, recipients: &[MailboxId]) -> Result<Acceptance, ForwardError> {
        let script = self.state().next.pop_front().unwrap_or(Script::Accept);
        let all = |outcome: Outcome| vec![outcome; recipients.len()];
        let outcomes = match script {
            Script::Defer(reply) => all(Outcome::Deferred(reply)),
            Script::Refuse(reply) => all(Outcome::Refused(reply)),
            Script::Fail(error) => return Err(error),
            Script::NeverAnswer => std::future::pending().await,
            Script::Accept | Script::LoseTheAnswer => {
                let mut outcomes = Vec::with_capacity(recipients.len());
                for mailbox in recipients {
                    outcomes.push(self.take(message, mailbox).await);
                }
                if matches!(script, Script::LoseTheAnswer) {
                    return Err(lost());
                }
                outcomes
            }
        };
        Ok(Acceptance::new(outcomes, TransportSecurity::InMemory))
    }
}

fn lost() -> ForwardError {
    let source = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    ForwardError::Unreachable { peer: "memory".to_owned(), source: source.into() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::conformance::forward::{Fixture, PeerBehaviour, run_all};
    use crate::forward::TimeLimited;
    use crate::message::{Audio, AudioType, ClockQuality, ClockSource, RecordedAt};

    fn message() -> Message {
        let quality = ClockQuality::unknown(ClockSource::Manual);
        let recorded_at =
            RecordedAt { instant: "2025-03-30T00:59:40Z".parse().unwrap(), zone: chrono_tz::Europe::London, quality };
        Message::builder(Audio::new(AudioType::Wav, &b"RIFF"[..]), recorded_at).build()
    }

    fn reply(code: u16) -> Reply {
        Reply::new(code, "as scripted")
    }

    #[tokio::test]
    async fn each_script_serves_one_call_and_then_calls_are_accepted() {
        let forwarder = MemoryForwarder::new();
        let recipients: [MailboxId; 2] = ["2041".parse().unwrap(), "2042".parse().unwrap()];
        forwarder.next(Script::Defer(reply(452)));
        forwarder.next(Script::Refuse(reply(550)));
        forwarder.next(Script::Fail(ForwardError::Unsendable("as scripted".to_owned())));
        forwarder.answer(recipients[1].clone(), Outcome::Deferred(reply(450)));

        let outcomes = async || forwarder.forward(&message(), &recipients).await.map(|acceptance| acceptance.outcomes);
        assert_eq!(outcomes().await.unwrap(), vec![Outcome::Deferred(reply(452)); 2]);
        assert_eq!(outcomes().await.unwrap(), vec![Outcome::Refused(reply(550)); 2]);
        assert!(matches!(outcomes().await, Err(ForwardError::Unsendable(_))));
        assert_eq!(outcomes().await.unwrap(), [Outcome::Accepted, Outcome::Deferred(reply(450))]);
        assert_eq!((forwarder.taken(&recipients[0]).len(), forwarder.taken(&recipients[1]).len()), (1, 0));
    }

    struct InMemory {
        node: MemoryForwarder,
        forwarder: TimeLimited<MemoryForwarder>,
    }

    #[async_trait]
    impl Fixture for InMemory {
        fn forwarder(&self) -> &dyn Forwarder {
            &self.forwarder
        }

        async fn set_peer_behaviour(&self, next: PeerBehaviour) {
            match next {
                PeerBehaviour::Accepts => {}
                PeerBehaviour::LosesItsReply => self.node.next(Script::LoseTheAnswer),
                PeerBehaviour::NeverReplies => self.node.next(Script::NeverAnswer),
            }
        }

        async fn stored(&self, mailbox: &MailboxId) -> Vec<Message> {
            self.node.taken(mailbox)
        }

        fn transport_security(&self) -> TransportSecurity {
            TransportSecurity::InMemory
        }
    }

    #[tokio::test(start_paused = true)]
    async fn keeps_the_contract() {
        run_all(|| async {
            let node = MemoryForwarder::new();
            node.answer("2043".parse().unwrap(), Outcome::Refused(reply(550)));
            InMemory { forwarder: TimeLimited::new(node.clone(), Duration::from_secs(60)), node }
        })
        .await;
    }
}
