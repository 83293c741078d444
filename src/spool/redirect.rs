//! [`Served`]: the one destination that everything goes to, and how what waits for another gets there.

use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Notify;

use super::name::EntryName;
use super::tree::{NAMESAKE, are_one_file};
use super::{Destination, Spool, SpoolError};
use crate::disk;

/// The one destination that everything goes to, once a node has said which.
#[derive(Debug, Default)]
pub(super) struct Served {
    destination: RwLock<Option<Arc<str>>>,
    /// Something waits, or may, for another destination.
    astray: Notify,
}

impl Spool {
    /// Everything goes to `destination` from now on, once [`redirect`](Self::redirect) has seen to it.
    pub(crate) fn serve(&self, destination: &str) {
        *self.shared.served.destination.write().unwrap_or_else(PoisonError::into_inner) = Some(destination.into());
        self.shared.served.astray.notify_one();
    }

    /// The destination that everything goes to, if a node has said which.
    pub(crate) fn served(&self) -> Option<Arc<str>> {
        self.shared.served.destination.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until something waits, or may, for another destination than the one that everything goes to.
    pub(crate) async fn astray(&self) {
        self.shared.served.astray.notified().await;
    }

    /// Lets everything that waits for another destination wait for the one that everything goes to. What is under way is left to its
    /// end; what comes back from there is [astray](Self::astray).
    pub(crate) async fn redirect(&self) -> Result<(), SpoolError> {
        let spool = self.clone();
        disk::blocking(move || spool.redirect_files()).await.map_err(|error| self.error(error))
    }

    /// Notes that something may wait for `destination`. To be called after it does: whoever serves another destination from now on
    /// looks after that.
    pub(super) fn note_waiting(&self, destination: &Destination) {
        if self.served().is_some_and(|served| served != destination.name) {
            self.shared.served.astray.notify_one();
        }
    }

    fn redirect_files(&self) -> io::Result<()> {
        let Some(served) = self.served() else { return Ok(()) };
        let to = self.destination(&served);
        let all: Vec<_> = self.destinations().values().cloned().collect();
        for from in all.into_iter().filter(|from| from.name != to.name) {
            // Nobody else sends or parks them meanwhile.
            let names = from.queue().take_waiting();
            if names.is_empty() {
                continue;
            }
            match self.move_all(&from, &to, &names) {
                Ok(moved) => {
                    for name in moved {
                        let fresh = from.fresh().take(name.id());
                        if let Some(message) = fresh {
                            to.fresh().put(message);
                        }
                        to.queue().insert(name);
                    }
                }
                Err(error) => {
                    let mut queue = from.queue();
                    for name in names {
                        queue.insert(name);
                    }
                    return Err(error);
                }
            }
            tracing::warn!(from = %from.name, to = %to.name, "messages go another way than they were meant to");
            to.changed.notify_one();
            // The network may have changed once more.
            self.note_waiting(&to);
        }
        Ok(())
    }

    /// Moves the files of messages from one folder to another; answers with those that there were.
    fn move_all(&self, from: &Destination, to: &Destination, names: &[EntryName]) -> io::Result<Vec<EntryName>> {
        let disk = &*self.shared.disk;
        to.ensure_folder(disk)?;
        let mut there = Vec::with_capacity(names.len());
        for name in names {
            let file = name.to_string();
            match disk.link(&from.folder.join(&file), &to.folder.join(&file)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    tracing::error!(id = %name.id(), "a message that waited is no longer in the spool: somebody has removed its file");
                }
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                Err(_) if !are_one_file(disk, &from.folder.join(&file), &to.folder.join(&file))? => {
                    self.put_aside(&from.folder.join(&file), NAMESAKE.to_owned())?;
                }
                _ => there.push(name.clone()),
            }
        }
        self.shared.flush.sync_dir(disk, &to.folder)?;
        for name in &there {
            if let Err(error) = disk.remove(&from.folder.join(name.to_string())) {
                // The next start finds it under both names, and makes one of them.
                tracing::warn!(id = %name.id(), %error, "a redirected message could not be removed from where it was");
            }
        }
        Ok(there)
    }
}
