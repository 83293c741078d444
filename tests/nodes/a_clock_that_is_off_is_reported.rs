//! The central node tells which PBX's messages come from a clock that is off; each node keeps its own right.

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
async fn a_message_from_the_future_tells_whose_clock_is_fast() {
    let clock = clock();
    let store = MemoryStore::new([mailbox("2001")]);
    let builder = node(CENTRAL, Path::new("/spool")).disk(PowerCutDisk::new()).store(store).clock(Arc::clone(&clock));
    let node = builder.clocks_within(Duration::from_secs(2)).open().await.unwrap();
    let mut events = node.events();
    for (ahead, origin) in [(2, Origin::Unproven), (60, Origin::Here), (60, Origin::Unproven)] {
        let now = clock.now();
        let recorded_at =
            RecordedAt { instant: now.instant + TimeDelta::seconds(ahead), zone: chrono_tz::Asia::Tokyo, quality: now.quality };
        let message = Message::builder(Audio::new(AudioType::Wav, wav(100, 3)), recorded_at).site(site("tokyo")).build();
        node.store().unwrap().deposit(&mailbox("2001"), &origin, &message).await.unwrap();
        if (ahead, &origin) == (60, &Origin::Unproven) {
            let told = soon(event(&mut events, |event| match event {
                Event::ClockSkew { id, site, by } => Some((id, site, by)),
                _ => None,
            }));
            assert_eq!(told.await, (message.id(), Some(site("tokyo")), Duration::from_secs(60)), "and none before it");
        }
    }
}

/// A clock that tells whether somebody keeps it right, and panics when it is kept but may not be.
#[derive(Debug)]
struct Kept {
    by_somebody: watch::Sender<bool>,
    panics: bool,
}

struct Leave<'a>(&'a watch::Sender<bool>);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.send_replace(false);
    }
}

#[async_trait]
impl Clock for Kept {
    fn now(&self) -> Reading {
        SystemClock.now()
    }

    async fn synchronize(&self) {
        self.by_somebody.send_replace(true);
        let _leave = Leave(&self.by_somebody);
        assert!(!self.panics, "as the test wants it");
        std::future::pending::<()>().await;
    }
}

#[tokio::test]
async fn a_node_keeps_its_clock_right_from_the_first_to_the_last_of_its_run() {
    let clock = Arc::new(Kept { by_somebody: watch::Sender::new(false), panics: false });
    let mut kept = clock.by_somebody.subscribe();
    let store = MemoryStore::new([mailbox("2001")]);
    let builder = node(CENTRAL, Path::new("/spool")).disk(PowerCutDisk::new()).store(store).clock(Arc::clone(&clock));
    let node = builder.open().await.unwrap();
    assert!(!*kept.borrow());
    let running = run(&node);
    soon(kept.wait_for(|kept| *kept)).await.unwrap();
    running.stop().await;
    assert!(!*clock.by_somebody.borrow());
}

#[tokio::test]
async fn a_clock_that_fails_at_keeping_itself_right_ends_no_node() {
    let clock = Arc::new(Kept { by_somebody: watch::Sender::new(false), panics: true });
    let mut kept = clock.by_somebody.subscribe();
    kept.mark_unchanged();
    let store = MemoryStore::new([mailbox("2001")]);
    let builder = node(CENTRAL, Path::new("/spool")).disk(PowerCutDisk::new()).store(store).clock(Arc::clone(&clock));
    let node = builder.open().await.unwrap();
    let running = run(&node);
    soon(kept.changed()).await.unwrap();
    let facts = voicemail::record::CallFacts::to(mailbox("2001"));
    assert!(soon(node.deposit_wav(&site("london"), facts, wav(1100, 5).into())).await.is_ok(), "it works on");
    running.stop().await;
}
