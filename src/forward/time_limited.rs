//! [`TimeLimited`].

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::timeout;

use super::{Acceptance, ForwardError, Forwarder, Outcome};
use crate::message::{MailboxId, Message, MessageId};

/// A forwarder whose every call ends within a given time.
///
/// With it, a forwarder that may wait for ever keeps its contract, and [`Failover`](super::Failover) goes on to the next one sooner. A
/// message whose call was cut off may have been accepted or not, so the call returns [`TimedOut`](ForwardError::TimedOut), which is
/// transient.
#[derive(Debug)]
pub struct TimeLimited<F> {
    inner: F,
    limit: Duration,
}

impl<F: Forwarder> TimeLimited<F> {
    /// Wraps `inner`; each of its calls gets at most `limit`.
    pub fn new(inner: F, limit: Duration) -> Self {
        Self { inner, limit }
    }
}

#[async_trait]
impl<F: Forwarder> Forwarder for TimeLimited<F> {
    async fn forward(&self, message: &Message, recipients: &[MailboxId]) -> Result<Acceptance, ForwardError> {
        let in_time = timeout(self.limit, self.inner.forward(message, recipients)).await;
        in_time.unwrap_or_else(|_| Err(timed_out()))
    }

    async fn probe_return_path(&self, probe: MessageId) -> Result<Option<Outcome>, ForwardError> {
        timeout(self.limit, self.inner.probe_return_path(probe)).await.unwrap_or_else(|_| Err(timed_out()))
    }

    fn reads_sounds(&self) -> bool {
        self.inner.reads_sounds()
    }
}

fn timed_out() -> ForwardError {
    ForwardError::TimedOut { peer: "the other node".to_owned(), step: "the whole call" }
}
