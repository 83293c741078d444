//! [`Postmaster`]: what takes the mail to the postmaster.

#[cfg(feature = "fs")]
mod folder;

use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;

#[cfg(feature = "fs")]
pub use self::folder::PostmasterFolder;
use crate::smtp::server::Reply;

/// Keeps the mail to the postmaster, of whatever form, or sends it on.
#[async_trait]
pub(crate) trait Postmaster: Debug + Send + Sync {
    /// Whether a mail of `size` bytes would be taken, 0 where the size is not known; the refusal if not.
    async fn check(&self, size: u64) -> Result<(), Reply>;

    /// Makes `mail` durable; answers with what an operator finds it by, or with the refusal.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has kept the mail or not.
    async fn keep(&self, mail: Bytes) -> Result<String, Reply>;
}
