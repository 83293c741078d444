//! [`IncomingMail`] and [`ArrivedMail`]: a long mail in a file of the store, from its first byte until a mailbox has it. Everything here blocks.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::context::{StoreContext, not_taken};
use super::staging::Staged;
use crate::disk::DiskFile;
use crate::lock::Lock;
use crate::message::MailFile;
use crate::store::{StagedMail, StoreError};

/// A mail that is being received.
#[derive(Debug)]
pub(super) struct IncomingMail {
    context: Arc<StoreContext>,
    staged: Staged,
}

impl IncomingMail {
    /// A mail without any bytes yet.
    pub(super) fn begin(context: Arc<StoreContext>) -> Result<Self, StoreError> {
        let staged = Staged::create(&context.disk, &context.staging).map_err(not_taken)?;
        Ok(Self { context, staged })
    }
}

impl StagedMail for IncomingMail {
    /// Checks the free space for each piece: of many mails that come in at once, none may use the space that must stay free.
    fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.context.check_size(self.staged.size() + bytes.len() as u64)?;
        self.context.ensure_free_space(bytes.len() as u64)?;
        self.staged.append(bytes).map_err(not_taken)
    }

    fn finish(self: Box<Self>) -> Arc<dyn MailFile> {
        Arc::new(ArrivedMail { file: self.staged.file(), size: self.staged.size(), staged: Lock::new(Some(self.staged)) })
    }
}

/// A mail that was received. The first mailbox gets the file itself, any other mailbox a copy.
#[derive(Debug)]
pub(super) struct ArrivedMail {
    file: Arc<dyn DiskFile>,
    size: u64,
    staged: Lock<Option<Staged>>,
}

impl ArrivedMail {
    /// Takes the file itself, for the first mailbox whose messages are staged in `folder`.
    pub(super) fn take(&self, folder: &Path) -> Option<Staged> {
        self.staged.lock().take_if(|staged| staged.is_in(folder))
    }
}

impl MailFile for ArrivedMail {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.file.read_at(offset, len)
    }
}
