//! The central node tells which PBX's messages come from a clock that is off.

#![allow(clippy::unwrap_used, clippy::future_not_send, reason = "these are tests")]

mod support;

use std::path::Path;
use std::time::Duration;

use chrono::TimeDelta;
use support::{CENTRAL, clock, event, mailbox, node, site, soon, wav};
use voicemail::clock::Clock as _;
use voicemail::conformance::disk::PowerCutDisk;
use voicemail::event::Event;
use voicemail::message::{Audio, AudioType, Message, Origin, RecordedAt};
use voicemail::store::MemoryStore;

#[tokio::test]
async fn a_message_from_the_future_tells_whose_clock_is_fast() {
    let clock = clock();
    let store = MemoryStore::new([mailbox("2001")]);
    let builder = node(CENTRAL, Path::new("/spool")).disk(PowerCutDisk::new()).store(store).clock(std::sync::Arc::clone(&clock));
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
                Event::ClockOff { id, site, by } => Some((id, site, by)),
                _ => None,
            }));
            assert_eq!(told.await, (message.id(), Some(site("tokyo")), Duration::from_secs(60)), "and none before it");
        }
    }
}
