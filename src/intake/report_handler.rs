//! [`ReportHandler`]: acts on reports about messages that this node has sent.

use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;

use crate::smtp::{Reply, SignedReturnPath};

/// Acts on reports about messages of this node.
#[async_trait]
pub(crate) trait ReportHandler: Debug + Send + Sync {
    /// Acts on the report `mail`, which came to the return path of a message. The error is the reply that refuses it.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has acted or not; the same call again settles it.
    async fn handle(&self, about: SignedReturnPath, mail: Bytes) -> Result<(), Reply>;
}
