//! [`MessageStoreExt`]: methods that every store has.

#[cfg(feature = "wire")]
use std::num::NonZeroU32;
use std::num::NonZeroUsize;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, Stream};

use super::{MessageStore, StoreError};
#[cfg(feature = "wire")]
use crate::audio::{Frames, FramesError};
use crate::message::{Audio, MailboxId, MessageId, Status};

/// Methods that every store has, made of those of [`MessageStore`].
///
#[cfg_attr(feature = "wire", doc = "```")]
#[cfg_attr(not(feature = "wire"), doc = "```ignore")]
/// use voicemail::message::{MailboxId, MessageId};
/// use voicemail::store::{MessageStore, MessageStoreExt as _, StoreError};
///
/// async fn play(store: &dyn MessageStore, owner: &MailboxId, id: MessageId) -> Result<(), StoreError> {
///     let mut frames = store.frames(owner, id, 8000.try_into().unwrap()).await?;
///     while let Some(frame) = frames.next() {
///         assert_eq!(frame.len(), 160); // 20 ms for the call
///     }
///     store.mark_old(owner, id).await
/// }
/// ```
#[async_trait]
pub trait MessageStoreExt: MessageStore {
    /// Reads the sound of a message, byte for byte as it was recorded.
    ///
    /// # Errors
    ///
    /// As for [`MessageStore::retrieve`].
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    async fn audio(&self, mailbox: &MailboxId, id: MessageId) -> Result<Audio, StoreError> {
        Ok(self.retrieve(mailbox, id).await?.audio().clone())
    }

    /// Reads the sound of a message in pieces of `size` bytes, the last one shorter if need be: for a response that is written piece by piece.
    ///
    /// The sound is read whole before the first piece, and no piece is a copy.
    ///
    /// # Errors
    ///
    /// As for [`MessageStore::retrieve`].
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    async fn pieces(
        &self,
        mailbox: &MailboxId,
        id: MessageId,
        size: NonZeroUsize,
    ) -> Result<Box<dyn Stream<Item = Bytes> + Send + Unpin>, StoreError> {
        let mut left = self.audio(mailbox, id).await?.bytes().clone();
        let pieces = std::iter::from_fn(move || (!left.is_empty()).then(|| left.split_to(size.get().min(left.len()))));
        Ok(Box::new(stream::iter(pieces)))
    }

    /// Reads the sound of a message as samples for a call at `rate` samples a second, 20 ms at a time, from its beginning; see [`Frames`].
    ///
    /// # Errors
    ///
    /// As for [`MessageStore::retrieve`]; [`StoreError::Damaged`] also when the sound cannot be decoded.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    #[cfg(feature = "wire")]
    async fn frames(&self, mailbox: &MailboxId, id: MessageId, rate: NonZeroU32) -> Result<Frames, StoreError> {
        let undecoded = |error: FramesError| StoreError::Damaged { id, source: error.into() };
        Frames::new(&self.audio(mailbox, id).await?, rate).map_err(undecoded)
    }

    /// Marks the message as old: its owner has heard it.
    ///
    /// # Errors
    ///
    /// As for [`MessageStore::mark`], and so for the three methods that follow.
    ///
    /// # Cancel safety
    ///
    /// As for [`MessageStore::mark`], and so for the three methods that follow.
    async fn mark_old(&self, mailbox: &MailboxId, id: MessageId) -> Result<(), StoreError> {
        self.mark(mailbox, id, Status::Old).await
    }

    /// Marks the message as new: its owner wants to hear it again.
    async fn mark_new(&self, mailbox: &MailboxId, id: MessageId) -> Result<(), StoreError> {
        self.mark(mailbox, id, Status::New).await
    }

    /// Marks the message as removed; it can be restored until it is expunged.
    async fn remove(&self, mailbox: &MailboxId, id: MessageId) -> Result<(), StoreError> {
        self.mark(mailbox, id, Status::Removed).await
    }

    /// Restores the removed message as an old one, because an owner who removes a message has dealt with it.
    async fn restore(&self, mailbox: &MailboxId, id: MessageId) -> Result<(), StoreError> {
        self.mark(mailbox, id, Status::Old).await
    }
}

impl<S: MessageStore + ?Sized> MessageStoreExt for S {}

#[cfg(all(test, feature = "memory"))]
mod tests {
    use futures::stream::StreamExt as _;

    use super::*;
    use crate::message::{AudioType, ClockQuality, ClockSource, Message, Origin, RecordedAt};
    use crate::store::MemoryStore;

    #[tokio::test]
    async fn a_message_is_retrieved_in_bytes_in_pieces_and_in_frames() {
        let owner: MailboxId = "2041".parse().unwrap();
        let store: Box<dyn MessageStore> = Box::new(MemoryStore::new([owner.clone()]));
        let quality = ClockQuality::unknown(ClockSource::Manual);
        let recorded_at = RecordedAt { instant: chrono::DateTime::UNIX_EPOCH, zone: chrono_tz::UTC, quality };
        let sound: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let message = Message::builder(Audio::new(AudioType::Basic, sound.clone()), recorded_at).build();
        store.deposit(&owner, &Origin::Here, &message).await.unwrap();

        assert_eq!(store.audio(&owner, message.id()).await.unwrap(), *message.audio());
        let pieces: Vec<Bytes> = store.pieces(&owner, message.id(), 300.try_into().unwrap()).await.unwrap().collect().await;
        assert_eq!(pieces.iter().map(Bytes::len).collect::<Vec<_>>(), [300, 300, 300, 100]);
        assert_eq!(pieces.concat(), sound);
        #[cfg(feature = "wire")]
        assert_eq!(store.frames(&owner, message.id(), 8000.try_into().unwrap()).await.unwrap().count(), 7);

        let summary = async || store.summary(&owner).await.unwrap().to_string();
        store.mark_old(&owner, message.id()).await.unwrap();
        assert_eq!(summary().await, "0/1 (0/0)");
        store.remove(&owner, message.id()).await.unwrap();
        assert_eq!(summary().await, "0/0 (0/0)");
        store.restore(&owner, message.id()).await.unwrap();
        assert_eq!(summary().await, "0/1 (0/0)");
        store.mark_new(&owner, message.id()).await.unwrap();
        assert_eq!(summary().await, "1/0 (0/0)");
    }
}
