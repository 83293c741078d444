//! [`PostmasterFolder`]: mail to the postmaster, in one file per mail.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::Postmaster;
use crate::clock::Clock;
use crate::disk::{self, Disk, blocking};
use crate::lock::Lock;
use crate::message::MessageId;
use crate::smtp::Reply;

/// A folder of mail to the postmaster, which an operator reads and removes. It holds at most 1000 mails and 64 MiB.
///
/// ```text
/// FOLDER/20261122T180000.000000Z-ID.eml     a mail as it came, after this node's trace lines
/// FOLDER/NAME.part                          being written, or left by a crash
/// ```
///
/// When it is full, mail to the postmaster is answered 452 4.3.1 until an operator removes some. The folder is created with the first mail.
#[derive(Debug, Clone)]
#[must_use]
pub struct PostmasterFolder {
    state: Arc<FolderState>,
    most_mails: usize,
    most_bytes: u64,
}

#[derive(Debug)]
struct FolderState {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    /// Held while mails are counted and one is written, so that the limits hold.
    writing: Lock<()>,
}

impl PostmasterFolder {
    /// The folder `folder` of `disk`; its files are named by the time of `clock`.
    pub fn new(disk: impl Disk, folder: impl Into<PathBuf>, clock: impl Clock) -> Self {
        let state = Arc::new(FolderState {
            disk: Arc::new(disk),
            folder: folder.into(),
            clock: Arc::new(clock),
            writing: Lock::default(),
        });
        Self { state, most_mails: MOST_MAILS, most_bytes: MOST_BYTES }
    }

    /// Sets the most mails, and the most bytes of all mails together; 1000 and 64 MiB by default.
    pub fn limits(self, mails: usize, bytes: u64) -> Self {
        Self { most_mails: mails, most_bytes: bytes, ..self }
    }

    /// Checks whether there is space for a mail of `size` bytes. Blocks.
    fn check_space(&self, size: u64) -> Result<(), KeepError> {
        if size > self.most_bytes {
            return Err(KeepError::TooBig);
        }
        let (mut mails, mut bytes) = (0, 0_u64);
        for name in self.state.names()? {
            mails += 1;
            match self.state.disk.open(&self.state.folder.join(name)).and_then(|file| file.len()) {
                Ok(len) => bytes = bytes.saturating_add(len),
                // An operator has removed it meanwhile, or it is not a regular file.
                Err(error) => tracing::debug!(%error, "a file of the postmaster's folder was not counted"),
            }
        }
        if mails >= self.most_mails || bytes.saturating_add(size) > self.most_bytes { Err(KeepError::Full) } else { Ok(()) }
    }

    /// Writes a mail; returns the name of its file. Blocks.
    fn write(&self, mail: &[u8]) -> Result<String, KeepError> {
        let state = &*self.state;
        let _writing = state.writing.lock();
        self.check_space(mail.len() as u64)?;
        disk::create_dirs(&*state.disk, &state.folder)?;
        disk::sync_name(&*state.disk, &state.folder)?;
        let name = format!("{}-{}.eml", state.clock.now().instant.format("%Y%m%dT%H%M%S%.6fZ"), MessageId::random());
        let path = state.folder.join(&name);
        let part = path.with_extension("part");
        let file = state.disk.create(&part)?;
        let written = file.write_all_at(mail, 0).and_then(|()| file.sync());
        let placed = written.and_then(|()| state.disk.rename(&part, &path)).and_then(|()| state.disk.sync_dir(&state.folder));
        if let Err(error) = placed {
            // The file has one of both names. The sender keeps the mail.
            let _ = state.disk.remove(&part).or_else(|_| state.disk.remove(&path));
            return Err(error.into());
        }
        Ok(name)
    }
}

impl FolderState {
    /// Returns the names in the folder; none if the folder does not exist yet.
    fn names(&self) -> io::Result<Vec<String>> {
        match self.disk.list(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            listed => listed,
        }
    }
}

/// Why a mail to the postmaster is not kept.
#[derive(Debug, thiserror::Error)]
enum KeepError {
    #[error("the postmaster's folder is full, try again later")]
    Full,
    #[error("the message is too big for the postmaster")]
    TooBig,
    #[error("the postmaster's folder cannot be written: {0}")]
    Disk(#[from] io::Error),
}

impl From<KeepError> for Reply {
    fn from(refusal: KeepError) -> Self {
        if let KeepError::Disk(error) = &refusal {
            tracing::warn!(error = error as &dyn std::error::Error, "a mail to the postmaster was not kept");
        }
        let (code, status) = match &refusal {
            KeepError::Full => (452, "4.3.1"),
            KeepError::TooBig => (552, "5.3.4"),
            KeepError::Disk(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                (452, "4.3.1")
            }
            KeepError::Disk(_) => (451, "4.3.0"),
        };
        Self::with_status(code, status, refusal)
    }
}

#[async_trait]
impl Postmaster for PostmasterFolder {
    async fn check(&self, size: u64) -> Result<(), Reply> {
        let folder = self.clone();
        blocking(move || Ok(folder.check_space(size))).await.map_err(KeepError::from)?.map_err(Reply::from)
    }

    async fn keep(&self, mail: Bytes) -> Result<String, Reply> {
        let folder = self.clone();
        blocking(move || Ok(folder.write(&mail))).await.map_err(KeepError::from)?.map_err(Reply::from)
    }
}

const MOST_MAILS: usize = 1000;
const MOST_BYTES: u64 = 64 * 1024 * 1024;
