//! After a restart every lamp is updated at the configured rate, those with new messages first.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use crate::support;

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use support::{address, clock, mailbox, run, site};
use tempfile::tempdir;
use tokio::time::{Instant, sleep};
use voicemail::message::{Audio, AudioType, ClockQuality, ClockSource, MailboxId, Message, Origin, RecordedAt};
use voicemail::mwi::{MwiError, MwiSink, MwiState};
use voicemail::network::{LicenceClass, Mailbox, Network, Site, TimeSource, VoicemailType};
use voicemail::node::Node;
use voicemail::store::{MemoryStore, MessageStore as _};

const NODE: &str = "large.voicemail.example";
const MAILBOXES: u32 = 6_000;
const UPDATES_PER_SEC: u32 = 300;

/// A sink that records each state with its time.
#[derive(Debug, Clone, Default)]
struct TimedLamps(Arc<Mutex<Vec<(Instant, MwiState)>>>);

#[async_trait]
impl MwiSink for TimedLamps {
    async fn show(&self, state: &MwiState) -> Result<(), MwiError> {
        self.0.lock().unwrap().push((Instant::now(), state.clone()));
        Ok(())
    }
}

fn numbers() -> impl Iterator<Item = MailboxId> {
    (0..MAILBOXES).map(|number| mailbox(&(200_000 + number).to_string()))
}

/// One mailbox in twenty has a new message.
async fn store() -> Arc<MemoryStore> {
    let store = MemoryStore::new(numbers());
    let quality = ClockQuality::unknown(ClockSource::Manual);
    let recorded_at = RecordedAt::new("2025-07-14T09:05:12Z".parse().unwrap(), chrono_tz::UTC, quality);
    let message = Message::builder(Audio::new(AudioType::Wav, &b"RIFF"[..]), recorded_at).build();
    for number in numbers().filter(has_new) {
        store.deposit(&number, &Origin::Here, &message).await.unwrap();
    }
    Arc::new(store)
}

fn has_new(number: &MailboxId) -> bool {
    number.as_str().parse::<u32>().unwrap().is_multiple_of(20)
}

async fn open(folder: &Path, store: &Arc<MemoryStore>, lamps: &TimedLamps) -> Node {
    let time = TimeSource::Sntp(vec!["ntp.example".parse().unwrap()]);
    let site = Site::builder(site("london"), VoicemailType::Central, chrono_tz::Europe::London).node(address(NODE)).time(time);
    let site = site.licence(LicenceClass::Voicemail).ports(8);
    let site = numbers().fold(site, |site, number| site.mailbox(Mailbox::new(number)));
    let network = Network::builder("voicemail.example").site(site).build().unwrap();
    let directory = network.directory();
    let node = Node::builder(address(NODE), network, directory, folder).store(Arc::clone(store)).sink(lamps.clone());
    node.clock(clock()).max_lamp_updates_per_sec(NonZeroU32::new(UPDATES_PER_SEC).unwrap()).open().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn all_lamps_are_updated_at_the_set_rate_new_messages_first() {
    let folder = tempdir().unwrap();
    let (store, lamps) = (store().await, TimedLamps::default());
    let node = open(folder.path(), &store, &lamps).await;
    let start = Instant::now();
    let running = run(&node);
    let all = u64::from(MAILBOXES / UPDATES_PER_SEC);
    sleep(Duration::from_secs(all + 1)).await;
    let shown = std::mem::take(&mut *lamps.0.lock().unwrap());
    assert_eq!(shown.len(), MAILBOXES as usize, "each once, in {all} s");
    let in_a_second = UPDATES_PER_SEC as usize + UPDATES_PER_SEC as usize / 10;
    for moments in shown.windows(in_a_second + 1) {
        let took = moments[in_a_second].0 - moments[0].0;
        assert!(took >= Duration::from_secs(1), "{in_a_second} lamps were updated within {took:?}");
    }
    let (last_new, _) = shown.iter().rfind(|(_, state)| state.summary.new == 1).unwrap();
    assert!(*last_new - start <= Duration::from_secs(all / 5 + 1), "after {:?}", *last_new - start);
    assert!(shown.iter().all(|(_, state)| (state.summary.new == 1) == has_new(&state.mailbox)));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_change_does_not_wait_for_the_lamps_of_a_restart() {
    let folder = tempdir().unwrap();
    let (store, lamps) = (store().await, TimedLamps::default());
    let node = open(folder.path(), &store, &lamps).await;
    let running = run(&node);
    sleep(Duration::from_secs(1)).await;
    let owner = mailbox("205980");
    let entries = node.store().unwrap().list(&owner).await.unwrap();
    let before = Instant::now();
    node.store().unwrap().mark(&owner, entries[0].head.id, voicemail::message::Status::Old).await.unwrap();
    sleep(Duration::from_millis(10)).await;
    let shown = lamps.0.lock().unwrap().iter().rfind(|(_, state)| state.mailbox == owner).cloned();
    let (at, state) = shown.expect("the lamp is updated at once");
    assert!(at - before <= Duration::from_millis(1) && state.summary.old == 1, "{state:?}");
    running.stop().await;
}
