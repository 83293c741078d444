//! [`GreetingStoreError`]: the error type of stores of greetings.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;

use super::GreetingId;

/// The reason why a greeting could not be kept or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GreetingStoreError {
    /// The stored sound is damaged: its content has changed since it was written. It was moved aside.
    #[error("the stored sound of the greeting {0} was damaged, and put aside")]
    Damaged(GreetingId),
    /// The disk failed.
    #[error("the greetings in {folder} cannot be read or written")]
    Disk {
        /// The folder of the greetings.
        folder: PathBuf,
        /// The error of the file system.
        #[source]
        source: io::Error,
    },
    /// The medium of the store did not answer; the same call may succeed later.
    #[error("the store of greetings is unavailable")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
}

impl GreetingStoreError {
    /// Whether the same call, unchanged, may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Disk { .. } | Self::Unavailable(_) => true,
            Self::Damaged(_) => false,
        }
    }
}
