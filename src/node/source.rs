//! The node as an [`MwiSource`].

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use tokio::time::timeout;

use super::Node;
use crate::message::MailboxId;
use crate::mwi::{CurrentState, MwiSource};
use crate::store::StoreError;

/// Answers from the store, also while the node does not run. The states that its sink is shown are in one order with the answers.
///
/// Unknown is what a node keeps no mailboxes of, as another node is the central one; and what a store does not count within ten
/// seconds.
#[async_trait]
impl MwiSource for Node {
    async fn current(&self, mailbox: &MailboxId) -> CurrentState {
        let Some(counter) = self.inner.counter.as_ref().filter(|_| self.inner.standing.is_central()) else {
            return CurrentState::Unknown;
        };
        let answered = timeout(LONGEST, AssertUnwindSafe(counter.count(mailbox)).catch_unwind()).await;
        match answered {
            Ok(Ok(Ok(state))) => CurrentState::Known(state),
            Ok(Ok(Err(StoreError::NoSuchMailbox(_)))) => CurrentState::NoSuchMailbox,
            Ok(Ok(Err(error))) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a mailbox cannot be counted for who asked");
                CurrentState::Unknown
            }
            Ok(Err(_panic)) => {
                tracing::error!("the store panicked when a mailbox was counted for who asked");
                CurrentState::Unknown
            }
            Err(_elapsed) => {
                tracing::warn!("a mailbox was not counted in time for who asked");
                CurrentState::Unknown
            }
        }
    }
}

/// How long a count may take.
const LONGEST: Duration = Duration::from_secs(10);
