//! [`Found`] and [`Loaded`]: a message on its way from its file into memory, as far as it has to be there.

use std::io;
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::MEMORY_PIECE;
use super::file::Finished;
use super::head::SHORT;
use super::sound::StoredSound;
use crate::message::Message;

/// A message that waits, and whether its sound stays in its file while it is sent.
#[derive(Debug)]
pub(super) struct Found {
    file: Finished,
    stays: bool,
}

/// A message that can be sent.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) message: Message,
    /// Its sound, if that is in its file.
    pub(super) sound: Option<Arc<StoredSound>>,
    pub(super) memory: OwnedSemaphorePermit,
}

/// What opening a message's file came to.
#[derive(Debug)]
pub(super) enum Opened {
    /// There was no memory just then.
    Found(Found),
    /// There was.
    Loaded(Loaded),
}

impl Found {
    /// A message that waits; if it is long and its forwarder `reads_sounds`, its sound stays where it is.
    pub(super) fn new(file: Finished, reads_sounds: bool) -> Self {
        Self { stays: reads_sounds && file.len() > SHORT as u64, file }
    }

    /// How many bytes of memory its sound takes at once.
    pub(super) fn memory(&self) -> u64 {
        if self.stays { MEMORY_PIECE } else { self.file.len() }
    }

    /// Reads what has to be in memory. Blocks.
    pub(super) fn load(&self, memory: OwnedSemaphorePermit) -> io::Result<Loaded> {
        if self.stays {
            let (message, sound) = self.file.leave()?;
            return Ok(Loaded { message, sound: Some(sound), memory });
        }
        Ok(Loaded { message: self.file.read_whole()?, sound: None, memory })
    }
}
