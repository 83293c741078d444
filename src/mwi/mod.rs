//! Lamps, the field's message waiting indication: the trait [`MwiSink`], and the sinks beside it.

mod central;
#[cfg(feature = "memory")]
mod channel;
mod error;
mod log;
#[cfg(any(feature = "memory", feature = "fs", feature = "smtp"))]
mod router;
mod source;

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

pub use self::central::{CentralPbx, NoFallback};
#[cfg(feature = "memory")]
pub use self::channel::ChannelSink;
pub use self::error::MwiError;
pub use self::log::LogSink;
#[cfg(any(feature = "memory", feature = "fs", feature = "smtp"))]
pub use self::router::MwiRouter;
pub use self::source::{CurrentState, MwiSource};
use crate::message::{MailboxId, Summary};

/// Shows the state of mailboxes: a lamp, a display, a badge.
///
/// # Contract
///
/// - **State, not events.** Each call tells all there is to know of one mailbox; a sink needs no earlier one.
/// - **Shown.** After `Ok`, the state is shown, or handed to somebody who answers for showing it.
/// - **Never back.** A state with a lower version than one shown before for the mailbox changes nothing.
/// - **Lost is said.** A sink that cannot be sure any more that lamps show what they were told says so by [`lost`](Self::lost).
///
/// [`conformance::mwi`](crate::conformance::mwi) tests what can be seen from outside.
#[async_trait]
pub trait MwiSink: Debug + Send + Sync + 'static {
    /// Shows `state`.
    ///
    /// # Errors
    ///
    /// [`MwiError::NoSuchMailbox`] and [`MwiError::Refused`] are final; [`MwiError::Unavailable`] may pass, and the newest state should then be shown again.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has shown the state or not. The same or a newer state again settles it.
    async fn show(&self, state: &MwiState) -> Result<(), MwiError>;

    /// Waits until lamps may have lost what they were shown: their PBX has started again, or the way to them has changed. Every lamp
    /// is then told again, in its newest state. A sink that never loses anything need not have it.
    ///
    /// # Cancel safety
    ///
    /// What was lost while nobody waited is said to the next call. One caller waits at a time.
    async fn lost(&self) {
        std::future::pending::<()>().await;
    }
}

/// All there is to know of one mailbox's lamp.
///
/// # Source
///
/// RFC 3842 §5.2 for the counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MwiState {
    /// Whose lamp.
    pub mailbox: MailboxId,
    /// What waits.
    pub summary: Summary,
    /// Grows with every change of this mailbox, also across restarts.
    pub version: u64,
    /// When the mailbox was counted.
    pub as_of: DateTime<Utc>,
}

/// Passes every call on, so that a shared or boxed sink is a sink.
macro_rules! delegate {
    ($wrapper:ident) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<S: MwiSink + ?Sized> MwiSink for $wrapper<S> {
            async fn show(&self, state: &MwiState) -> Result<(), MwiError> {
                (**self).show(state).await
            }

            async fn lost(&self) {
                (**self).lost().await;
            }
        }
    };
}

delegate!(Arc);
delegate!(Box);
