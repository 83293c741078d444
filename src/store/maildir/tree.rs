//! [`Tree`]: the files of one store, and the mailboxes in it. Everything here blocks.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::bad_entries::{concerns_entry, is_no_folder};
use super::context::{StoreContext, failed, not_taken};
use super::external_changes::ExternalChanges;
use super::mailbox::Mailbox;
use super::staging;
use crate::directory::Retention;
use crate::disk::{self, Disk};
use crate::lock::Lock;
use crate::message::{MailboxId, MessageId};
use crate::store::{PendingArrival, StoreError};

/// The tree of one store.
#[derive(Debug)]
pub(super) struct Tree {
    pub context: Arc<StoreContext>,
    pub mailboxes: Lock<Mailboxes>,
    pub forgotten_up_to: Lock<Option<(MailboxId, String)>>,
    pub retained_up_to: Lock<Option<MailboxId>>,
    pub swept_up_to: Lock<Option<MailboxId>>,
    pub external_changes: Arc<ExternalChanges>,
}

/// The mailboxes that are remembered, with the indexes of their messages.
#[derive(Debug)]
pub(super) struct Mailboxes {
    /// How many, unless more are in use at once.
    pub at_most: usize,
    open: HashMap<MailboxId, (Arc<Mailbox>, u64)>,
    /// Counts calls, to tell which mailbox was used last.
    uses: u64,
}

impl Default for Mailboxes {
    fn default() -> Self {
        Self { at_most: MAILBOXES_REMEMBERED, open: HashMap::new(), uses: 0 }
    }
}

impl Mailboxes {
    fn find(&mut self, id: &MailboxId) -> Option<Arc<Mailbox>> {
        self.uses += 1;
        let (mailbox, used) = self.open.get_mut(id)?;
        *used = self.uses;
        Some(Arc::clone(mailbox))
    }

    /// Forgets a mailbox whose folder is gone, unless it is in use.
    fn forget(&mut self, id: &MailboxId) {
        if self.open.get(id).is_some_and(|(mailbox, _)| Arc::strong_count(mailbox) == 1) {
            self.open.remove(id);
        }
    }

    /// Remembers a mailbox, unless it is remembered already. Forgets a quarter of the others when they are too many.
    fn add(&mut self, id: &MailboxId, mailbox: Mailbox) -> Arc<Mailbox> {
        let files: usize = self.open.values().map(|(mailbox, _)| mailbox.remembered()).sum();
        if self.open.len() >= self.at_most || files >= FILES_REMEMBERED {
            let mut uses: Vec<u64> = self.open.values().map(|(_, used)| *used).collect();
            uses.sort_unstable();
            let oldest = uses.get(uses.len() / 4).copied().unwrap_or(0);
            // A mailbox in use must stay: a second object for it would get the changes that this one waits for.
            self.open.retain(|_, (mailbox, used)| *used > oldest || Arc::strong_count(mailbox) > 1);
        }
        self.uses += 1;
        let (mailbox, used) = self.open.entry(id.clone()).or_insert_with(|| (Arc::new(mailbox), 0));
        *used = self.uses;
        Arc::clone(mailbox)
    }
}

/// How a call handles a mailbox that has no folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IfMissing {
    Create,
    Refuse,
}

impl Tree {
    /// Creates missing folders, durably, and removes the remains of dead processes.
    ///
    /// Answers an error also if a folder is not writable, because the store could take no message then.
    pub(super) fn prepare(&self) -> Result<(), StoreError> {
        let (disk, root) = (&*self.context.disk, &self.context.root);
        self.create().map_err(|error| at(root, error))?;
        for folder in FOLDERS.map(|folder| root.join(folder)) {
            check_writable(disk, &folder).map_err(|error| at(&folder, error))?;
        }
        match disk.watch(&self.context.root) {
            Ok(watch) => drop(self.context.watcher.set(watch.into())),
            Err(error) => {
                tracing::warn!(%error, "the disk cannot watch folders, so each call reads the folders of its mailbox again");
            }
        }
        staging::clean(disk, &self.context.staging).map_err(|error| at(&self.context.staging, error))
    }

    fn create(&self) -> io::Result<()> {
        let disk = &*self.context.disk;
        disk::create_dirs(disk, &self.context.root)?;
        flush_parent(disk, &self.context.root)?;
        for folder in FOLDERS {
            disk::create_dirs(disk, &self.context.root.join(folder))?;
        }
        self.explain()?;
        disk.sync_dir(&self.context.root)
    }

    /// The mailbox `id`. Each call looks for its folder, because an operator may create or remove it while the store is open.
    pub(super) fn mailbox(&self, id: &MailboxId, if_missing: IfMissing) -> Result<Arc<Mailbox>, StoreError> {
        let lock = || self.mailboxes.lock();
        let absent = !has_folder(&*self.context.disk, &self.context.root.join("mail").join(id.as_str())).map_err(failed)?;
        if absent && if_missing == IfMissing::Refuse {
            lock().forget(id);
            return Err(StoreError::NoSuchMailbox(id.clone()));
        }
        let known = if absent { None } else { lock().find(id) };
        if let Some(mailbox) = known {
            return Ok(mailbox);
        }
        let opened = Mailbox::open(&self.context, id).map_err(not_taken)?;
        self.external_changes.handle_opened(id);
        Ok(lock().add(id, opened))
    }

    /// Does `work` on the mailbox `id`. If the mailbox is remembered, its folder is not looked for first: only if `work` does not find a file or
    /// folder, and then `work` is done once more.
    pub(super) fn on_remembered<T>(
        &self,
        id: &MailboxId,
        if_missing: IfMissing,
        work: impl Fn(&Mailbox) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let known = self.mailboxes.lock().find(id);
        match known.map(|mailbox| work(&mailbox)) {
            Some(Err(error)) if is_not_found(&error) => {}
            Some(done) => return done,
            None => {}
        }
        work(&*self.mailbox(id, if_missing)?)
    }

    /// Looks at up to `at_most` arrivals, beginning where the last call ended, and forgets the old ones; answers how many.
    pub(super) fn forget_old_arrivals(&self, at_most: usize) -> Result<usize, StoreError> {
        let position = || self.forgotten_up_to.lock();
        let from = position().take();
        let (mut left, mut forgotten) = (at_most, 0);
        for id in self.mailboxes_with_arrivals().map_err(failed)? {
            let after = match &from {
                Some((mailbox, _)) if id < *mailbox => continue,
                Some((mailbox, name)) if id == *mailbox => name.as_str(),
                _ => "",
            };
            let folder = self.context.root.join("arrivals").join(id.as_str());
            let listed = self.mailbox(&id, IfMissing::Create).and_then(|mailbox| {
                let arrivals = mailbox.arrivals(&self.context).map_err(failed)?;
                Ok((mailbox, arrivals))
            });
            let Some((mailbox, arrivals)) = self.unless_bad(&folder, listed)? else { continue };
            for name in arrivals.into_iter().filter(|name| name.as_str() > after) {
                if left == 0 {
                    return Ok(forgotten);
                }
                left -= 1;
                forgotten += usize::from(mailbox.forget(&self.context, &name).map_err(failed)?);
                *position() = Some((id.clone(), name));
            }
        }
        *position() = None;
        Ok(forgotten)
    }

    /// The mailboxes that have folders, in order.
    pub(super) fn mailbox_ids(&self) -> io::Result<Vec<MailboxId>> {
        let names = self.context.disk.list(&self.context.root.join("mail"))?;
        let mut ids: Vec<MailboxId> = names.iter().filter_map(|name| MailboxId::from_file_name(name)).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Applies `retention` to up to `at_most` messages of a mailbox; answers how many it changed, and which of them were new.
    pub(super) fn retain(
        &self,
        id: &MailboxId,
        retention: Retention,
        at_most: usize,
    ) -> Result<(usize, Vec<MessageId>), StoreError> {
        let folder = self.context.root.join("mail").join(id.as_str());
        let retained = match self.mailbox(id, IfMissing::Refuse) {
            // An operator has removed it in between.
            Err(StoreError::NoSuchMailbox(_)) => Ok((0, Vec::new())),
            mailbox => mailbox.and_then(|mailbox| mailbox.retain(&self.context, retention, at_most)),
        };
        Ok(self.unless_bad(&folder, retained)?.unwrap_or_default())
    }

    /// Takes up to `most` arrivals that no node has settled, and holds them. Those whose messages are gone are forgotten.
    pub(super) fn take_arrivals(&self, most: usize, hold: Duration) -> Result<Vec<PendingArrival>, StoreError> {
        let StoreContext { disk, staging, pending, .. } = &*self.context;
        let mut taken = pending.take(&**disk, staging, most, hold).map_err(not_taken)?;
        let mut gone = Vec::new();
        for arrival in &taken {
            let found = match self.mailbox(&arrival.mailbox, IfMissing::Refuse) {
                Err(StoreError::NoSuchMailbox(_)) => Ok(false),
                mailbox => mailbox.and_then(|mailbox| mailbox.has(&self.context, arrival.id)),
            };
            let folder = self.context.root.join("mail").join(arrival.mailbox.as_str());
            if self.unless_bad(&folder, found)? != Some(true) {
                gone.push(arrival.clone());
            }
        }
        pending.settle(&**disk, &gone).map_err(not_taken)?;
        taken.retain(|arrival| !gone.contains(arrival));
        Ok(taken)
    }

    /// The result `done` for the mailbox whose folder is at `path`; `None` if its folder is a bad entry, so that other mailboxes are not affected.
    pub(super) fn unless_bad<T>(&self, path: &Path, done: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        match done {
            Err(StoreError::Unavailable(error)) => match error.downcast_ref::<io::Error>() {
                Some(error) if concerns_entry(error) || is_no_folder(error) => {
                    self.context.bad.note(path, error);
                    Ok(None)
                }
                _ => Err(StoreError::Unavailable(error)),
            },
            done => done.map(Some),
        }
    }

    fn mailboxes_with_arrivals(&self) -> io::Result<Vec<MailboxId>> {
        let names = self.context.disk.list(&self.context.root.join("arrivals"))?;
        let mut ids: Vec<MailboxId> = names.iter().filter_map(|name| MailboxId::from_file_name(name)).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Writes a file that explains the tree to an operator.
    fn explain(&self) -> io::Result<()> {
        match self.context.disk.create(&self.context.root.join("README.txt")) {
            Ok(file) => file.write_all_at(README.as_bytes(), 0),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// An error if the folder is not writable. A full disk is no error here: it can be read, and be written to later.
fn check_writable(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    let probe = folder.join(PROBE);
    match disk.create(&probe) {
        Err(error) if disk::is_not_writable(&error) => return Err(error),
        // The disk is full, or the file was left by a process that died.
        Err(_) | Ok(_) => {}
    }
    match disk.remove(&probe) {
        Err(error) if disk::is_not_writable(&error) => Err(error),
        _ => Ok(()),
    }
}

/// Whether a folder is at `path`. Its entries are listed only on a disk that cannot answer without.
fn has_folder(disk: &dyn Disk, path: &Path) -> io::Result<bool> {
    let found = match disk.folder_changed(path) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => disk.list(path).map(drop),
        changed => changed.map(drop),
    };
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        found => found.map(|()| true),
    }
}

/// The error of the store for an error of the disk at `path`.
fn at(path: &Path, error: io::Error) -> StoreError {
    not_taken(io::Error::new(error.kind(), PathError { path: path.to_owned(), error }))
}

/// An error of the disk, with the path.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", path.display())]
struct PathError {
    path: PathBuf,
    error: io::Error,
}

/// Whether `error` says that a file or folder does not exist.
fn is_not_found(error: &StoreError) -> bool {
    let StoreError::Unavailable(source) = error else { return false };
    source.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Makes durable that `path` is there.
fn flush_parent(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match disk.sync_dir(parent) {
        // A folder that this process may enter but not read was created by another user, long before.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        flushed => flushed,
    }
}

const FOLDERS: [&str; 3] = ["mail", "arrivals", "staging"];
/// The name of a file that is created and removed as a test; no mailbox, arrival or message has such a name.
const PROBE: &str = ".writable";

const README: &str = include_str!("README.txt");

/// How many mailboxes are remembered. For each, two folders are watched.
const MAILBOXES_REMEMBERED: usize = 4096;
/// How many files the remembered mailboxes have together, when another one is added: some 200 MB of memory if all heads were read.
const FILES_REMEMBERED: usize = 250_000;
