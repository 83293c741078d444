//! [`Counter`]: counts mailboxes, and puts what it counted in order.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard};

use chrono::{DateTime, Utc};

use super::versions::Versions;
use crate::clock::Clock;
use crate::lock::Lock;
use crate::message::{MailboxId, Summary};
use crate::mwi::MwiState;
use crate::store::{MessageStore, StoreError};

/// Counts mailboxes, for the lamps and for whoever asks: of two states of a mailbox, the one with the higher version was counted
/// later, whoever asked for it.
///
/// Counts of one mailbox may overlap, and the one that began first may end last. So a count that ends gets its version only if no
/// other got one since it began. Else the other is taken, if that began after the question was asked, or the mailbox is counted
/// once more; twice is always enough.
#[derive(Debug)]
pub(super) struct Counter {
    store: Arc<dyn MessageStore>,
    clock: Arc<dyn Clock>,
    versions: Arc<Versions>,
    asked: Lock<HashMap<MailboxId, Asked>>,
}

/// A mailbox that is being counted.
#[derive(Debug, Default)]
struct Asked {
    by: usize,
    /// How many counts got a version since somebody asked first.
    turn: u64,
    /// The last of them, with the turn at which it began.
    newest: Option<(u64, MwiState)>,
}

impl Counter {
    pub(super) fn new(store: Arc<dyn MessageStore>, clock: Arc<dyn Clock>, versions: Arc<Versions>) -> Self {
        Self { store, clock, versions, asked: Lock::default() }
    }

    /// What waits in `mailbox`, counted after the call began.
    ///
    /// # Errors
    ///
    /// What the store answers.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has changed nothing that can be seen.
    pub(super) async fn count(&self, mailbox: &MailboxId) -> Result<MwiState, StoreError> {
        let question = Question::ask(self, mailbox);
        let state = loop {
            let begun = question.turn();
            let as_of = self.clock.now().instant;
            let summary = self.store.summary(mailbox).await?;
            if let Some(state) = question.answer(begun, summary, as_of) {
                break state;
            }
        };
        self.versions.promised(state.version).await;
        Ok(state)
    }

    fn asked(&self) -> MutexGuard<'_, HashMap<MailboxId, Asked>> {
        self.asked.lock()
    }
}

/// A call that waits for an answer.
struct Question<'a> {
    counter: &'a Counter,
    mailbox: &'a MailboxId,
    asked_at: u64,
}

impl<'a> Question<'a> {
    fn ask(counter: &'a Counter, mailbox: &'a MailboxId) -> Self {
        let mut asked = counter.asked();
        let asked = asked.entry(mailbox.clone()).or_default();
        asked.by += 1;
        Self { counter, mailbox, asked_at: asked.turn }
    }

    fn turn(&self) -> u64 {
        self.counter.asked().get(self.mailbox).map_or(0, |asked| asked.turn)
    }

    /// The state to answer with, for a count that began at the turn `begun`; `None` when it is too old for a version.
    fn answer(&self, begun: u64, summary: Summary, as_of: DateTime<Utc>) -> Option<MwiState> {
        let mut asked = self.counter.asked();
        let asked = asked.entry(self.mailbox.clone()).or_default();
        if asked.turn != begun {
            return asked.newest.as_ref().filter(|(begun, _)| *begun > self.asked_at).map(|(_, newest)| newest.clone());
        }
        let version = self.counter.versions.give(as_of.timestamp_micros());
        let state = MwiState { mailbox: self.mailbox.clone(), summary, version, as_of };
        asked.turn += 1;
        asked.newest = Some((begun, state.clone()));
        Some(state)
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        let mut asked = self.counter.asked();
        if let Some(mailbox) = asked.get_mut(self.mailbox) {
            mailbox.by -= 1;
            if mailbox.by == 0 {
                asked.remove(self.mailbox);
            }
        }
    }
}
