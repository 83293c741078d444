//! [`GreetingFolderError`]: the error type of the folder of greetings.

use std::io;
use std::path::PathBuf;

use super::GreetingId;

/// The reason why a greeting could not be kept or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GreetingFolderError {
    /// The file of the greeting is damaged: its content has changed since it was written. The file was moved aside.
    #[error("the sound of the greeting {0} was damaged on disk, and put aside")]
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
}

impl GreetingFolderError {
    /// Whether the same call, unchanged, may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Disk { .. } => true,
            Self::Damaged(_) => false,
        }
    }
}
