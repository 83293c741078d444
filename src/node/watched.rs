//! [`Watched`]: a store that tells what arrives and which mailboxes have changed, and takes in nothing while its node keeps none.

use std::sync::Arc;

use async_trait::async_trait;

use super::changes::Changes;
use super::standing::Standing;
use crate::event::{Event, Events};
use crate::message::{MailboxId, Message, MessageId, Origin, Status, Summary};
use crate::store::{Deposit, Entry, Housekeeping, MessageStore, Page, Query, StagedMail, StoreError};

/// A store that notes each mailbox that a call through it may have changed, and tells of each message before its lamp does.
///
/// While its node is not the central one, nothing is put into it: a message in a mailbox that nobody looks at would be lost. Who
/// sends it is told that the store is unavailable, and keeps it.
#[derive(Debug)]
pub(super) struct Watched {
    store: Arc<dyn MessageStore>,
    changes: Arc<Changes>,
    standing: Arc<Standing>,
    events: Events,
}

impl Watched {
    pub(super) fn new(store: Arc<dyn MessageStore>, changes: Arc<Changes>, standing: Arc<Standing>, events: Events) -> Self {
        Self { store, changes, standing, events }
    }

    /// The store, if anything may be put into it.
    fn open(&self) -> Result<&Arc<dyn MessageStore>, StoreError> {
        let closed = || StoreError::Unavailable("this node is not the central one".into());
        if self.standing.is_central() { Ok(&self.store) } else { Err(closed()) }
    }
}

/// Notes a mailbox when dropped, however the call ended: one whose future was dropped may have changed the mailbox too.
struct Touch<'a> {
    changes: &'a Changes,
    mailbox: &'a MailboxId,
}

impl<'a> Touch<'a> {
    fn new(changes: &'a Changes, mailbox: &'a MailboxId) -> Self {
        changes.handle_call(mailbox);
        Self { changes, mailbox }
    }
}

impl Drop for Touch<'_> {
    fn drop(&mut self) {
        self.changes.handle_call_ended(self.mailbox);
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl MessageStore for Watched {
    async fn deposit(&self, mailbox: &MailboxId, origin: &Origin, message: &Message) -> Result<Deposit, StoreError> {
        let _touch = Touch::new(&self.changes, mailbox);
        let deposit = self.open()?.deposit(mailbox, origin, message).await?;
        // Before a lamp can show it, so that each step is told in its order.
        self.events.emit(Event::deposited(message.id(), mailbox, origin.clone(), deposit));
        if let Deposit::Stored(id) = deposit {
            self.changes.note_arrival(mailbox, id);
        }
        Ok(deposit)
    }

    async fn stage(&self) -> Result<Option<Box<dyn StagedMail>>, StoreError> {
        self.open()?.stage().await
    }

    fn reads_sounds(&self) -> bool {
        self.store.reads_sounds()
    }

    async fn check(&self, mailbox: &MailboxId, size: u64) -> Result<(), StoreError> {
        self.open()?.check(mailbox, size).await
    }

    async fn list(&self, mailbox: &MailboxId) -> Result<Vec<Entry>, StoreError> {
        self.store.list(mailbox).await
    }

    async fn page(&self, mailbox: &MailboxId, query: &Query) -> Result<Page, StoreError> {
        self.store.page(mailbox, query).await
    }

    async fn retrieve(&self, mailbox: &MailboxId, id: MessageId) -> Result<Message, StoreError> {
        self.store.retrieve(mailbox, id).await
    }

    async fn mark(&self, mailbox: &MailboxId, id: MessageId, status: Status) -> Result<(), StoreError> {
        let _touch = Touch::new(&self.changes, mailbox);
        self.store.mark(mailbox, id, status).await
    }

    async fn expunge(&self, mailbox: &MailboxId) -> Result<usize, StoreError> {
        let _touch = Touch::new(&self.changes, mailbox);
        self.store.expunge(mailbox).await
    }

    async fn summary(&self, mailbox: &MailboxId) -> Result<Summary, StoreError> {
        self.store.summary(mailbox).await
    }

    async fn housekeep(&self) -> Result<Housekeeping, StoreError> {
        let done = self.store.housekeep().await?;
        done.mailboxes.iter().cloned().for_each(|mailbox| self.changes.note(mailbox));
        Ok(done)
    }

    async fn external_changes(&self) -> Vec<MailboxId> {
        self.store.external_changes().await
    }
}
