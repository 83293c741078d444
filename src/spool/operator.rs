//! The operator's view of the spool: which messages wait or are parked, and how to park, release and export them.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};

use super::file::MessageFile;
use super::name::EntryName;
use super::parking::{ReleaseOutcome, find, note_name, parse_note};
use super::{Destination, PARKED, ParkedBy, ParkedMessage, Spool, SpoolError};
use crate::disk;
use crate::event::SpoolState;
use crate::message::{MailboxId, Message, MessageId, Urgency};
use crate::retry::now;

/// A message that waits or is being sent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WaitingMessage {
    /// The id of the message.
    pub id: MessageId,
    /// The mailbox that it is for.
    pub mailbox: MailboxId,
    /// The node that it is to be sent to.
    pub destination: String,
    /// Whether it is urgent, and so goes before others.
    pub urgency: Urgency,
    /// When it was recorded, to the millisecond.
    pub recorded_at: DateTime<Utc>,
    /// How many attempts have failed.
    pub attempts: u32,
    /// When it is tried next; `None` when it is due or being sent.
    pub next_try: Option<Instant>,
}

/// # For an operator
///
/// ```no_run
/// # async fn look(node: voicemail::node::Node) -> Result<(), Box<dyn std::error::Error>> {
/// let spool = node.spool();
/// for state in spool.state() {
///     println!("{}: {} waiting, the oldest since {:?}", state.destination, state.depth, state.oldest);
///     println!("{} without a receipt; {}", state.relayed, state.return_path);
/// }
/// for parked in spool.parked().await? {
///     println!("{} for {}: {}", parked.id, parked.mailbox, parked.reason);
///     let message = spool.export(parked.id, &parked.mailbox).await?; // a copy, to listen to
///     std::fs::write(format!("{}.wav", parked.id), message.audio().bytes())?;
///     spool.release(parked.id, &parked.mailbox).await?; // the mailbox is there again
/// }
/// spool.retry_now(); // the line is back: wait for no schedule
/// # Ok(())
/// # }
/// ```
impl Spool {
    /// Returns how many messages wait for each destination, and whether receipts come back from it.
    pub fn state(&self) -> Vec<SpoolState> {
        let destinations: Vec<_> = self.destinations().values().cloned().collect();
        destinations.iter().map(|destination| destination.state()).collect()
    }

    /// Returns all messages that wait or are being sent, grouped by destination: those being sent, those that are due, then the others.
    pub fn waiting(&self) -> Vec<WaitingMessage> {
        let destinations: Vec<_> = self.destinations().values().cloned().collect();
        let mut all = Vec::new();
        for destination in destinations {
            all.extend(destination.queue().iter().map(|(name, attempts, next_try)| WaitingMessage {
                id: name.id(),
                mailbox: name.mailbox().clone(),
                destination: destination.name.to_string(),
                urgency: name.urgency(),
                recorded_at: name.recorded_at(),
                attempts,
                next_try,
            }));
        }
        all
    }

    /// Makes all messages that wait due now. A destination that could not be reached is tried with one message first, and gets all others
    /// as soon as it answers.
    pub fn retry_now(&self) {
        let destinations: Vec<_> = self.destinations().values().cloned().collect();
        for destination in destinations {
            destination.queue().retry_now(now());
            destination.changed.notify_one();
        }
    }

    /// Parks a waiting message; it stays until it is released.
    ///
    /// # Errors
    ///
    /// [`SpoolError::NotWaiting`], also when it is being sent just now; [`SpoolError::Disk`] when it could not be moved: it goes on waiting,
    /// or does so again after a power cut.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has parked it or will do so. The same call again returns [`SpoolError::NotWaiting`] then.
    pub async fn park(&self, id: MessageId, mailbox: &MailboxId, reason: &str) -> Result<(), SpoolError> {
        let (destination, name, attempts) = self.take(id, mailbox).ok_or_else(|| not_waiting(id, mailbox))?;
        let spool = self.clone();
        let reason = reason.to_owned();
        let parked = disk::blocking(move || {
            let parked = spool.park_files(&destination.name, &name, &reason, attempts, ParkedBy::Operator);
            if parked.is_err() {
                destination.queue().insert(name);
                spool.note_waiting(&destination);
            }
            destination.changed.notify_one();
            parked?;
            if let Err(error) = spool.shared.flush.sync_dir(&*spool.shared.disk, &destination.folder) {
                tracing::warn!(%error, "a message is parked, and a power cut may make it wait again");
            }
            Ok(())
        });
        parked.await.map_err(|error| self.error(error))
    }

    /// Returns all parked messages, in the order of their names.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Disk`] when the folder cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    pub async fn parked(&self) -> Result<Vec<ParkedMessage>, SpoolError> {
        let shared = Arc::clone(&self.shared);
        let listed = disk::blocking(move || {
            let folder = shared.root.join(PARKED);
            let mut names: Vec<EntryName> = shared.disk.list(&folder)?.iter().filter_map(|name| name.parse().ok()).collect();
            names.sort();
            let read = |name: EntryName| {
                let note = disk::read(&*shared.disk, &folder.join(note_name(&name))).unwrap_or_default();
                parse_note(&name, &String::from_utf8_lossy(&note))
            };
            Ok(names.into_iter().map(read).collect())
        });
        listed.await.map_err(|error| self.error(error))
    }

    /// Queues a parked message again; it is tried at once. In the spool of a node it is sent to the central node of the current network,
    /// otherwise to the node that the note beside it names.
    ///
    /// # Errors
    ///
    /// [`SpoolError::NotParked`]; [`SpoolError::NoDestination`] when neither a network nor a note names its destination; or
    /// [`SpoolError::Disk`] when it could not be moved: it stays parked.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has released it or will do so. The same call again returns [`SpoolError::NotParked`] then.
    pub async fn release(&self, id: MessageId, mailbox: &MailboxId) -> Result<(), SpoolError> {
        let (spool, wanted) = (self.clone(), mailbox.clone());
        let released = disk::blocking(move || spool.release_files(id, &wanted)).await.map_err(|error| self.error(error))?;
        let mailbox = mailbox.clone();
        match released {
            ReleaseOutcome::Waiting => Ok(()),
            ReleaseOutcome::NotParked => Err(SpoolError::NotParked { id, mailbox }),
            ReleaseOutcome::NoDestination => Err(SpoolError::NoDestination { id, mailbox }),
        }
    }

    /// Returns a copy of a message that waits, is relayed or is parked, even if it is damaged. The message itself is left unchanged.
    ///
    /// # Errors
    ///
    /// [`SpoolError::NotWaiting`] when there is none, [`SpoolError::Unreadable`] when its file is no message, or
    /// [`SpoolError::Disk`].
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    pub async fn export(&self, id: MessageId, mailbox: &MailboxId) -> Result<Message, SpoolError> {
        let (spool, wanted) = (self.clone(), mailbox.clone());
        let mut folders: Vec<_> = self.destinations().values().map(|destination| destination.folder.clone()).collect();
        folders.push(self.shared.root.join(PARKED));
        let destinations: Vec<_> = self.destinations().values().cloned().collect();
        let loaded = disk::blocking(move || {
            let disk = &*spool.shared.disk;
            for destination in destinations {
                if let Some((_, path)) = spool.path_of(&destination, id, &wanted)? {
                    return MessageFile::open(disk, &path, id)?.read().map(Some);
                }
            }
            for folder in folders {
                if let Some(name) = find(disk, &folder, id, &wanted)? {
                    return MessageFile::open(disk, &folder.join(name.to_string()), id)?.read().map(Some);
                }
            }
            Ok(None)
        });
        match loaded.await {
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(not_waiting(id, mailbox)),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(SpoolError::Unreadable { file: id.to_string(), reason: error.to_string() })
            }
            Err(error) => Err(self.error(error)),
        }
    }

    /// Notes beside a parked message that the mailbox `deposited_in` has a copy of it.
    #[cfg(feature = "node")]
    pub(crate) async fn note_deposited(
        &self,
        id: MessageId,
        mailbox: &MailboxId,
        deposited_in: &MailboxId,
    ) -> Result<(), SpoolError> {
        let (spool, mailbox, deposited_in) = (self.clone(), mailbox.clone(), deposited_in.clone());
        let noted = disk::blocking(move || spool.add_deposited(id, &mailbox, &deposited_in));
        noted.await.map_err(|error| self.error(error))
    }

    /// Waits until a message is parked, if none was since the last call. One caller waits at a time.
    #[cfg(feature = "node")]
    pub(crate) async fn parked_more(&self) {
        self.shared.parked.notified().await;
    }

    /// Moves the file of a message that is being sent to the parked ones, with a note of the reason.
    pub(super) async fn park_file(&self, destination: &str, name: &EntryName, reason: &str, attempts: u32) -> io::Result<()> {
        let (spool, destination, name, reason) = (self.clone(), destination.to_owned(), name.clone(), reason.to_owned());
        disk::blocking(move || spool.park_files(&destination, &name, &reason, attempts, ParkedBy::Refusal)).await
    }

    /// Takes a waiting message out of its queue; returns it with the number of attempts it had.
    pub(super) fn take(&self, id: MessageId, mailbox: &MailboxId) -> Option<(Arc<Destination>, EntryName, u32)> {
        let destinations: Vec<_> = self.destinations().values().cloned().collect();
        destinations.into_iter().find_map(|destination| {
            let mut queue = destination.queue();
            let name = queue.iter().map(|(name, ..)| name).find(|name| name.id() == id && name.mailbox() == mailbox)?.clone();
            let attempts = queue.attempts(&name);
            let taken = queue.remove(&name);
            drop(queue);
            destination.cache().take(id);
            taken.then_some((destination, name, attempts))
        })
    }
}

impl Destination {
    /// Returns how many messages wait for this destination.
    pub(super) fn state(&self) -> SpoolState {
        let queue = self.queue();
        SpoolState {
            destination: self.name.to_string(),
            depth: queue.len(),
            oldest: queue.oldest().map(EntryName::recorded_at),
            next_try: queue.next_try(),
            relayed: self.relayed.lock().len(),
            return_path: *self.return_path.lock(),
        }
    }
}

fn not_waiting(id: MessageId, mailbox: &MailboxId) -> SpoolError {
    SpoolError::NotWaiting { id, mailbox: mailbox.clone() }
}
