//! [`DirectoryError`].

use std::error::Error as StdError;

/// Why a directory could not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// Whoever knows did not answer; the same call may succeed later.
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
