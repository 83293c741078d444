//! [`VoiceError`]: the error type of voices.

use std::error::Error as StdError;
#[cfg(feature = "fs")]
use std::{io, path::PathBuf};

#[cfg(feature = "fs")]
use crate::audio::FramesError;
#[cfg(feature = "fs")]
use crate::message::Language;

/// The reason why a voice could not be opened, or could not say a prompt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VoiceError {
    /// The program or the service that makes the sounds failed. The same call may succeed later.
    #[error("the prompt could not be spoken")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
    /// There are no rules for numbers and dates in this language.
    #[cfg(feature = "fs")]
    #[error("there is no grammar for the language {0}; those of sound packs are en, de, fr, es and it")]
    NoGrammar(Language),
    /// The folder has none of the sounds of a pack.
    #[cfg(feature = "fs")]
    #[error("{} has no sound of a pack, such as vm-goodbye.wav: name the folder of one language", .0.display())]
    NoSounds(PathBuf),
    /// A file or a folder of a pack cannot be read.
    #[cfg(feature = "fs")]
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file or the folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file of a pack is no sound that can be played.
    #[cfg(feature = "fs")]
    #[error("{} cannot be played: convert it to WAV at 8 kHz with 16 bits, or remove it", path.display())]
    Undecodable {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: FramesError,
    },
    /// A file of a pack is larger than 4 MiB, or the pack is larger than 64 MiB.
    #[cfg(feature = "fs")]
    #[error("{} is too large: a sound has at most 4 MiB, and a pack 64 MiB", .0.display())]
    TooLarge(PathBuf),
}

impl VoiceError {
    /// Whether the same call, unchanged, may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_) => true,
            #[cfg(feature = "fs")]
            Self::NoGrammar(_) | Self::NoSounds(_) | Self::Unreadable { .. } | Self::Undecodable { .. } | Self::TooLarge(_) => {
                false
            }
        }
    }
}
