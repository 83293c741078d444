//! Lamps and stores that are out of order at times, and what there is to throw dice with.

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

/// A store that is out of order at times.
#[derive(Debug)]
pub struct Unsteady<S> {
    pub store: S,
    pub down: AtomicBool,
    pub hangs: AtomicBool,
}

impl<S: MessageStore> Unsteady<S> {
    pub fn new(store: S) -> Arc<Self> {
        Arc::new(Self { store, down: AtomicBool::new(false), hangs: AtomicBool::new(false) })
    }

    async fn up(&self) -> Result<&S, StoreError> {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let down = || StoreError::Unavailable("out of order".into());
        if self.down.load(Ordering::SeqCst) { Err(down()) } else { Ok(&self.store) }
    }
}

#[async_trait]
impl<S: MessageStore> MessageStore for Unsteady<S> {
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
    async fn changed(&self) -> Vec<MailboxId> {
        self.store.changed().await
    }
}

/// How lamps behave.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Mood {
    #[default]
    Well,
    Fails,
    Slow,
    Hangs,
    Panics,
}

/// Lamps that remember what each was told, and when; they outlive the node, as telephones do.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<Mutex<Lamps>>);

#[derive(Debug, Default)]
pub struct Lamps {
    pub mood: Mood,
    pub told: BTreeMap<MailboxId, Vec<(MwiState, Instant)>>,
    /// Each state that came with no higher version than one before it.
    pub faults: Vec<String>,
}

impl Board {
    pub fn lamps(&self) -> std::sync::MutexGuard<'_, Lamps> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub fn told(&self, number: &str) -> Vec<(MwiState, Instant)> {
        self.lamps().told.get(&number.parse::<MailboxId>().unwrap()).cloned().unwrap_or_default()
    }

    pub fn shows(&self, number: &str) -> Option<Summary> {
        self.told(number).last().map(|(state, _)| state.summary)
    }
}

#[async_trait]
impl MwiSink for Board {
    async fn show(&self, state: &MwiState) -> Result<(), MwiError> {
        let mood = self.lamps().mood;
        match mood {
            Mood::Well => {}
            Mood::Fails => return Err(MwiError::Unavailable("the telephone is off".into())),
            Mood::Slow => sleep(Duration::from_millis(700)).await,
            Mood::Hangs => std::future::pending().await,
            // As `panic!`, without its noise in the output.
            Mood::Panics => std::panic::resume_unwind(Box::new("a telephone that nobody tested")),
        }
        let mut lamps = self.lamps();
        let told = lamps.told.entry(state.mailbox.clone()).or_default();
        let newest = told.last().map(|(last, _)| last.version);
        told.push((state.clone(), Instant::now()));
        if newest.is_some_and(|newest| newest >= state.version) {
            lamps.faults.push(format!("{state:?} after version {newest:?}"));
        }
        Ok(())
    }
}

/// Random numbers that a seed repeats.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}
