//! [`GreetingFolderError`].

use std::io;
use std::path::PathBuf;

use super::GreetingId;

/// Why a greeting could not be kept or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GreetingFolderError {
    /// The greeting's file is not what was written; it was put aside.
    #[error("the sound of the greeting {0} was damaged on disk, and put aside")]
    Damaged(GreetingId),
    /// The disk did not do it.
    #[error("the greetings in {folder} cannot be read or written")]
    Disk {
        /// The folder of the greetings.
        folder: PathBuf,
        /// What the file system said.
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
