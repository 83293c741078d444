//! Reads a message with its sound.

use voicemail::message::{Audio, MailboxId, Message, MessageId};
use voicemail::store::StoreError;

use super::PostgresStore;
use super::page::entry_of;
use super::values::{Uuid, column, media_of};

impl PostgresStore {
    pub(super) async fn read_message(&self, mailbox: &MailboxId, id: MessageId) -> Result<Message, StoreError> {
        let (may_create, _) = self.look_up(mailbox).await?;
        let rows = self.database.pool().read(RETRIEVE, &[&mailbox.as_str(), &Uuid::from(id)]).await?;
        let Some(row) = rows.first() else {
            return Err(if may_create { StoreError::NoSuchMessage(id) } else { StoreError::NoSuchMailbox(mailbox.clone()) });
        };
        let status = column::<Option<i16>>(row, 0)?.ok_or(StoreError::NoSuchMessage(id))?;
        let head = entry_of(id, status, column(row, 1)?)?.head;
        let damaged = |reason: &str| StoreError::Damaged { id, source: reason.into() };
        let media = media_of(column(row, 2)?).ok_or_else(|| damaged("its media type is not known"))?;
        let digest: &[u8] = column(row, 3)?;
        let sound: Vec<u8> = column::<Option<Vec<u8>>>(row, 4)?.unwrap_or_default();
        let audio = Audio::new(media, sound);
        if audio.digest().as_bytes() != digest {
            return Err(damaged("its sound does not have the digest that it was stored with"));
        }
        Ok(Message::new(head, audio))
    }
}

const RETRIEVE: &str = "SELECT m.status, m.head, m.media, m.digest, m.sound FROM voicemail.mailbox b \
    LEFT JOIN voicemail.message m ON m.mailbox = b.number AND m.id = $2 WHERE b.number = $1";
