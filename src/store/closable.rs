//! [`ClosableStore`]: a store that can be closed for changes while its mailboxes are moved.

use async_trait::async_trait;
use tokio::sync::RwLock;

use super::{Deposit, Housekeeping, ImportOutcome, ImportedMessage, MessageStore, StagedMail, StoreError, StoreWrapper};
use crate::message::{MailboxId, Message, MessageId, Origin, Status, Transcript};

/// A store that can be closed for changes, while its mailboxes are moved to another store.
///
/// While it is closed, each call that would change it answers [`StoreError::Unavailable`], so that an intake answers 451 and the sender tries again
/// later. Reads are answered as before, and housekeeping does nothing.
///
/// ```
/// use voicemail::store::{ClosableStore, MemoryStore, MessageStore as _};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mailbox = "2041".parse()?;
/// let store = ClosableStore::new(MemoryStore::new([mailbox]));
/// store.close().await;
/// let mailbox = "2041".parse()?;
/// assert!(store.check(&mailbox, 0).await.unwrap_err().is_transient());
/// store.reopen().await;
/// assert!(store.check(&mailbox, 0).await.is_ok());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ClosableStore<S> {
    inner: S,
    /// Whether the store is closed. Each change holds it for reading, so that closing waits for the changes under way.
    closed: RwLock<bool>,
}

impl<S: MessageStore> ClosableStore<S> {
    /// An open store around `inner`.
    pub fn new(inner: S) -> Self {
        Self { inner, closed: RwLock::new(false) }
    }

    /// Closes the store, and waits until the changes that have begun are done.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has closed the store or not. The same call again closes it.
    pub async fn close(&self) {
        *self.closed.write().await = true;
    }

    /// Opens the store again.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has opened the store or not. The same call again opens it.
    pub async fn reopen(&self) {
        *self.closed.write().await = false;
    }

    /// The store itself, which is not closed.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Does `change`, unless the store is closed.
    async fn unless_closed<T>(&self, change: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let closed = self.closed.read().await;
        if *closed {
            return Err(StoreError::Unavailable("its mailboxes are being moved to another store".into()));
        }
        change.await
    }
}

#[async_trait]
impl<S: MessageStore> StoreWrapper for ClosableStore<S> {
    type Inner = S;

    fn inner(&self) -> &S {
        &self.inner
    }

    async fn deposit(&self, mailbox: &MailboxId, origin: &Origin, message: &Message) -> Result<Deposit, StoreError> {
        self.unless_closed(self.inner.deposit(mailbox, origin, message)).await
    }

    async fn mark(&self, mailbox: &MailboxId, id: MessageId, status: Status) -> Result<(), StoreError> {
        self.unless_closed(self.inner.mark(mailbox, id, status)).await
    }

    async fn mark_if(&self, mailbox: &MailboxId, id: MessageId, expected: Status, status: Status) -> Result<bool, StoreError> {
        self.unless_closed(self.inner.mark_if(mailbox, id, expected, status)).await
    }

    async fn expunge(&self, mailbox: &MailboxId) -> Result<usize, StoreError> {
        self.unless_closed(self.inner.expunge(mailbox)).await
    }

    async fn check(&self, mailbox: &MailboxId, size: u64) -> Result<(), StoreError> {
        self.unless_closed(self.inner.check(mailbox, size)).await
    }

    async fn stage(&self) -> Result<Option<Box<dyn StagedMail>>, StoreError> {
        self.unless_closed(self.inner.stage()).await
    }

    async fn import(&self, mailbox: &MailboxId, message: &ImportedMessage) -> Result<ImportOutcome, StoreError> {
        self.unless_closed(self.inner.import(mailbox, message)).await
    }

    async fn copy(&self, from: &MailboxId, id: MessageId, to: &MailboxId) -> Result<Deposit, StoreError> {
        self.unless_closed(self.inner.copy(from, id, to)).await
    }

    async fn transfer(&self, from: &MailboxId, id: MessageId, to: &MailboxId) -> Result<Deposit, StoreError> {
        self.unless_closed(self.inner.transfer(from, id, to)).await
    }

    async fn set_transcript(&self, mailbox: &MailboxId, id: MessageId, transcript: &Transcript) -> Result<(), StoreError> {
        self.unless_closed(self.inner.set_transcript(mailbox, id, transcript)).await
    }

    async fn housekeep(&self) -> Result<Housekeeping, StoreError> {
        let closed = self.closed.read().await;
        if *closed { Ok(Housekeeping::default()) } else { self.inner.housekeep().await }
    }
}

#[cfg(test)]
#[cfg(feature = "memory")]
mod tests {
    use super::*;
    use crate::store::MemoryStore;

    /// The answers to changes of a message that is not in the store.
    async fn changes(store: &ClosableStore<MemoryStore>) -> Vec<Result<(), StoreError>> {
        let (from, to): (MailboxId, MailboxId) = ("2041".parse().unwrap(), "2042".parse().unwrap());
        let id = MessageId::from_bytes([7; 16]);
        vec![
            MessageStore::mark(store, &from, id, Status::Old).await,
            MessageStore::mark_if(store, &from, id, Status::New, Status::Old).await.map(drop),
            MessageStore::copy(store, &from, id, &to).await.map(drop),
            MessageStore::transfer(store, &from, id, &to).await.map(drop),
            MessageStore::set_transcript(store, &from, id, &Transcript::new("Hello", "by hand")).await,
        ]
    }

    #[tokio::test]
    async fn a_closed_store_refuses_each_change_until_it_is_open() {
        let store = ClosableStore::new(MemoryStore::new(["2041".parse().unwrap(), "2042".parse().unwrap()]));
        store.close().await;
        for (at, answer) in changes(&store).await.into_iter().enumerate() {
            assert!(matches!(answer, Err(StoreError::Unavailable(_))), "change {at} of a closed store: {answer:?}");
        }
        store.reopen().await;
        for (at, answer) in changes(&store).await.into_iter().enumerate() {
            assert!(matches!(answer, Err(StoreError::NoSuchMessage(_))), "change {at} of an open store: {answer:?}");
        }
    }
}
