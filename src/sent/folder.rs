//! [`SentFolder`]: sent messages on disk.

use std::io;
use std::path::PathBuf;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::text_form::{from_text, to_text};
use super::{SentMessage, SentStore, SentStoreError};
use crate::disk::{Disk, FolderFiles, SmallFiles};
use crate::message::{MailboxId, MessageId};
use crate::pages::first_after;

/// Sent messages in a folder. Clones share the folder; one process uses it, so it is no store for central nodes that share one database.
///
/// ```text
/// 2041/0001743296380-000102030405060708090a0b0c0d0e0f.sent       a message that 2041 has sent, named after the second and its id
/// 2041/0001743296380-000102030405060708090a0b0c0d0e0f.sent.new   being written; the next change replaces it
/// .copies/0f0e0d0c0b0a09080706050403020100                       the file of the message that has a copy with this id: 2041/0001743296380-..sent
/// ```
///
/// Nothing is cached in memory. A file that cannot be read as a message is left out of the list, and removed when it is among the oldest of too many.
#[derive(Debug, Clone)]
pub struct SentFolder {
    files: SmallFiles,
}

impl SentFolder {
    /// Opens `folder`, which is created if it is missing.
    ///
    /// # Errors
    ///
    /// [`SentStoreError::Unavailable`] if the folder cannot be created or made durable.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have created the folder, and has no other effect.
    pub async fn open(disk: impl Disk, folder: impl Into<PathBuf>) -> Result<Self, SentStoreError> {
        Ok(Self { files: SmallFiles::open(disk, folder).await.map_err(unavailable)? })
    }
}

#[async_trait]
impl SentStore for SentFolder {
    async fn record(&self, owner: &MailboxId, message: &SentMessage) -> Result<(), SentStoreError> {
        let (owner, message) = (owner.clone(), message.clone());
        self.files.change(move |files| record(files, &owner, message)).await.flatten().map_err(unavailable)
    }

    async fn list(&self, owner: &MailboxId, now: DateTime<Utc>) -> Result<Vec<SentMessage>, SentStoreError> {
        let owner = owner.clone();
        let listed = self.files.look(move |files| list(files, &owner)).await.flatten().map_err(unavailable)?;
        Ok(listed.into_iter().filter(|message| !message.is_too_old(now)).collect())
    }

    async fn owners(&self, after: Option<&MailboxId>, limit: usize) -> Result<Vec<MailboxId>, SentStoreError> {
        let names = self.files.look(|files| files.names("")).await.flatten().map_err(unavailable)?;
        Ok(first_after(names.iter().filter_map(|name| MailboxId::from_file_name(name)), after, limit))
    }

    async fn find(&self, id: MessageId) -> Result<Option<(MailboxId, SentMessage)>, SentStoreError> {
        self.files.look(move |files| find(files, id)).await.flatten().map_err(unavailable)
    }
}

/// Blocks.
fn record(files: &FolderFiles, owner: &MailboxId, mut message: SentMessage) -> io::Result<()> {
    let mut names = names(files, owner)?;
    let end = format!("-{}.{SENT}", message.id);
    let known = names.iter().find(|name| name.ends_with(&end)).cloned();
    if let Some(mut kept) = known.as_ref().map(|name| read(files, owner, name)).transpose()?.flatten() {
        kept.merge(&message);
        message = kept;
    }
    let name = known.unwrap_or_else(|| file_name(&message));
    note_copies(files, owner, &name, &message)?;
    files.replace(path(owner, &name), to_text(&message).as_bytes())?;
    if let Err(place) = names.binary_search(&name) {
        names.insert(place, name);
    }
    prune(files, owner, &names, message.sent_at)
}

/// The messages, the newest first. Blocks.
fn list(files: &FolderFiles, owner: &MailboxId) -> io::Result<Vec<SentMessage>> {
    let mut messages = Vec::new();
    for name in names(files, owner)?.iter().rev().take(SentMessage::MAX_KEPT) {
        messages.extend(read(files, owner, name)?);
    }
    Ok(messages)
}

/// The message with the copy `id`, and who has sent it. Blocks.
fn find(files: &FolderFiles, id: MessageId) -> io::Result<Option<(MailboxId, SentMessage)>> {
    let Some(bytes) = files.read(note(id))? else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes);
    let Some((owner, name)) = text.trim_end().split_once('/') else { return Ok(None) };
    let Some(owner) = MailboxId::from_file_name(owner).filter(|_| !name.contains('/')) else { return Ok(None) };
    let message = read(files, &owner, name)?.filter(|message| message.copies.iter().any(|copy| copy.id == id));
    Ok(message.map(|message| (owner, message)))
}

/// Makes the copies that have another id than the message findable. A note without its message is as good as none.
fn note_copies(files: &FolderFiles, owner: &MailboxId, name: &str, message: &SentMessage) -> io::Result<()> {
    for copy in message.copies.iter().filter(|copy| copy.id != message.id) {
        if files.read(note(copy.id))?.is_none() {
            files.replace(note(copy.id), format!("{}\n", path(owner, name)).as_bytes())?;
        }
    }
    Ok(())
}

/// Removes a message, and before it what makes its copies findable.
fn forget(files: &FolderFiles, owner: &MailboxId, name: &str) -> io::Result<()> {
    if let Some(SentMessage { id, copies, .. }) = read(files, owner, name)? {
        for copy in copies.iter().filter(|copy| copy.id != id) {
            files.remove(note(copy.id))?;
        }
    }
    files.remove(path(owner, name))
}

/// The names of the messages, the oldest first.
fn names(files: &FolderFiles, owner: &MailboxId) -> io::Result<Vec<String>> {
    let mut names = files.names(owner.as_str())?;
    names.retain(|name| name.strip_suffix(SENT).is_some_and(|stem| stem.ends_with('.')));
    Ok(names)
}

/// The message in a file; `None` if the file is gone or holds none.
fn read(files: &FolderFiles, owner: &MailboxId, name: &str) -> io::Result<Option<SentMessage>> {
    let Some(bytes) = files.read(path(owner, name))? else { return Ok(None) };
    let message = String::from_utf8(bytes).ok().and_then(|text| from_text(&text));
    if message.is_none() {
        tracing::warn!(%owner, name, "a file of a sent message cannot be read, and is left out");
    }
    Ok(message)
}

/// Removes the messages that were too old when the last one was sent, and the oldest of too many.
fn prune(files: &FolderFiles, owner: &MailboxId, names: &[String], sent_at: DateTime<Utc>) -> io::Result<()> {
    let too_many = names.len().saturating_sub(SentMessage::MAX_KEPT);
    let oldest = sent_at.timestamp() - i64::from(SentMessage::MAX_DAYS) * SECONDS_OF_DAY;
    for (place, name) in names.iter().enumerate() {
        let second = name.split('-').next().and_then(|second| second.parse::<i64>().ok());
        if place < too_many || second.is_some_and(|second| second < oldest) {
            forget(files, owner, name)?;
        }
    }
    Ok(())
}

fn path(owner: &MailboxId, name: &str) -> String {
    format!("{owner}/{name}")
}

/// The file by which a copy is found.
fn note(copy: MessageId) -> String {
    format!("{COPIES}/{copy}")
}

fn unavailable(error: io::Error) -> SentStoreError {
    SentStoreError::Unavailable(error.into())
}

fn file_name(message: &SentMessage) -> String {
    format!("{:013}-{}.{SENT}", message.sent_at.timestamp().max(0), message.id)
}

/// The extension of a message's file.
const SENT: &str = "sent";
/// The folder of the notes by which copies are found. No mailbox has this name.
const COPIES: &str = ".copies";
const SECONDS_OF_DAY: i64 = 24 * 60 * 60;

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::disk::{PowerCutDisk, Unsynced};
    use crate::message::Disposition;
    use crate::sent::{SentCopy, SentState};

    fn mailbox(number: &str) -> MailboxId {
        number.parse().unwrap()
    }

    fn message(n: u32, second: i64, state: SentState) -> SentMessage {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&n.to_be_bytes());
        let (id, at) = (MessageId::from_bytes(bytes), DateTime::from_timestamp(second, 0).unwrap());
        SentMessage::new(id, at, Duration::from_secs(3), vec![SentCopy::new(mailbox("2002"), id, state)])
    }

    #[tokio::test]
    async fn keeps_the_contract() {
        let disk = PowerCutDisk::new();
        crate::conformance::sent::run_all(|| async { SentFolder::open(PowerCutDisk::new(), "/sent").await.unwrap() }).await;
        let (kept, now) = (message(1, 1_000, SentState::Delivered), DateTime::from_timestamp(2_000, 0).unwrap());
        SentFolder::open(disk.clone(), "/sent").await.unwrap().record(&mailbox("2041"), &kept).await.unwrap();
        let opened = SentFolder::open(disk, "/sent").await.unwrap();
        assert_eq!(opened.list(&mailbox("2041"), now).await.unwrap(), [kept]);
    }

    #[tokio::test]
    async fn a_message_is_whole_after_a_power_cut_at_any_moment() {
        let owner = mailbox("2041");
        let heard = SentState::Ended { disposition: Disposition::Played, at: DateTime::UNIX_EPOCH };
        let (before, after) = (message(1, 1_000, SentState::Delivered), message(1, 1_000, heard));
        for operations in 0.. {
            let disk = PowerCutDisk::new();
            let sent = SentFolder::open(disk.clone(), "/sent").await.unwrap();
            sent.record(&owner, &before).await.unwrap();
            disk.power_off_after(operations);
            let answer = sent.record(&owner, &after).await;
            let was_cut = disk.power_cut(Unsynced::Forgotten);
            let sent = SentFolder::open(disk, "/sent").await.unwrap();
            let found = sent.list(&owner, before.sent_at).await.unwrap();
            assert!(found == [after.clone()] || (answer.is_err() && found == [before.clone()]), "after {operations}: {found:?}");
            sent.record(&owner, &after).await.unwrap();
            assert_eq!(sent.list(&owner, before.sent_at).await.unwrap(), std::slice::from_ref(&after));
            if !was_cut {
                assert!(answer.is_ok() && operations > 3);
                break;
            }
        }
    }

    #[tokio::test]
    async fn a_copy_is_found_as_long_as_its_message_is_kept() {
        let (disk, owner) = (PowerCutDisk::new(), mailbox("2041"));
        let sent = SentFolder::open(disk.clone(), "/sent").await.unwrap();
        let copy_id = MessageId::from_bytes([7; 16]);
        let mut first = message(1, 1_000, SentState::Delivered);
        first.copies.push(SentCopy::new(mailbox("8617"), copy_id, SentState::Sending));
        sent.record(&owner, &first).await.unwrap();
        let opened = SentFolder::open(disk.clone(), "/sent").await.unwrap();
        assert_eq!(opened.find(copy_id).await.unwrap(), Some((owner.clone(), first)));
        assert_eq!(opened.find(MessageId::from_bytes([8; 16])).await.unwrap(), None);
        let later = i64::from(SentMessage::MAX_DAYS + 1) * SECONDS_OF_DAY;
        sent.record(&owner, &message(2, 1_000 + later, SentState::Delivered)).await.unwrap();
        assert_eq!(sent.find(copy_id).await.unwrap(), None);
        assert_eq!(disk.list(Path::new("/sent/.copies")).unwrap(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn after_a_power_cut_listed_messages_have_their_copies_found() {
        let owner = mailbox("2041");
        let copy_id = MessageId::from_bytes([7; 16]);
        let mut first = message(1, 1_000, SentState::Delivered);
        first.copies.push(SentCopy::new(mailbox("8617"), copy_id, SentState::Sending));
        for operations in 0.. {
            let disk = PowerCutDisk::new();
            let sent = SentFolder::open(disk.clone(), "/sent").await.unwrap();
            disk.power_off_after(operations);
            let answer = sent.record(&owner, &first).await;
            let was_cut = disk.power_cut(Unsynced::Forgotten);
            let sent = SentFolder::open(disk, "/sent").await.unwrap();
            let listed = sent.list(&owner, first.sent_at).await.unwrap();
            let found = sent.find(copy_id).await.unwrap();
            assert!(listed.len() == usize::from(found.is_some()) && (answer.is_err() || found.is_some()), "after {operations}");
            sent.record(&owner, &first).await.unwrap();
            assert_eq!(sent.find(copy_id).await.unwrap(), Some((owner.clone(), first.clone())));
            if !was_cut {
                assert!(answer.is_ok() && operations > 6);
                break;
            }
        }
    }

    #[tokio::test]
    async fn a_damaged_file_is_left_out_and_hinders_nothing() {
        let (disk, owner) = (PowerCutDisk::new(), mailbox("2041"));
        let sent = SentFolder::open(disk.clone(), "/sent").await.unwrap();
        let (one, two) = (message(1, 1_000, SentState::Delivered), message(2, 2_000, SentState::Delivered));
        sent.record(&owner, &one).await.unwrap();
        sent.record(&owner, &two).await.unwrap();
        let path = Path::new("/sent/2041").join(file_name(&one));
        disk.open(&path).unwrap().write_all_at(b"\xff", 0).unwrap();
        assert_eq!(sent.list(&owner, two.sent_at).await.unwrap(), std::slice::from_ref(&two));
        sent.record(&owner, &one).await.unwrap();
        assert_eq!(sent.list(&owner, two.sent_at).await.unwrap(), [two, one]);
    }
}
