//! [`StagedMail`]: a long mail that is written to the store's medium while it comes in.

use std::fmt::Debug;
use std::sync::Arc;

use super::StoreError;
use crate::message::MailFile;

/// A mail that is being written to a store's medium and is in no mailbox yet; made by [`MessageStore::stage`](super::MessageStore::stage). Everything here blocks.
///
/// A staged mail that is dropped is deleted; the remains that a crash leaves are deleted when the store is next opened.
pub trait StagedMail: Debug + Send + Sync {
    /// Appends `bytes` to the mail.
    ///
    /// # Errors
    ///
    /// As for a deposit: [`StoreError::NoSpace`] and [`StoreError::Unavailable`] may pass, [`StoreError::TooBig`] is final. The mail
    /// cannot be used any more.
    fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError>;

    /// Returns the complete mail.
    fn finish(self: Box<Self>) -> Arc<dyn MailFile>;
}
