//! The files of relayed messages, and their moves. Everything here blocks.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};

use super::clock_watch::ClockStep;
use super::entry::{RelayedEntry, rounded};
use super::schedule::{DueStep, day_before, resolution, was_sent_since};
use crate::disk::{self, Disk};
use crate::event::Event;
use crate::message::{ContentDigest, MailboxId, MessageId};
use crate::spool::file::MessageFile;
use crate::spool::name::EntryName;
use crate::spool::parking::find;
use crate::spool::tree::{NAME_CONFLICT, is_same_file};
use crate::spool::{Destination, PARKED, ParkedBy, RELAYED, Spool, SpoolShared};

/// Whether a report settled a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    /// It did.
    Done,
    /// No relayed message has this id and this mailbox: it is settled already, or the report is about none of this node's.
    Unknown,
    /// The message is being sent just now, so that it is not known yet whether it is relayed.
    UnderWay,
    /// The message has another sound than the report says.
    OtherSound,
    /// The report is about a sending of the message before the last one, of which nothing is known yet.
    SentAgain,
}

/// A relayed message whose file was found.
struct Found {
    destination: Arc<Destination>,
    entry: RelayedEntry,
    path: PathBuf,
    name: EntryName,
    digest: ContentDigest,
}

impl Spool {
    /// Moves messages that a relay has accepted from the queue's folder to the relayed ones. After an error, each is in one of them or in both.
    pub(in crate::spool) fn relay_files(&self, destination: &Destination, names: &[EntryName]) -> io::Result<()> {
        let shared = &*self.shared;
        let disk = &*shared.disk;
        let _alone = shared.relaying.lock();
        let relayed_at = rounded(shared.clock.now().instant, resolution(&shared.retry));
        let folder = shared.relayed_folder(destination);
        disk::create_dirs(disk, &folder)?;
        for name in names {
            if self.is_relayed(name.id(), name.mailbox())? {
                continue; // It was offered again, perhaps to another node, and keeps its first name.
            }
            let entry = RelayedEntry::new(relayed_at, name.id(), name.mailbox().clone());
            disk.link(&destination.folder.join(name.to_string()), &folder.join(entry.to_string()))?;
            destination.relayed.lock().add(relayed_at);
        }
        shared.flush.sync_dir(disk, &folder)?;
        shared.relayed.notify_one();
        for name in names {
            if let Err(error) = disk.remove(&destination.folder.join(name.to_string())) {
                // It stays queued for the next start, and is sent again; the receiver stores it once.
                tracing::warn!(id = %name.id(), %error, "a relayed message could not be removed from the queue");
            }
        }
        Ok(())
    }

    /// Removes the relayed name of a message that its destination has accepted itself, after it was offered again.
    pub(in crate::spool) fn forget_relayed(&self, name: &EntryName) {
        let destinations: Vec<_> = self.destinations().values().cloned().collect();
        for destination in destinations {
            if destination.relayed.lock().len() == 0 {
                continue;
            }
            let _alone = self.shared.relaying.lock();
            let removed = self.path_of(&destination, name.id(), name.mailbox()).and_then(|found| match found {
                Some((entry, path)) => self.shared.disk.remove(&path).map(|()| Some(entry)),
                None => Ok(None),
            });
            match removed {
                Ok(Some(entry)) => {
                    destination.relayed.lock().remove(entry.relayed_at);
                    self.forget_said(&destination, entry.id);
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(id = %name.id(), %error, "a delivered message is offered once more"),
            }
        }
    }

    pub(super) fn confirm_files(&self, id: MessageId, mailbox: &MailboxId, digest: ContentDigest) -> io::Result<Settled> {
        let shared = &*self.shared;
        let alone = shared.relaying.lock();
        let destination = if let Some(found) = self.find_relayed(id, mailbox)? {
            if found.digest != digest {
                return Ok(Settled::OtherSound);
            }
            self.forget_queued(&found);
            self.remove_relayed(&found)?;
            found.destination
        } else {
            drop(alone);
            // The relay's answer was lost, or the message was parked before its receipt came.
            match self.take_unrelayed(id, mailbox, digest)? {
                Ok(destination) => destination,
                Err(settled) => return Ok(settled),
            }
        };
        let (mailbox, name) = (mailbox.clone(), destination.name.to_string());
        shared.events.emit(Event::Confirmed { id, mailbox, destination: name });
        destination.changed.notify_one();
        Ok(Settled::Done)
    }

    pub(super) fn refuse_files(&self, id: MessageId, mailbox: &MailboxId, days_ago: u16, reason: &str) -> io::Result<Settled> {
        let shared = &*self.shared;
        let alone = shared.relaying.lock();
        if let Some(found) = self.find_relayed(id, mailbox)? {
            let signed_on = day_before(shared.clock.now().instant, days_ago);
            if was_sent_since(signed_on, found.entry.relayed_at, shared.last_look(), &shared.retry) {
                return Ok(Settled::SentAgain);
            }
            // Parked now, it would be relayed again and parked at once.
            if !self.is_queued(id, mailbox) {
                return self.park_relayed(&found, reason).map(|()| Settled::Done);
            }
        }
        drop(alone);
        Ok(if self.is_queued(id, mailbox) { Settled::UnderWay } else { Settled::Unknown })
    }

    /// Does what has become due since the last look.
    pub(super) fn look_at_files(&self, monotonic: Instant) -> io::Result<()> {
        let shared = &*self.shared;
        let now = shared.clock.now().instant;
        let step = shared.clock_watch.lock().handle_reading(now, monotonic);
        if let Some(step) = step {
            self.handle_clock_step(step)?;
        }
        let destinations: Vec<_> = self.destinations().values().cloned().collect();
        if destinations.iter().all(|destination| destination.relayed.lock().len() == 0) {
            return Ok(());
        }
        let last_look = shared.last_look();
        for destination in destinations {
            let due = |at: DateTime<Utc>| DueStep::of(at, last_look, now, &shared.retry);
            if destination.relayed.lock().times().into_iter().all(|at| due(at).is_none()) {
                continue;
            }
            for name in shared.disk.list(&shared.relayed_folder(&destination))? {
                let Ok(entry) = name.parse::<RelayedEntry>() else { continue };
                let Some(step) = due(entry.relayed_at) else { continue };
                self.do_step(&destination, entry, step)?;
            }
        }
        shared.write_last_look(now)
    }

    /// Gives the messages that were relayed before the clock was set the times that it would have shown.
    fn handle_clock_step(&self, step: ClockStep) -> io::Result<()> {
        let shared = &*self.shared;
        let destinations: Vec<_> = self.destinations().values().cloned().collect();
        let _alone = shared.relaying.lock();
        for destination in destinations {
            if destination.relayed.lock().len() == 0 {
                continue;
            }
            let folder = shared.relayed_folder(&destination);
            for name in shared.disk.list(&folder)? {
                let Ok(entry) = name.parse::<RelayedEntry>() else { continue };
                let at = entry.relayed_at.checked_add_signed(step.by).filter(|_| entry.relayed_at <= step.before);
                let Some(at) = at.map(|at| rounded(at, resolution(&shared.retry))) else { continue };
                let moved = RelayedEntry::new(at, entry.id, entry.mailbox);
                shared.disk.rename(&folder.join(name), &folder.join(moved.to_string()))?;
                let mut times = destination.relayed.lock();
                times.add(at);
                times.remove(entry.relayed_at);
            }
            shared.flush.sync_dir(&*shared.disk, &folder)?;
        }
        Ok(())
    }

    fn do_step(&self, destination: &Arc<Destination>, entry: RelayedEntry, step: DueStep) -> io::Result<()> {
        let shared = &*self.shared;
        let RelayedEntry { relayed_at, id, mailbox } = entry;
        let name = destination.name.to_string();
        if step == DueStep::Report {
            shared.unconfirmed.notify_one();
            shared.events.emit(Event::Unconfirmed { id, mailbox, destination: name, relayed_at });
            return Ok(());
        }
        let _alone = shared.relaying.lock();
        // It may have been settled since the folder was listed.
        let Some(found) = self.find_relayed(id, &mailbox)? else { return Ok(()) };
        if step == DueStep::Park {
            let reason = format!("no receipt came for the message, which a relay accepted on {}", relayed_at.to_rfc3339());
            return self.park_relayed(&found, &reason);
        }
        let to = self.current_destination().map_or(name, |served| served.to_string());
        let to = self.destination(&to);
        to.ensure_folder(&*shared.disk)?;
        self.link_to(&found.path, &to.folder, &found.name)?;
        to.queue().insert(found.name);
        to.changed.notify_one();
        self.note_waiting(&to);
        shared.events.emit(Event::OfferedAgain { id, mailbox, destination: to.name.to_string() });
        Ok(())
    }

    /// Returns the relayed message of this id for this mailbox. A file that is no message is moved to `unreadable/`.
    fn find_relayed(&self, id: MessageId, mailbox: &MailboxId) -> io::Result<Option<Found>> {
        let destinations: Vec<_> = self.destinations().values().cloned().collect();
        for destination in destinations {
            let Some((entry, path)) = self.path_of(&destination, id, mailbox)? else { continue };
            match MessageFile::open(&*self.shared.disk, &path, id) {
                Ok(file) => {
                    let head = file.head();
                    let name = EntryName::new(head.urgency, head.recorded_at.instant, id, mailbox.clone());
                    return Ok(Some(Found { destination, entry, path, name, digest: file.digest() }));
                }
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    self.quarantine(&path, error.to_string())?;
                    destination.relayed.lock().remove(entry.relayed_at);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Returns whether a message was relayed before, for whichever destination.
    fn is_relayed(&self, id: MessageId, mailbox: &MailboxId) -> io::Result<bool> {
        let destinations: Vec<_> = self.destinations().values().cloned().collect();
        for destination in destinations {
            if self.path_of(&destination, id, mailbox)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the path of the relayed message of this id for this mailbox, if there is one.
    pub(in crate::spool) fn path_of(
        &self,
        destination: &Destination,
        id: MessageId,
        mailbox: &MailboxId,
    ) -> io::Result<Option<(RelayedEntry, PathBuf)>> {
        let folder = self.shared.relayed_folder(destination);
        let times = destination.relayed.lock().times();
        for relayed_at in times {
            let entry = RelayedEntry::new(relayed_at, id, mailbox.clone());
            let path = folder.join(entry.to_string());
            match self.shared.disk.open_to_read(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) if !disk::is_not_a_file(&error) => return Err(error),
                Ok(_) | Err(_) => return Ok(Some((entry, path))),
            }
        }
        Ok(None)
    }

    /// Parks a relayed message, also if it waits to be offered again.
    fn park_relayed(&self, found: &Found, reason: &str) -> io::Result<()> {
        let (id, mailbox) = (found.name.id(), found.name.mailbox().clone());
        self.write_note(&found.destination.name, &found.name, reason, 1, ParkedBy::Refusal)?;
        self.link_to(&found.path, &self.shared.root.join(PARKED), &found.name)?;
        self.park_said(&found.destination, id);
        self.forget_queued(found);
        self.remove_relayed(found)?;
        self.shared.events.emit(Event::Parked { id, mailbox, reason: reason.to_owned() });
        self.shared.parked.notify_one();
        found.destination.changed.notify_one();
        Ok(())
    }

    /// Removes a message from its queue if it waits there to be offered again. If it is being sent, it will be relayed once more.
    fn forget_queued(&self, found: &Found) {
        let destinations: Vec<_> = self.destinations().values().cloned().collect();
        for destination in destinations {
            if destination.queue().remove(&found.name)
                && let Err(error) = self.shared.disk.remove(&destination.folder.join(found.name.to_string()))
            {
                tracing::warn!(id = %found.name.id(), %error, "a settled message is sent once more after the next start");
            }
        }
    }

    fn remove_relayed(&self, found: &Found) -> io::Result<()> {
        self.shared.disk.remove(&found.path)?;
        found.destination.relayed.lock().remove(found.entry.relayed_at);
        self.forget_said(&found.destination, found.entry.id);
        Ok(())
    }

    /// Takes a message out that waits in a queue or is parked, if it has this sound.
    fn take_unrelayed(
        &self,
        id: MessageId,
        mailbox: &MailboxId,
        digest: ContentDigest,
    ) -> io::Result<Result<Arc<Destination>, Settled>> {
        let disk = &*self.shared.disk;
        let has_sound = |path: &Path| MessageFile::open(disk, path, id).map(|file| file.digest() == digest);
        if let Some((destination, name, _)) = self.take(id, mailbox) {
            let path = destination.folder.join(name.to_string());
            let fits = has_sound(&path);
            if !matches!(fits, Ok(true)) {
                destination.queue().insert(name);
                return fits.map(|_| Err(Settled::OtherSound));
            }
            disk.remove(&path)?;
            return Ok(Ok(destination));
        }
        if self.is_queued(id, mailbox) {
            return Ok(Err(Settled::UnderWay));
        }
        let parked = self.shared.root.join(PARKED);
        let Some(name) = find(disk, &parked, id, mailbox)? else { return Ok(Err(Settled::Unknown)) };
        if !has_sound(&parked.join(name.to_string()))? {
            return Ok(Err(Settled::OtherSound));
        }
        let destination = self.destination(&self.note_of(&name).destination);
        disk.remove(&parked.join(name.to_string()))?;
        self.remove_note(&name);
        self.forget_parked_said(id);
        Ok(Ok(destination))
    }

    fn is_queued(&self, id: MessageId, mailbox: &MailboxId) -> bool {
        let destinations: Vec<_> = self.destinations().values().cloned().collect();
        destinations
            .iter()
            .any(|destination| destination.queue().iter().any(|(name, ..)| name.id() == id && name.mailbox() == mailbox))
    }

    /// Gives a file the name of a message in a folder, durably. Another file of that name is moved to `unreadable/`.
    fn link_to(&self, path: &Path, folder: &Path, name: &EntryName) -> io::Result<()> {
        let disk = &*self.shared.disk;
        let to = folder.join(name.to_string());
        match disk.link(path, &to) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if !is_same_file(disk, path, &to)? {
                    self.quarantine(&to, NAME_CONFLICT.to_owned())?;
                    disk.link(path, &to)?;
                }
            }
            linked => linked?,
        }
        self.shared.flush.sync_dir(disk, folder)
    }
}

impl SpoolShared {
    pub(super) fn relayed_folder(&self, destination: &Destination) -> PathBuf {
        self.root.join(RELAYED).join(&*destination.name)
    }

    /// Returns when the relayed messages were looked at last. A file that is missing or cannot be read is as none: what is due then is done at its
    /// next time.
    fn last_look(&self) -> Option<DateTime<Utc>> {
        let text = disk::read(&*self.disk, &self.root.join(RELAYED).join(CHECKED)).ok()?;
        std::str::from_utf8(&text).ok()?.trim().parse().ok()
    }

    fn write_last_look(&self, at: DateTime<Utc>) -> io::Result<()> {
        let disk: &dyn Disk = &*self.disk;
        let folder = self.root.join(RELAYED);
        let (path, part) = (folder.join(CHECKED), folder.join(CHECKED_PART));
        match disk.remove(&part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = disk.create(&part)?;
        file.write_all_at(at.to_rfc3339().as_bytes(), 0)?;
        file.sync()?;
        disk.rename(&part, &path)?;
        disk.sync_dir(&folder)
    }
}

const CHECKED: &str = "checked.txt";
const CHECKED_PART: &str = "checked.part";
