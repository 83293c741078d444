//! The way of a message to another node: the trait [`Forwarder`], and the forwarders beside it.

mod error;
mod failover;
#[cfg(feature = "smtp")]
mod lettre;
mod mail;
#[cfg(feature = "memory")]
mod memory;
#[cfg(any(feature = "memory", feature = "smtp"))]
mod remember_full;
#[cfg(feature = "smtp")]
pub mod smtp;
#[cfg(any(feature = "memory", feature = "smtp"))]
mod time_limited;

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

pub use self::error::ForwardError;
pub use self::failover::Failover;
#[cfg(feature = "smtp")]
pub use self::lettre::LettreMailOut;
pub use self::mail::{MailOut, Sender};
#[cfg(feature = "memory")]
pub use self::memory::{MemoryForwarder, Script};
#[cfg(any(feature = "memory", feature = "smtp"))]
pub use self::remember_full::{FullMailboxes, RememberFull};
#[cfg(feature = "smtp")]
pub use self::smtp::SmtpForwarder;
#[cfg(any(feature = "memory", feature = "smtp"))]
pub use self::time_limited::TimeLimited;
use crate::message::{MailboxId, Message};
pub use crate::message::{TlsVersion, TransportSecurity};
pub use crate::smtp::{EnhancedStatus, Outcome, Reply};

/// Hands messages to another node.
///
/// # Contract
///
/// - **Answered for.** [`Outcome::Accepted`] means that the other node has answered for the message: it is on its stable storage.
/// - **Each for itself.** Every recipient gets exactly one outcome, in the order given; one recipient's refusal costs no other.
/// - **Never guessed.** When an answer was lost, the outcome is an error or [`Outcome::Deferred`], never `Accepted`.
/// - **True.** [`Acceptance::transport_security`] tells how the message went, not how it was meant to go.
/// - **Ends.** Every call ends within a bounded time, whatever the other side does.
///
/// [`conformance::forward`](crate::conformance::forward) tests each sentence.
#[async_trait]
pub trait Forwarder: Debug + Send + Sync + 'static {
    /// Hands `message` to the other node for each of `recipients`, of which there is at least one.
    ///
    /// # Errors
    ///
    /// A [`ForwardError`] when nothing is known to have been accepted for anyone; by
    /// [`is_transient`](ForwardError::is_transient) it tells whether another try makes sense.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have handed the message over or not. The same call again settles it, because a receiver takes a message once.
    async fn forward(&self, message: &Message, recipients: &[MailboxId]) -> Result<Acceptance, ForwardError>;

    /// Whether a long sound may be left where it is, to be [read](crate::message::Audio::reader) while it goes: the messages that the
    /// forwarder is given may then have sounds that are not in memory, and can be read until the call ends. Without it, all are in memory.
    fn reads_sounds(&self) -> bool {
        false
    }
}

/// The other node's answer to one message: an outcome for each recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Acceptance {
    /// One for each recipient, in the order given.
    pub outcomes: Vec<Outcome>,
    /// How the message was protected on its way.
    pub transport_security: TransportSecurity,
}

impl Acceptance {
    /// An answer with these `outcomes`, one for each recipient in the order given, to a message that went by `transport_security`.
    pub fn new(outcomes: Vec<Outcome>, transport_security: TransportSecurity) -> Self {
        Self { outcomes, transport_security }
    }
}

/// Passes every call on, so that a shared or boxed forwarder is a forwarder.
macro_rules! delegate {
    ($wrapper:ident) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<F: Forwarder + ?Sized> Forwarder for $wrapper<F> {
            async fn forward(&self, message: &Message, recipients: &[MailboxId]) -> Result<Acceptance, ForwardError> {
                (**self).forward(message, recipients).await
            }

            fn reads_sounds(&self) -> bool {
                (**self).reads_sounds()
            }
        }
    };
}

delegate!(Arc);
delegate!(Box);
