//! The node as an [`MwiSource`].

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use tokio::time::timeout;

use super::Node;
use super::counter::Counted;
use crate::message::MailboxId;
use crate::mwi::{CurrentState, MwiSource};
use crate::store::StoreError;

/// Returns states counted by the store, also while the node does not run. Their versions and those of the states passed to the sink are
/// in one order.
///
/// The state is [`CurrentState::Unknown`] on a node that is not the central one, and when the store does not answer within ten seconds.
#[async_trait]
impl MwiSource for Node {
    async fn current(&self, mailbox: &MailboxId) -> CurrentState {
        let Some(counter) = self.inner.counter.as_ref().filter(|_| self.inner.current.is_central()) else {
            return CurrentState::Unknown;
        };
        let answered = timeout(LONGEST, AssertUnwindSafe(counter.count(mailbox)).catch_unwind()).await;
        match answered {
            Ok(Ok(Ok(Counted { state, .. }))) => CurrentState::Known(state),
            Ok(Ok(Err(StoreError::NoSuchMailbox(_)))) => CurrentState::NoSuchMailbox,
            Ok(Ok(Err(error))) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a mailbox cannot be counted for a subscriber");
                CurrentState::Unknown
            }
            Ok(Err(_panic)) => {
                tracing::error!("the store panicked when a mailbox was counted for a subscriber");
                CurrentState::Unknown
            }
            Err(_elapsed) => {
                tracing::warn!("a mailbox was not counted in time for a subscriber");
                CurrentState::Unknown
            }
        }
    }
}

/// The longest time for a count.
const LONGEST: Duration = Duration::from_secs(10);
