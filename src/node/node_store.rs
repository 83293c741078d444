//! [`NodeStore`]: the store of a central node, which reports arrivals and changes.

use std::sync::Arc;

use async_trait::async_trait;

use super::changes::Changes;
use super::clock_skew::SkewCheck;
use super::current_network::CurrentNetwork;
use super::room::NotedMailboxes;
use crate::arrival::Pipeline;
use crate::event::{Event, Events};
use crate::message::{MailboxId, Message, MessageId, Origin, Status, Transcript};
use crate::store::{Deposit, Housekeeping, ImportOutcome, ImportedMessage, MessageStore, StagedMail, StoreError, StoreWrapper};

/// A store that notes each mailbox that a call may have changed, reports each message that was deposited, and checks the clock that dated
/// it.
///
/// While its node is not the central one, it takes no messages: a message in a mailbox that no owner looks at would be lost. The sender
/// gets [`StoreError::Unavailable`] and keeps the message.
#[derive(Debug)]
pub(super) struct NodeStore {
    pub(super) store: Arc<dyn MessageStore>,
    pub(super) clock_skew: SkewCheck,
    pub(super) changes: Arc<Changes>,
    pub(super) current: Arc<CurrentNetwork>,
    pub(super) events: Events,
    pub(super) pipeline: Option<Arc<Pipeline>>,
    /// The mailboxes that may have little room.
    pub(super) noted: Arc<NotedMailboxes>,
}

impl NodeStore {
    /// Notes a mailbox that got a message, or could not take one because it is full.
    fn noting(&self, mailbox: &MailboxId, deposited: Result<Deposit, StoreError>) -> Result<Deposit, StoreError> {
        if matches!(deposited, Ok(Deposit::Stored(_)) | Err(StoreError::MailboxFull(_))) {
            self.noted.note(mailbox);
        }
        deposited
    }

    /// Returns the store, if messages may be put into it.
    fn open(&self) -> Result<&dyn MessageStore, StoreError> {
        let closed = || StoreError::Unavailable("this node is not the central one".into());
        if self.current.is_central() { Ok(&*self.store) } else { Err(closed()) }
    }
}

/// Notes a mailbox when dropped, however the call ended: a call whose future was dropped may have changed the mailbox too.
struct ChangeGuard<'a> {
    changes: &'a Changes,
    mailbox: &'a MailboxId,
}

impl<'a> ChangeGuard<'a> {
    fn new(changes: &'a Changes, mailbox: &'a MailboxId) -> Self {
        changes.handle_call(mailbox);
        Self { changes, mailbox }
    }
}

impl Drop for ChangeGuard<'_> {
    fn drop(&mut self) {
        self.changes.handle_call_ended(self.mailbox);
    }
}

#[async_trait]
impl StoreWrapper for NodeStore {
    type Inner = dyn MessageStore;

    fn inner(&self) -> &dyn MessageStore {
        &*self.store
    }

    async fn deposit(&self, mailbox: &MailboxId, origin: &Origin, message: &Message) -> Result<Deposit, StoreError> {
        let _guard = ChangeGuard::new(&self.changes, mailbox);
        let deposit = self.noting(mailbox, self.open()?.deposit(mailbox, origin, message).await)?;
        if *origin != Origin::Here && deposit != Deposit::Duplicate {
            self.clock_skew.check(message.head());
        }
        // Before a lamp can show the message, so that the events come in the order of the steps.
        self.events.emit(Event::deposited(message.head(), mailbox, origin.clone(), deposit));
        if let Deposit::Stored(id) = deposit {
            self.changes.note_arrival(mailbox, id);
            if let Some(pipeline) = &self.pipeline {
                pipeline.note(mailbox, id);
            }
        }
        Ok(deposit)
    }

    async fn copy(&self, from: &MailboxId, id: MessageId, to: &MailboxId) -> Result<Deposit, StoreError> {
        let _guard = ChangeGuard::new(&self.changes, to);
        let deposit = self.noting(to, self.open()?.copy(from, id, to).await)?;
        let mailbox = to.clone();
        let Deposit::Stored(id) = deposit else {
            self.events.emit(Event::Duplicate { id, mailbox });
            return Ok(deposit);
        };
        self.events.emit(Event::Stored { id, mailbox, origin: Origin::Here, call_id: None });
        self.changes.note_arrival(to, id);
        if let Some(pipeline) = &self.pipeline {
            pipeline.note(to, id);
        }
        Ok(deposit)
    }

    async fn transfer(&self, from: &MailboxId, id: MessageId, to: &MailboxId) -> Result<Deposit, StoreError> {
        let _guards = [from, to].map(|mailbox| ChangeGuard::new(&self.changes, mailbox));
        self.noting(to, self.open()?.transfer(from, id, to).await)
    }

    async fn stage(&self) -> Result<Option<Box<dyn StagedMail>>, StoreError> {
        self.open()?.stage().await
    }

    async fn check(&self, mailbox: &MailboxId, size: u64) -> Result<(), StoreError> {
        let checked = self.open()?.check(mailbox, size).await;
        if matches!(checked, Err(StoreError::MailboxFull(_))) {
            self.noted.note(mailbox);
        }
        checked
    }

    async fn mark(&self, mailbox: &MailboxId, id: MessageId, status: Status) -> Result<(), StoreError> {
        let _guard = ChangeGuard::new(&self.changes, mailbox);
        self.inner().mark(mailbox, id, status).await?;
        self.events.emit(Event::Marked { id, mailbox: mailbox.clone(), status });
        Ok(())
    }

    async fn mark_if(&self, mailbox: &MailboxId, id: MessageId, expected: Status, status: Status) -> Result<bool, StoreError> {
        let _guard = ChangeGuard::new(&self.changes, mailbox);
        let marked = self.inner().mark_if(mailbox, id, expected, status).await?;
        if marked {
            self.events.emit(Event::Marked { id, mailbox: mailbox.clone(), status });
        }
        Ok(marked)
    }

    async fn expunge(&self, mailbox: &MailboxId) -> Result<usize, StoreError> {
        let _guard = ChangeGuard::new(&self.changes, mailbox);
        self.inner().expunge(mailbox).await
    }

    async fn import(&self, mailbox: &MailboxId, message: &ImportedMessage) -> Result<ImportOutcome, StoreError> {
        let _guard = ChangeGuard::new(&self.changes, mailbox);
        self.open()?.import(mailbox, message).await
    }

    async fn set_transcript(&self, mailbox: &MailboxId, id: MessageId, transcript: &Transcript) -> Result<(), StoreError> {
        self.inner().set_transcript(mailbox, id, transcript).await?;
        self.events.emit(Event::Transcribed { id, mailbox: mailbox.clone() });
        Ok(())
    }

    async fn housekeep(&self) -> Result<Housekeeping, StoreError> {
        let done = self.inner().housekeep().await?;
        done.mailboxes.iter().cloned().for_each(|mailbox| self.changes.note(mailbox));
        Ok(done)
    }
}
