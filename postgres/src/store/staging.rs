//! Long mails in a file of this node, while they come in.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use voicemail::message::{MailFile, MessageId};
use voicemail::store::{StagedMail, StoreError};

/// A mail that is being received. Its file has no name any more, so nothing is left when the process ends.
#[derive(Debug)]
pub(super) struct IncomingMail {
    file: File,
    size: u64,
    max_bytes: u64,
}

impl IncomingMail {
    /// A mail without any bytes yet, in a file in `folder`. Blocks.
    pub(super) fn begin(folder: &Path, max_bytes: u64) -> Result<Self, StoreError> {
        let path = folder.join(MessageId::random().to_string());
        let open = || {
            let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
            fs::remove_file(&path)?;
            Ok(file)
        };
        Ok(Self { file: open().map_err(failed)?, size: 0, max_bytes })
    }
}

impl StagedMail for IncomingMail {
    fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let (size, limit) = (self.size + bytes.len() as u64, self.max_bytes);
        if size > limit {
            return Err(StoreError::TooBig { size, limit });
        }
        self.file.write_all(bytes).map_err(failed)?;
        self.size = size;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Arc<dyn MailFile> {
        Arc::new(ArrivedMail { file: self.file, size: self.size })
    }
}

/// A mail that was received.
#[derive(Debug)]
struct ArrivedMail {
    file: File,
    size: u64,
}

impl MailFile for ArrivedMail {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }
}

fn failed(error: io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::NoSpace(error.into()),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => StoreError::NotWritable(error.into()),
        _ => StoreError::Unavailable(error.into()),
    }
}
