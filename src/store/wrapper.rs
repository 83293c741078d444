//! [`StoreWrapper`]: a store around another store.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

use super::{
    Deposit, Entry, Housekeeping, ImportOutcome, ImportedMessage, MailboxState, MailboxUsage, MessageStore, Page,
    PendingArrivals, Query, StagedMail, StoreError,
};
use crate::message::{MailboxId, Message, MessageId, Origin, Status, Summary, Transcript};

/// A store around another store. A type that implements it is a [`MessageStore`]: it changes the calls that it defines, and passes all
/// others on to the inner store.
///
/// So a wrapper needs one method, and cannot lose a call that it did not think of, nor one that [`MessageStore`] gets later. A wrapper that
/// changes how messages are counted must change both [`summary`](Self::summary) and [`state`](Self::state); one that changes how they are
/// listed, [`list`](Self::list), [`page`](Self::page) and [`entry`](Self::entry); one that changes how they are marked, both [`mark`](Self::mark) and
/// [`mark_if`](Self::mark_if).
///
/// Each method means what the method of the same name in [`MessageStore`] means, with the same errors and the same cancel safety.
///
/// ```
/// use async_trait::async_trait;
/// use voicemail::message::{MailboxId, Message, Origin};
/// use voicemail::store::{Deposit, MemoryStore, MessageStore, StoreError, StoreWrapper};
///
/// /// Takes no messages.
/// #[derive(Debug)]
/// struct ReadOnly<S>(S);
///
/// #[async_trait]
/// impl<S: MessageStore> StoreWrapper for ReadOnly<S> {
///     type Inner = S;
///
///     fn inner(&self) -> &S {
///         &self.0
///     }
///
///     async fn deposit(&self, _: &MailboxId, _: &Origin, _: &Message) -> Result<Deposit, StoreError> {
///         Err(StoreError::NotWritable("this store is read-only".into()))
///     }
/// }
///
/// let store: Box<dyn MessageStore> = Box::new(ReadOnly(MemoryStore::new(["2041".parse().unwrap()])));
/// ```
#[async_trait]
pub trait StoreWrapper: Debug + Send + Sync + 'static {
    /// The type of the inner store, which may be `dyn MessageStore`.
    type Inner: MessageStore + ?Sized;

    /// The inner store.
    fn inner(&self) -> &Self::Inner;

    /// Puts a message into a mailbox.
    async fn deposit(&self, mailbox: &MailboxId, origin: &Origin, message: &Message) -> Result<Deposit, StoreError> {
        self.inner().deposit(mailbox, origin, message).await
    }

    /// Lists the messages of a mailbox.
    async fn list(&self, mailbox: &MailboxId) -> Result<Vec<Entry>, StoreError> {
        self.inner().list(mailbox).await
    }

    /// Reads a message.
    async fn retrieve(&self, mailbox: &MailboxId, id: MessageId) -> Result<Message, StoreError> {
        self.inner().retrieve(mailbox, id).await
    }

    /// Sets the status of a message.
    async fn mark(&self, mailbox: &MailboxId, id: MessageId, status: Status) -> Result<(), StoreError> {
        self.inner().mark(mailbox, id, status).await
    }

    /// Deletes the removed messages of a mailbox for good.
    async fn expunge(&self, mailbox: &MailboxId) -> Result<usize, StoreError> {
        self.inner().expunge(mailbox).await
    }

    /// Counts the messages that wait in a mailbox.
    async fn summary(&self, mailbox: &MailboxId) -> Result<Summary, StoreError> {
        self.inner().summary(mailbox).await
    }

    /// Counts the messages that wait in a mailbox, with the version of this state.
    async fn state(&self, mailbox: &MailboxId) -> Result<MailboxState, StoreError> {
        self.inner().state(mailbox).await
    }

    /// Lists one page of the messages of a mailbox.
    async fn page(&self, mailbox: &MailboxId, query: &Query) -> Result<Page, StoreError> {
        self.inner().page(mailbox, query).await
    }

    /// Shows one message as a list does.
    async fn entry(&self, mailbox: &MailboxId, id: MessageId) -> Result<Entry, StoreError> {
        self.inner().entry(mailbox, id).await
    }

    /// Puts a copy of a message into another mailbox.
    async fn copy(&self, from: &MailboxId, id: MessageId, to: &MailboxId) -> Result<Deposit, StoreError> {
        self.inner().copy(from, id, to).await
    }

    /// Moves a message into another mailbox.
    async fn transfer(&self, from: &MailboxId, id: MessageId, to: &MailboxId) -> Result<Deposit, StoreError> {
        self.inner().transfer(from, id, to).await
    }

    /// Sets the status of a message if it has an expected one.
    async fn mark_if(&self, mailbox: &MailboxId, id: MessageId, expected: Status, status: Status) -> Result<bool, StoreError> {
        self.inner().mark_if(mailbox, id, expected, status).await
    }

    /// How much a mailbox holds, and its limits.
    async fn usage(&self, mailbox: &MailboxId) -> Result<MailboxUsage, StoreError> {
        self.inner().usage(mailbox).await
    }

    /// Checks whether a message would be taken.
    async fn check(&self, mailbox: &MailboxId, size: u64) -> Result<(), StoreError> {
        self.inner().check(mailbox, size).await
    }

    /// Begins a mail that is too long for memory.
    async fn stage(&self) -> Result<Option<Box<dyn StagedMail>>, StoreError> {
        self.inner().stage().await
    }

    /// Whether the store takes sounds that are not in memory.
    fn reads_sounds(&self) -> bool {
        self.inner().reads_sounds()
    }

    /// The name of the engine, if the store knows it.
    fn engine(&self) -> Option<&str> {
        self.inner().engine()
    }

    /// Imports a message with its state.
    async fn import(&self, mailbox: &MailboxId, message: &ImportedMessage) -> Result<ImportOutcome, StoreError> {
        self.inner().import(mailbox, message).await
    }

    /// Keeps the transcript of a message.
    async fn set_transcript(&self, mailbox: &MailboxId, id: MessageId, transcript: &Transcript) -> Result<(), StoreError> {
        self.inner().set_transcript(mailbox, id, transcript).await
    }

    /// Reads the transcript of a message.
    async fn transcript(&self, mailbox: &MailboxId, id: MessageId) -> Result<Option<Transcript>, StoreError> {
        self.inner().transcript(mailbox, id).await
    }

    /// Does a bounded step of housekeeping.
    async fn housekeep(&self) -> Result<Housekeeping, StoreError> {
        self.inner().housekeep().await
    }

    /// Waits for changes that others make.
    async fn external_changes(&self) -> Vec<MailboxId> {
        self.inner().external_changes().await
    }

    /// The memory of arrivals.
    fn pending_arrivals(&self) -> Option<&dyn PendingArrivals> {
        self.inner().pending_arrivals()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<W: StoreWrapper> MessageStore for W {
    async fn deposit(&self, mailbox: &MailboxId, origin: &Origin, message: &Message) -> Result<Deposit, StoreError> {
        StoreWrapper::deposit(self, mailbox, origin, message).await
    }

    async fn list(&self, mailbox: &MailboxId) -> Result<Vec<Entry>, StoreError> {
        StoreWrapper::list(self, mailbox).await
    }

    async fn retrieve(&self, mailbox: &MailboxId, id: MessageId) -> Result<Message, StoreError> {
        StoreWrapper::retrieve(self, mailbox, id).await
    }

    async fn mark(&self, mailbox: &MailboxId, id: MessageId, status: Status) -> Result<(), StoreError> {
        StoreWrapper::mark(self, mailbox, id, status).await
    }

    async fn expunge(&self, mailbox: &MailboxId) -> Result<usize, StoreError> {
        StoreWrapper::expunge(self, mailbox).await
    }

    async fn summary(&self, mailbox: &MailboxId) -> Result<Summary, StoreError> {
        StoreWrapper::summary(self, mailbox).await
    }

    async fn state(&self, mailbox: &MailboxId) -> Result<MailboxState, StoreError> {
        StoreWrapper::state(self, mailbox).await
    }

    async fn page(&self, mailbox: &MailboxId, query: &Query) -> Result<Page, StoreError> {
        StoreWrapper::page(self, mailbox, query).await
    }

    async fn entry(&self, mailbox: &MailboxId, id: MessageId) -> Result<Entry, StoreError> {
        StoreWrapper::entry(self, mailbox, id).await
    }

    async fn copy(&self, from: &MailboxId, id: MessageId, to: &MailboxId) -> Result<Deposit, StoreError> {
        StoreWrapper::copy(self, from, id, to).await
    }

    async fn transfer(&self, from: &MailboxId, id: MessageId, to: &MailboxId) -> Result<Deposit, StoreError> {
        StoreWrapper::transfer(self, from, id, to).await
    }

    async fn mark_if(&self, mailbox: &MailboxId, id: MessageId, expected: Status, status: Status) -> Result<bool, StoreError> {
        StoreWrapper::mark_if(self, mailbox, id, expected, status).await
    }

    async fn usage(&self, mailbox: &MailboxId) -> Result<MailboxUsage, StoreError> {
        StoreWrapper::usage(self, mailbox).await
    }

    async fn check(&self, mailbox: &MailboxId, size: u64) -> Result<(), StoreError> {
        StoreWrapper::check(self, mailbox, size).await
    }

    async fn stage(&self) -> Result<Option<Box<dyn StagedMail>>, StoreError> {
        StoreWrapper::stage(self).await
    }

    fn reads_sounds(&self) -> bool {
        StoreWrapper::reads_sounds(self)
    }

    fn engine(&self) -> Option<&str> {
        StoreWrapper::engine(self)
    }

    async fn import(&self, mailbox: &MailboxId, message: &ImportedMessage) -> Result<ImportOutcome, StoreError> {
        StoreWrapper::import(self, mailbox, message).await
    }

    async fn set_transcript(&self, mailbox: &MailboxId, id: MessageId, transcript: &Transcript) -> Result<(), StoreError> {
        StoreWrapper::set_transcript(self, mailbox, id, transcript).await
    }

    async fn transcript(&self, mailbox: &MailboxId, id: MessageId) -> Result<Option<Transcript>, StoreError> {
        StoreWrapper::transcript(self, mailbox, id).await
    }

    async fn housekeep(&self) -> Result<Housekeeping, StoreError> {
        StoreWrapper::housekeep(self).await
    }

    async fn external_changes(&self) -> Vec<MailboxId> {
        StoreWrapper::external_changes(self).await
    }

    fn pending_arrivals(&self) -> Option<&dyn PendingArrivals> {
        StoreWrapper::pending_arrivals(self)
    }
}

/// A shared store is a store.
impl<S: MessageStore + ?Sized> StoreWrapper for Arc<S> {
    type Inner = S;

    fn inner(&self) -> &S {
        self
    }
}

/// A boxed store is a store.
impl<S: MessageStore + ?Sized> StoreWrapper for Box<S> {
    type Inner = S;

    fn inner(&self) -> &S {
        self
    }
}
