//! [`Postmaster`]: keeps the mail to the postmaster, or sends it on.

#[cfg(feature = "fs")]
mod folder;

use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;

#[cfg(feature = "fs")]
pub use self::folder::PostmasterFolder;
use crate::smtp::Reply;

/// Keeps mail to the postmaster, of any form, or sends it on.
#[async_trait]
pub(crate) trait Postmaster: Debug + Send + Sync {
    /// Checks whether a mail of `size` bytes would be accepted (0 if the size is not known). The error is the reply that refuses it.
    async fn check(&self, size: u64) -> Result<(), Reply>;

    /// Makes `mail` durable; returns the name by which an operator finds it. The error is the reply that refuses it.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has kept the mail or not.
    async fn keep(&self, mail: Bytes) -> Result<String, Reply>;
}
