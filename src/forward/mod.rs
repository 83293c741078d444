//! Forwarding of messages to another node: the trait [`Forwarder`], and its implementations.

mod custody;
mod error;
mod failover;
#[cfg(feature = "smtp")]
mod lettre;
mod mail;
mod mail_routes;
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

pub use self::custody::{Custody, UnknownCustody};
pub use self::error::ForwardError;
pub use self::failover::Failover;
#[cfg(feature = "smtp")]
pub use self::lettre::LettreMailOut;
pub use self::mail::{MailOut, Sender};
pub use self::mail_routes::MailRoutes;
#[cfg(feature = "memory")]
pub use self::memory::{MemoryForwarder, Script};
#[cfg(any(feature = "memory", feature = "smtp"))]
pub use self::remember_full::{FullMailboxes, RememberFull};
#[cfg(feature = "smtp")]
pub use self::smtp::SmtpForwarder;
#[cfg(any(feature = "memory", feature = "smtp"))]
pub use self::time_limited::TimeLimited;
use crate::message::{MailboxId, Message, MessageId};
pub use crate::message::{TlsVersion, TransportSecurity};
pub use crate::smtp::{EnhancedStatus, Outcome, Reply};

/// Hands messages to another node.
///
/// # Contract
///
/// - **Answered for.** [`Outcome::Accepted`] means that the other node has taken responsibility for the message: it is on that node's
///   stable storage. [`Outcome::Relayed`] means that a mail server in between has taken it to send it on, and that the receipt of the other node
///   is to come.
/// - **Each for itself.** Every recipient gets exactly one outcome, in the order given; the refusal of one recipient affects no other.
/// - **Never guessed.** When the reply was lost, the outcome is an error or [`Outcome::Deferred`], never `Accepted`.
/// - **True.** [`Acceptance::transport_security`] says how the message was protected in fact, not what was configured.
/// - **Ends.** Every call ends within a bounded time, whatever the other side does.
///
/// [`conformance::forward`](crate::conformance::forward) tests each sentence.
#[async_trait]
pub trait Forwarder: Debug + Send + Sync + 'static {
    /// Hands `message` to the other node for each of `recipients`, of which there is at least one.
    ///
    /// # Errors
    ///
    /// A [`ForwardError`] when nothing is known to have been accepted for any recipient; its
    /// [`is_transient`](ForwardError::is_transient) says whether another attempt makes sense.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have handed the message over or not. The same call again settles it, because a receiver stores a message once.
    async fn forward(&self, message: &Message, recipients: &[MailboxId]) -> Result<Acceptance, ForwardError>;

    /// Sends a mail through the relay to the return path of the id `probe`, which this forwarder signs. If it comes back to this node, so will receipts.
    ///
    /// Returns the relay's answer; or `None`, and sends nothing, if there is no relay, so that what the other node accepts is stored. By default there is
    /// none.
    ///
    /// # Errors
    ///
    /// A [`ForwardError`] when the relay is not known to have accepted the mail.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have sent the mail or not. A second mail does no harm.
    async fn probe_return_path(&self, probe: MessageId) -> Result<Option<Outcome>, ForwardError> {
        let _ = probe;
        Ok(None)
    }

    /// Whether this forwarder can [read](crate::message::Audio::reader) a long sound from its file while it sends the message.
    ///
    /// If so, the messages that it is given may have sounds that are not in memory, which can be read until the call ends. By default it
    /// cannot, and every sound is in memory.
    fn reads_sounds(&self) -> bool {
        false
    }
}

/// The other node's answer to one message: an outcome for each recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Acceptance {
    /// One outcome for each recipient, in the order given.
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

/// Passes every call on, so that a forwarder in an `Arc` or a `Box` is a forwarder too.
macro_rules! delegate {
    ($wrapper:ident) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<F: Forwarder + ?Sized> Forwarder for $wrapper<F> {
            async fn forward(&self, message: &Message, recipients: &[MailboxId]) -> Result<Acceptance, ForwardError> {
                (**self).forward(message, recipients).await
            }

            async fn probe_return_path(&self, probe: MessageId) -> Result<Option<Outcome>, ForwardError> {
                (**self).probe_return_path(probe).await
            }

            fn reads_sounds(&self) -> bool {
                (**self).reads_sounds()
            }
        }
    };
}

delegate!(Arc);
delegate!(Box);
