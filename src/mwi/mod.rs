//! Message waiting indication (MWI), called a lamp here: the trait [`MwiSink`], and its implementations; and [`LampLease`], for several central nodes.

#[cfg(feature = "memory")]
mod channel;
mod error;
#[cfg(any(feature = "smtp", feature = "sip"))]
mod fan_out;
mod lease;
mod log;
#[cfg(feature = "memory")]
mod memory_lease;
mod permit;
#[cfg(any(feature = "memory", feature = "fs", feature = "smtp"))]
mod router;
mod source;

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

#[cfg(feature = "memory")]
pub use self::channel::ChannelSink;
pub use self::error::MwiError;
#[cfg(any(feature = "smtp", feature = "sip"))]
pub use self::fan_out::FanOutSink;
pub use self::lease::{LampLease, LeaseError};
pub use self::log::LogSink;
#[cfg(feature = "memory")]
pub use self::memory_lease::{MemoryLease, MemoryLeases};
pub use self::permit::LampPermit;
#[cfg(any(feature = "memory", feature = "fs", feature = "smtp"))]
pub use self::router::{CentralPbx, MwiRouter, NoFallback};
pub use self::source::{CurrentState, MwiSource};
use crate::message::{MailboxId, Summary};

/// Shows the state of mailboxes: a lamp, a display, a badge.
///
/// # Contract
///
/// - **State, not events.** Each call has the whole state of one mailbox; a sink needs no earlier call.
/// - **Shown.** After `Ok`, the state is shown, or another program has accepted it and is responsible for showing it.
/// - **Never back.** A state with a lower version than one shown before for the mailbox changes nothing.
/// - **Not after its permit.** [`show_permitted`](Self::show_permitted) shows nothing unasked after its permit has ended.
/// - **Loss is reported.** A sink reports by [`lost`](Self::lost) when lamps may no longer show the states that were passed to it.
///
/// [`conformance::mwi`](crate::conformance::mwi) tests what can be seen from outside.
#[async_trait]
pub trait MwiSink: Debug + Send + Sync + 'static {
    /// Shows `state`.
    ///
    /// # Errors
    ///
    /// [`MwiError::NoSuchMailbox`] and [`MwiError::Refused`] are final. After [`MwiError::Unavailable`], a later call with the newest state may
    /// succeed.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has shown the state or not. The same or a newer state again settles it.
    async fn show(&self, state: &MwiState) -> Result<(), MwiError>;

    /// Shows `state` while `permit` is valid; a node calls it.
    ///
    /// The default polls [`show`](Self::show) only while the permit is valid. This is right for each sink that does all its work in `show`. A sink
    /// that passes states to other sinks passes the permit on, and one that serves subscribers may ignore it, because each node has its own.
    ///
    /// # Errors
    ///
    /// As [`show`](Self::show); [`MwiError::NotPermitted`] when the permit has ended before the state was shown.
    ///
    /// # Cancel safety
    ///
    /// As [`show`](Self::show).
    async fn show_permitted(&self, state: &MwiState, permit: &LampPermit) -> Result<(), MwiError> {
        permit.guard(self.show(state)).await
    }

    /// Waits until lamps may have lost their states: their PBX has restarted, or the route to them has changed. The caller then shows every
    /// state again. By default it waits for ever, which is right for a sink that never loses a state.
    ///
    /// # Cancel safety
    ///
    /// A loss while nobody waits is reported to the next call. One caller waits at a time.
    async fn lost(&self) {
        std::future::pending::<()>().await;
    }
}

/// The state of one mailbox's lamp.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MwiState {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// The numbers of messages in it, as in RFC 3842 §5.2.
    pub summary: Summary,
    /// The version of the state, which grows with every change of the mailbox, also across restarts.
    pub version: u64,
    /// When the mailbox was counted.
    pub as_of: DateTime<Utc>,
}

impl MwiState {
    /// The state of `mailbox`, counted at the Unix epoch until [`counted_at`](Self::counted_at) sets the time.
    pub const fn new(mailbox: MailboxId, summary: Summary, version: u64) -> Self {
        Self { mailbox, summary, version, as_of: DateTime::UNIX_EPOCH }
    }

    /// The same state, counted at `as_of`.
    #[must_use]
    pub const fn counted_at(mut self, as_of: DateTime<Utc>) -> Self {
        self.as_of = as_of;
        self
    }
}

/// Implements the trait for a shared or boxed sink; it forwards every call.
macro_rules! delegate {
    ($wrapper:ident) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<S: MwiSink + ?Sized> MwiSink for $wrapper<S> {
            async fn show(&self, state: &MwiState) -> Result<(), MwiError> {
                (**self).show(state).await
            }

            async fn show_permitted(&self, state: &MwiState, permit: &LampPermit) -> Result<(), MwiError> {
                (**self).show_permitted(state, permit).await
            }

            async fn lost(&self) {
                (**self).lost().await;
            }
        }
    };
}

delegate!(Arc);
delegate!(Box);
