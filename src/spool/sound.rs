//! [`StoredSound`]: a long sound that stays in its file while it is sent.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use crate::disk::DiskFile;
use crate::message::AudioSource;

/// The sound in a file of the spool, open for as long as somebody may read it.
#[derive(Debug)]
pub(crate) struct StoredSound {
    file: Arc<dyn DiskFile>,
    start: u64,
    end: u64,
    failed: Mutex<Option<io::Error>>,
}

impl StoredSound {
    /// The bytes of `file` from `start` to `end`.
    pub(super) fn new(file: Arc<dyn DiskFile>, start: u64, end: u64) -> Self {
        Self { file, start, end, failed: Mutex::default() }
    }

    /// The first error that a reader met, once.
    pub(super) fn take_error(&self) -> Option<io::Error> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl AudioSource for StoredSound {
    fn reader(self: Arc<Self>) -> Box<dyn Read + Send> {
        Box::new(Reader { at: self.start, sound: self })
    }
}

struct Reader {
    sound: Arc<StoredSound>,
    at: u64,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.sound.end - self.at).unwrap_or(usize::MAX);
        let len = buffer.len().min(left);
        match self.sound.file.read_exact_at(&mut buffer[..len], self.at) {
            Ok(()) => {
                self.at += len as u64;
                Ok(len)
            }
            Err(error) => {
                let mut failed = self.sound.failed.lock().unwrap_or_else(PoisonError::into_inner);
                failed.get_or_insert_with(|| io::Error::new(error.kind(), error.to_string()));
                Err(error)
            }
        }
    }
}
