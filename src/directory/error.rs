//! [`DirectoryError`]: the error type of directories.

use std::error::Error as StdError;

/// The reason why a directory could not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// The source of the directory did not answer. The same call may succeed later.
    #[error("the directory is unavailable")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
}

impl DirectoryError {
    /// Whether the same call, unchanged, may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_) => true,
        }
    }
}
