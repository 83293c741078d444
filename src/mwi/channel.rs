//! [`ChannelSink`].

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::{MwiError, MwiSink, MwiState};
use crate::lock::Lock;
use crate::message::MailboxId;

/// Sends each state through a channel.
///
/// While the channel is full, [`show`](MwiSink::show) waits, so a slow receiver gets fewer states, never wrong ones. A state that is older
/// than one sent before is not sent.
#[derive(Debug, Clone)]
pub struct ChannelSink {
    sender: mpsc::Sender<MwiState>,
    newest: Arc<Lock<HashMap<MailboxId, u64>>>,
}

impl ChannelSink {
    /// A sink, and the receiver of its states; the channel holds at most `capacity` of them.
    ///
    /// # Panics
    ///
    /// If `capacity` is zero.
    pub fn new(capacity: usize) -> (Self, mpsc::Receiver<MwiState>) {
        let (sender, receiver) = mpsc::channel(capacity);
        (Self { sender, newest: Arc::default() }, receiver)
    }
}

#[async_trait]
impl MwiSink for ChannelSink {
    async fn show(&self, state: &MwiState) -> Result<(), MwiError> {
        let place = self.sender.reserve().await.map_err(|error| MwiError::Unavailable(error.into()))?;
        let mut newest = self.newest.lock();
        let version = newest.entry(state.mailbox.clone()).or_default();
        if state.version >= *version {
            *version = state.version;
            place.send(state.clone());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keeps_the_contract() {
        crate::conformance::mwi::run_all(|| {
            let (sink, mut states) = ChannelSink::new(8);
            let mut last = None;
            let look = move || {
                while let Ok(state) = states.try_recv() {
                    last = Some(state.summary);
                }
                std::future::ready(last)
            };
            (sink, look)
        })
        .await;
    }
}
