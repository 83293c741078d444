//! [`ChannelSink`].

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::{MwiError, MwiSink, MwiState};
use crate::message::MailboxId;

/// Hands each state to whoever holds the other end of a channel.
///
/// A full channel makes [`show`](MwiSink::show) wait, so a slow reader is told less often, never wrongly. A state that is older than
/// one handed over before is not handed over.
#[derive(Debug, Clone)]
pub struct ChannelSink {
    sender: mpsc::Sender<MwiState>,
    newest: Arc<std::sync::Mutex<HashMap<MailboxId, u64>>>,
}

impl ChannelSink {
    /// A sink, and the end to read from; at most `capacity` states wait in between.
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
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
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
