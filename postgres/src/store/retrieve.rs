//! Reads one message, with its sound or as a list shows it.

use voicemail::message::{Audio, ContentDigest, MailboxId, Message, MessageId};
use voicemail::store::{Entry, StoreError};

use super::PostgresStore;
use super::page::entry_of;
use super::values::media_of;
use crate::columns::{Uuid, column};

impl PostgresStore {
    pub(super) async fn read_message(&self, mailbox: &MailboxId, id: MessageId) -> Result<Message, StoreError> {
        let (may_create, _) = self.look_up(mailbox).await?;
        if let Some(message) = self.read_row(mailbox, may_create, id).await? {
            return Ok(message);
        }
        // Its sound is missing. The message may have been deleted meanwhile.
        match self.read_row(mailbox, may_create, id).await? {
            Some(message) => Ok(message),
            None => Err(damaged(id, "its sound is missing")),
        }
    }

    pub(super) async fn read_entry(&self, mailbox: &MailboxId, id: MessageId) -> Result<Entry, StoreError> {
        let (may_create, _) = self.look_up(mailbox).await?;
        let rows = self.database.pool().read(ENTRY, &[&mailbox.as_str(), &Uuid::from(id)]).await?;
        let row = rows.first().ok_or_else(|| missing(mailbox, may_create, id))?;
        let status = column::<Option<i16>>(row, 0)?.ok_or(StoreError::NoSuchMessage(id))?;
        Ok(entry_of(id, status, column(row, 1)?)?)
    }

    /// Reads the message `id` and its sound; `None` if its sound is missing.
    async fn read_row(&self, mailbox: &MailboxId, may_create: bool, id: MessageId) -> Result<Option<Message>, StoreError> {
        let rows = self.database.pool().read(RETRIEVE, &[&mailbox.as_str(), &Uuid::from(id)]).await?;
        let row = rows.first().ok_or_else(|| missing(mailbox, may_create, id))?;
        let status = column::<Option<i16>>(row, 0)?.ok_or(StoreError::NoSuchMessage(id))?;
        let head = entry_of(id, status, column(row, 1)?)?.head;
        let media = media_of(column(row, 2)?).ok_or_else(|| damaged(id, "its media type is not known"))?;
        let digest: &[u8] = column(row, 3)?;
        if let Some(sound) = column::<Option<Vec<u8>>>(row, 4)? {
            let audio = Audio::new(media, sound);
            return if audio.digest().as_bytes() == digest {
                Ok(Some(Message::new(head, audio)))
            } else {
                Err(damaged(id, "its sound does not have the digest that it was stored with"))
            };
        }
        let digest = digest.try_into().map(ContentDigest::from_bytes).map_err(|_| damaged(id, "its digest has not 32 bytes"))?;
        let size = u64::try_from(column::<i64>(row, 6)?).unwrap_or_default();
        let Some(object) = column(row, 5)? else { return Ok(None) };
        let sound = self.sounds.read(id, object, size, digest).await?;
        Ok(sound.map(|sound| Message::new(head, Audio::with_digest(media, sound, digest))))
    }
}

/// The error where no row has the mailbox: it has no message yet, or there is no such mailbox.
fn missing(mailbox: &MailboxId, may_create: bool, id: MessageId) -> StoreError {
    if may_create { StoreError::NoSuchMessage(id) } else { StoreError::NoSuchMailbox(mailbox.clone()) }
}

fn damaged(id: MessageId, reason: &str) -> StoreError {
    StoreError::Damaged { id, source: reason.into() }
}

const RETRIEVE: &str = "SELECT m.status, m.head, m.media, m.digest, coalesce(m.sound, s.sound), m.sound_at, m.sound_size \
    FROM voicemail.mailbox b LEFT JOIN voicemail.message m ON m.mailbox = b.number AND m.id = $2 \
    LEFT JOIN voicemail.sound s ON s.id = m.sound_id WHERE b.number = $1";
const ENTRY: &str = "SELECT m.status, m.head FROM voicemail.mailbox b \
    LEFT JOIN voicemail.message m ON m.mailbox = b.number AND m.id = $2 WHERE b.number = $1";
