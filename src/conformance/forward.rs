//! Tests of the contract of [`Forwarder`], sentence by sentence.
//!
//! A forwarder is judged by the messages that the other node has stored in the end. So a test provides a [`Fixture`]: the forwarder, and
//! another node whose behaviour the test sets.
//!
//! ```
//! use std::time::Duration;
//! use async_trait::async_trait;
//! use voicemail::conformance::forward::{Fixture, PeerBehaviour, run_all};
//! use voicemail::forward::{Forwarder, MemoryForwarder, Outcome, Reply, Script, TimeLimited, TransportSecurity};
//! use voicemail::message::{MailboxId, Message};
//!
//! struct InMemory {
//!     node: MemoryForwarder,
//!     forwarder: TimeLimited<MemoryForwarder>,
//! }
//!
//! #[async_trait]
//! impl Fixture for InMemory {
//!     fn forwarder(&self) -> &dyn Forwarder {
//!         &self.forwarder
//!     }
//!     async fn set_peer_behaviour(&self, next: PeerBehaviour) {
//!         match next {
//!             PeerBehaviour::LosesItsReply => self.node.next(Script::LoseTheAnswer),
//!             PeerBehaviour::NeverReplies => self.node.next(Script::NeverAnswer),
//!             _ => {}
//!         }
//!     }
//!     async fn stored(&self, mailbox: &MailboxId) -> Vec<Message> {
//!         self.node.taken(mailbox)
//!     }
//!     fn transport_security(&self) -> TransportSecurity {
//!         TransportSecurity::InMemory
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! run_all(|| async {
//!     let node = MemoryForwarder::new();
//!     let unknown = Reply::new(550, "5.1.1 no such mailbox");
//!     node.answer("2043".parse().unwrap(), Outcome::Refused(unknown));
//!     InMemory { forwarder: TimeLimited::new(node.clone(), Duration::from_millis(20)), node }
//! })
//! .await;
//! # }
//! ```

use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::timeout;

use crate::forward::{Acceptance, ForwardError, Forwarder, Outcome, TransportSecurity};
use crate::message::{Audio, AudioType, ClockQuality, ClockSource, MailboxId, Message, RecordedAt};

/// A forwarder, and the other node that it forwards to, with the mailboxes `2041` and `2042` and no mailbox `2043`.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// The forwarder under test.
    fn forwarder(&self) -> &dyn Forwarder;

    /// Sets how the other node behaves at the next message. It accepts all messages after that.
    async fn set_peer_behaviour(&self, next: PeerBehaviour);

    /// Returns the messages that the other node has stored for `mailbox`, including repeated ones.
    async fn stored(&self, mailbox: &MailboxId) -> Vec<Message>;

    /// How messages to the other node are protected.
    fn transport_security(&self) -> TransportSecurity;

    /// The time that no call may exceed; 10 minutes by default.
    fn time_limit(&self) -> Duration {
        Duration::from_secs(600)
    }
}

/// How the other node behaves at one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerBehaviour {
    /// It accepts the message, and its reply arrives.
    Accepts,
    /// It accepts the message, and its reply is lost.
    LosesItsReply,
    /// It neither accepts the message nor replies, and does not close the connection.
    NeverReplies,
}

/// Runs every test of this module, each on a new fixture from `make`.
///
/// # Panics
///
/// When a sentence of the contract is broken; the panic names it.
pub async fn run_all<S, F, M>(make: M)
where
    S: Fixture,
    F: Future<Output = S> + Send,
    M: Fn() -> F + Send + Sync,
{
    answered_for(&make().await).await;
    each_for_itself(&make().await).await;
    never_guessed(&make().await).await;
    never_guessed_after_a_dropped_call(&make().await).await;
    true_transport_security(&make().await).await;
    ends(&make().await).await;
}

/// **Answered for.** An accepted message is stored at the other node, unchanged.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn answered_for(fixture: &impl Fixture) {
    fixture.set_peer_behaviour(PeerBehaviour::Accepts).await;
    for sound in [vec![0], b"\r\n.\r\n.".to_vec(), (0..=255).collect::<Vec<u8>>().repeat(400)] {
        let message = message(&sound);
        let acceptance = accepted(fixture, &message, &["2041"]).await;
        assert_eq!(acceptance.outcomes, [Outcome::Accepted], "Answered for: a message for a mailbox that is there");
        let kept = fixture.stored(&mailbox("2041")).await;
        let found = kept.iter().find(|kept| kept.id() == message.id());
        let found = found.unwrap_or_else(|| panic!("Answered for: accepted, and not stored at the other node"));
        assert!(found.audio() == message.audio(), "Answered for: stored, but with another sound");
    }
}

/// **Each for itself.** Every recipient gets one outcome, in the order given, and the refusal of one affects no other.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn each_for_itself(fixture: &impl Fixture) {
    fixture.set_peer_behaviour(PeerBehaviour::Accepts).await;
    for order in [["2041", "2043", "2042"], ["2043", "2042", "2041"]] {
        let message = message(b"to three");
        let acceptance = accepted(fixture, &message, &order).await;
        assert_eq!(acceptance.outcomes.len(), order.len(), "Each for itself: one outcome for each recipient");
        for (number, outcome) in order.iter().zip(&acceptance.outcomes) {
            let kept = fixture.stored(&mailbox(number)).await.iter().any(|kept| kept.id() == message.id());
            if *number == "2043" {
                assert!(matches!(outcome, Outcome::Refused(_)), "Each for itself: {number} is unknown, but {outcome:?}");
            } else {
                assert_eq!(*outcome, Outcome::Accepted, "Each for itself: {number} is known");
            }
            assert_eq!(kept, *number != "2043", "Each for itself: whether {number} has the message in the end");
        }
    }
}

/// **Never guessed.** A lost reply is no acceptance; the same call again settles it.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn never_guessed(fixture: &impl Fixture) {
    let message = message(b"lost and found");
    fixture.set_peer_behaviour(PeerBehaviour::LosesItsReply).await;
    match call(fixture, &message, &["2041"]).await {
        Ok(acceptance) => {
            let open = acceptance.outcomes.iter().all(|outcome| matches!(outcome, Outcome::Deferred(_)));
            assert!(open, "Never guessed: the reply was lost, but {acceptance:?}");
        }
        Err(error) => assert!(error.is_transient(), "Never guessed: a lost reply is no reason to give up: {error}"),
    }
    let acceptance = accepted(fixture, &message, &["2041"]).await;
    assert_eq!(acceptance.outcomes, [Outcome::Accepted], "Never guessed: the same call again settles it");
}

/// **Never guessed.** A call that is dropped at any point does not affect the calls after it.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn never_guessed_after_a_dropped_call(fixture: &impl Fixture) {
    fixture.set_peer_behaviour(PeerBehaviour::Accepts).await;
    let dropped = message(b"dropped");
    for polls in 0..MOST_POLLS {
        let recipients = [mailbox("2041")];
        let mut call = fixture.forwarder().forward(&dropped, &recipients);
        let mut left = polls;
        let ended = std::future::poll_fn(|cx| {
            if left == 0 {
                return std::task::Poll::Ready(false);
            }
            left -= 1;
            call.as_mut().poll(cx).map(|_| true)
        })
        .await;
        drop(call);
        let message = message(b"after a dropped call");
        let acceptance = accepted(fixture, &message, &["2042"]).await;
        assert_eq!(acceptance.outcomes, [Outcome::Accepted], "Never guessed: after a call dropped at its poll {polls}");
        let kept = fixture.stored(&mailbox("2042")).await;
        assert!(
            kept.iter().any(|kept| kept.id() == message.id()),
            "Never guessed: accepted after a dropped call, and not stored"
        );
        if ended {
            return;
        }
    }
}

/// **True.** The answer says how the message was protected.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn true_transport_security(fixture: &impl Fixture) {
    fixture.set_peer_behaviour(PeerBehaviour::Accepts).await;
    let acceptance = accepted(fixture, &message(b"on its way"), &["2041"]).await;
    assert_eq!(acceptance.transport_security, fixture.transport_security(), "True: how the message was protected");
}

/// **Ends.** When the other node never replies, a call ends in bounded time, accepts nothing, and does not affect the calls after it.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn ends(fixture: &impl Fixture) {
    let message = message(b"into the silence");
    fixture.set_peer_behaviour(PeerBehaviour::NeverReplies).await;
    match call(fixture, &message, &["2041"]).await {
        Ok(acceptance) => {
            assert!(!acceptance.outcomes.contains(&Outcome::Accepted), "Ends: no reply came, but {acceptance:?}");
        }
        Err(error) => assert!(error.is_transient(), "Ends: silence is no reason to give up: {error}"),
    }
    let acceptance = accepted(fixture, &message, &["2041"]).await;
    assert_eq!(acceptance.outcomes, [Outcome::Accepted], "Ends: the other node replies again");
}

async fn call(fixture: &impl Fixture, message: &Message, numbers: &[&str]) -> Result<Acceptance, ForwardError> {
    let recipients: Vec<MailboxId> = numbers.iter().map(|number| mailbox(number)).collect();
    let ended = timeout(fixture.time_limit(), fixture.forwarder().forward(message, &recipients)).await;
    ended.unwrap_or_else(|_| panic!("Ends: a call took more than {:?}", fixture.time_limit()))
}

async fn accepted(fixture: &impl Fixture, message: &Message, numbers: &[&str]) -> Acceptance {
    let answer = call(fixture, message, numbers).await;
    answer.unwrap_or_else(|error| panic!("Answered for: the other node is there, but: {error}"))
}

fn mailbox(number: &str) -> MailboxId {
    number.parse().expect("the numbers in this file are numbers of mailboxes")
}

fn message(sound: &[u8]) -> Message {
    let instant = chrono::DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_000);
    let quality = ClockQuality::unknown(ClockSource::Manual);
    let recorded_at = RecordedAt { instant, zone: chrono_tz::Europe::London, quality };
    Message::builder(Audio::new(AudioType::Wav, sound.to_vec()), recorded_at).length(Duration::from_secs(1)).build()
}

/// The most polls of a call before it is dropped: more than any call needs to end.
const MOST_POLLS: usize = 1000;
