//! After any changes and faults of mailboxes, stores, sinks and nodes, each lamp shows the state in the store.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use crate::recorded_lamps;
use crate::support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use recorded_lamps::{LampRecorder, SinkBehaviour, UnreliableStore};
use support::random::Random;
use support::{CENTRAL, Running, clock, mailbox, node, run, site, wav};
use tempfile::tempdir;
use tokio::time::{Instant, sleep};
use voicemail::event::Event;
use voicemail::message::Status;
use voicemail::node::Node;
use voicemail::record::CallFacts;
use voicemail::store::{MemoryStore, MessageStore as _};

type Store = UnreliableStore<MemoryStore>;

fn unsteady() -> Arc<Store> {
    UnreliableStore::new(MemoryStore::new((2001..=2009).map(|number| mailbox(&number.to_string()))))
}

async fn central(folder: &Path, store: &Arc<Store>, board: &LampRecorder, clock: &Arc<voicemail::clock::ManualClock>) -> Node {
    let node = node(CENTRAL, folder).store(Arc::clone(store)).sink(board.clone()).clock(Arc::clone(clock));
    node.open().await.unwrap()
}

async fn deposit(node: &Node, number: &str, seed: u32) {
    let facts = CallFacts::to(mailbox(number));
    let facts = if seed.is_multiple_of(3) { facts.urgent() } else { facts };
    node.deposit_wav(&site("london"), facts, wav(1_000, seed).into()).await.unwrap();
}

const NUMBERS: [&str; 4] = ["2001", "2002", "2003", "2004"];

/// One random step.
async fn step(dice: &mut Random, node: &Node, store: &Store, board: &LampRecorder, clock: &voicemail::clock::ManualClock) {
    let number = NUMBERS[usize::try_from(dice.below(4)).unwrap()];
    let watched = node.store().unwrap();
    match dice.below(20) {
        0..=6 => deposit(node, number, u32::try_from(dice.below(1 << 30)).unwrap()).await,
        7..=10 => {
            let entries = watched.list(&mailbox(number)).await.unwrap_or_default();
            if !entries.is_empty() {
                let entry = &entries[usize::try_from(dice.below(entries.len() as u64)).unwrap()];
                let status = [Status::New, Status::Old, Status::Removed][usize::try_from(dice.below(3)).unwrap()];
                let _ = watched.mark(&mailbox(number), entry.head.id, status).await;
            }
        }
        11 => drop(watched.expunge(&mailbox(number)).await),
        12 => store.down.store(dice.below(2) == 0, Ordering::SeqCst),
        13 => {
            let moods = [
                SinkBehaviour::Works,
                SinkBehaviour::Works,
                SinkBehaviour::Fails,
                SinkBehaviour::Slow,
                SinkBehaviour::Hangs,
                SinkBehaviour::Panics,
            ];
            board.lamps().behaviour = moods[usize::try_from(dice.below(6)).unwrap()];
        }
        14 => clock.advance(chrono::TimeDelta::seconds(i64::try_from(dice.below(4_000)).unwrap() - 2_000)),
        _ => sleep(Duration::from_millis(dice.below(1_500))).await,
    }
}

async fn quiet(store: &Store, board: &LampRecorder) {
    store.down.store(false, Ordering::SeqCst);
    board.lamps().behaviour = SinkBehaviour::Works;
    // The longest wait of a lamp or a message that failed again and again.
    sleep(Duration::from_secs(400)).await;
}

/// Runs `steps` random steps with restarts in between.
async fn random_life(seed: u64, steps: u32) {
    let folder = tempdir().unwrap();
    let (store, board, clock) = (unsteady(), LampRecorder::default(), clock());
    let mut dice = Random::with_seed(seed);
    let mut running: Option<(Node, Running)> = None;
    for count in 1..=steps {
        if running.is_none() {
            let node = central(folder.path(), &store, &board, &clock).await;
            running = Some((node.clone(), run(&node)));
        }
        let node = running.as_ref().unwrap().0.clone();
        step(&mut dice, &node, &store, &board, &clock).await;
        let at_rest = count.is_multiple_of(100) || count == steps;
        if at_rest {
            quiet(&store, &board).await;
            compare(seed, count, &store, &board).await;
        }
        if dice.below(60) == 0 {
            drop(node);
            let (node, task) = running.take().unwrap();
            drop(node);
            task.stop().await;
        }
    }
    if let Some((_, task)) = running {
        task.stop().await;
    }
    compare(seed, steps, &store, &board).await;
}

async fn compare(seed: u64, count: u32, store: &Store, board: &LampRecorder) {
    assert_eq!(board.lamps().faults, Vec::<String>::new(), "seed {seed}, step {count}");
    for number in NUMBERS {
        let says = store.store.summary(&mailbox(number)).await.unwrap();
        assert_eq!(board.summary(number), Some(says), "seed {seed}, step {count}, mailbox {number}");
    }
}

#[tokio::test(start_paused = true)]
async fn once_things_are_quiet_each_lamp_shows_what_the_store_says() {
    for seed in 1..=4u64 {
        random_life(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed), 500).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_change_is_shown_at_once_then_at_most_one_a_second() {
    let folder = tempdir().unwrap();
    let (store, board, clock) = (unsteady(), LampRecorder::default(), clock());
    let node = central(folder.path(), &store, &board, &clock).await;
    let running = run(&node);
    sleep(Duration::from_secs(5)).await;
    let before = board.shown("2001").len();
    let start = Instant::now();
    for seed in 0..60 {
        deposit(&node, "2001", seed).await;
        sleep(Duration::from_millis(50)).await;
    }
    sleep(Duration::from_secs(2)).await;
    let shown = board.shown("2001").split_off(before);
    let waits: Vec<u128> = shown.iter().map(|(_, at)| (*at - start).as_millis() / 100).collect();
    assert_eq!(waits, [0, 10, 20, 30], "in tenths of a second");
    assert_eq!(shown.last().unwrap().0.summary.new, 60);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_that_cannot_be_counted_is_not_shown_at_all() {
    let folder = tempdir().unwrap();
    let (store, board, clock) = (unsteady(), LampRecorder::default(), clock());
    store.down.store(true, Ordering::SeqCst);
    let node = central(folder.path(), &store, &board, &clock).await;
    let mut events = node.events();
    let running = run(&node);
    deposit(&node, "2001", 1).await;
    sleep(Duration::from_secs(100)).await;
    assert_eq!(board.summary("2001"), None);
    let failed = support::event(&mut events, |event| match event {
        Event::LampFailed { mailbox, .. } => Some(mailbox),
        _ => None,
    });
    failed.await;
    store.down.store(false, Ordering::SeqCst);
    sleep(Duration::from_secs(400)).await;
    assert_eq!(board.summary("2001").unwrap().new, 1);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_change_while_the_node_stops_is_shown_before_it_ends() {
    let folder = tempdir().unwrap();
    let (store, board, clock) = (unsteady(), LampRecorder::default(), clock());
    let node = central(folder.path(), &store, &board, &clock).await;
    let running = run(&node);
    sleep(Duration::from_secs(5)).await;
    board.lamps().behaviour = SinkBehaviour::Slow;
    deposit(&node, "2001", 1).await;
    sleep(Duration::from_millis(100)).await;
    deposit(&node, "2001", 2).await;
    running.stop().await;
    assert_eq!(board.summary("2001").unwrap().new, 2);
    let shown = board.shown("2001");
    let last_two = &shown[shown.len() - 2..];
    assert!(last_two[1].1 - last_two[0].1 >= Duration::from_secs(1), "not twice within a second");
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_hangs_or_panics_does_not_hold_up_node_or_stop() {
    let folder = tempdir().unwrap();
    for mood in [SinkBehaviour::Hangs, SinkBehaviour::Panics] {
        let (store, board, clock) = (unsteady(), LampRecorder::default(), clock());
        board.lamps().behaviour = mood;
        let node = central(folder.path(), &store, &board, &clock).await;
        let running = run(&node);
        deposit(&node, "2001", 1).await;
        sleep(Duration::from_secs(30)).await;
        let start = Instant::now();
        running.stop().await;
        assert!(start.elapsed() < Duration::from_secs(25), "{mood:?}: took {:?}", start.elapsed());
        assert_eq!(store.store.summary(&mailbox("2001")).await.unwrap().new, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hanging_store_holds_up_caller_and_stop_for_a_limited_time() {
    let folder = tempdir().unwrap();
    let (store, board, clock) = (unsteady(), LampRecorder::default(), clock());
    let node = central(folder.path(), &store, &board, &clock).await;
    let running = run(&node);
    sleep(Duration::from_secs(5)).await;
    store.hangs.store(true, Ordering::SeqCst);
    let start = Instant::now();
    deposit(&node, "2001", 1).await;
    assert!(start.elapsed() < Duration::from_secs(11), "kept after {:?}", start.elapsed());
    assert_eq!(node.spool().state()[0].depth, 1, "it waits in the spool");
    let start = Instant::now();
    running.stop().await;
    assert!(start.elapsed() < Duration::from_secs(90), "stopped after {:?}", start.elapsed());
    drop(node);

    store.hangs.store(false, Ordering::SeqCst);
    let node = central(folder.path(), &store, &board, &clock).await;
    let running = run(&node);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(board.summary("2001").unwrap().new, 1);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn versions_grow_across_restarts_though_the_clock_goes_back() {
    let folder = tempdir().unwrap();
    let (store, board, clock) = (unsteady(), LampRecorder::default(), clock());
    for _ in 0..3 {
        let node = central(folder.path(), &store, &board, &clock).await;
        let running = run(&node);
        deposit(&node, "2001", 1).await;
        sleep(Duration::from_secs(2)).await;
        running.stop().await;
        clock.advance(chrono::TimeDelta::days(-1));
    }
    assert_eq!(board.summary("2001").unwrap().new, 3);
    assert_eq!(board.lamps().faults, Vec::<String>::new());
}
