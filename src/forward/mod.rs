//! The way of a message to another node: the trait [`Forwarder`], and the forwarders beside it.

mod error;
mod failover;
#[cfg(any(feature = "memory", feature = "smtp"))]
mod full;
#[cfg(feature = "smtp")]
mod lettre;
#[cfg(any(feature = "memory", feature = "smtp"))]
mod limited;
mod mail;
#[cfg(feature = "memory")]
mod memory;
#[cfg(feature = "smtp")]
pub mod smtp;

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

pub use self::error::ForwardError;
pub use self::failover::Failover;
#[cfg(any(feature = "memory", feature = "smtp"))]
pub use self::full::{FullMailboxes, RememberFull};
#[cfg(feature = "smtp")]
pub use self::lettre::LettreMailOut;
#[cfg(any(feature = "memory", feature = "smtp"))]
pub use self::limited::TimeLimited;
pub use self::mail::{MailOut, Sender};
#[cfg(feature = "memory")]
pub use self::memory::{MemoryForwarder, Script};
#[cfg(feature = "smtp")]
pub use self::smtp::SmtpForwarder;
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
/// - **True.** [`Receipt::transport_security`] tells how the message went, not how it was meant to go.
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
    async fn forward(&self, message: &Message, recipients: &[MailboxId]) -> Result<Receipt, ForwardError>;

    /// Whether a long sound may be left where it is, to be [read](crate::message::Audio::reader) while it goes: the messages that the
    /// forwarder is given may then have sounds that are not in memory, and can be read until the call ends. Without it, all are in memory.
    fn reads_sounds(&self) -> bool {
        false
    }
}

/// What became of one message for each of its recipients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// One for each recipient, in the order given.
    pub outcomes: Vec<Outcome>,
    /// How it went.
    pub transport_security: TransportSecurity,
}

/// Passes every call on, so that a shared or boxed forwarder is a forwarder.
macro_rules! delegate {
    ($wrapper:ident) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<F: Forwarder + ?Sized> Forwarder for $wrapper<F> {
            async fn forward(&self, message: &Message, recipients: &[MailboxId]) -> Result<Receipt, ForwardError> {
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
