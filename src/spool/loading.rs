//! [`UnloadedMessage`] and [`LoadedMessage`]: a message before and after it is read from its file.

use std::io;
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::MEMORY_PIECE;
use super::file::MessageFile;
use super::head::SHORT;
use super::sound::StoredSound;
use crate::message::Message;

/// A message of which only the head has been read.
#[derive(Debug)]
pub(super) struct UnloadedMessage {
    file: MessageFile,
    stays_in_file: bool,
}

/// A message that can be sent, with the memory that it takes.
#[derive(Debug)]
pub(super) struct LoadedMessage {
    pub(super) message: Message,
    /// The sound, if it stays in the file while it is sent.
    pub(super) sound: Option<Arc<StoredSound>>,
    pub(super) memory: OwnedSemaphorePermit,
}

/// The result of opening a message's file.
#[derive(Debug)]
pub(super) enum OpenedMessage {
    /// There was no memory to load the message.
    NoMemory(UnloadedMessage),
    /// The message is loaded.
    Loaded(LoadedMessage),
}

impl UnloadedMessage {
    /// The message in `file`. If it is long and its forwarder `reads_sounds`, its sound stays in the file.
    pub(super) fn new(file: MessageFile, reads_sounds: bool) -> Self {
        Self { stays_in_file: reads_sounds && file.len() > SHORT as u64, file }
    }

    /// How many bytes of memory its sound takes while it is sent.
    pub(super) fn memory(&self) -> u64 {
        if self.stays_in_file { MEMORY_PIECE } else { self.file.len() }
    }

    /// Reads the message, or only its head if the sound stays in the file. Blocks.
    pub(super) fn load(&self, memory: OwnedSemaphorePermit) -> io::Result<LoadedMessage> {
        if self.stays_in_file {
            let (message, sound) = self.file.without_sound()?;
            return Ok(LoadedMessage { message, sound: Some(sound), memory });
        }
        Ok(LoadedMessage { message: self.file.read_whole()?, sound: None, memory })
    }
}
