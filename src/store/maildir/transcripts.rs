//! The transcripts of the messages of one [`Mailbox`], one file each, apart from the Maildir. Everything here blocks.
//!
//! ```text
//! transcripts/2041/ID          the transcript of a message: fields, an empty line, the text
//! transcripts/2041/ID.part     being written
//! ```

use std::io;
use std::iter;
use std::path::{Path, PathBuf};

use super::context::{StoreContext, failed, not_taken};
use super::mailbox::Mailbox;
use super::tree::{IfMissing, Tree};
use crate::disk::{self, Disk};
use crate::message::{MailboxId, MessageId, Transcript};
use crate::store::StoreError;

impl Mailbox {
    /// See [`MessageStore::set_transcript`](crate::store::MessageStore::set_transcript).
    pub(super) fn set_transcript(
        &self,
        context: &StoreContext,
        id: MessageId,
        transcript: &Transcript,
    ) -> Result<(), StoreError> {
        let (disk, bytes) = (&*context.disk, to_file(transcript));
        context.ensure_free_space(bytes.len() as u64)?;
        let folder = self.transcripts(context).map_err(not_taken)?;
        {
            // A message that is deleted meanwhile would leave its transcript behind.
            let _lock = self.lock(disk).map_err(not_taken)?;
            self.find(context, id)?;
            write(disk, &folder, id, bytes.as_bytes()).map_err(not_taken)?;
        }
        flush(context, folder).map_err(failed)
    }

    /// Does `give`, which puts the message `of` of `source` into this mailbox as `id`, after the message has its transcript here: so nobody sees it without.
    /// To be called under the lock of this mailbox. A transcript whose message does not come after a power cut is removed by housekeeping.
    pub(super) fn with_transcript_of<T>(
        &self,
        context: &StoreContext,
        (source, of): (&Self, MessageId),
        id: MessageId,
        give: impl FnOnce() -> io::Result<Option<T>>,
    ) -> io::Result<Option<T>> {
        let (disk, path) = (&*context.disk, folder(context, source.id()).join(of.to_string()));
        let bytes = match disk::read(disk, &path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound || disk::is_not_a_file(&error) => return give(),
            Err(error) => return Err(error),
        };
        let folder = self.transcripts(context)?;
        write(disk, &folder, id, &bytes)?;
        flush(context, folder)?;
        let given = give();
        if !matches!(given, Ok(Some(_))) {
            self.remove_transcripts(context, iter::once(id));
        }
        given
    }

    /// The folder of the transcripts of this mailbox, which is created if it is missing.
    fn transcripts(&self, context: &StoreContext) -> io::Result<PathBuf> {
        let (disk, folder) = (&*context.disk, folder(context, self.id()));
        if disk.list(&folder).is_err() {
            disk::create_dirs(disk, &folder)?;
        }
        Ok(folder)
    }

    /// See [`MessageStore::transcript`](crate::store::MessageStore::transcript).
    pub(super) fn transcript(&self, context: &StoreContext, id: MessageId) -> Result<Option<Transcript>, StoreError> {
        self.find(context, id)?;
        match disk::read(&*context.disk, &folder(context, self.id()).join(id.to_string())) {
            Ok(bytes) => Ok(Some(from_file(&String::from_utf8_lossy(&bytes)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound || disk::is_not_a_file(&error) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Removes the transcripts of messages that were just deleted. One that cannot be removed now is removed by housekeeping.
    pub(super) fn remove_transcripts(&self, context: &StoreContext, ids: impl Iterator<Item = MessageId>) {
        let folder = folder(context, self.id());
        for id in ids {
            let _ = remove(&*context.disk, &folder.join(id.to_string()));
        }
    }

    /// Removes transcripts without a message, such as those of messages that an IMAP client has deleted; answers how many files it looked at.
    fn sweep_transcripts(&self, context: &StoreContext) -> Result<usize, StoreError> {
        let (disk, folder) = (&*context.disk, folder(context, self.id()));
        let names = disk.list(&folder).map_err(failed)?;
        if names.is_empty() {
            return Ok(1);
        }
        let _lock = self.lock(disk).map_err(not_taken)?;
        // Under the lock, so that a transcript that is being written is not taken for one that was left.
        let orphans = self.look(context, |index| {
            let is_there = |name: &&String| name.parse().is_ok_and(|id| index.find(id).is_some());
            names.iter().filter(|name| !is_there(name)).collect::<Vec<_>>()
        })?;
        for name in orphans {
            remove(disk, &folder.join(name)).map_err(not_taken)?;
        }
        Ok(1 + names.len())
    }
}

impl Tree {
    /// Removes transcripts without a message, in the mailboxes behind the last one of the call before, until it has looked at `at_most` files.
    pub(super) fn sweep_transcripts(&self, at_most: usize) -> Result<(), StoreError> {
        let names = match self.context.disk.list(&self.context.root.join(FOLDER)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            names => names.map_err(failed)?,
        };
        let mut ids: Vec<MailboxId> = names.iter().filter_map(|name| MailboxId::from_file_name(name)).collect();
        ids.sort_unstable();
        let after = self.swept_up_to.lock().take();
        let mut left = at_most;
        for id in ids.into_iter().filter(|id| Some(id) > after.as_ref()) {
            let swept = match self.mailbox(&id, IfMissing::Refuse) {
                Err(StoreError::NoSuchMailbox(_)) => self.remove_all_transcripts(&id),
                mailbox => mailbox.and_then(|mailbox| mailbox.sweep_transcripts(&self.context)),
            };
            let path = folder(&self.context, &id);
            left = left.saturating_sub(self.unless_bad(&path, swept)?.unwrap_or(1));
            if left == 0 {
                *self.swept_up_to.lock() = Some(id);
                return Ok(());
            }
        }
        Ok(())
    }

    /// Removes the transcripts of a mailbox that an operator has removed; answers how many files it looked at.
    fn remove_all_transcripts(&self, id: &MailboxId) -> Result<usize, StoreError> {
        let folder = folder(&self.context, id);
        let names = self.context.disk.list(&folder).map_err(failed)?;
        names.iter().try_for_each(|name| remove(&*self.context.disk, &folder.join(name))).map_err(not_taken)?;
        Ok(1 + names.len())
    }
}

fn folder(context: &StoreContext, mailbox: &MailboxId) -> PathBuf {
    context.root.join(FOLDER).join(mailbox.as_str())
}

/// Flushes a folder of transcripts, and those above it: another call may have created them, and not have flushed their names yet.
fn flush(context: &StoreContext, folder: PathBuf) -> io::Result<()> {
    let folders = [folder, context.root.join(FOLDER), context.root.clone()];
    folders.iter().try_for_each(|folder| context.flush.sync_dir(&*context.disk, folder))
}

/// Writes and flushes the transcript of a message; the folder is not flushed.
fn write(disk: &dyn Disk, folder: &Path, id: MessageId, bytes: &[u8]) -> io::Result<()> {
    let part = folder.join(format!("{id}{PART}"));
    remove(disk, &part)?;
    let file = disk.create(&part)?;
    file.write_all_at(bytes, 0)?;
    file.sync()?;
    disk.rename(&part, &folder.join(id.to_string()))
}

/// Removes a file; no error if there is none.
fn remove(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn to_file(transcript: &Transcript) -> String {
    let engine = Some(format!("Engine: {}", transcript.engine()));
    let language = transcript.language().map(|language| format!("Language: {language}"));
    let confidence = transcript.confidence().map(|confidence| format!("Confidence: {confidence}"));
    let fields: Vec<String> = [engine, language, confidence].into_iter().flatten().collect();
    format!("{}\n\n{}\n", fields.join("\n"), transcript.text())
}

/// Reads a file that may have been changed by hand: unknown fields are skipped, and a file without fields is all text.
fn from_file(file: &str) -> Transcript {
    let (fields, text) = match file.split_once("\n\n") {
        Some((fields, text)) if fields.starts_with("Engine:") => (fields, text),
        _ => ("", file),
    };
    let field = |name: &str| {
        fields.lines().find_map(|line| line.split_once(':').filter(|(found, _)| *found == name).map(|(_, value)| value.trim()))
    };
    let transcript = Transcript::new(text, field("Engine").unwrap_or_default());
    let language = field("Language").and_then(|value| value.parse().ok());
    let confidence = field("Confidence").and_then(|value| value.parse().ok());
    let transcript = language.into_iter().fold(transcript, Transcript::with_language);
    confidence.into_iter().fold(transcript, Transcript::with_confidence)
}

const FOLDER: &str = "transcripts";
const PART: &str = ".part";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Audio, AudioType, ClockQuality, ClockSource, Message, Origin, RecordedAt};
    use crate::store::{MaildirStore, MessageStore as _};

    #[tokio::test]
    async fn a_transcript_goes_when_another_program_deletes_its_message() {
        let root = tempfile::tempdir().unwrap();
        let store = MaildirStore::builder(root.path()).open().await.unwrap();
        let (one, two): (MailboxId, MailboxId) = ("2041".parse().unwrap(), "2042".parse().unwrap());
        let recorded_at =
            RecordedAt::new(chrono::DateTime::UNIX_EPOCH, chrono_tz::UTC, ClockQuality::unknown(ClockSource::Manual));
        let mut ids = Vec::new();
        for mailbox in [&one, &one, &two] {
            store.create_mailbox(mailbox).await.unwrap();
            let message =
                Message::builder(Audio::new(AudioType::Basic, vec![u8::try_from(ids.len()).unwrap(); 8000]), recorded_at.clone())
                    .build();
            store.deposit(mailbox, &Origin::Here, &message).await.unwrap();
            store.set_transcript(mailbox, message.id(), &Transcript::new("Call me.", "x")).await.unwrap();
            ids.push(message.id());
        }
        let count = |mailbox: &str| std::fs::read_dir(root.path().join(FOLDER).join(mailbox)).unwrap().count();
        store.housekeep().await.unwrap();
        assert_eq!((count("2041"), count("2042")), (2, 1));
        // As an IMAP client deletes a message, and an operator a mailbox.
        let new = root.path().join("mail/2041/new");
        let first = std::fs::read_dir(&new)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.to_string_lossy().contains(&ids[0].to_string()));
        std::fs::remove_file(first.unwrap()).unwrap();
        std::fs::remove_dir_all(root.path().join("mail/2042")).unwrap();
        std::fs::write(root.path().join(FOLDER).join("2041/left.part"), "Engine").unwrap();
        store.housekeep().await.unwrap();
        assert_eq!((count("2041"), count("2042")), (1, 0));
        assert!(store.transcript(&one, ids[1]).await.unwrap().is_some());
    }

    #[test]
    fn a_transcript_reads_back_from_its_file() {
        let full =
            Transcript::new("Engine: no\n\nCall me.", "a: b").with_language("en-GB".parse().unwrap()).with_confidence(0.25);
        for transcript in [full, Transcript::new("", ""), Transcript::new("a\n\nb", "x")] {
            assert_eq!(from_file(&to_file(&transcript)), transcript, "{}", to_file(&transcript));
        }
    }

    #[test]
    fn a_file_that_was_changed_by_hand_is_read_as_text() {
        assert_eq!(from_file("Call me.\n\nAnna"), Transcript::new("Call me.\n\nAnna", ""));
        assert_eq!(from_file("Engine: x\nLanguage: 7\nOther\n\ny").text(), "y");
    }
}
