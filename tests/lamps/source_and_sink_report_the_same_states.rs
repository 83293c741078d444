//! A state that a node returns as an `MwiSource` is counted after the call, and is in one order with the states that its sinks get.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use crate::support;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use support::{CENTRAL, HIMALAYA, clock, mailbox, node, run, site, wav};
use tempfile::tempdir;
use tokio::time::sleep;
use voicemail::clock::ManualClock;
use voicemail::forward::MemoryForwarder;
use voicemail::message::{MailboxId, Message, MessageId, Origin, Status, Summary};
use voicemail::mwi::{CurrentState, MwiError, MwiSink, MwiSource, MwiState};
use voicemail::node::Node;
use voicemail::record::CallFacts;
use voicemail::store::{Deposit, Entry, MemoryStore, MessageStore, StoreError};

/// A store with slow counts, which may end in another order than they began.
#[derive(Debug)]
struct Slow {
    store: MemoryStore,
    dice: AtomicU64,
    /// The longest delay, in milliseconds; more than a minute is an outage.
    delay: AtomicU64,
}

impl Slow {
    fn new(delay: u64) -> Arc<Self> {
        let store = MemoryStore::new((2001..=2009).map(|number| mailbox(&number.to_string())));
        Arc::new(Self { store, dice: AtomicU64::new(1), delay: AtomicU64::new(delay) })
    }

    async fn dawdle(&self) {
        let dice = self.dice.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        let delay = self.delay.load(Ordering::Relaxed);
        let pause = if delay > 60_000 { delay } else { (dice >> 33) % (delay + 1) };
        sleep(Duration::from_millis(pause)).await;
    }
}

#[async_trait]
impl MessageStore for Slow {
    async fn deposit(&self, mailbox: &MailboxId, origin: &Origin, message: &Message) -> Result<Deposit, StoreError> {
        self.store.deposit(mailbox, origin, message).await
    }
    async fn list(&self, mailbox: &MailboxId) -> Result<Vec<Entry>, StoreError> {
        self.store.list(mailbox).await
    }
    async fn retrieve(&self, mailbox: &MailboxId, id: MessageId) -> Result<Message, StoreError> {
        self.store.retrieve(mailbox, id).await
    }
    async fn mark(&self, mailbox: &MailboxId, id: MessageId, status: Status) -> Result<(), StoreError> {
        self.store.mark(mailbox, id, status).await
    }
    async fn expunge(&self, mailbox: &MailboxId) -> Result<usize, StoreError> {
        self.store.expunge(mailbox).await
    }
    async fn summary(&self, mailbox: &MailboxId) -> Result<Summary, StoreError> {
        self.dawdle().await;
        let counted = self.store.summary(mailbox).await;
        self.dawdle().await;
        counted
    }
}

/// A sink that records all states.
#[derive(Debug, Clone, Default)]
struct Lamp(Arc<Mutex<Vec<MwiState>>>);

#[async_trait]
impl MwiSink for Lamp {
    async fn show(&self, state: &MwiState) -> Result<(), MwiError> {
        self.0.lock().unwrap().push(state.clone());
        Ok(())
    }
}

async fn central(folder: &Path, store: &Arc<Slow>, lamp: &Lamp, clock: &Arc<ManualClock>) -> Node {
    node(CENTRAL, folder).store(Arc::clone(store)).sink(lamp.clone()).clock(Arc::clone(clock)).open().await.unwrap()
}

async fn deposit(node: &Node, seed: u32) {
    let facts = CallFacts::to(mailbox("2001"));
    node.deposit_wav(&site("london"), facts, wav(1_000, seed).into()).await.unwrap();
}

async fn known(source: &impl MwiSource, number: &str) -> MwiState {
    match source.current(&mailbox(number)).await {
        CurrentState::Known(state) => state,
        other => panic!("{number}: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_later_count_has_a_higher_version_for_every_caller() {
    let folder = tempdir().unwrap();
    let (store, lamp, clock) = (Slow::new(700), Lamp::default(), clock());
    let mut all = Vec::new();
    // Messages only come, so a later count is never smaller.
    let mut seed = 0;
    for _life in 0..3 {
        let node = central(folder.path(), &store, &lamp, &clock).await;
        let running = run(&node);
        let asker = async |asker: u64| {
            let mut answers = Vec::new();
            for round in 0..40 {
                sleep(Duration::from_millis(asker * 37 + round % 7 * 90)).await;
                let before = store.store.summary(&mailbox("2001")).await.unwrap().new;
                let state = known(&node, "2001").await;
                assert!(state.summary.new >= before, "counted after the call began: {state:?}, there were {before}");
                answers.push(state);
            }
            answers
        };
        let caller = async {
            for _ in 0..60 {
                seed += 1;
                deposit(&node, seed).await;
                sleep(Duration::from_millis(u64::from(seed % 5) * 150)).await;
            }
        };
        let (answers, ()) = tokio::join!(join_all((0..8).map(asker)), caller);
        for answers in answers {
            assert!(answers.is_sorted_by_key(|state| state.version), "a later call does not return an older state");
            all.extend(answers);
        }
        running.stop().await;
        clock.advance(chrono::TimeDelta::days(-1));
    }
    let shown = lamp.0.lock().unwrap().clone();
    assert!(shown.is_sorted_by(|one, next| one.mailbox != next.mailbox || one.version < next.version));
    all.extend(shown.into_iter().filter(|state| state.mailbox == mailbox("2001")));
    all.sort_by_key(|state| state.version);
    for pair in all.windows(2) {
        assert!(pair[0].summary.new <= pair[1].summary.new, "{pair:?}");
        assert!(pair[0].version < pair[1].version || pair[0] == pair[1], "one version is one state: {pair:?}");
    }
    assert_eq!(all.last().unwrap().summary.new, 180);
}

#[tokio::test(start_paused = true)]
async fn an_uncounted_mailbox_is_unknown_and_a_missing_one_is_none() {
    let folder = tempdir().unwrap();
    let (store, clock) = (Slow::new(0), clock());
    let node = central(folder.path(), &store, &Lamp::default(), &clock).await;
    let source: Arc<dyn MwiSource> = Arc::new(node.clone());
    deposit(&node, 1).await;
    assert_eq!(known(&source, "2001").await.summary.to_string(), "1/0 (0/0)");
    assert_eq!(source.current(&mailbox("2999")).await, CurrentState::NoSuchMailbox);
    store.delay.store(3_600_000, Ordering::Relaxed);
    assert_eq!(source.current(&mailbox("2001")).await, CurrentState::Unknown);
    store.delay.store(0, Ordering::Relaxed);
    assert_eq!(known(&source, "2001").await.summary.new, 1);

    let distributed = support::node(HIMALAYA, folder.path()).forwarder(MemoryForwarder::new()).store(Arc::clone(&store));
    let distributed = distributed.open().await.unwrap();
    assert_eq!(distributed.current(&mailbox("2001")).await, CurrentState::Unknown, "another node has the mailboxes");
}

#[tokio::test(start_paused = true)]
async fn a_state_before_the_first_update_has_a_version_in_order() {
    let folder = tempdir().unwrap();
    let (store, lamp, clock) = (Slow::new(0), Lamp::default(), clock());
    let node = central(folder.path(), &store, &lamp, &clock).await;
    let running = run(&node);
    deposit(&node, 1).await;
    sleep(Duration::from_secs(2)).await;
    running.stop().await;
    drop(node);
    let last = lamp.0.lock().unwrap().iter().map(|state| state.version).max().unwrap();
    clock.advance(chrono::TimeDelta::days(-1));

    let node = central(folder.path(), &store, &lamp, &clock).await;
    let answer = known(&node, "2001").await;
    assert!(answer.version > last, "{answer:?} after {last}");
    let running = run(&node);
    sleep(Duration::from_secs(2)).await;
    running.stop().await;
    let shown = lamp.0.lock().unwrap().iter().rfind(|state| state.mailbox == mailbox("2001")).cloned().unwrap();
    assert!(shown.version > answer.version, "{shown:?} after {answer:?}");
}
