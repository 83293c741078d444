//! Each step is done for each message, while servers refuse, stall, hang up and come back, and while nodes die.

#![allow(clippy::unwrap_used, clippy::future_not_send, reason = "these are tests")]

use crate::support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use support::{CENTRAL, clock, event, mailbox, network, node, run, wav};
use voicemail::arrival::{ArrivalStep, Arrived, StepError, StepName, StepOutcome, StepRun};
use voicemail::disk::{PowerCutDisk, Unsynced};
use voicemail::event::Event;
use voicemail::jobs::{JobState, StateFilter};
use voicemail::message::{Audio, AudioType, ClockQuality, ClockSource, Message, MessageId, Origin, RecordedAt};
use voicemail::node::{Node, NodeBuilder, NodeError};
use voicemail::retry::RetryPolicy;
use voicemail::store::{MaildirStore, MemoryStore, MessageStore as _, PendingArrival, PendingArrivals, StoreError};

/// How a server of steps behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    Works,
    Refuses,
    Stalls,
    Panics,
    RefusesForGood,
    Later,
}

/// A step that counts what was done for each message, with a server whose behaviour can be set.
#[derive(Debug, Clone)]
struct TestStep {
    name: StepName,
    server: Arc<Mutex<Server>>,
}

#[derive(Debug)]
struct Server {
    behaviour: Behaviour,
    /// How often each message was done, and how many attempts were made for any.
    done: BTreeMap<MessageId, u32>,
    attempts: u32,
}

impl TestStep {
    fn new(name: StepName, behaviour: Behaviour) -> Self {
        Self { name, server: Arc::new(Mutex::new(Server { behaviour, done: BTreeMap::new(), attempts: 0 })) }
    }

    fn set(&self, behaviour: Behaviour) {
        self.server.lock().unwrap().behaviour = behaviour;
    }

    fn done(&self) -> usize {
        self.server.lock().unwrap().done.len()
    }

    /// Waits until the step was done for so many messages; returns how long it took.
    async fn has_done(&self, messages: usize) -> Duration {
        let begun = tokio::time::Instant::now();
        while self.done() < messages {
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert!(begun.elapsed() < Duration::from_secs(3 * 3600), "{} of {messages} were done", self.done());
        }
        begun.elapsed()
    }

    /// Waits until so many attempts were made.
    async fn has_tried(&self, attempts: u32) {
        let begun = tokio::time::Instant::now();
        while self.server.lock().unwrap().attempts < attempts {
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert!(begun.elapsed() < Duration::from_secs(3 * 3600), "no {attempts} attempts were made");
        }
    }
}

#[async_trait]
impl ArrivalStep for TestStep {
    fn name(&self) -> StepName {
        self.name.clone()
    }

    fn destination(&self, _: &Arrived, _: &str) -> String {
        "server.example".to_owned()
    }

    async fn run(&self, run: &StepRun<'_>) -> Result<StepOutcome, StepError> {
        let behaviour = {
            let mut server = self.server.lock().unwrap();
            server.attempts += 1;
            server.behaviour
        };
        match behaviour {
            Behaviour::Works => {}
            Behaviour::Refuses => return Err(StepError::Transient("refused".into())),
            Behaviour::Stalls => std::future::pending().await,
            Behaviour::Panics => panic!("the step panics, as the test wants"),
            Behaviour::RefusesForGood => return Err(StepError::Final("no such address".into())),
            Behaviour::Later => return Ok(StepOutcome::NotYet(Duration::from_secs(600))),
        }
        *self.server.lock().unwrap().done.entry(run.arrived.id).or_default() += 1;
        Ok(StepOutcome::Done)
    }
}

fn with_memory() -> (tempfile::TempDir, NodeBuilder) {
    let folder = tempfile::tempdir().unwrap();
    let store = MemoryStore::new((2001..=2009).map(|number| mailbox(&number.to_string())));
    let builder = node(CENTRAL, folder.path()).store(store).clock(clock());
    (folder, builder)
}

fn message(number: u32) -> Message {
    let recorded_at = RecordedAt::new(chrono::DateTime::UNIX_EPOCH, chrono_tz::UTC, ClockQuality::unknown(ClockSource::Manual));
    Message::builder(Audio::new(AudioType::Wav, wav(20, number)), recorded_at).build()
}

async fn deposit(node: &Node, messages: std::ops::Range<u32>) {
    for number in messages {
        let to = mailbox(&format!("{}", 2001 + number % 9));
        node.store().unwrap().deposit(&to, &Origin::Here, &message(number)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_arrivals_do_each_step_once() {
    let steps = [StepName::TRANSCRIPT, StepName::MAIL, StepName::WEBHOOK].map(|name| TestStep::new(name, Behaviour::Works));
    let (_folder, builder) = with_memory();
    let node = steps.iter().cloned().fold(builder, NodeBuilder::on_arrival).open().await.unwrap();
    let running = run(&node);
    deposit(&node, 0..10_000).await;
    for step in &steps {
        step.has_done(10_000).await;
        assert!(step.server.lock().unwrap().done.values().all(|times| *times == 1), "each once");
    }
    for name in node.steps().unwrap().names() {
        assert_eq!(node.steps().unwrap().list(&name, StateFilter::Waiting, None, 9).await.unwrap(), [], "nothing was a job");
    }
    running.stop().await;
}

/// A store that panics when the first arrival is settled.
#[derive(Debug)]
struct PanicsOnce(MemoryStore, AtomicBool);

#[async_trait]
impl voicemail::store::StoreWrapper for PanicsOnce {
    type Inner = MemoryStore;

    fn inner(&self) -> &MemoryStore {
        &self.0
    }

    fn pending_arrivals(&self) -> Option<&dyn PendingArrivals> {
        Some(self)
    }
}

#[async_trait]
impl PendingArrivals for PanicsOnce {
    async fn remember(&self) -> Result<(), StoreError> {
        self.0.remember().await
    }

    async fn take(&self, most: usize, hold: Duration) -> Result<Vec<PendingArrival>, StoreError> {
        self.0.take(most, hold).await
    }

    async fn add(&self, arrivals: &[PendingArrival]) -> Result<(), StoreError> {
        self.0.add(arrivals).await
    }

    async fn settle(&self, arrivals: &[PendingArrival]) -> Result<(), StoreError> {
        assert!(self.1.swap(true, Ordering::Relaxed), "as the test wants");
        self.0.settle(arrivals).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_panics_ends_neither_the_node_nor_its_steps() {
    let folder = tempfile::tempdir().unwrap();
    let store = PanicsOnce(MemoryStore::new((2001..=2009).map(|number| mailbox(&number.to_string()))), AtomicBool::default());
    let step = TestStep::new(StepName::MAIL, Behaviour::Works);
    let node = node(CENTRAL, folder.path()).store(store).clock(clock()).on_arrival(step.clone()).open().await.unwrap();
    let running = run(&node);
    deposit(&node, 0..1).await;
    step.has_done(1).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    deposit(&node, 1..3).await;
    step.has_done(3).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_step_delays_no_other_and_catches_up() {
    for behaviour in [Behaviour::Refuses, Behaviour::Stalls, Behaviour::Panics] {
        let (dead, mail) = (TestStep::new(StepName::TRANSCRIPT, behaviour), TestStep::new(StepName::MAIL, Behaviour::Works));
        let (_folder, builder) = with_memory();
        let node = builder.on_arrival(dead.clone()).on_arrival(mail.clone()).open().await.unwrap();
        let running = run(&node);
        deposit(&node, 0..300).await;
        let took = mail.has_done(300).await;
        assert!(took < Duration::from_secs(180), "{behaviour:?}: the mails took {took:?}");
        tokio::time::sleep(Duration::from_secs(3600)).await;
        let attempts = dead.server.lock().unwrap().attempts;
        assert!(dead.done() == 0 && attempts < 600, "{behaviour:?}: {attempts} attempts in an hour");
        dead.set(Behaviour::Works);
        let took = dead.has_done(300).await;
        assert!(took < Duration::from_secs(3700), "{behaviour:?}: it caught up after {took:?}");
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_operator_sees_and_decides_what_was_given_up() {
    let step = TestStep::new(StepName::MAIL, Behaviour::RefusesForGood);
    let (_folder, builder) = with_memory();
    let node = builder.on_arrival(step.clone()).open().await.unwrap();
    let (mut events, running) = (node.events(), run(&node));
    deposit(&node, 0..2).await;
    for _ in 0..2 {
        let reason =
            event(&mut events, |event| if let Event::StepGivenUp { reason, .. } = event { Some(reason) } else { None }).await;
        assert!(reason.contains("no such address"), "{reason}");
    }
    let steps = node.steps().unwrap();
    let parked = steps.list(&StepName::MAIL, StateFilter::Parked, None, 9).await.unwrap();
    assert_eq!(parked.len(), 2);
    assert!(matches!(&parked[0].state, JobState::Parked { reason, .. } if reason.contains("no such address")), "{parked:?}");
    step.set(Behaviour::Works);
    assert!(steps.retry(&StepName::MAIL, parked[0].job.key).await.unwrap());
    step.has_done(1).await;
    assert!(step.server.lock().unwrap().done.contains_key(&parked[0].arrived.id));
    assert!(steps.remove(&StepName::MAIL, parked[1].job.key).await.unwrap());
    assert_eq!(steps.list(&StepName::MAIL, StateFilter::Parked, None, 9).await.unwrap(), []);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_by_years_parks_no_step() {
    for years in [-56, 56] {
        let (step, clock) = (TestStep::new(StepName::MAIL, Behaviour::Refuses), clock());
        let (_folder, builder) = with_memory();
        let node = builder.clock(Arc::clone(&clock)).on_arrival(step.clone()).open().await.unwrap();
        let running = run(&node);
        deposit(&node, 0..1).await;
        // The second attempt is the first one of a job.
        step.has_tried(2).await;
        clock.advance(chrono::TimeDelta::days(years * 365));
        step.has_tried(9).await;
        let parked = node.steps().unwrap().list(&StepName::MAIL, StateFilter::Parked, None, 9).await.unwrap();
        assert_eq!(parked, [], "{years} years");
        step.set(Behaviour::Works);
        step.has_done(1).await;
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn each_probe_of_a_dead_server_parks_a_step_that_is_too_old() {
    let (step, clock) = (TestStep::new(StepName::MAIL, Behaviour::Refuses), clock());
    let (_folder, builder) = with_memory();
    let policy = RetryPolicy::default().step_lifetime(Duration::from_secs(12 * 3600));
    let node = builder.clock(Arc::clone(&clock)).retry(policy).on_arrival(step.clone()).open().await.unwrap();
    let running = run(&node);
    deposit(&node, 0..10).await;
    let pass = async |hours: u32| {
        for _ in 0..hours * 6 {
            tokio::time::sleep(Duration::from_secs(600)).await;
            clock.advance(chrono::TimeDelta::minutes(10));
        }
        node.steps().unwrap().list(&StepName::MAIL, StateFilter::Parked, None, 30).await.unwrap().len()
    };
    assert_eq!(pass(11).await, 0);
    // Each step had two or three attempts itself, too few for half a day; the server had all of them.
    let attempts = step.server.lock().unwrap().attempts;
    assert_eq!(pass(14).await, 10, "{attempts} attempts before, {} now", step.server.lock().unwrap().attempts);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_step_that_is_not_due_waits_without_a_failure() {
    let step = TestStep::new(StepName::MAIL, Behaviour::Later);
    let (_folder, builder) = with_memory();
    let node = builder.on_arrival(step.clone()).open().await.unwrap();
    let running = run(&node);
    deposit(&node, 0..1).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let waiting = node.steps().unwrap().list(&StepName::MAIL, StateFilter::Waiting, None, 9).await.unwrap();
    assert!(matches!(waiting[0].state, JobState::Waiting { due_in, .. } if due_in > Duration::from_secs(500)), "{waiting:?}");
    assert_eq!(waiting[0].job.tries, 0);
    step.set(Behaviour::Works);
    let took = step.has_done(1).await;
    assert!(took > Duration::from_secs(500) && took < Duration::from_secs(560), "{took:?}");
    running.stop().await;
}

#[derive(Debug)]
struct Forgetful(MemoryStore);

#[async_trait]
impl voicemail::store::StoreWrapper for Forgetful {
    type Inner = MemoryStore;

    fn inner(&self) -> &MemoryStore {
        &self.0
    }

    fn pending_arrivals(&self) -> Option<&dyn voicemail::store::PendingArrivals> {
        None
    }
}

#[tokio::test]
async fn a_node_whose_steps_could_be_lost_does_not_open() {
    let step = || TestStep::new(StepName::MAIL, Behaviour::Works);
    let (_folder, builder) = with_memory();
    let twice = builder.on_arrival(step()).on_arrival(step()).open().await;
    assert!(matches!(twice, Err(NodeError::SameStepTwice(name)) if name == StepName::MAIL));
    let (_folder, builder) = with_memory();
    let forgetful = builder.store(Forgetful(MemoryStore::new([]))).on_arrival(step()).open().await;
    assert!(matches!(forgetful, Err(NodeError::StepsUnsupported)));
}

async fn on_disk(disk: &PowerCutDisk, step: &TestStep) -> Result<Node, Box<dyn std::error::Error>> {
    let directory = Arc::new(network().directory());
    let store = MaildirStore::builder("/store").disk(disk.clone()).directory(directory).open().await?;
    let builder = node(CENTRAL, Path::new("/spool")).disk(disk.clone()).store(store).clock(clock());
    Ok(builder.on_arrival(step.clone()).open().await?)
}

/// Deposits two messages at a node whose power is cut after so many operations; returns whether the work was done before, and the messages that were answered for.
async fn until_the_cut(disk: &PowerCutDisk, step: &TestStep) -> Vec<MessageId> {
    let Ok(node) = on_disk(disk, step).await else { return Vec::new() };
    let running = run(&node);
    let mut kept = Vec::new();
    for number in 0..2 {
        let message = message(number);
        if node.store().unwrap().deposit(&mailbox("2001"), &Origin::Here, &message).await.is_ok() {
            kept.push(message.id());
        }
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    step.set(Behaviour::Works);
    tokio::time::sleep(Duration::from_secs(60)).await;
    running.crash().await;
    kept
}

#[tokio::test(start_paused = true)]
async fn a_power_cut_after_any_operation_loses_no_step() {
    for (unsynced, behaviour) in [
        (Unsynced::Forgotten, Behaviour::Works),
        (Unsynced::NamesKept, Behaviour::Works),
        (Unsynced::Forgotten, Behaviour::Refuses),
        (Unsynced::NamesKept, Behaviour::Refuses),
    ] {
        for operations in 0.. {
            let (disk, step) = (PowerCutDisk::new(), TestStep::new(StepName::MAIL, behaviour));
            disk.power_off_after(operations);
            let kept = until_the_cut(&disk, &step).await;
            let was_off = disk.power_cut(unsynced);
            let at = format!("power cut after {operations} operations, {unsynced:?}, {behaviour:?}");
            step.set(Behaviour::Works);
            let node = on_disk(&disk, &step).await.unwrap();
            let running = run(&node);
            for id in &kept {
                let begun = tokio::time::Instant::now();
                while !step.server.lock().unwrap().done.contains_key(id) {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    assert!(begun.elapsed() < Duration::from_secs(120), "{at}: the step of {id} was lost");
                }
            }
            running.stop().await;
            if !was_off {
                assert!(kept.len() == 2 && operations > 40, "{at}");
                break;
            }
        }
    }
}
