//! A distributed node and its central one.

use std::time::Duration;

use bytes::Bytes;
use voicemail::forward::smtp::Security;

use super::nodes::{Central, Distributed};

/// A distributed node and its central one.
pub(crate) struct Pair {
    central: Central,
    distributed: Distributed,
}

impl Pair {
    pub(crate) async fn open(security: Security) -> Self {
        let central = Central::open().await;
        let distributed = Distributed::open(&central, security).await;
        Self { central, distributed }
    }

    /// Sends `messages` messages, `concurrency` at a time; returns how long that took.
    pub(crate) async fn send(&self, messages: u64, concurrency: u64, wav: &Bytes) -> Duration {
        self.distributed.send(messages, concurrency, wav).await
    }

    pub(crate) async fn close(self) {
        self.distributed.close().await;
        self.central.close().await;
    }
}
