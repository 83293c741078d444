//! [`GreetError`]: why a greeting was not kept, removed or read.

use crate::audio::{AudioError, length_within};
use crate::directory::DirectoryError;
use crate::greeting::GreetingStoreError;
use crate::message::{Audio, MailboxId};
use crate::network::NodeAddress;

/// Why a greeting was not kept, removed or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GreetError {
    /// Owners record greetings at the central node.
    #[error("greetings are recorded at the central voicemail node, which is {0}")]
    NotCentral(NodeAddress),
    /// There is no mailbox with this id.
    #[error("no mailbox {0} in the network; check the number, or add the mailbox to the network description")]
    NoSuchMailbox(MailboxId),
    /// The sound cannot be read.
    #[error("the greeting cannot be read")]
    UnreadableAudio(#[source] AudioError),
    /// The sound has no length.
    #[error("the greeting has no sound in it")]
    Empty,
    /// The sound is bigger than a greeting may be.
    #[error("a greeting has at most {most} bytes; found {found}")]
    TooBig {
        /// The bytes of the sound.
        found: usize,
        /// The bytes that a greeting may have.
        most: usize,
    },
    /// The directory could not answer whether the mailbox exists.
    #[error("whether there is a mailbox {mailbox} cannot be found out now")]
    Directory {
        /// The mailbox.
        mailbox: MailboxId,
        /// The error of the directory.
        #[source]
        source: DirectoryError,
    },
    /// The store of greetings failed.
    #[error(transparent)]
    Store(#[from] GreetingStoreError),
}

impl GreetError {
    /// Whether the same call, unchanged, may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Directory { .. } => true,
            Self::Store(error) => error.is_transient(),
            Self::NotCentral(_) | Self::NoSuchMailbox(_) | Self::UnreadableAudio(_) | Self::Empty | Self::TooBig { .. } => false,
        }
    }
}

/// Checks that `sound` can be a greeting.
pub(super) fn check(sound: &Audio) -> Result<(), GreetError> {
    let len = sound.bytes().len();
    if len > MOST {
        return Err(GreetError::TooBig { found: len, most: MOST });
    }
    let empty =
        len == 0 || length_within(sound.media(), sound.bytes(), len as u64).map_err(GreetError::UnreadableAudio)?.is_zero();
    if empty { Err(GreetError::Empty) } else { Ok(()) }
}

/// Four minutes of 16-bit samples at 8 kHz.
const MOST: usize = 4 * 1024 * 1024;
