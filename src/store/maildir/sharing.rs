//! Copies of messages, and messages that are transferred to another mailbox; the sound is on the disk once. Everything here blocks.

use std::io;
use std::iter;
use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::context::{StoreContext, failed, not_taken};
use super::index::LocatedMessage;
use super::mailbox::{Mailbox, Placed, Remember};
use super::name::{FileName, Folder, OwnName};
use super::staging::Staged;
use crate::directory::MailboxLimits;
use crate::disk;
use crate::message::{MessageId, Origin, Status};
use crate::store::{Deposit, StoreError};

impl Mailbox {
    /// See [`MessageStore::copy`](crate::store::MessageStore::copy).
    ///
    /// The mail gets a second name in this mailbox, a link. Where the file system has no links, or this file no more of them, it is written once more.
    pub(super) fn copy_from(
        &self,
        context: &StoreContext,
        limits: &MailboxLimits,
        source: &Self,
        id: MessageId,
    ) -> Result<Deposit, StoreError> {
        let located = source.find(context, id)?;
        let Some(own) = &located.own else {
            // Another program's mail has no key in its name.
            let deposit = self.deposit(context, limits, &Origin::Here, &source.retrieve(context, id)?)?;
            if let (Deposit::Stored(copy), Some(transcript)) = (deposit, source.transcript(context, id)?) {
                self.set_transcript(context, copy, &transcript)?;
            }
            return Ok(deposit);
        };
        if self.arrivals.is_kept(&*context.disk, own.key).map_err(not_taken)? {
            return Ok(Deposit::Duplicate);
        }
        context.ensure_free_space(0)?;
        let mut is_gone = false;
        let deliver = |copy: MessageId, path: &Path| {
            let give = || source.give(context, &located, own, path);
            let delivered = self.with_transcript_of(context, (source, id), copy, give)?;
            is_gone = delivered.is_none();
            delivered.ok_or_else(|| io::ErrorKind::NotFound.into())
        };
        match self.place(context, limits, own, Status::New, Remember::Arrival, deliver) {
            Ok(placed) => self.settle(context, own.key, placed),
            Err(_) if is_gone => Err(StoreError::NoSuchMessage(id)),
            Err(error) => Err(error),
        }
    }

    /// See [`MessageStore::transfer`](crate::store::MessageStore::transfer).
    ///
    /// The mail is renamed from one mailbox into the other, which only one of several calls can do. The file systems of Linux write both ends of a
    /// rename in one transaction. On one that does not, a power cut may leave the message in both mailboxes, until the call is repeated.
    pub(super) fn transfer_from(
        &self,
        context: &StoreContext,
        limits: &MailboxLimits,
        source: &Self,
        id: MessageId,
    ) -> Result<Deposit, StoreError> {
        let disk = &*context.disk;
        let located = source.find(context, id)?;
        let own = located.own.as_ref().ok_or(StoreError::Unsupported("the transfer of another program's mail"))?;
        if located.status() == Status::Removed {
            return Err(StoreError::NoSuchMessage(id));
        }
        // A sender that repeats its deposit must not bring the message back.
        source.arrivals.keep_durably(context, own.key).map_err(not_taken)?;
        context.flush.sync_dir(disk, source.arrivals.folder()).map_err(failed)?;
        if let Some(left_behind) = &located.file.also_new {
            source.remove(disk, left_behind).map_err(not_taken)?;
        }
        let mut is_gone = false;
        let deliver = |new: MessageId, path: &Path| {
            let rename = |file: &FileName| disk.rename(&source.folders.path(file), path);
            let give = || source.folders.with_renames(disk, &located.file.name, rename);
            let renamed = self.with_transcript_of(context, (source, id), new, give)?;
            is_gone = renamed.is_none();
            renamed.ok_or_else(|| io::ErrorKind::NotFound.into())
        };
        let placed = match self.place(context, limits, own, Status::New, Remember::Nothing, deliver) {
            Ok(placed) => placed,
            Err(_) if is_gone => return Err(StoreError::NoSuchMessage(id)),
            Err(error) => return Err(error),
        };
        let is_here_already = matches!(placed, Placed::There);
        let deposit = self.settle(context, own.key, placed)?;
        if is_here_already {
            source.mark(context, id, Status::Removed)?;
        } else {
            source.remove_transcripts(context, iter::once(id));
        }
        for folder in [Folder::New, Folder::Cur] {
            source.folders.flush(disk, &context.flush, folder).map_err(failed)?;
        }
        Ok(deposit)
    }

    /// Gives the mail of a message the second name `path`, or writes it there once more; `None` if the message is gone.
    fn give(&self, context: &StoreContext, located: &LocatedMessage, own: &OwnName, path: &Path) -> io::Result<Option<()>> {
        let disk = &*context.disk;
        let linked = self.folders.with_renames(disk, &located.file.name, |file| disk.link(&self.folders.path(file), path));
        match linked {
            Err(error) if !disk::is_no_space(&error) && !disk::is_not_writable(&error) => {}
            linked => return linked,
        }
        let read = self.folders.with_renames(disk, &located.file.name, |file| disk::read(disk, &self.folders.path(file)))?;
        let Some(mail) = read else { return Ok(None) };
        let seconds = Duration::new(u64::try_from(own.recorded.0).unwrap_or(0), own.recorded.1);
        let parts = [Ok(Bytes::from(mail))];
        Staged::write(&context.disk, &context.staging, parts, SystemTime::UNIX_EPOCH + seconds)?.deliver(path)?;
        Ok(Some(()))
    }
}
