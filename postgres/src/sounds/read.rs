//! Reads sounds from an object store, whole or piece by piece, and checks their digests.

use std::fmt;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::{GetOptions, GetResult, ObjectStore as _};
use sha2::{Digest as _, Sha256};
use voicemail::message::ContentDigest;

use super::limits::{CALL_LIMIT, REQUEST_LIMIT, within};
use super::{SoundError, SoundName, SoundStore};

impl SoundStore {
    /// Reads the sound `name`, which has `size` bytes and this `digest`, into memory.
    ///
    /// # Errors
    ///
    /// [`SoundError::Missing`] and [`SoundError::Damaged`] are final. [`SoundError::Failed`], [`SoundError::Refused`],
    /// [`SoundError::Incomplete`] and [`SoundError::TimedOut`] after 20 s without an answer or 5 minutes in all may pass.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    pub async fn read(&self, name: &SoundName, size: u64, digest: ContentDigest) -> Result<Bytes, SoundError> {
        let found = self.get(name, size).await?;
        let sound = within(CALL_LIMIT, async { found.bytes().await.map_err(|error| SoundError::about(name, error)) }).await?;
        if sound.len() as u64 != size {
            return Err(SoundError::Incomplete { name: name.clone(), read: sound.len() as u64, size });
        }
        if ContentDigest::of(&sound) != digest {
            return Err(SoundError::Damaged(name.clone()));
        }
        Ok(sound)
    }

    /// Begins to read the sound `name`, which has `size` bytes and this `digest`, piece by piece.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    pub async fn reader(&self, name: &SoundName, size: u64, digest: ContentDigest) -> Result<SoundReader, SoundError> {
        let pieces = self.get(name, size).await?.into_stream();
        Ok(SoundReader { name: name.clone(), pieces, size, read: 0, digest, hasher: Sha256::new() })
    }

    /// Asks for the sound `name`, and checks that it has `size` bytes before it is read.
    async fn get(&self, name: &SoundName, size: u64) -> Result<GetResult, SoundError> {
        let path = name.path();
        let get =
            async { self.objects.get_opts(&path, GetOptions::default()).await.map_err(|error| SoundError::about(name, error)) };
        let found = within(REQUEST_LIMIT, get).await?;
        if found.meta.size == size { Ok(found) } else { Err(SoundError::Damaged(name.clone())) }
    }
}

/// Reads a sound piece by piece. The digest is checked at the end, so a caller trusts the pieces only after it got `None`.
pub struct SoundReader {
    name: SoundName,
    pieces: BoxStream<'static, object_store::Result<Bytes>>,
    size: u64,
    read: u64,
    digest: ContentDigest,
    hasher: Sha256,
}

impl SoundReader {
    /// Returns the next piece; `None` at the end, when the pieces were the whole sound and have its digest.
    ///
    /// # Errors
    ///
    /// As [`SoundStore::read`], with a limit of 20 s for each piece. After an error the reader is of no use.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has returned no piece; the next call returns it.
    pub async fn next_piece(&mut self) -> Result<Option<Bytes>, SoundError> {
        let piece = within(REQUEST_LIMIT, async {
            self.pieces.next().await.transpose().map_err(|error| SoundError::about(&self.name, error))
        });
        if let Some(piece) = piece.await? {
            self.read += piece.len() as u64;
            self.hasher.update(&piece);
            return if self.read <= self.size { Ok(Some(piece)) } else { Err(SoundError::Damaged(self.name.clone())) };
        }
        if self.read < self.size {
            return Err(SoundError::Incomplete { name: self.name.clone(), read: self.read, size: self.size });
        }
        if self.hasher.clone().finalize()[..] == self.digest.as_bytes()[..] {
            Ok(None)
        } else {
            Err(SoundError::Damaged(self.name.clone()))
        }
    }
}

impl fmt::Debug for SoundReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SoundReader({}, {} of {} bytes)", self.name, self.read, self.size)
    }
}
