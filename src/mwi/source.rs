//! [`MwiSource`]: what a lamp should show now, for whoever asks.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

use super::MwiState;
use crate::message::MailboxId;

/// Answers what a mailbox's lamp should show now: when a telephone subscribes, say, or has started again.
///
/// # Contract
///
/// - **True.** [`CurrentState::Known`] was counted in the store after the call began.
/// - **In order.** Its version is above that of every state that was counted before, whoever was told that one; an answer and a
///   state that a [`MwiSink`](super::MwiSink) is shown can be put in order by their versions.
/// - **Never guessed.** What cannot be counted is [`CurrentState::Unknown`], not zero.
///
/// A [`Node`](crate::node::Node) is one.
#[async_trait]
pub trait MwiSource: Debug + Send + Sync + 'static {
    /// Counts `mailbox`.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has changed nothing that can be seen.
    async fn current(&self, mailbox: &MailboxId) -> CurrentState;
}

/// What is known of a mailbox's lamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CurrentState {
    /// The mailbox was counted.
    Known(MwiState),
    /// It cannot be counted now: neither "waiting" nor "none".
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
