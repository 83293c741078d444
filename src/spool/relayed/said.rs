//! Mails about relayed messages that prove nothing: information for an operator.
//!
//! ```text
//! relayed/DESTINATION/ID.said   the newest such mail about the message, its first 64 KiB
//! parked/ID.said                the same, after the message was parked
//! ```
//!
//! The mail goes when the last mailbox of the message is settled, and is moved with a message that is parked. Nothing depends on it, so nothing here
//! is flushed: a power cut may leave it empty, or leave out that it was removed. The start of the spool removes those without a message. The functions
//! of files block.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::entry::RelayedEntry;
use crate::disk::{self, Disk};
use crate::message::{MailboxId, MessageId};
use crate::spool::name::EntryName;
use crate::spool::{Destination, PARKED, Spool, SpoolError};

/// # Behind a relay
impl Spool {
    /// Returns the newest mail about a relayed or parked message that proved nothing, such as a report that it is delayed: its first 64 KiB.
    ///
    /// Anybody may have written it who knows the return path of the message, such as the relay.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Disk`] when it cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    pub async fn said(&self, id: MessageId) -> Result<Option<Bytes>, SpoolError> {
        let destinations: Vec<_> = self.destinations().values().cloned().collect();
        let mut folders: Vec<_> = destinations.iter().map(|destination| self.shared.relayed_folder(destination)).collect();
        folders.push(self.shared.root.join(PARKED));
        let shared = Arc::clone(&self.shared);
        let read = disk::blocking(move || {
            for folder in folders {
                match disk::read(&*shared.disk, &folder.join(said_name(id))) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    mail => return mail.map(|mail| Some(mail.into())),
                }
            }
            Ok(None)
        });
        read.await.map_err(|error| self.error(error))
    }

    /// Keeps a mail about the message `id` beside it, instead of the one before, if it is relayed for `mailbox`, or for any mailbox; returns whether
    /// it is.
    ///
    /// # Cancel safety
    ///
    /// A dropped call keeps the mail or the one before.
    pub(crate) async fn keep_said(&self, id: MessageId, mailbox: Option<&MailboxId>, mail: Bytes) -> Result<bool, SpoolError> {
        let (spool, mailbox) = (self.clone(), mailbox.cloned());
        let kept = disk::blocking(move || spool.keep_said_file(id, mailbox.as_ref(), &mail));
        kept.await.map_err(|error| self.error(error))
    }

    fn keep_said_file(&self, id: MessageId, mailbox: Option<&MailboxId>, mail: &[u8]) -> io::Result<bool> {
        let disk = &*self.shared.disk;
        let _alone = self.shared.relaying.lock();
        let Some(destination) = self.relayed_for(id, mailbox)? else { return Ok(false) };
        let folder = self.shared.relayed_folder(&destination);
        let part = folder.join(PART);
        remove_if_there(disk, &part)?;
        disk.create(&part)?.write_all_at(&mail[..mail.len().min(MOST_KEPT)], 0)?;
        disk.rename(&part, &folder.join(said_name(id)))?;
        Ok(true)
    }

    /// Returns the destination for which a message is relayed.
    fn relayed_for(&self, id: MessageId, mailbox: Option<&MailboxId>) -> io::Result<Option<Arc<Destination>>> {
        let destinations: Vec<_> = self.destinations().values().cloned().collect();
        for destination in destinations.into_iter().filter(|destination| destination.relayed.lock().len() > 0) {
            let is_relayed = if let Some(mailbox) = mailbox {
                self.path_of(&destination, id, mailbox)?.is_some()
            } else {
                let folder = self.shared.relayed_folder(&destination);
                // An earlier mail stays only as long as the message. The folder may have very many names.
                is_there(&*self.shared.disk, &folder.join(said_name(id)))? || has_relayed(&*self.shared.disk, &folder, id)?
            };
            if is_relayed {
                return Ok(Some(destination));
            }
        }
        Ok(None)
    }

    /// Gives the mail about a message that is parked its second name, beside the parked message.
    pub(super) fn park_said(&self, destination: &Destination, id: MessageId) {
        let disk = &*self.shared.disk;
        let (from, to) =
            (self.shared.relayed_folder(destination).join(said_name(id)), self.shared.root.join(PARKED).join(said_name(id)));
        let moved = is_there(disk, &from).and_then(|there| {
            if !there {
                return Ok(());
            }
            remove_if_there(disk, &to)?;
            disk.link(&from, &to)
        });
        if let Err(error) = moved {
            tracing::warn!(%id, %error, "a report about a message could not be moved with it");
        }
    }

    /// Removes the mail about a message that is relayed for no mailbox any more.
    pub(super) fn forget_said(&self, destination: &Destination, id: MessageId) {
        let (disk, folder) = (&*self.shared.disk, self.shared.relayed_folder(destination));
        forget(disk, &folder, id, || has_relayed(disk, &folder, id));
    }

    /// Removes the mail about a message that is no longer parked for any mailbox.
    pub(in crate::spool) fn forget_parked_said(&self, id: MessageId) {
        let (disk, folder) = (&*self.shared.disk, self.shared.root.join(PARKED));
        let is_parked =
            || Ok(disk.list(&folder)?.iter().filter_map(|name| name.parse().ok()).any(|name: EntryName| name.id() == id));
        forget(disk, &folder, id, is_parked);
    }
}

fn forget(disk: &dyn Disk, folder: &Path, id: MessageId, has_message: impl FnOnce() -> io::Result<bool>) {
    let path = folder.join(said_name(id));
    let forgotten = is_there(disk, &path).and_then(|there| if !there || has_message()? { Ok(()) } else { disk.remove(&path) });
    if let Err(error) = forgotten {
        tracing::warn!(%id, %error, "a report about a settled message stays until the next start");
    }
}

/// Removes the mails in a folder that are about none of the messages with `ids`. Blocks.
pub(in crate::spool) fn clean_said(disk: &dyn Disk, folder: &Path, names: &[String], ids: impl Iterator<Item = MessageId>) {
    let mut said: BTreeSet<MessageId> = names.iter().filter_map(|name| name.strip_suffix(SAID)?.parse().ok()).collect();
    if said.is_empty() {
        return;
    }
    for id in ids {
        said.remove(&id);
    }
    for id in said {
        if let Err(error) = disk.remove(&folder.join(said_name(id))) {
            tracing::warn!(%id, %error, "a report about a settled message could not be removed");
        }
    }
}

fn has_relayed(disk: &dyn Disk, folder: &Path, id: MessageId) -> io::Result<bool> {
    let wanted = id.to_string();
    let is_of = |name: &String| name.contains(&wanted) && name.parse().is_ok_and(|entry: RelayedEntry| entry.id == id);
    Ok(disk.list(folder).or_else(none_if_not_found)?.iter().any(is_of))
}

fn is_there(disk: &dyn Disk, path: &Path) -> io::Result<bool> {
    disk.open_to_read(path).map(|_| true).or_else(none_if_not_found)
}

fn remove_if_there(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    disk.remove(path).or_else(none_if_not_found)
}

/// Turns the error of a missing file into an empty value.
fn none_if_not_found<T: Default>(error: io::Error) -> io::Result<T> {
    if error.kind() == io::ErrorKind::NotFound { Ok(T::default()) } else { Err(error) }
}

fn said_name(id: MessageId) -> String {
    format!("{id}{SAID}")
}

const SAID: &str = ".said";
const PART: &str = "said.part";
/// In bytes.
const MOST_KEPT: usize = 64 * 1024;
