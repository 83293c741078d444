//! [`StagedMail`]: a long mail that is written down while it comes in.

use std::fmt::Debug;
use std::sync::Arc;

use super::StoreError;
use crate::message::MailFile;

/// A mail on its way into a store, in no mailbox yet; made by [`MessageStore::stage`](super::MessageStore::stage). Everything here blocks.
///
/// Dropped, it is gone; what a crash leaves of it is gone when the store is next opened.
pub trait StagedMail: Debug + Send + Sync {
    /// Writes `bytes` after those before.
    ///
    /// # Errors
    ///
    /// As for a deposit: [`StoreError::NoSpace`] and [`StoreError::Unavailable`] may pass, [`StoreError::TooBig`] is final. The mail is of
    /// no use any more.
    fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError>;

    /// The mail, complete.
    fn finish(self: Box<Self>) -> Arc<dyn MailFile>;
}
