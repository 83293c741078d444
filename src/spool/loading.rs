//! [`UnloadedMessage`] and [`LoadedMessage`]: a message on its way from its file into memory, as far as it has to be there.

use std::io;
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::MEMORY_PIECE;
use super::file::MessageFile;
use super::head::SHORT;
use super::sound::StoredSound;
use crate::message::Message;

/// A message that waits, and whether its sound stays in its file while it is sent.
#[derive(Debug)]
pub(super) struct UnloadedMessage {
    file: MessageFile,
    stays_in_file: bool,
}

/// A message that can be sent.
#[derive(Debug)]
pub(super) struct LoadedMessage {
    pub(super) message: Message,
    /// Its sound, if that is in its file.
    pub(super) sound: Option<Arc<StoredSound>>,
    pub(super) memory: OwnedSemaphorePermit,
}

/// What opening a message's file came to.
#[derive(Debug)]
pub(super) enum OpenedMessage {
    /// There was no memory just then.
    NoMemory(UnloadedMessage),
    /// There was.
    Loaded(LoadedMessage),
}

impl UnloadedMessage {
    /// A message that waits; if it is long and its forwarder `reads_sounds`, its sound stays where it is.
    pub(super) fn new(file: MessageFile, reads_sounds: bool) -> Self {
        Self { stays_in_file: reads_sounds && file.len() > SHORT as u64, file }
    }

    /// How many bytes of memory its sound takes at once.
    pub(super) fn memory(&self) -> u64 {
        if self.stays_in_file { MEMORY_PIECE } else { self.file.len() }
    }

    /// Reads what has to be in memory. Blocks.
    pub(super) fn load(&self, memory: OwnedSemaphorePermit) -> io::Result<LoadedMessage> {
        if self.stays_in_file {
            let (message, sound) = self.file.without_sound()?;
            return Ok(LoadedMessage { message, sound: Some(sound), memory });
        }
        Ok(LoadedMessage { message: self.file.read_whole()?, sound: None, memory })
    }
}
