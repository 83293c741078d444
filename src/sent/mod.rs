//! The messages that owners have sent and want to follow: [`SentMessage`], and the trait [`SentStore`], which keeps them.
//!
//! A message is here if its sender has requested a receipt, or has sent it to another voicemail system. For each mailbox that it was sent to, a [`SentCopy`] says what became of it. The list is a
//! memory for its owner, and no part of a delivery: a message whose entry could not be kept is sent all the same.

mod copy;
mod error;
#[cfg(feature = "fs")]
mod folder;
mod message;
mod store;
#[cfg(feature = "fs")]
mod text_form;

pub use self::copy::{CopiedSent, copy_sent};
pub use self::error::SentStoreError;
#[cfg(feature = "fs")]
pub use self::folder::SentFolder;
pub use self::message::{SentCopy, SentMessage, SentState};
pub use self::store::SentStore;
