//! [`ListStoreError`]: the error type of stores of private lists.

use std::error::Error as StdError;

/// The reason why a store of private lists could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListStoreError {
    /// The medium did not answer. The same call may succeed later.
    #[error("the private lists are unavailable")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
    /// A stored list cannot be understood. An operator has to correct or remove it.
    #[error("a private list is damaged")]
    Damaged(#[source] Box<dyn StdError + Send + Sync>),
}

impl ListStoreError {
    /// Whether the same call, unchanged, may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_) => true,
            Self::Damaged(_) => false,
        }
    }
}
