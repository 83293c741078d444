//! A lamp sink that records what it shows, and a store; both fail on request.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep};
use voicemail::message::{MailboxId, Message, MessageId, Origin, Status, Summary};
use voicemail::mwi::{MwiError, MwiSink, MwiState};
use voicemail::store::{Deposit, Entry, MessageStore, StoreError};

/// A store that can be made to fail or to hang.
#[derive(Debug)]
pub struct UnreliableStore<S> {
    pub store: S,
    pub down: AtomicBool,
    pub hangs: AtomicBool,
}

impl<S: MessageStore> UnreliableStore<S> {
    pub fn new(store: S) -> Arc<Self> {
        Arc::new(Self { store, down: AtomicBool::new(false), hangs: AtomicBool::new(false) })
    }

    async fn up(&self) -> Result<&S, StoreError> {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let down = || StoreError::Unavailable("the store is down".into());
        if self.down.load(Ordering::SeqCst) { Err(down()) } else { Ok(&self.store) }
    }
}

#[async_trait]
impl<S: MessageStore> MessageStore for UnreliableStore<S> {
    async fn deposit(&self, mailbox: &MailboxId, origin: &Origin, message: &Message) -> Result<Deposit, StoreError> {
        self.up().await?.deposit(mailbox, origin, message).await
    }
    async fn list(&self, mailbox: &MailboxId) -> Result<Vec<Entry>, StoreError> {
        self.up().await?.list(mailbox).await
    }
    async fn retrieve(&self, mailbox: &MailboxId, id: MessageId) -> Result<Message, StoreError> {
        self.up().await?.retrieve(mailbox, id).await
    }
    async fn mark(&self, mailbox: &MailboxId, id: MessageId, status: Status) -> Result<(), StoreError> {
        self.up().await?.mark(mailbox, id, status).await
    }
    async fn expunge(&self, mailbox: &MailboxId) -> Result<usize, StoreError> {
        self.up().await?.expunge(mailbox).await
    }
    async fn summary(&self, mailbox: &MailboxId) -> Result<Summary, StoreError> {
        self.up().await?.summary(mailbox).await
    }
    async fn external_changes(&self) -> Vec<MailboxId> {
        self.store.external_changes().await
    }
}

/// How a [`LampRecorder`] treats an update.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum SinkBehaviour {
    #[default]
    Works,
    Fails,
    Slow,
    Hangs,
    Panics,
}

/// A sink that records each state of each lamp and its time. It outlives the node, as telephones do.
#[derive(Debug, Clone, Default)]
pub struct LampRecorder(Arc<Mutex<RecordedLamps>>);

#[derive(Debug, Default)]
pub struct RecordedLamps {
    pub behaviour: SinkBehaviour,
    pub shown: BTreeMap<MailboxId, Vec<(MwiState, Instant)>>,
    /// Each state whose version was not higher than the one before.
    pub faults: Vec<String>,
}

impl LampRecorder {
    pub fn lamps(&self) -> std::sync::MutexGuard<'_, RecordedLamps> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub fn shown(&self, number: &str) -> Vec<(MwiState, Instant)> {
        self.lamps().shown.get(&number.parse::<MailboxId>().unwrap()).cloned().unwrap_or_default()
    }

    pub fn summary(&self, number: &str) -> Option<Summary> {
        self.shown(number).last().map(|(state, _)| state.summary)
    }
}

#[async_trait]
impl MwiSink for LampRecorder {
    async fn show(&self, state: &MwiState) -> Result<(), MwiError> {
        let behaviour = self.lamps().behaviour;
        match behaviour {
            SinkBehaviour::Works => {}
            SinkBehaviour::Fails => return Err(MwiError::Unavailable("the telephone is off".into())),
            SinkBehaviour::Slow => sleep(Duration::from_millis(700)).await,
            SinkBehaviour::Hangs => std::future::pending().await,
            // As `panic!`, but without its message in the output.
            SinkBehaviour::Panics => std::panic::resume_unwind(Box::new("a telephone that nobody tested")),
        }
        let mut lamps = self.lamps();
        let shown = lamps.shown.entry(state.mailbox.clone()).or_default();
        let newest = shown.last().map(|(last, _)| last.version);
        shown.push((state.clone(), Instant::now()));
        if newest.is_some_and(|newest| newest >= state.version) {
            lamps.faults.push(format!("{state:?} after version {newest:?}"));
        }
        Ok(())
    }
}
