//! [`Transcriber`]: the trait of what writes a sound down.

use std::error::Error as StdError;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::message::{Language, Transcript};

/// Writes down the words of a sound.
#[async_trait]
pub trait Transcriber: Debug + Send + Sync + 'static {
    /// Returns the words of `sound`: a WAV of linear 16-bit samples of one channel, most often 8000 a second.
    ///
    /// A sound without words has a transcript with an empty text.
    ///
    /// # Errors
    ///
    /// A [`TranscribeError`].
    ///
    /// # Cancel safety
    ///
    /// A dropped call ends the work that it has begun, as far as it can.
    async fn transcribe(&self, sound: Bytes, hints: &SoundHints) -> Result<Transcript, TranscribeError>;
}

/// The facts about a sound that are known before anybody has listened to it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SoundHints {
    /// The language that is most likely spoken: that of the owner of the mailbox.
    pub language: Option<Language>,
    /// The duration of the sound.
    pub length: Duration,
}

impl SoundHints {
    /// A sound of this length, in an unknown language.
    pub const fn new(length: Duration) -> Self {
        Self { language: None, length }
    }

    /// Sets the language that is most likely spoken.
    #[must_use]
    pub fn with_language(self, language: Language) -> Self {
        Self { language: Some(language), ..self }
    }

    /// Returns how long a transcriber may take: twice the length of the sound, and 30 s.
    pub fn time_limit(&self) -> Duration {
        self.length.saturating_mul(2).saturating_add(Duration::from_secs(30))
    }
}

/// Why there is no transcript.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TranscribeError {
    /// The same call may succeed later.
    #[error("the transcriber failed")]
    Transient(#[source] Box<dyn StdError + Send + Sync>),
    /// The same call fails whenever it is made.
    #[error("the transcriber refused the sound")]
    Final(#[source] Box<dyn StdError + Send + Sync>),
}

impl TranscribeError {
    /// Whether the same call, unchanged, may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Transient(_) => true,
            Self::Final(_) => false,
        }
    }
}

macro_rules! delegate {
    ($wrapper:ident) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<T: Transcriber + ?Sized> Transcriber for $wrapper<T> {
            async fn transcribe(&self, sound: Bytes, hints: &SoundHints) -> Result<Transcript, TranscribeError> {
                (**self).transcribe(sound, hints).await
            }
        }
    };
}

delegate!(Arc);
delegate!(Box);
