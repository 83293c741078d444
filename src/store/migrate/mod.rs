//! [`Migration`]: copies the mailboxes of one store to another one.

mod error;
mod keys;
mod report;
mod step;
#[cfg(all(test, feature = "memory", feature = "fs"))]
mod tests;

use chrono::{DateTime, Utc};

pub use self::error::{FaultReason, MigrationError, MigrationFault, Side};
use self::keys::KeyPairs;
pub use self::report::MigrationReport;
use self::step::Step;
use super::{CopyableStore, ImportOutcome, ImportedMessage, StoreError, StoredKey};
use crate::message::{ContentDigest, Head, MailboxId, Message, MessageId};

/// Copies the mailboxes of one store to another one, while the source is in use, and without losing or doubling a message.
///
/// ```text
/// copy, while nodes serve the source     all messages: minutes or hours
/// copy again                             what has changed since
/// close the source for changes           senders get 451, and keep what they have
/// copy, compare                          seconds
/// nodes serve the target                 senders send again
/// ```
///
/// - **The same key.** A message is imported with the key that the source knows it by. So a sender who sends it again gets the answer that it has
///   arrived, and what was copied is not copied twice. The keys of messages that were deleted are copied with their times, so that such a message does
///   not come back.
/// - **The source decides.** A message that is in both gets the status that it has in the source, and is deleted if the source has deleted it. What
///   only the target has is reported, and left there.
/// - **Checked.** The source checks the digest of each sound that it gives. Each message that was copied is read back from the target, and its
///   digest compared.
/// - **Goes on.** A copy that was stopped at any step, or has failed, goes on when it is started again: what is in the target already is recognised by
///   its key, and no sound of it is read.
/// - **Bounded.** A page of keys of each store and one message are in memory.
///
/// A message that cannot be read or is not taken is a [fault](MigrationReport::faults), and the rest is copied. Close the source for the last copy by a
/// [`ClosableStore`](super::ClosableStore), or by ending all nodes that use it. During a migration, only the source is in use: two stores that both
/// take messages for a mailbox cannot be made one.
///
/// The transcript of a message is copied if the target keeps transcripts. The mail that a message arrived as is copied if the target keeps it. A store that cannot record when a message was removed counts from the copy.
///
/// # Examples
///
#[cfg_attr(feature = "fs", doc = "```")]
#[cfg_attr(not(feature = "fs"), doc = "```ignore")]
/// use voicemail::store::{Compared, MaildirStore, Migration};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let (old, new) = (folder.path().join("old"), folder.path().join("new"));
/// let (source, target) = (MaildirStore::builder(old).open().await?, MaildirStore::builder(new).open().await?);
/// source.create_mailbox(&"2041".parse()?).await?;
/// let mut migration = Migration::new(&source, &target);
/// migration.copy().await?;
/// assert_eq!(migration.report().mailboxes, 1);
/// assert!(migration.compare(Compared::Keys).await?.is_clean());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Migration<'a, S: ?Sized, T: ?Sized> {
    source: &'a S,
    target: &'a T,
    report: MigrationReport,
}

/// The extent of a comparison of two stores. These are all the cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// The keys, the statuses and the counts of each mailbox. No sound is read.
    Keys,
    /// The same, and the facts and the sound of each message, which both stores read.
    Contents,
}

impl<'a, S: CopyableStore + ?Sized, T: CopyableStore + ?Sized> Migration<'a, S, T> {
    /// A migration from `source` to `target`, which has copied nothing yet.
    pub fn new(source: &'a S, target: &'a T) -> Self {
        Self { source, target, report: MigrationReport::default() }
    }

    /// The report of the last copy, also if that has failed or was dropped.
    pub fn report(&self) -> &MigrationReport {
        &self.report
    }

    /// Copies everything that the target does not have yet, or has with another status.
    ///
    /// # Errors
    ///
    /// [`MigrationError`] if one of the stores fails as a whole; the same call goes on. A message or a mailbox that fails alone is a fault in the report.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has copied some of the messages, each of them whole. The same call again copies the rest.
    pub async fn copy(&mut self) -> Result<(), MigrationError> {
        self.report = MigrationReport::default();
        let mut last = None;
        loop {
            let mailboxes = self.mailboxes(last.as_ref()).await?;
            for mailbox in &mailboxes {
                self.copy_mailbox(mailbox).await?;
            }
            let Some(end) = mailboxes.into_iter().next_back() else { return Ok(()) };
            last = Some(end);
        }
    }

    /// Compares the mailboxes of the source with those of the target, and changes nothing. Each difference is a fault of the report.
    ///
    /// While one of the stores is in use, what changes in between may be reported, too.
    ///
    /// # Errors
    ///
    /// [`MigrationError`] if one of the stores fails as a whole.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    pub async fn compare(&self, compared: Compared) -> Result<MigrationReport, MigrationError> {
        let mut report = MigrationReport::default();
        let mut last = None;
        loop {
            let mailboxes = self.mailboxes(last.as_ref()).await?;
            for mailbox in &mailboxes {
                report.mailboxes += 1;
                let differs = self.compare_mailbox(mailbox, compared, &mut report).await;
                unless_alone(differs, mailbox, &mut report)?;
            }
            let Some(end) = mailboxes.into_iter().next_back() else { return Ok(report) };
            last = Some(end);
        }
    }

    async fn mailboxes(&self, after: Option<&MailboxId>) -> Result<Vec<MailboxId>, MigrationError> {
        let mailboxes = self.source.mailboxes(after, MAILBOXES_A_PAGE).await;
        mailboxes.map_err(|error| MigrationError::new(Side::Source, None, error))
    }

    async fn copy_mailbox(&mut self, mailbox: &MailboxId) -> Result<(), MigrationError> {
        self.report.mailboxes += 1;
        let copied = self.copy_keys(mailbox).await;
        unless_alone(copied, mailbox, &mut self.report)
    }

    async fn copy_keys(&mut self, mailbox: &MailboxId) -> Result<(), MigrationError> {
        let created = self.target.create(mailbox).await;
        created.map_err(|error| MigrationError::new(Side::Target, Some(mailbox), error))?;
        let mut pairs = KeyPairs::new(self.source, self.target, mailbox);
        while let Some((source, target)) = pairs.next().await? {
            self.do_step(mailbox, source.as_ref(), target.as_ref()).await?;
        }
        Ok(())
    }

    async fn do_step(
        &mut self,
        mailbox: &MailboxId,
        source: Option<&StoredKey>,
        target: Option<&StoredKey>,
    ) -> Result<(), MigrationError> {
        let target_failed = |error| MigrationError::new(Side::Target, Some(mailbox), error);
        let Some(key) = source.or(target).map(|stored| stored.key) else { return Ok(()) };
        match Step::of(source, target) {
            Step::Nothing => {
                self.report.unchanged += 1;
                let id = |key: Option<&StoredKey>| key.and_then(|key| key.message).map(|(id, _)| id);
                if let (Some(from), Some(to)) = (id(source), id(target)) {
                    self.copy_transcript(mailbox, from, to).await?;
                }
            }
            step @ (Step::CopyMessage { id, status, removed_at } | Step::RestoreMessage { id, status, removed_at }) => {
                let Some(message) = self.read(mailbox, id).await? else { return Ok(()) };
                if matches!(step, Step::RestoreMessage { .. }) {
                    self.target.forget(mailbox, key).await.map_err(target_failed)?;
                }
                let imported = with_time(ImportedMessage::new(key, message, status), removed_at);
                self.import(mailbox, id, imported).await?;
            }
            Step::CopyKey { removed_at } => {
                let imported = with_time(ImportedMessage::key_only(key), removed_at);
                self.target.import(mailbox, &imported).await.map_err(target_failed)?;
                self.report.keys_copied += 1;
            }
            Step::SetStatus { id, status } => match self.target.mark(mailbox, id, status).await {
                // Another migration between the same stores has deleted it: the next copy finds its key.
                Err(StoreError::NoSuchMessage(_)) => {}
                marked => marked.map(|()| self.report.statuses_set += 1).map_err(target_failed)?,
            },
            Step::Delete { id } => match self.target.delete(mailbox, id).await {
                Err(StoreError::NoSuchMessage(_)) => {}
                deleted => deleted.map(|()| self.report.messages_deleted += 1).map_err(target_failed)?,
            },
            Step::ReportUnknown { id } => self.report.add_fault(mailbox, Some(id), FaultReason::OnlyInTarget),
        }
        Ok(())
    }

    /// Copies the transcript of a message that both stores have, unless the target has one or keeps none.
    async fn copy_transcript(&mut self, mailbox: &MailboxId, from: MessageId, to: MessageId) -> Result<(), MigrationError> {
        let transcript = match self.source.transcript(mailbox, from).await {
            Ok(Some(transcript)) => transcript,
            Ok(None) | Err(StoreError::NoSuchMessage(_)) => return Ok(()),
            Err(error) => return Err(MigrationError::new(Side::Source, Some(mailbox), error)),
        };
        let copied = match self.target.transcript(mailbox, to).await {
            Ok(Some(_)) => return Ok(()),
            Ok(None) => self.target.set_transcript(mailbox, to, &transcript).await,
            Err(error) => Err(error),
        };
        match copied {
            Ok(()) => self.report.transcripts_copied += 1,
            Err(StoreError::NoSuchMessage(_) | StoreError::Unsupported(_)) => {}
            Err(error) => return Err(MigrationError::new(Side::Target, Some(mailbox), error)),
        }
        Ok(())
    }

    /// Reads a message of the source; `None` if its owner has deleted it meanwhile, or if it cannot be read, which is reported.
    async fn read(&mut self, mailbox: &MailboxId, id: MessageId) -> Result<Option<Message>, MigrationError> {
        match self.source.retrieve(mailbox, id).await {
            Ok(message) => Ok(Some(message)),
            // The next copy finds its key.
            Err(StoreError::NoSuchMessage(_)) => Ok(None),
            Err(error) if error.is_transient() => Err(MigrationError::new(Side::Source, Some(mailbox), error)),
            Err(error) => {
                self.report.add_fault(mailbox, Some(id), FaultReason::Unreadable(error));
                Ok(None)
            }
        }
    }

    /// Imports a message, which the source has under `id`, and reads it back.
    async fn import(&mut self, mailbox: &MailboxId, id: MessageId, imported: ImportedMessage) -> Result<(), MigrationError> {
        let target_failed = |error| MigrationError::new(Side::Target, Some(mailbox), error);
        let digest = imported.message.as_ref().map(|(message, _)| message.audio().digest());
        let there = match self.target.import(mailbox, &imported).await {
            Ok(ImportOutcome::Stored(there)) => there,
            Ok(ImportOutcome::KeyStored | ImportOutcome::Duplicate) => {
                self.report.unchanged += 1;
                return Ok(());
            }
            Err(error) if error.is_transient() => return Err(target_failed(error)),
            Err(error) => {
                self.report.add_fault(mailbox, Some(id), FaultReason::Refused(error));
                return Ok(());
            }
        };
        // The sound is not held twice.
        drop(imported);
        match self.target.retrieve(mailbox, there).await {
            Ok(copy) if Some(copy.audio().digest()) == digest => {
                self.report.messages_copied += 1;
                self.copy_transcript(mailbox, id, there).await?;
            }
            Ok(_) | Err(StoreError::Damaged { .. }) => {
                self.report.add_fault(mailbox, Some(id), FaultReason::ReadBackDiffers);
            }
            Err(error) if error.is_transient() => return Err(target_failed(error)),
            Err(error) => self.report.add_fault(mailbox, Some(id), FaultReason::Refused(error)),
        }
        Ok(())
    }

    async fn compare_mailbox(
        &self,
        mailbox: &MailboxId,
        compared: Compared,
        report: &mut MigrationReport,
    ) -> Result<(), MigrationError> {
        let mut pairs = KeyPairs::new(self.source, self.target, mailbox);
        while let Some((source, target)) = pairs.next().await? {
            let id = source.and_then(|key| key.message).or(target.and_then(|key| key.message)).map(|(id, _)| id);
            let reason = match Step::of(source.as_ref(), target.as_ref()) {
                Step::Nothing => match (compared, &source, &target) {
                    (Compared::Contents, Some(source), Some(target)) => self.difference(mailbox, source, target).await?,
                    (Compared::Contents | Compared::Keys, _, _) => None,
                },
                Step::CopyMessage { .. } | Step::RestoreMessage { .. } | Step::CopyKey { .. } => Some(FaultReason::Missing),
                Step::SetStatus { .. } => Some(FaultReason::StatusDiffers),
                Step::Delete { .. } => Some(FaultReason::NotDeleted),
                Step::ReportUnknown { .. } => Some(FaultReason::OnlyInTarget),
            };
            match reason {
                Some(reason) => report.add_fault(mailbox, id, reason),
                None => report.unchanged += 1,
            }
        }
        let failed = |side| move |error| MigrationError::new(side, Some(mailbox), error);
        let source = self.source.summary(mailbox).await.map_err(failed(Side::Source))?;
        let target = self.target.summary(mailbox).await.map_err(failed(Side::Target))?;
        if source != target {
            report.add_fault(mailbox, None, FaultReason::CountsDiffer);
        }
        Ok(())
    }

    /// The difference in the contents of a message, if both stores have it.
    async fn difference(
        &self,
        mailbox: &MailboxId,
        source: &StoredKey,
        target: &StoredKey,
    ) -> Result<Option<FaultReason>, MigrationError> {
        let (Some((source, _)), Some((target, _))) = (source.message, target.message) else { return Ok(None) };
        let of_source = match self.source.retrieve(mailbox, source).await {
            Err(error) if error.is_transient() => return Err(MigrationError::new(Side::Source, Some(mailbox), error)),
            Err(error) => return Ok(Some(FaultReason::Unreadable(error))),
            Ok(message) => facts(&message),
        };
        match self.target.retrieve(mailbox, target).await {
            Err(error) if error.is_transient() => Err(MigrationError::new(Side::Target, Some(mailbox), error)),
            Ok(message) if facts(&message) == of_source => Ok(None),
            Ok(_) | Err(_) => Ok(Some(FaultReason::ContentDiffers)),
        }
    }
}

/// Reports an error that concerns one mailbox only, so that the others are gone through all the same.
fn unless_alone(
    done: Result<(), MigrationError>,
    mailbox: &MailboxId,
    report: &mut MigrationReport,
) -> Result<(), MigrationError> {
    match done {
        Err(error) if !error.is_transient() => {
            let reason = match error.side {
                Side::Source => FaultReason::Unreadable(error.source),
                Side::Target => FaultReason::Refused(error.source),
            };
            report.add_fault(mailbox, None, reason);
            Ok(())
        }
        done => done,
    }
}

fn with_time(imported: ImportedMessage, removed_at: Option<DateTime<Utc>>) -> ImportedMessage {
    removed_at.into_iter().fold(imported, ImportedMessage::removed_at)
}

/// The facts of a message, but its id, which may differ in two mailboxes; and the digest of its sound.
fn facts(message: &Message) -> (Head, ContentDigest) {
    (Head { id: MessageId::from_bytes([0; 16]), ..message.head().clone() }, message.audio().digest())
}

const MAILBOXES_A_PAGE: usize = 1000;
