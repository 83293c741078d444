//! [`Mailbox`]: its Maildir, its arrivals, and the operations on its messages. Everything here blocks.

use std::any::Any;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, MutexGuard};
use std::time::SystemTime;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::arrivals::{Arrivals, record_text};
use super::context::{StoreContext, failed, not_taken};
use super::folders::Folders;
use super::incoming::ArrivedMail;
use super::index::{Index, LocatedMessage};
use super::name::{FileName, Folder, OwnName};
use super::parts::Parts;
use super::staging::Staged;
use super::view::{View, ViewSource};
use crate::directory::MailboxLimits;
use crate::disk::{self, Disk, DiskFile};
use crate::lock::Lock;
use crate::message::{Head, MailFile, MailboxId, Message, MessageId, Origin, Status, Summary};
use crate::store::{DeduplicationKey, Deposit, Entry, ImportOutcome, ImportedMessage, Page, Query, StoreError};
use crate::wire;

/// One mailbox on the disk.
#[derive(Debug)]
pub(super) struct Mailbox {
    id: MailboxId,
    pub(super) folders: Folders,
    pub(super) arrivals: Arrivals,
    lock: PathBuf,
    view: Lock<View>,
    remembered: AtomicUsize,
}

impl Mailbox {
    /// The mailbox `id`, created durably where it is missing.
    pub(super) fn open(context: &StoreContext, id: &MailboxId) -> io::Result<Self> {
        let (disk, root) = (&*context.disk, &context.root);
        let (mail, arrivals) = (root.join("mail").join(id.as_str()), root.join("arrivals").join(id.as_str()));
        let folders = Folders::open(disk, &mail)?;
        disk::create_dirs(disk, &arrivals)?;
        for folder in ["mail", "arrivals"] {
            disk.sync_dir(&root.join(folder))?;
        }
        let lock = arrivals.join("lock");
        create_lock(disk, &lock)?;
        let view = Lock::new(View::new(context.watcher.get().map(Arc::clone)));
        let remembered = AtomicUsize::new(0);
        Ok(Self { id: id.clone(), folders, arrivals: Arrivals::new(arrivals), lock, view, remembered })
    }

    /// See [`MessageStore::deposit`](crate::store::MessageStore::deposit).
    ///
    /// The message is written and flushed outside the mailbox, and enters it by one rename under the mailbox's lock; the answer is given when
    /// the folder is flushed. If the process ends between any two of these steps, the mailbox has the whole message or nothing; and the
    /// message's name contains its key, so that the next deposit of it finds it.
    pub(super) fn deposit(
        &self,
        context: &StoreContext,
        limits: &MailboxLimits,
        origin: &Origin,
        message: &Message,
    ) -> Result<Deposit, StoreError> {
        let limits = limits.for_deposit(origin, message);
        self.put(context, &limits, DeduplicationKey::of_message(origin, message), (message, Status::New), Remember::Arrival)
    }

    /// See [`MessageStore::import`](crate::store::MessageStore::import).
    pub(super) fn import(&self, context: &StoreContext, imported: &ImportedMessage) -> Result<ImportOutcome, StoreError> {
        let key = imported.key;
        let Some((message, status)) = &imported.message else { return self.import_key(context, imported) };
        match self.put(context, &MailboxLimits::default(), key, (message, *status), Remember::Nothing)? {
            Deposit::Stored(id) => Ok(ImportOutcome::Stored(id)),
            Deposit::Duplicate => Ok(ImportOutcome::Duplicate),
        }
    }

    /// Remembers the key of a message that was deleted, from its removal on.
    fn import_key(&self, context: &StoreContext, imported: &ImportedMessage) -> Result<ImportOutcome, StoreError> {
        let (disk, key) = (&*context.disk, imported.key);
        let _lock = self.lock(disk).map_err(not_taken)?;
        let was_kept = self.arrivals.is_kept(disk, key).map_err(not_taken)?;
        if !was_kept && self.look(context, |index| index.has_key(key))? {
            return Ok(ImportOutcome::Duplicate);
        }
        // Also a key that was kept: the call that wrote it may have died before it flushed.
        let removed_at = imported.removed_at.unwrap_or_else(|| context.now());
        self.arrivals.import(disk, key, removed_at).map_err(not_taken)?;
        context.flush.sync_dir(disk, self.arrivals.folder()).map_err(failed)?;
        Ok(if was_kept { ImportOutcome::Duplicate } else { ImportOutcome::KeyStored })
    }

    /// Puts a message into the mailbox at this status, unless it has arrived before.
    fn put(
        &self,
        context: &StoreContext,
        limits: &MailboxLimits,
        key: DeduplicationKey,
        (message, status): (&Message, Status),
        remember: Remember,
    ) -> Result<Deposit, StoreError> {
        let disk = &*context.disk;
        if self.arrivals.is_kept(disk, key).map_err(not_taken)? {
            return Ok(Deposit::Duplicate);
        }
        let staged = self.stage(context, message)?;
        let own = OwnName::of(message.head(), message.id(), key, staged.size());
        let placed = self.place(context, limits, &own, status, remember, |_, path| staged.deliver(path))?;
        self.settle(context, key, placed)
    }

    /// Makes durable that the message with this `key` is in the mailbox.
    pub(super) fn settle(&self, context: &StoreContext, key: DeduplicationKey, placed: Placed) -> Result<Deposit, StoreError> {
        let disk = &*context.disk;
        match placed {
            Placed::New(id, folder) => {
                self.folders.flush(disk, &context.flush, folder).map_err(failed)?;
                context.pending.flush(disk, &context.flush).map_err(failed)?;
                self.arrivals.keep(context, key).map_err(not_taken)?;
                Ok(Deposit::Stored(id))
            }
            Placed::There => {
                // An earlier call may have died before it flushed, or another program may have moved the message and not flushed.
                for folder in [Folder::New, Folder::Cur] {
                    self.folders.flush(disk, &context.flush, folder).map_err(failed)?;
                }
                context.pending.flush(disk, &context.flush).map_err(failed)?;
                let _lock = self.lock(disk).map_err(not_taken)?;
                self.arrivals.keep(context, key).map_err(not_taken)?;
                Ok(Deposit::Duplicate)
            }
        }
    }

    /// See [`MessageStore::check`](crate::store::MessageStore::check). Looks at the mailbox only where it can be full.
    pub(super) fn check(&self, context: &StoreContext, limits: &MailboxLimits, size: u64) -> Result<(), StoreError> {
        context.check_size(size)?;
        if !limits.is_unlimited() && self.look(context, Index::usage)?.reaches(limits) {
            return Err(StoreError::MailboxFull(self.id.clone()));
        }
        context.check_free_space(size)
    }

    /// See [`MessageStore::list`](crate::store::MessageStore::list).
    pub(super) fn entries(&self, context: &StoreContext) -> Result<Vec<Entry>, StoreError> {
        self.page(context, &Query::all()).map(|page| page.entries)
    }

    /// See [`MessageStore::page`](crate::store::MessageStore::page).
    pub(super) fn page(&self, context: &StoreContext, query: &Query) -> Result<Page, StoreError> {
        self.view().page(self.source(context), query).map_err(failed)
    }

    /// See [`MessageStore::entry`](crate::store::MessageStore::entry).
    pub(super) fn entry(&self, context: &StoreContext, id: MessageId) -> Result<Entry, StoreError> {
        self.view().entry(self.source(context), id).map_err(failed)?.ok_or(StoreError::NoSuchMessage(id))
    }

    /// See [`MessageStore::summary`](crate::store::MessageStore::summary).
    pub(super) fn summary(&self, context: &StoreContext) -> Result<Summary, StoreError> {
        self.look(context, Index::summary)
    }

    /// See [`MessageStore::retrieve`](crate::store::MessageStore::retrieve).
    pub(super) fn retrieve(&self, context: &StoreContext, id: MessageId) -> Result<Message, StoreError> {
        let disk = &*context.disk;
        let located = self.find(context, id)?;
        let read = match self.folders.with_renames(disk, &located.file.name, |file| disk::read(disk, &self.folders.path(file))) {
            Err(error) if disk::is_not_a_file(&error) => return Err(StoreError::Damaged { id, source: error.into() }),
            read => read.map_err(failed)?,
        };
        let mail = Bytes::from(read.ok_or(StoreError::NoSuchMessage(id))?);
        let message = wire::decode(&mail).map_err(|error| StoreError::Damaged { id, source: error.into() })?;
        let head = Head { id, urgency: located.urgency, ..message.head().clone() };
        Ok(Message::new(head, message.audio().clone()).arrived_as(mail))
    }

    /// See [`MessageStore::mark`](crate::store::MessageStore::mark).
    pub(super) fn mark(&self, context: &StoreContext, id: MessageId, status: Status) -> Result<(), StoreError> {
        self.mark_where(context, id, status, |_| true).map(|_| ())
    }

    /// See [`MessageStore::mark_if`](crate::store::MessageStore::mark_if).
    pub(super) fn mark_if(
        &self,
        context: &StoreContext,
        id: MessageId,
        expected: Status,
        status: Status,
    ) -> Result<bool, StoreError> {
        self.mark_where(context, id, status, |current| current == expected && current != status)
    }

    /// Sets the status of the message `id`, if its status is one that `applies`; answers whether it is.
    fn mark_where(
        &self,
        context: &StoreContext,
        id: MessageId,
        status: Status,
        applies: impl Fn(Status) -> bool,
    ) -> Result<bool, StoreError> {
        let disk = &*context.disk;
        {
            let _lock = self.lock(disk).map_err(not_taken)?;
            let located = self.find(context, id)?;
            let renamed = self.folders.with_renames(disk, &located.file.name, |file| {
                let changes = applies(file.status());
                self.rename(disk, file, &if changes { file.at(status) } else { file.clone() }).map(|()| changes)
            });
            if !renamed.map_err(not_taken)?.ok_or(StoreError::NoSuchMessage(id))? {
                return Ok(false);
            }
            if let Some(left_behind) = located.file.also_new {
                self.remove(disk, &left_behind).map_err(not_taken)?;
            }
        }
        // Also when nothing was renamed: an earlier call may have been cut off before its flush. And in this order, so that the
        // message is in one of the two at any time.
        for folder in [Folder::Cur, Folder::New] {
            self.folders.flush(disk, &context.flush, folder).map_err(failed)?;
        }
        Ok(true)
    }

    /// See [`MessageStore::expunge`](crate::store::MessageStore::expunge).
    pub(super) fn expunge(&self, context: &StoreContext) -> Result<usize, StoreError> {
        self.delete(context, |index| {
            let ids = index.ids(&[Status::Removed]);
            Ok(ids.into_iter().filter_map(|id| index.find(id)).collect())
        })
    }

    /// Deletes for good the messages that `which` chooses; answers how many.
    pub(super) fn delete(
        &self,
        context: &StoreContext,
        which: impl FnOnce(&Index) -> io::Result<Vec<LocatedMessage>>,
    ) -> Result<usize, StoreError> {
        let disk = &*context.disk;
        let lock = self.lock(disk).map_err(not_taken)?;
        let removed = self.look(context, which)?.map_err(failed)?;
        if removed.is_empty() {
            return Ok(0);
        }
        self.remember_durably(context, &removed).map_err(not_taken)?;
        let mut count = 0;
        for located in &removed {
            if let Some(left_behind) = &located.file.also_new {
                self.remove(disk, left_behind).map_err(not_taken)?;
            }
            count += usize::from(self.remove(disk, &located.file.name).map_err(not_taken)?);
        }
        self.remove_transcripts(context, removed.iter().map(|located| located.id));
        drop(lock);
        for folder in [Folder::New, Folder::Cur] {
            self.folders.flush(disk, &context.flush, folder).map_err(failed)?;
        }
        Ok(count)
    }

    /// Whether the message `id` is there, and no deposit of it is about to give it its name.
    pub(super) fn has(&self, context: &StoreContext, id: MessageId) -> Result<bool, StoreError> {
        let _lock = self.lock(&*context.disk).map_err(not_taken)?;
        self.look(context, |index| index.find(id).is_some())
    }

    /// The names of all arrivals, in order.
    pub(super) fn arrivals(&self, context: &StoreContext) -> io::Result<Vec<String>> {
        self.arrivals.names(&*context.disk)
    }

    /// Forgets the arrival `name` if it is old enough.
    pub(super) fn forget(&self, context: &StoreContext, name: &str) -> io::Result<bool> {
        let _lock = self.lock(&*context.disk)?;
        self.arrivals.forget(&*context.disk, name, context.now(), context.deduplication_window)
    }

    /// Forgets the arrival with this `key`, unless its message is there.
    pub(super) fn forget_key(&self, context: &StoreContext, key: DeduplicationKey) -> Result<(), StoreError> {
        let disk = &*context.disk;
        let _lock = self.lock(disk).map_err(not_taken)?;
        if self.look(context, |index| index.has_key(key))? {
            return Ok(());
        }
        self.arrivals.remove(disk, key).map_err(not_taken)?;
        context.flush.sync_dir(disk, self.arrivals.folder()).map_err(failed)
    }

    /// Writes and flushes the mail of `message`: the one it arrived as, byte for byte, if it did.
    fn stage(&self, context: &StoreContext, message: &Message) -> Result<Staged, StoreError> {
        // IMAP servers answer this time as INTERNALDATE.
        let recorded = SystemTime::from(message.head().recorded_at.instant.max(DateTime::<Utc>::UNIX_EPOCH));
        if let Some(staged) = message.mail_file().and_then(|file| staged_here(context, &**file)) {
            return staged.flush(recorded).map(|()| staged).map_err(not_taken);
        }
        let parts = Parts::of(message, context, &self.id);
        let size = parts.size();
        context.check_size(size)?;
        context.ensure_free_space(size)?;
        Staged::write(&context.disk, &context.staging, parts, recorded).map_err(not_taken)
    }

    /// Puts a message into the mailbox at this status, under a name like `own`, unless it is there already: `deliver` gets the id and the path that it has here,
    /// and gives its file that path. Its folder is not flushed.
    pub(super) fn place(
        &self,
        context: &StoreContext,
        limits: &MailboxLimits,
        own: &OwnName,
        status: Status,
        remember: Remember,
        deliver: impl FnOnce(MessageId, &Path) -> io::Result<()>,
    ) -> Result<Placed, StoreError> {
        let (disk, key) = (&*context.disk, own.key);
        let _lock = self.lock(disk).map_err(not_taken)?;
        let (is_there, earlier, room, id) = self.look(context, |index| {
            let is_free = |id: &MessageId| index.find(*id).is_none();
            // The second one is the same whenever the same message comes.
            let id = [own.id, MessageId::from_bytes(*key.as_bytes())].into_iter().find(is_free).unwrap_or_else(MessageId::random);
            (index.has_key(key), index.id_of_key(key), index.usage(), id)
        })?;
        if let (Some(id), Remember::Arrival) = (earlier, remember) {
            // The call that put it there may have died before its arrival was on stable storage.
            self.note_pending(context, id).map_err(not_taken)?;
        }
        if is_there || self.arrivals.is_kept(disk, key).map_err(not_taken)? {
            return Ok(Placed::There);
        }
        if room.reaches(limits) {
            return Err(StoreError::MailboxFull(self.id.clone()));
        }
        let name = OwnName { id, ..own.clone() };
        let file = FileName { folder: Folder::New, name: name.to_base(&context.host) }.at(status);
        let folder = file.folder;
        if remember == Remember::Arrival {
            self.note_pending(context, id).map_err(not_taken)?;
        }
        self.view().put(file.clone(), || deliver(id, &self.folders.path(&file))).map_err(not_taken)?;
        Ok(Placed::New(id, folder))
    }

    /// Notes that a node may have steps to do for a message that is about to get its name, if the store remembers that.
    fn note_pending(&self, context: &StoreContext, id: MessageId) -> io::Result<()> {
        let link = |path: &Path| context.arrival_record.link(&context.disk, &context.staging, (path, context.now()), record_text);
        context.pending.note(&*context.disk, (&self.id, id), link)
    }

    /// Makes the arrivals of these messages durable, before the messages are deleted.
    fn remember_durably(&self, context: &StoreContext, messages: &[LocatedMessage]) -> io::Result<()> {
        let disk = &*context.disk;
        let mut any = false;
        for own in messages.iter().filter_map(|located| located.own.as_ref()) {
            self.arrivals.keep_durably(context, own.key)?;
            any = true;
        }
        if any { context.flush.sync_dir(disk, self.arrivals.folder()) } else { Ok(()) }
    }

    pub(super) fn id(&self) -> &MailboxId {
        &self.id
    }

    pub(super) fn find(&self, context: &StoreContext, id: MessageId) -> Result<LocatedMessage, StoreError> {
        self.look(context, |index| index.find(id))?.ok_or(StoreError::NoSuchMessage(id))
    }

    /// How many files are remembered, at the time of the last look.
    pub(super) fn remembered(&self) -> usize {
        self.remembered.load(Ordering::Relaxed)
    }

    /// Brings the index up to date, and does `work` on it.
    pub(super) fn look<T>(&self, context: &StoreContext, work: impl FnOnce(&Index) -> T) -> Result<T, StoreError> {
        let mut view = self.view();
        let index = view.look(self.source(context)).map_err(failed)?;
        self.remembered.store(index.len(), Ordering::Relaxed);
        Ok(work(index))
    }

    fn source<'a>(&'a self, context: &'a StoreContext) -> ViewSource<'a> {
        ViewSource { disk: &*context.disk, folders: &self.folders, max_bytes: context.limits.bytes, bad: &context.bad }
    }

    fn rename(&self, disk: &dyn Disk, from: &FileName, to: &FileName) -> io::Result<()> {
        if from == to {
            return disk.open(&self.folders.path(from)).map(drop);
        }
        disk.rename(&self.folders.path(from), &self.folders.path(to))
    }

    /// Removes the file if it still has this name; answers whether it had.
    pub(super) fn remove(&self, disk: &dyn Disk, file: &FileName) -> io::Result<bool> {
        match disk.remove(&self.folders.path(file)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Keeps all other processes of this store from changing the mailbox, until the file is dropped. Other programs do not respect the lock.
    pub(super) fn lock(&self, disk: &dyn Disk) -> io::Result<Box<dyn DiskFile>> {
        let file = match disk.open(&self.lock) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // If the mailbox itself is gone, its lock is not created again.
                disk.list(self.folders.root())?;
                disk::create_dirs(disk, self.arrivals.folder())?;
                create_lock(disk, &self.lock)?;
                disk.open(&self.lock)?
            }
            opened => opened?,
        };
        file.lock()?;
        Ok(file)
    }

    fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock()
    }
}

fn create_lock(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Whether a message that is put into a mailbox is an arrival, which a node may have steps for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remember {
    Arrival,
    Nothing,
}

/// The result of putting a message into a mailbox, not flushed yet.
#[derive(Clone, Copy)]
pub(super) enum Placed {
    /// The message was put into this folder, under this id.
    New(MessageId, Folder),
    /// The message had been there before.
    There,
}

/// The staged file that a mail has come in by, if it is a file of this store and no other mailbox has taken it.
fn staged_here(context: &StoreContext, file: &dyn MailFile) -> Option<Staged> {
    (file as &dyn Any).downcast_ref::<ArrivedMail>()?.take(&context.staging)
}
