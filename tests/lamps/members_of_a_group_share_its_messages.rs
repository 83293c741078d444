//! A message to a group lights the lamp of each member, and one member who hears it puts all of them out. The group is counted once for all of them.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use crate::recorded_lamps;
use crate::support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use recorded_lamps::LampRecorder;
use support::{CENTRAL, address, clock, mailbox, run, site, wav};
use tempfile::tempdir;
use tokio::time::sleep;
use voicemail::directory::Group;
use voicemail::message::{MailboxId, Status, Summary};
use voicemail::mwi::{CurrentState, MwiSource as _};
use voicemail::network::{LicenceClass, Mailbox, Network, Site, TimeSource, VoicemailType};
use voicemail::node::Node;
use voicemail::record::CallFacts;
use voicemail::store::{MailboxState, MemoryStore, MessageStore as _, StoreError};

/// Counts how often the group is counted.
#[derive(Debug)]
struct CountedStore {
    store: MemoryStore,
    counts: AtomicUsize,
}

impl CountedStore {
    fn note(&self, mailbox: &MailboxId) {
        if mailbox.as_str() == "sales" {
            self.counts.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[async_trait]
impl voicemail::store::StoreWrapper for CountedStore {
    type Inner = MemoryStore;

    fn inner(&self) -> &MemoryStore {
        &self.store
    }

    async fn summary(&self, mailbox: &MailboxId) -> Result<Summary, StoreError> {
        self.note(mailbox);
        self.store.summary(mailbox).await
    }

    async fn state(&self, mailbox: &MailboxId) -> Result<MailboxState, StoreError> {
        self.note(mailbox);
        self.store.state(mailbox).await
    }
}

/// The members 3000 to 3199 of the group `sales`, and 2001, which is none.
fn network() -> Network {
    let members = (3000..3200).map(|number| mailbox(&number.to_string()));
    let london = Site::builder(site("london"), VoicemailType::Central, chrono_tz::Europe::London)
        .node(address(CENTRAL))
        .time(TimeSource::Sntp(vec!["ntp.example".parse().unwrap()]))
        .licence(LicenceClass::Voicemail)
        .ports(8)
        .mailbox(Mailbox::new(mailbox("sales")).with_group(Group::new(members.clone())))
        .mailbox(Mailbox::new(mailbox("2001")));
    let london = members.fold(london, |london, member| london.mailbox(Mailbox::new(member)));
    Network::builder("voicemail.example").site(london).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn two_hundred_lamps_follow_one_count() {
    let (folder, board, network) = (tempdir().unwrap(), LampRecorder::default(), network());
    let mailboxes: Vec<MailboxId> = network.mailboxes().map(|(_, mailbox)| mailbox.number.clone()).collect();
    let store = MemoryStore::new(mailboxes).versions_from(7);
    let store = Arc::new(CountedStore { store, counts: AtomicUsize::new(0) });
    let directory = network.directory();
    let node = Node::builder(address(CENTRAL), network, directory, folder.path()).store(Arc::clone(&store));
    let node = node.sink(board.clone()).clock(clock()).open().await.unwrap();
    let running = run(&node);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(board.summary("3199"), Some(Summary::default()));
    let all_show = |number: u32, own: u32, summary: Summary| {
        for member in 3000..3200 {
            let wanted = if member == number { Summary::new(summary.new + own, summary.old) } else { summary };
            assert_eq!(board.summary(&member.to_string()), Some(wanted), "{member}");
        }
        assert_eq!(board.summary("2001"), Some(Summary::default()), "no member");
    };

    let record = async |number: &str, seed| {
        node.deposit_wav(&site("london"), CallFacts::to(mailbox(number)), wav(1_000, seed).into()).await.unwrap().id
    };
    let counts_before = store.counts.load(Ordering::SeqCst);
    let id = record("sales", 1).await;
    sleep(Duration::from_secs(5)).await;
    all_show(3000, 0, Summary::new(1, 0));
    let counts = store.counts.load(Ordering::SeqCst) - counts_before;
    assert!(counts <= 4, "the group was counted {counts} times for 200 members");

    record("3007", 2).await;
    sleep(Duration::from_secs(5)).await;
    all_show(3007, 1, Summary::new(1, 0));
    let CurrentState::Known(state) = node.current(&mailbox("3007")).await else { panic!("3007 is known") };
    assert_eq!(state.summary, Summary::new(2, 0), "a telephone that subscribes sees the same");

    node.store().unwrap().mark(&mailbox("sales"), id, Status::Old).await.unwrap();
    let CurrentState::Known(state) = node.current(&mailbox("3100")).await else { panic!("3100 is known") };
    assert_eq!(state.summary, Summary::new(0, 1), "at once");
    sleep(Duration::from_secs(5)).await;
    all_show(3007, 1, Summary::new(0, 1));
    assert_eq!(board.lamps().faults, Vec::<String>::new(), "no lamp has gone back");

    // The last change before a stop is shown, too.
    node.store().unwrap().mark(&mailbox("sales"), id, Status::New).await.unwrap();
    running.stop().await;
    all_show(3007, 1, Summary::new(1, 0));
}
