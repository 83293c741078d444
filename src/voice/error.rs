//! [`VoiceError`]: the error type of voices.

use std::error::Error as StdError;

/// The reason why a voice could not say a prompt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VoiceError {
    /// The program or the service that makes the sounds failed. The same call may succeed later.
    #[error("the prompt could not be spoken")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
}

impl VoiceError {
    /// Whether the same call, unchanged, may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_) => true,
        }
    }
}
