//! Parked messages on disk: their files, the notes beside them, and the moves from folder to folder.
//!
//! Everything here blocks.

use std::io;
use std::path::Path;

use chrono::{DateTime, Utc};

use super::name::{EXTENSION, EntryName};
use super::{PARKED, RECORDING, Spool};
use crate::disk::{self, Disk};
use crate::event::Event;
use crate::message::{MailboxId, MessageId};

/// A message that was refused for good, or parked by an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParkedMessage {
    /// The id of the message.
    pub id: MessageId,
    /// The mailbox that it is for.
    pub mailbox: MailboxId,
    /// The node that it was to be sent to.
    pub destination: String,
    /// Why it is parked.
    pub reason: String,
    /// When it was parked, if the note beside it says so.
    pub parked_at: Option<DateTime<Utc>>,
    /// How many attempts there were.
    pub attempts: u32,
    /// The party that has parked it.
    pub by: ParkedBy,
    /// The mailbox for undeliverable messages that has a copy of it, if one has.
    pub deposited_in: Option<MailboxId>,
}

/// The party that has parked a message. These are all the cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ParkedBy {
    /// The node has, because the message was refused for good.
    #[default]
    Refusal,
    /// An operator has.
    Operator,
}

impl Spool {
    pub(super) fn park_files(
        &self,
        destination: &str,
        name: &EntryName,
        reason: &str,
        attempts: u32,
        by: ParkedBy,
    ) -> io::Result<()> {
        let disk = &*self.shared.disk;
        let folder = self.shared.root.join(PARKED);
        self.write_note(destination, name, reason, attempts, by)?;
        // The name that it was recorded under must not come back after a power cut, and queue it again.
        self.shared.flush.sync_dir(disk, &self.shared.root.join(RECORDING))?;
        self.shared.move_file(&self.destination(destination).folder, &folder, &name.to_string())?;
        // It may have been offered again after a relay had accepted it.
        self.forget_relayed(name);
        let (id, mailbox) = (name.id(), name.mailbox().clone());
        self.shared.events.emit(Event::Parked { id, mailbox, reason: reason.to_owned() });
        self.shared.parked.notify_one();
        Ok(())
    }

    /// Adds a line to the note beside a parked message: the mailbox for undeliverable messages has a copy. No error if it was released meanwhile.
    pub(super) fn add_deposited(&self, id: MessageId, mailbox: &MailboxId, deposited_in: &MailboxId) -> io::Result<()> {
        let disk = &*self.shared.disk;
        let parked = self.shared.root.join(PARKED);
        let Some(name) = find(disk, &parked, id, mailbox)? else { return Ok(()) };
        let path = parked.join(note_name(&name));
        let note = match disk.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => disk.create(&path)?,
            opened => opened?,
        };
        note.write_all_at(format!("{DEPOSITED_IN}: {deposited_in}\n").as_bytes(), note.len()?)?;
        note.sync()?;
        self.shared.flush.sync_dir(disk, &parked)
    }

    /// Writes the note beside a message that is to be parked, durably but for its name.
    pub(super) fn write_note(
        &self,
        destination: &str,
        name: &EntryName,
        reason: &str,
        attempts: u32,
        by: ParkedBy,
    ) -> io::Result<()> {
        let disk = &*self.shared.disk;
        let path = self.shared.root.join(PARKED).join(note_name(name));
        disk.remove(&path).or_else(none_if_not_found)?;
        let note = disk.create(&path)?;
        let text = note_text(destination, reason, attempts, self.shared.clock.now().instant, by);
        note.write_all_at(text.as_bytes(), 0)?;
        note.sync()
    }

    /// Reads the note beside a parked message; one that is missing says nothing.
    pub(super) fn note_of(&self, name: &EntryName) -> ParkedMessage {
        let note = disk::read(&*self.shared.disk, &self.shared.root.join(PARKED).join(note_name(name))).unwrap_or_default();
        parse_note(name, &String::from_utf8_lossy(&note))
    }

    /// Removes the note of a message that is no longer parked.
    pub(super) fn remove_note(&self, name: &EntryName) {
        let path = self.shared.root.join(PARKED).join(note_name(name));
        if let Err(error) = self.shared.disk.remove(&path).or_else(none_if_not_found::<()>) {
            tracing::warn!(id = %name.id(), %error, "the note of a message that is no longer parked stays");
        }
    }

    pub(super) fn release_files(&self, id: MessageId, mailbox: &MailboxId) -> io::Result<ReleaseOutcome> {
        let disk = &*self.shared.disk;
        let parked = self.shared.root.join(PARKED);
        let Some(name) = find(disk, &parked, id, mailbox)? else { return Ok(ReleaseOutcome::NotParked) };
        let note = disk::read(disk, &parked.join(note_name(&name))).or_else(none_if_not_found)?;
        let ParkedMessage { destination, .. } = parse_note(&name, &String::from_utf8_lossy(&note));
        let destination = self.current_destination().map_or(destination, |served| served.to_string());
        if !is_folder_name(&destination) {
            return Ok(ReleaseOutcome::NoDestination);
        }
        let to = self.destination(&destination);
        to.ensure_folder(disk)?;
        match self.shared.move_file(&parked, &to.folder, &name.to_string()) {
            // Another call has released it just now.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ReleaseOutcome::NotParked),
            moved => moved?,
        }
        let forgotten = disk.remove(&parked.join(note_name(&name))).or_else(none_if_not_found);
        if let Err(error) = forgotten.and_then(|()| self.shared.flush.sync_dir(disk, &parked)) {
            // It is queued all the same. The next start finds it both queued and parked, and treats it as queued.
            tracing::warn!(%id, %error, "a released message may be found parked, too");
        }
        self.forget_parked_said(id);
        to.queue().insert(name);
        to.changed.notify_one();
        self.note_waiting(&to);
        self.shared.events.emit(Event::Released { id, mailbox: mailbox.clone(), destination });
        Ok(ReleaseOutcome::Waiting)
    }
}

/// Whether a message was released.
pub(super) enum ReleaseOutcome {
    /// The message waits in its queue.
    Waiting,
    /// No such message is parked.
    NotParked,
    /// Neither a network nor the note names its destination.
    NoDestination,
}

pub(super) fn find(disk: &dyn Disk, folder: &Path, id: MessageId, mailbox: &MailboxId) -> io::Result<Option<EntryName>> {
    let names = match disk.list(folder) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut entries = names.iter().filter_map(|name| name.parse::<EntryName>().ok());
    Ok(entries.find(|name| name.id() == id && name.mailbox() == mailbox))
}

pub(super) fn note_name(name: &EntryName) -> String {
    let name = name.to_string();
    format!("{}.txt", name.strip_suffix(EXTENSION).unwrap_or(&name))
}

fn note_text(destination: &str, reason: &str, attempts: u32, parked_at: DateTime<Utc>, by: ParkedBy) -> String {
    let reason: String = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let parked_at = parked_at.to_rfc3339();
    let by = match by {
        ParkedBy::Refusal => String::new(),
        ParkedBy::Operator => format!("parked-by: {OPERATOR}\n"),
    };
    format!("destination: {destination}\nparked-at: {parked_at}\nattempts: {attempts}\n{by}reason: {reason}\n")
}

pub(super) fn parse_note(name: &EntryName, text: &str) -> ParkedMessage {
    let find = |field: &str| text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(": "));
    ParkedMessage {
        id: name.id(),
        mailbox: name.mailbox().clone(),
        destination: find("destination").unwrap_or_default().to_owned(),
        reason: find("reason").unwrap_or_default().to_owned(),
        parked_at: find("parked-at").and_then(|at| at.parse().ok()),
        attempts: find("attempts").and_then(|attempts| attempts.parse().ok()).unwrap_or(0),
        by: if find("parked-by") == Some(OPERATOR) { ParkedBy::Operator } else { ParkedBy::Refusal },
        deposited_in: find(DEPOSITED_IN).and_then(|mailbox| mailbox.parse().ok()),
    }
}

/// Turns the error of a missing file into an empty value, where the file may be missing.
fn none_if_not_found<T: Default>(error: io::Error) -> io::Result<T> {
    if error.kind() == io::ErrorKind::NotFound { Ok(T::default()) } else { Err(error) }
}

/// Whether a note's destination can be the name of a folder in `queue/`, and nothing else.
fn is_folder_name(destination: &str) -> bool {
    !destination.is_empty() && !destination.starts_with('.') && !destination.contains('/')
}

const OPERATOR: &str = "operator";
const DEPOSITED_IN: &str = "deposited-in";
