//! Tests the contract of [`MwiSink`], as far as it can be seen from outside.
//!
//! Every function takes a new sink that shows the mailbox `2041`, and a function that returns what the sink shows.

use std::future::Future;

use chrono::DateTime;

use crate::message::Summary;
use crate::mwi::{MwiSink, MwiState};

/// Runs every test of this module, each on a new sink from `make`. Beside the sink, `make` returns a function that returns what the sink
/// shows for mailbox `2041`: the last state, or `None` before there was one.
///
/// # Panics
///
/// When a sentence of the contract is broken; the panic names it.
pub async fn run_all<S, L, M, F>(make: M)
where
    S: MwiSink,
    M: Fn() -> (S, L),
    L: FnMut() -> F,
    F: Future<Output = Option<Summary>>,
{
    let (sink, look) = make();
    shown(&sink, look).await;
    let (sink, look) = make();
    state_not_events(&sink, look).await;
    let (sink, look) = make();
    never_back(&sink, look).await;
}

/// **Shown.** After `Ok`, the state is shown.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn shown<F: Future<Output = Option<Summary>>>(sink: &impl MwiSink, mut look: impl FnMut() -> F) {
    tell(sink, "shown", 1, 1).await;
    assert_eq!(look().await.map(|summary| summary.new), Some(1), "shown: the state is not what is shown");
}

/// **State, not events.** A state whose predecessors were skipped is shown, and so is one that is sent twice.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn state_not_events<F: Future<Output = Option<Summary>>>(sink: &impl MwiSink, mut look: impl FnMut() -> F) {
    tell(sink, "state, not events", 5, 5).await;
    tell(sink, "state, not events", 9, 0).await;
    tell(sink, "state, not events", 9, 0).await;
    assert_eq!(look().await.map(|summary| summary.new), Some(0), "state, not events: the newest state is not what is shown");
}

/// **Never back.** An older state that comes late changes nothing.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn never_back<F: Future<Output = Option<Summary>>>(sink: &impl MwiSink, mut look: impl FnMut() -> F) {
    tell(sink, "never back", 7, 0).await;
    // Whether an older state is an error or quietly nothing is the sink's to choose.
    let _ = sink.show(&state(3, 4)).await;
    assert_eq!(look().await.map(|summary| summary.new), Some(0), "never back: an older state was shown after a newer one");
}

async fn tell(sink: &impl MwiSink, sentence: &str, version: u64, new: u32) {
    let told = sink.show(&state(version, new)).await;
    assert!(told.is_ok(), "{sentence}: the state was not shown: {told:?}");
}

fn state(version: u64, new: u32) -> MwiState {
    let mailbox = "2041".parse().expect("2041 is a mailbox number");
    MwiState { mailbox, summary: Summary { new, ..Summary::default() }, version, as_of: DateTime::UNIX_EPOCH }
}
