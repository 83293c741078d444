//! [`ReportHandler`]: acts on reports about messages that this node has sent.

use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;

#[cfg(feature = "node")]
use crate::message::MailboxId;
use crate::smtp::{Reply, SignedReturnPath};
#[cfg(feature = "node")]
use crate::wire::ReadReceipt;

/// Acts on reports about messages of this node.
#[async_trait]
pub(crate) trait ReportHandler: Debug + Send + Sync {
    /// Acts on `mail`, which came to a return path; returns what it is. The error is the reply that refuses it.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has acted or not; the same call again settles it.
    async fn handle(&self, about: SignedReturnPath, mail: Bytes) -> Result<ReturnedMail, Reply>;

    /// Acts on a read receipt that came to the mailbox `to`; returns false if it is about no mail that this mailbox has sent. The error is the reply that
    /// refuses it.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has acted or not; the same call again settles it.
    #[cfg(feature = "node")]
    async fn handle_receipt(&self, to: &MailboxId, receipt: ReadReceipt) -> Result<bool, Reply>;
}

/// The kind of a mail to a return path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReturnedMail {
    /// It is about a message.
    Report,
    /// It is a probe of this node.
    #[cfg_attr(not(feature = "node"), expect(dead_code, reason = "only a node sends probes"))]
    Probe,
}
