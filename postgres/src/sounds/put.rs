//! Puts sounds into an object store, from memory or part by part from a reader.

use std::io::{self, Read};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use object_store::{MultipartUpload, ObjectStore as _, PutMode, PutMultipartOptions, PutOptions, PutPayload};
use sha2::{Digest as _, Sha256};
use voicemail::message::{Audio, ContentDigest};

use super::limits::{CALL_LIMIT, REQUEST_LIMIT, within};
use super::{SoundError, SoundName, SoundStore};

impl SoundStore {
    /// Puts `sound`, durably, and returns the new name by which it can be read.
    ///
    /// A sound of up to 5 MiB takes one request, a longer one a request for each 5 MiB and two more. No more than 5 MiB of a sound that is not in
    /// memory are read at a time.
    ///
    /// `now` is part of the name, and decides when a sweep looks at it. All nodes that share an object store should take it from one clock, as from
    /// their database, and must commit the name within an hour.
    ///
    /// # Errors
    ///
    /// [`SoundError::Failed`], [`SoundError::TimedOut`] after 20 s for a request or 5 minutes in all, [`SoundError::NoSpace`],
    /// [`SoundError::Refused`] and [`SoundError::Source`] may pass.
    ///
    /// # Cancel safety
    ///
    /// A dropped call, as one that fails, leaves at worst a sound that nobody knows, which a [`Sweep`](super::Sweep) deletes. Parts of a longer
    /// sound may stay in S3 or Google Cloud Storage, until a life-cycle rule of the bucket deletes incomplete uploads.
    pub async fn put(&self, sound: &Audio, now: DateTime<Utc>) -> Result<SoundName, SoundError> {
        let name = SoundName::new(now);
        let mut parts = Parts::of(sound);
        let part_count = sound.len().div_ceil(PART_SIZE as u64);
        if part_count > 1 {
            self.put_parts(&name, parts, part_count).await?;
        } else {
            let whole = within(REQUEST_LIMIT, parts.next_part()).await?;
            parts.check_end()?;
            within(REQUEST_LIMIT, self.put_whole(&name, whole)).await?;
        }
        Ok(name)
    }

    /// Puts a sound in one request. Names are new each time, so an object that is there can only be the same sound of an earlier try of this request.
    async fn put_whole(&self, name: &SoundName, sound: Bytes) -> Result<(), SoundError> {
        let put = self.objects.put_opts(&name.path(), PutPayload::from(sound), PutOptions::from(PutMode::Overwrite)).await;
        put.map(drop).map_err(SoundError::from)
    }

    async fn put_parts(&self, name: &SoundName, parts: Parts, part_count: u64) -> Result<(), SoundError> {
        let begin = async { Ok(self.objects.put_multipart_opts(&name.path(), PutMultipartOptions::default()).await?) };
        let mut upload = within(REQUEST_LIMIT, begin).await?;
        let put = within(CALL_LIMIT, upload_parts(upload.as_mut(), parts, part_count)).await;
        if put.is_err() {
            let abort = async { upload.abort().await.map_err(SoundError::from) };
            if let Err(error) = within(REQUEST_LIMIT, abort).await {
                tracing::warn!(%name, error = &error as &dyn std::error::Error, "the parts of a sound that failed to be put may remain");
            }
        }
        put
    }
}

/// Uploads all parts one after the other, so that one of them is in memory, and completes the upload.
async fn upload_parts(upload: &mut dyn MultipartUpload, mut parts: Parts, part_count: u64) -> Result<(), SoundError> {
    for _ in 0..part_count {
        let part = parts.next_part().await?;
        let put = upload.put_part(PutPayload::from(part));
        within(REQUEST_LIMIT, async { Ok(put.await?) }).await?;
    }
    parts.check_end()?;
    within(REQUEST_LIMIT, async { Ok(upload.complete().await.map(drop)?) }).await
}

/// The parts of a sound that have not been put yet.
enum Parts {
    InMemory(Bytes),
    External(External),
}

/// A sound that is read from its source while it is put.
struct External {
    /// The reader and the digest of what was read; absent while a part is read, and after an error.
    reading: Option<(Box<dyn Read + Send>, Sha256)>,
    left: u64,
    digest: ContentDigest,
}

impl Parts {
    fn of(sound: &Audio) -> Self {
        sound.in_memory().map_or_else(
            || {
                let reading = Some((sound.reader(), Sha256::new()));
                Self::External(External { reading, left: sound.len(), digest: sound.digest() })
            },
            |sound| Self::InMemory(sound.clone()),
        )
    }

    async fn next_part(&mut self) -> Result<Bytes, SoundError> {
        match self {
            Self::InMemory(left) => Ok(left.split_to(left.len().min(PART_SIZE))),
            Self::External(external) => external.next_part().await.map_err(SoundError::Source),
        }
    }

    /// Checks that the parts were the whole sound. A sound in memory was checked when it came in.
    fn check_end(&self) -> Result<(), SoundError> {
        match self {
            Self::InMemory(_) => Ok(()),
            Self::External(external) => external.check_digest().map_err(SoundError::Source),
        }
    }
}

impl External {
    async fn next_part(&mut self) -> io::Result<Bytes> {
        let (mut reader, mut hasher) = self.reading.take().ok_or_else(ended_early)?;
        let len = usize::try_from(self.left).map_or(PART_SIZE, |left| left.min(PART_SIZE));
        let read = tokio::task::spawn_blocking(move || {
            let mut part = vec![0; len];
            reader.read_exact(&mut part)?;
            hasher.update(&part);
            Ok::<_, io::Error>((reader, hasher, part))
        });
        let (reader, hasher, part) = read.await.map_err(io::Error::other)??;
        self.reading = Some((reader, hasher));
        self.left -= len as u64;
        Ok(part.into())
    }

    fn check_digest(&self) -> io::Result<()> {
        let (_, hasher) = self.reading.as_ref().filter(|_| self.left == 0).ok_or_else(ended_early)?;
        if hasher.clone().finalize()[..] == self.digest.as_bytes()[..] {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, "the sound does not have its digest"))
        }
    }
}

fn ended_early() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}

/// The size of a part: the smallest that S3 allows for all parts but the last.
const PART_SIZE: usize = 5 * 1024 * 1024;
