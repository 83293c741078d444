//! The store's tree of files, and the mailboxes in it. Everything here blocks.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::ground::{Ground, failed};
use super::mailbox::Mailbox;
use super::staging;
use crate::disk::{self, Disk};
use crate::message::MailboxId;
use crate::store::StoreError;

/// The tree of one store.
#[derive(Debug)]
pub(super) struct Tree {
    pub ground: Ground,
    pub mailboxes: Mutex<HashMap<MailboxId, Arc<Mailbox>>>,
    pub forgotten_up_to: Mutex<Option<(MailboxId, String)>>,
}

/// What a call may do about a mailbox that has no folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IfMissing {
    Create,
    Refuse,
}

impl Tree {
    /// Creates what is missing, durably, and removes what dead processes have left.
    pub(super) fn prepare(&self) -> io::Result<()> {
        let disk = &*self.ground.disk;
        disk::create_dirs(disk, &self.ground.root)?;
        flush_parent(disk, &self.ground.root)?;
        for folder in ["mail", "arrivals", "staging"] {
            disk::create_dirs(disk, &self.ground.root.join(folder))?;
        }
        self.explain()?;
        disk.sync_dir(&self.ground.root)?;
        staging::clean(disk, &self.ground.staging)
    }

    /// The mailbox `id`. Its folder decides, each time: an operator may create or remove it while the store is open.
    pub(super) fn mailbox(&self, id: &MailboxId, if_missing: IfMissing) -> Result<Arc<Mailbox>, StoreError> {
        let lock = || self.mailboxes.lock().unwrap_or_else(PoisonError::into_inner);
        let absent = match self.ground.disk.list(&self.ground.root.join("mail").join(id.as_str())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            listed => listed.map(|_| false).map_err(failed)?,
        };
        if absent && if_missing == IfMissing::Refuse {
            return Err(StoreError::NoSuchMailbox(id.clone()));
        }
        let known = if absent { None } else { lock().get(id).map(Arc::clone) };
        if let Some(mailbox) = known {
            return Ok(mailbox);
        }
        let opened = Arc::new(Mailbox::open(&*self.ground.disk, &self.ground.root, id).map_err(failed)?);
        let mut mailboxes = lock();
        if mailboxes.len() >= MAILBOXES_REMEMBERED {
            mailboxes.retain(|_, mailbox| Arc::strong_count(mailbox) > 1);
        }
        Ok(Arc::clone(mailboxes.entry(id.clone()).or_insert(opened)))
    }

    /// Looks at up to `at_most` arrivals, beginning where the last call ended, and forgets the old ones; answers how many.
    pub(super) fn forget_old_arrivals(&self, at_most: usize) -> Result<usize, StoreError> {
        let position = || self.forgotten_up_to.lock().unwrap_or_else(PoisonError::into_inner);
        let from = position().take();
        let (mut left, mut forgotten) = (at_most, 0);
        for id in self.mailboxes_with_arrivals().map_err(failed)? {
            let after = match &from {
                Some((mailbox, _)) if id < *mailbox => continue,
                Some((mailbox, name)) if id == *mailbox => name.as_str(),
                _ => "",
            };
            let mailbox = self.mailbox(&id, IfMissing::Create)?;
            for name in mailbox.arrivals(&self.ground).map_err(failed)?.into_iter().filter(|name| name.as_str() > after) {
                if left == 0 {
                    return Ok(forgotten);
                }
                left -= 1;
                forgotten += usize::from(mailbox.forget(&self.ground, &name).map_err(failed)?);
                *position() = Some((id.clone(), name));
            }
        }
        *position() = None;
        Ok(forgotten)
    }

    fn mailboxes_with_arrivals(&self) -> io::Result<Vec<MailboxId>> {
        let names = self.ground.disk.list(&self.ground.root.join("arrivals"))?;
        let mut ids: Vec<MailboxId> = names.iter().filter_map(|name| name.parse().ok()).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Tells an operator who looks at the tree what it is.
    fn explain(&self) -> io::Result<()> {
        match self.ground.disk.create(&self.ground.root.join("README.txt")) {
            Ok(file) => file.write_all_at(README.as_bytes(), 0),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Makes durable that `path` is there.
fn flush_parent(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match disk.sync_dir(parent) {
        // A folder that may be passed through but not read was made for us by somebody else, long before.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        flushed => flushed,
    }
}

const README: &str = include_str!("README.txt");

/// How many mailboxes are remembered with the heads of their messages, unless more are in use at once.
const MAILBOXES_REMEMBERED: usize = 1024;
