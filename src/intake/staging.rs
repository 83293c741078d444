//! Long messages: the store writes them piece by piece while they are received, and they are read back from there.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::SemaphorePermit;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::context::{IntakeContext, Mailboxes};
use super::replies::{not_read, not_staged, unreadable};
use crate::message::{MailFile, Message};
use crate::smtp::Reply;
use crate::smtp::server::{Dialogue, Spill, replies as smtp_replies};
use crate::store::{StagedMail, StoreError};
use crate::wire;

impl IntakeContext {
    /// Appends `bytes` to the staged mail, or begins one; returns the staged mail.
    pub(super) async fn spill(&self, staged: Option<Box<dyn StagedMail>>, bytes: Bytes) -> (Option<Box<dyn StagedMail>>, Spill) {
        let staged = match staged {
            Some(staged) => Ok(Some(staged)),
            None => self.begin().await,
        };
        match staged {
            Ok(Some(staged)) => match append(staged, bytes).await {
                Ok(staged) => (Some(staged), Spill::Done),
                Err(error) => (None, Spill::Failed(not_staged(&error))),
            },
            Ok(None) => (None, Spill::NoPlace(bytes)),
            Err(error) => (None, Spill::Failed(not_staged(&error))),
        }
    }

    async fn begin(&self) -> Result<Option<Box<dyn StagedMail>>, StoreError> {
        let Some(Mailboxes { store, .. }) = &self.mailboxes else { return Ok(None) };
        let no_answer = |_| Err(StoreError::Unavailable("the store does not answer".into()));
        timeout(self.policy.limits.answer_time, store.stage()).await.unwrap_or_else(no_answer)
    }

    /// Appends the `rest` to a staged mail, and finishes it.
    pub(super) async fn finish(&self, staged: Box<dyn StagedMail>, rest: Bytes) -> Result<Arc<dyn MailFile>, Reply> {
        match append(staged, rest).await {
            Ok(staged) => Ok(staged.finish()),
            Err(error) => Err(not_staged(&error)),
        }
    }

    /// Parses a mail in its file; only a few mails are parsed at a time.
    pub(super) async fn read(&self, file: Arc<dyn MailFile>) -> Result<Message, Reply> {
        let _permit = self.readers.acquire().await.expect("the semaphore is never closed");
        let form = self.policy.limits.form;
        match spawn_blocking(move || wire::decode_file(&file, form)).await {
            Ok(Ok(Ok(message))) => Ok(message),
            Ok(Ok(Err(error))) => Err(unreadable(&error)),
            Ok(Err(error)) => Err(not_read(&error)),
            Err(error) => Err(not_read(&io::Error::other(error))),
        }
    }

    /// If the mail in `file` is about a greeting, loads it into memory and reserves that memory. Valid greetings are short.
    pub(super) async fn greeting_in(&self, file: &Arc<dyn MailFile>) -> Result<Option<(Bytes, SemaphorePermit<'_>)>, Reply> {
        let form = self.policy.limits.form;
        let size = usize::try_from(file.size()).unwrap_or(usize::MAX);
        if self.keeper.is_none() || wire::decode_greeting(&self.load(file, size.min(form.head)).await?, form) == Ok(None) {
            return Ok(None);
        }
        self.load_whole(file).await.map(Some)
    }

    /// Loads the beginning of a mail, up to the last line in it that begins like a boundary, so that a part that is cut off has all its fields.
    #[cfg(feature = "node")]
    pub(super) async fn beginning_of(&self, file: &Arc<dyn MailFile>) -> Result<Bytes, Reply> {
        let size = usize::try_from(file.size()).unwrap_or(usize::MAX);
        let beginning = self.load(file, size.min(self.policy.limits.form.head)).await?;
        let last = beginning.windows(3).rposition(|bytes| bytes == b"\n--").map_or(0, |at| at + 1);
        Ok(if beginning.len() < size { beginning.slice(..last) } else { beginning })
    }

    /// Loads a whole mail into memory and reserves that memory.
    pub(super) async fn load_whole(&self, file: &Arc<dyn MailFile>) -> Result<(Bytes, SemaphorePermit<'_>), Reply> {
        let size = usize::try_from(file.size()).unwrap_or(usize::MAX);
        let steps = u32::try_from(size.div_ceil(Dialogue::MEMORY_STEP)).unwrap_or(u32::MAX);
        match timeout(self.policy.limits.memory_timeout, self.memory.acquire_many(steps)).await {
            Ok(Ok(memory)) => Ok((self.load(file, size).await?, memory)),
            Ok(Err(_)) | Err(_) => Err(smtp_replies::NO_ROOM),
        }
    }

    async fn load(&self, file: &Arc<dyn MailFile>, len: usize) -> Result<Bytes, Reply> {
        let file = Arc::clone(file);
        let read = spawn_blocking(move || file.read_at(0, len)).await.unwrap_or_else(|error| Err(io::Error::other(error)));
        read.map(Bytes::from).map_err(|error| not_read(&error))
    }
}

async fn append(mut staged: Box<dyn StagedMail>, bytes: Bytes) -> Result<Box<dyn StagedMail>, StoreError> {
    let work = spawn_blocking(move || staged.append(&bytes).map(|()| staged));
    work.await.unwrap_or_else(|error| Err(StoreError::Unavailable(error.into())))
}
