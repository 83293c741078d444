//! [`CurrentDestination`]: the one destination of all messages, and the move of messages that wait for another one.

use std::io;
use std::sync::Arc;

use tokio::sync::Notify;

use super::name::EntryName;
use super::tree::{NAME_CONFLICT, is_same_file};
use super::{Destination, Spool, SpoolError};
use crate::disk;
use crate::lock::Lock;

/// The one destination of all messages, once a node has set it.
#[derive(Debug, Default)]
pub(super) struct CurrentDestination {
    destination: Lock<Option<Arc<str>>>,
    /// Notified when messages wait, or may wait, for another destination.
    misrouted: Notify,
}

impl Spool {
    /// Sets the destination of all messages; [`redirect`](Self::redirect) moves those that wait already.
    pub(crate) fn set_destination(&self, destination: &str) {
        *self.shared.current.destination.lock() = Some(destination.into());
        self.shared.current.misrouted.notify_one();
    }

    /// Returns the destination of all messages, if a node has set it.
    pub(crate) fn current_destination(&self) -> Option<Arc<str>> {
        self.shared.current.destination.lock().clone()
    }

    /// Waits until messages wait, or may wait, for another destination than the current one.
    pub(crate) async fn misrouted(&self) {
        self.shared.current.misrouted.notified().await;
    }

    /// Moves all messages that wait for another destination to the current one. Messages being sent are not moved; those that come back
    /// are [misrouted](Self::misrouted) then.
    pub(crate) async fn redirect(&self) -> Result<(), SpoolError> {
        let spool = self.clone();
        disk::blocking(move || spool.redirect_files()).await.map_err(|error| self.error(error))
    }

    /// Notes that a message may wait for `destination`. To be called after the message was queued, so that a change of the destination in
    /// the meantime is noticed.
    pub(super) fn note_waiting(&self, destination: &Destination) {
        if self.current_destination().is_some_and(|served| served != destination.name) {
            self.shared.current.misrouted.notify_one();
        }
    }

    fn redirect_files(&self) -> io::Result<()> {
        let Some(served) = self.current_destination() else { return Ok(()) };
        let to = self.destination(&served);
        let all: Vec<_> = self.destinations().values().cloned().collect();
        for from in all.into_iter().filter(|from| from.name != to.name) {
            // Taken out of the queue, they cannot be sent or parked meanwhile.
            let names = from.queue().take_waiting();
            if names.is_empty() {
                continue;
            }
            match self.move_all(&from, &to, &names) {
                Ok(moved) => {
                    for name in moved {
                        let cached = from.cache().take(name.id());
                        if let Some(message) = cached {
                            to.cache().put(message);
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
            tracing::warn!(from = %from.name, to = %to.name, "messages are sent to another node than they were queued for");
            to.changed.notify_one();
            // The network may have changed once more.
            self.note_waiting(&to);
        }
        Ok(())
    }

    /// Moves the files of messages from one folder to another; returns the names of those that existed.
    fn move_all(&self, from: &Destination, to: &Destination, names: &[EntryName]) -> io::Result<Vec<EntryName>> {
        let disk = &*self.shared.disk;
        to.ensure_folder(disk)?;
        let mut there = Vec::with_capacity(names.len());
        for name in names {
            let file = name.to_string();
            match disk.link(&from.folder.join(&file), &to.folder.join(&file)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    tracing::error!(id = %name.id(), "a message that waited is no longer in the spool: its file was removed");
                }
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                Err(_) if !is_same_file(disk, &from.folder.join(&file), &to.folder.join(&file))? => {
                    self.quarantine(&from.folder.join(&file), NAME_CONFLICT.to_owned())?;
                }
                _ => there.push(name.clone()),
            }
        }
        self.shared.flush.sync_dir(disk, &to.folder)?;
        for name in &there {
            if let Err(error) = disk.remove(&from.folder.join(name.to_string())) {
                // The next start finds it in both folders, and removes one of the two names.
                tracing::warn!(id = %name.id(), %error, "a redirected message could not be removed from where it was");
            }
        }
        Ok(there)
    }
}
