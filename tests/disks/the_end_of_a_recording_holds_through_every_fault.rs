//! A recording that is cut short or discarded, on a disk that fails or loses its power after any operation.

#![allow(clippy::unwrap_used, clippy::future_not_send, reason = "these are tests")]

use crate::support;

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use support::{HIMALAYA, clock, mailbox, node, run, site, soon, wav};
use tokio::sync::broadcast::Receiver;
use voicemail::audio::Format;
use voicemail::disk::{Disk, FaultyDisk, InjectedFault, PowerCutDisk};
use voicemail::event::{Event, Occurrence};
use voicemail::forward::MemoryForwarder;
use voicemail::message::{EndReason, Message};
use voicemail::node::Node;
use voicemail::record::{CallFacts, Recording};

use crate::a_power_cut_after_any_step_loses_nothing::BOTH_WAYS;

/// How much of the three seconds of a recording stays when it is cut short.
const SHORT: Duration = Duration::from_secs(2);
const HEADER: usize = 44;
const SHORT_BYTES: usize = 2 * 8000 * 2;

async fn distributed(disk: &(impl Disk + Clone), forwarder: &MemoryForwarder) -> Option<Node> {
    node(HIMALAYA, Path::new("/spool")).disk(disk.clone()).forwarder(forwarder.clone()).clock(clock()).open().await.ok()
}

/// A call that has said `spoken`, a WAV file, with writes to disk meanwhile.
async fn recording(node: &Node, spoken: &[u8]) -> Option<Recording> {
    let facts = CallFacts::to(mailbox("2001"));
    let mut recording = node.record(&site("kathmandu"), facts, Format::TELEPHONE_L16).await.ok()?;
    let samples: Vec<i16> = spoken[HEADER..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    for frame in samples.chunks(160) {
        let _ = recording.push_samples(frame).unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Some(recording)
}

/// Lets the node forward everything that waits.
async fn forwarded(node: &Node) {
    let running = run(node);
    soon(async {
        while !node.spool().waiting().is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    running.stop().await;
}

/// The messages that the other node has: one that is sent again is the same message.
fn taken(other: &MemoryForwarder) -> Vec<Message> {
    let mut taken = other.taken(&mailbox("2001"));
    taken.dedup_by_key(|message| (message.id(), message.audio().digest()));
    taken
}

/// Checks that what is there is the short sound, or the beginning of the whole one if the call was not answered as kept.
fn check(found: &[Message], spoken: &[u8], kept: bool, at: &str) {
    match found {
        [] => assert!(!kept, "{at}: lost"),
        [message] => {
            let samples = &message.audio().bytes()[HEADER..];
            match message.head().end_reason {
                EndReason::Complete => assert!(samples == &spoken[HEADER..][..SHORT_BYTES], "{at}: {} bytes", samples.len()),
                _ => assert!(!kept && spoken[HEADER..].starts_with(samples), "{at}: the beginning of what was said"),
            }
        }
        _ => panic!("{at}: {} messages", found.len()),
    }
}

fn no_speech(events: &mut Receiver<Occurrence>) -> usize {
    std::iter::from_fn(|| events.try_recv().ok()).filter(|found| matches!(found.event, Event::NoSpeech { .. })).count()
}

#[tokio::test(start_paused = true)]
async fn a_cut_recording_is_kept_short_through_a_power_cut() {
    let spoken = wav(3_000, 7);
    for unsynced in BOTH_WAYS {
        for operations in 0.. {
            let (disk, other) = (PowerCutDisk::new(), MemoryForwarder::new());
            disk.power_off_after(operations);
            let mut kept = false;
            if let Some(node) = distributed(&disk, &other).await {
                let running = run(&node);
                if let Some(mut recording) = recording(&node, &spoken).await {
                    recording.truncate(SHORT + Duration::from_millis(500));
                    recording.truncate(SHORT);
                    kept = recording.finish().await.is_ok_and(|kept| kept.length == SHORT);
                }
                running.stop().await;
            }
            let was_cut = disk.power_cut(unsynced);
            let at = format!("power cut after {operations} operations, {unsynced:?}, kept {kept}");
            for _ in 0..2 {
                forwarded(&distributed(&disk, &other).await.expect(&at)).await;
                check(&taken(&other), &spoken, kept, &at);
                disk.power_cut(unsynced);
            }
            if !was_cut {
                assert!(kept && operations > 20, "{at}");
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cut_recording_is_kept_short_after_a_failure() {
    let spoken = wav(3_000, 7);
    for operations in 0.. {
        let (disk, other) = (FaultyDisk::new(Arc::new(PowerCutDisk::new())), MemoryForwarder::new());
        let node = distributed(&disk, &other).await.unwrap();
        let running = run(&node);
        let mut recording = recording(&node, &spoken).await.unwrap();
        disk.fail(InjectedFault::after(operations, ErrorKind::Other).lasting());
        recording.truncate(SHORT);
        let kept = recording.finish().await;
        let met = disk.mend() > 0;
        let at = format!("failure after {operations} operations, {kept:?}");
        tokio::time::sleep(Duration::from_secs(5)).await;
        running.stop().await;
        drop(node);
        forwarded(&distributed(&disk, &other).await.expect(&at)).await;
        check(&taken(&other), &spoken, true, &at);
        if !met {
            assert!(kept.is_ok() && operations > 3, "{at}");
            break;
        }
    }
}

/// The ways to discard a recording.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Discarding {
    Waiting,
    Later,
    WithoutSpeech,
}

impl Discarding {
    /// Discards the recording; returns whether it is certain now that it is no message.
    async fn discard(self, recording: Recording) -> bool {
        match self {
            Self::Waiting => return recording.discard().await.is_ok(),
            Self::Later => recording.discard_later(),
            Self::WithoutSpeech => recording.discard_without_speech(),
        }
        false
    }
}

const ALL_WAYS: [Discarding; 3] = [Discarding::Waiting, Discarding::Later, Discarding::WithoutSpeech];

#[tokio::test(start_paused = true)]
async fn a_discarded_recording_stays_so_through_a_power_cut() {
    let spoken = wav(3_000, 7);
    for (way, unsynced) in ALL_WAYS.into_iter().flat_map(|way| BOTH_WAYS.map(|unsynced| (way, unsynced))) {
        for operations in 0.. {
            let (disk, other) = (PowerCutDisk::new(), MemoryForwarder::new());
            disk.power_off_after(operations);
            let mut certain = false;
            if let Some(node) = distributed(&disk, &other).await {
                let (running, mut events) = (run(&node), node.events());
                if let Some(recording) = recording(&node, &spoken).await {
                    certain = way.discard(recording).await;
                }
                tokio::time::sleep(Duration::from_secs(2)).await;
                let reported = no_speech(&mut events);
                assert!(reported <= usize::from(way == Discarding::WithoutSpeech), "{reported} events");
                certain |= reported == 1;
                running.stop().await;
            }
            let was_cut = disk.power_cut(unsynced);
            let at = format!("{way:?}, power cut after {operations} operations, {unsynced:?}, certain {certain}");
            for _ in 0..2 {
                let node = distributed(&disk, &other).await.expect(&at);
                forwarded(&node).await;
                let found = taken(&other);
                assert!(found.len() <= usize::from(!certain && was_cut), "{at}: {} messages", found.len());
                disk.power_cut(unsynced);
            }
            if !was_cut {
                assert!((certain || way == Discarding::Later) && operations > 10, "{at}");
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_discarded_recording_stays_so_after_a_failure() {
    let spoken = wav(3_000, 7);
    for way in ALL_WAYS {
        for operations in 0.. {
            let (disk, other) = (FaultyDisk::new(Arc::new(PowerCutDisk::new())), MemoryForwarder::new());
            let node = distributed(&disk, &other).await.unwrap();
            let (running, mut events) = (run(&node), node.events());
            let recording = recording(&node, &spoken).await.unwrap();
            disk.fail(InjectedFault::after(operations, ErrorKind::Other).lasting());
            let certain = way.discard(recording).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            let met = disk.mend() > 0;
            tokio::time::sleep(Duration::from_secs(5)).await;
            running.stop().await;
            let at = format!("{way:?}, failure after {operations} operations, certain {certain}");
            assert_eq!(no_speech(&mut events), usize::from(way == Discarding::WithoutSpeech), "{at}");
            assert_eq!(node.ports(&site("kathmandu")).unwrap().in_use, 0, "{at}");
            drop(node);
            let node = distributed(&disk, &other).await.expect(&at);
            forwarded(&node).await;
            let found = taken(&other).len();
            // A failure that was returned leaves the file to the next start.
            assert!(found <= usize::from(way == Discarding::Waiting && !certain), "{at}: {found} messages");
            if !met {
                assert!(operations > 0, "{at}");
                break;
            }
        }
    }
}
