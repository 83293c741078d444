//! The central node reports the PBX whose clock is off; each node keeps its own clock synchronized.

#![allow(clippy::unwrap_used, clippy::future_not_send, reason = "these are tests")]

use crate::support;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use support::{CENTRAL, clock, event, mailbox, node, run, site, soon, wav};
use tokio::sync::watch;
use voicemail::clock::{Clock, Reading, SystemClock};
use voicemail::disk::PowerCutDisk;
use voicemail::event::Event;
use voicemail::message::{Audio, AudioType, Message, Origin, RecordedAt};
use voicemail::store::MemoryStore;

#[tokio::test]
async fn a_message_from_the_future_is_reported_with_its_pbx() {
    let clock = clock();
    let store = MemoryStore::new([mailbox("2001")]);
    let builder = node(CENTRAL, Path::new("/spool")).disk(PowerCutDisk::new()).store(store).clock(Arc::clone(&clock));
    let node = builder.max_clock_skew(Duration::from_secs(2)).open().await.unwrap();
    let mut events = node.events();
    for (ahead, origin) in [(2, Origin::Unproven), (60, Origin::Here), (60, Origin::Unproven)] {
        let now = clock.now();
        let recorded_at = RecordedAt::new(now.instant + TimeDelta::seconds(ahead), chrono_tz::Asia::Tokyo, now.quality);
        let message = Message::builder(Audio::new(AudioType::Wav, wav(100, 3)), recorded_at).site(site("tokyo")).build();
        node.store().unwrap().deposit(&mailbox("2001"), &origin, &message).await.unwrap();
        if (ahead, &origin) == (60, &Origin::Unproven) {
            let reported = soon(event(&mut events, |event| match event {
                Event::ClockSkew { id, site, by, .. } => Some((id, site, by)),
                _ => None,
            }));
            assert_eq!(reported.await, (message.id(), Some(site("tokyo")), Duration::from_secs(60)), "and none before it");
        }
    }
}

/// A clock that records whether a node runs its `synchronize`, and panics there if `panics` is set.
#[derive(Debug)]
struct ObservedClock {
    is_kept: watch::Sender<bool>,
    panics: bool,
}

/// Sets the value to false when dropped.
struct ResetOnDrop<'a>(&'a watch::Sender<bool>);

impl Drop for ResetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.send_replace(false);
    }
}

#[async_trait]
impl Clock for ObservedClock {
    fn now(&self) -> Reading {
        SystemClock.now()
    }

    async fn synchronize(&self) {
        self.is_kept.send_replace(true);
        let _reset = ResetOnDrop(&self.is_kept);
        assert!(!self.panics, "the test asked for this panic");
        std::future::pending::<()>().await;
    }
}

#[tokio::test]
async fn a_node_synchronizes_its_clock_as_long_as_it_runs() {
    let clock = Arc::new(ObservedClock { is_kept: watch::Sender::new(false), panics: false });
    let mut kept = clock.is_kept.subscribe();
    let store = MemoryStore::new([mailbox("2001")]);
    let builder = node(CENTRAL, Path::new("/spool")).disk(PowerCutDisk::new()).store(store).clock(Arc::clone(&clock));
    let node = builder.open().await.unwrap();
    assert!(!*kept.borrow());
    let running = run(&node);
    soon(kept.wait_for(|kept| *kept)).await.unwrap();
    running.stop().await;
    assert!(!*clock.is_kept.borrow());
}

#[tokio::test]
async fn a_clock_that_panics_stops_no_node() {
    let clock = Arc::new(ObservedClock { is_kept: watch::Sender::new(false), panics: true });
    let mut kept = clock.is_kept.subscribe();
    kept.mark_unchanged();
    let store = MemoryStore::new([mailbox("2001")]);
    let builder = node(CENTRAL, Path::new("/spool")).disk(PowerCutDisk::new()).store(store).clock(Arc::clone(&clock));
    let node = builder.open().await.unwrap();
    let running = run(&node);
    soon(kept.changed()).await.unwrap();
    let facts = voicemail::record::CallFacts::to(mailbox("2001"));
    assert!(soon(node.deposit_wav(&site("london"), facts, wav(1100, 5).into())).await.is_ok(), "the node goes on");
    running.stop().await;
}
