//! [`MwiSource`]: returns the state that a lamp should show now.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

use super::MwiState;
use crate::message::MailboxId;

/// Returns the state that a mailbox's lamp should show now, for example when a telephone subscribes or has restarted.
///
/// # Contract
///
/// - **True.** [`CurrentState::Known`] was counted in the store after the call began.
/// - **In order.** Its version is not below that of any state that was counted before, whether that was returned by a call or passed to a
///   [`MwiSink`](super::MwiSink), by this node or by another that uses the same store; two states with one version are the same.
/// - **Never guessed.** If the mailbox cannot be counted, the state is [`CurrentState::Unknown`], not zero.
///
/// A [`Node`](crate::node::Node) implements it.
#[async_trait]
pub trait MwiSource: Debug + Send + Sync + 'static {
    /// Counts `mailbox`.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has no visible effect.
    async fn current(&self, mailbox: &MailboxId) -> CurrentState;
}

/// The state of a mailbox's lamp, as far as it is known.
///
/// A caller has to handle each of these, so no variant is added to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CurrentState {
    /// The mailbox was counted.
    Known(MwiState),
    /// The mailbox cannot be counted now, so whether messages wait is unknown.
    Unknown,
    /// There is no such mailbox.
    NoSuchMailbox,
}

#[async_trait]
impl<S: MwiSource + ?Sized> MwiSource for Arc<S> {
    async fn current(&self, mailbox: &MailboxId) -> CurrentState {
        (**self).current(mailbox).await
    }
}
