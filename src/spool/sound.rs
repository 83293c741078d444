//! [`StoredSound`]: a long sound that stays in its file while it is sent.

use std::io::{self, Read};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::head::{Damaged, is_damaged};
use crate::disk::DiskFile;
use crate::lock::Lock;
use crate::message::{AudioSource, ContentDigest};

/// The sound in a file of the spool, which stays open as long as it may be read.
#[derive(Debug)]
pub(crate) struct StoredSound {
    file: Arc<dyn DiskFile>,
    start: u64,
    end: u64,
    digest: ContentDigest,
    failed: Lock<Option<io::Error>>,
}

impl StoredSound {
    /// The bytes of `file` from `start` to `end`, which have the digest `digest`.
    pub(super) fn new(file: Arc<dyn DiskFile>, start: u64, end: u64, digest: ContentDigest) -> Self {
        Self { file, start, end, digest, failed: Lock::default() }
    }

    /// Takes the first error of a reader out.
    pub(super) fn take_error(&self) -> Option<io::Error> {
        self.failed.lock().take()
    }
}

impl AudioSource for StoredSound {
    fn size(&self) -> u64 {
        self.end - self.start
    }

    fn reader(self: Arc<Self>) -> Box<dyn Read + Send> {
        Box::new(Reader { at: self.start, hasher: Sha256::new(), sound: self })
    }
}

/// Reads the sound and computes its digest meanwhile. If the sound is damaged, the last read is an error, so that no reader gets all of it.
struct Reader {
    sound: Arc<StoredSound>,
    at: u64,
    hasher: Sha256,
}

impl Reader {
    fn read_piece(&mut self, piece: &mut [u8]) -> io::Result<()> {
        self.sound.file.read_exact_at(piece, self.at)?;
        self.at += piece.len() as u64;
        self.hasher.update(&*piece);
        let is_damaged = || ContentDigest::from_hasher(self.hasher.clone()) != self.sound.digest;
        if !piece.is_empty() && self.at == self.sound.end && is_damaged() { Err(Damaged.into()) } else { Ok(()) }
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.sound.end - self.at).unwrap_or(usize::MAX);
        let len = buffer.len().min(left);
        self.read_piece(&mut buffer[..len]).map(|()| len).inspect_err(|error| {
            let mut failed = self.sound.failed.lock();
            let again = || if is_damaged(error) { Damaged.into() } else { io::Error::new(error.kind(), error.to_string()) };
            failed.get_or_insert_with(again);
        })
    }
}
