//! [`SentStoreError`]: the error type of stores of sent messages.

use std::error::Error as StdError;

/// The reason why a store of sent messages could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SentStoreError {
    /// The medium did not answer. The same call may succeed later.
    #[error("the sent messages are unavailable")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
}

impl SentStoreError {
    /// Whether the same call, unchanged, may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_) => true,
        }
    }
}
