//! An owner gets one mail when the mailbox becomes nearly full, one when it is full, and the next after there was room again.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "these are tests")]

use crate::support;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::TimeDelta;
use mail_parser::MessageParser;
use support::{CENTRAL, address, event, mailbox, run, site, wav};
use tempfile::tempdir;
use tokio::time::sleep;
use voicemail::MailboxId;
use voicemail::arrival::mail::OwnerRules;
use voicemail::clock::ManualClock;
use voicemail::directory::{MailboxLimits, Retention, WarningThresholds};
use voicemail::disk::OsDisk;
use voicemail::event::Event;
use voicemail::forward::{ForwardError, MailOut, Outcome, Sender};
use voicemail::jobs::FolderJobs;
use voicemail::message::{Audio, AudioType, ClockQuality, ClockSource, MailAddress, Message, MessageId, Origin, RecordedAt};
use voicemail::network::{LicenceClass, Mailbox, Network, Site, TimeSource, VoicemailType};
use voicemail::node::{Node, NodeBuilder};
use voicemail::rules::{ArrivalRule, ArrivalRules, Content};
use voicemail::store::{MailboxRoom, MailboxUsage, MemoryStore, MessageStore, MessageStoreExt as _, StoreError, StoreWrapper};

/// Accepts every mail.
#[derive(Debug, Clone, Default)]
struct MailServer(Arc<Mutex<Vec<(String, String)>>>);

#[async_trait]
impl MailOut for MailServer {
    async fn send(&self, sender: Sender, to: &MailAddress, mail: &Bytes) -> Result<Outcome, ForwardError> {
        assert_eq!(sender, Sender::Null, "a warning has no return address");
        self.0.lock().unwrap().push((to.to_string(), String::from_utf8_lossy(mail).into_owned()));
        Ok(Outcome::Accepted)
    }
}

impl MailServer {
    /// The subjects of the mails so far; all are for the owner.
    fn subjects(&self) -> Vec<String> {
        let mails = self.0.lock().unwrap();
        assert!(mails.iter().all(|(to, _)| to == "anna@example.com"));
        let subject = |mail: &str| MessageParser::default().parse(mail.as_bytes()).unwrap().subject().unwrap().to_owned();
        mails.iter().map(|(_, mail)| subject(mail)).collect()
    }
}

/// Two mailboxes hold four messages each, and are nearly full from two on. In 2001, a message stays for ten days until it is heard.
fn network() -> Network {
    let rules = ArrivalRules::new([ArrivalRule::new("mail".parse().unwrap(), Content::Notice)]).unwrap();
    let mut holding = MailboxLimits::default();
    holding.messages = Some(4);
    let half = WarningThresholds::default().with_percent(50);
    let anna = Mailbox::new(mailbox("2001"))
        .with_email("anna@example.com".parse().unwrap())
        .with_language("de".parse().unwrap())
        .with_rules(rules)
        .with_holding(holding)
        .with_retention(Retention::default().new_for(10 * DAY))
        .with_warnings(half);
    let london = Site::builder(site("london"), VoicemailType::Central, chrono_tz::Europe::London)
        .node(address(CENTRAL))
        .time(TimeSource::Sntp(vec!["ntp.example".parse().unwrap()]))
        .licence(LicenceClass::Voicemail)
        .ports(8)
        .mailbox(Mailbox::new(mailbox("2000")).with_holding(holding).with_warnings(half))
        .mailbox(anna);
    Network::builder("voicemail.example").site(london).build().unwrap()
}

fn store() -> Arc<MemoryStore> {
    Arc::new(MemoryStore::new([mailbox("2001")]).directory(network().directory()).clock(clock()))
}

/// Messages are recorded at this time.
fn clock() -> ManualClock {
    ManualClock::at("2026-03-25T12:00:00Z".parse().unwrap())
}

fn builder(store: &Arc<MemoryStore>, server: &MailServer, folder: &Path) -> NodeBuilder {
    let network = network();
    let directory = network.directory();
    let node = Node::builder(address(CENTRAL), network, directory.clone(), folder).store(Arc::clone(store));
    node.clock(clock()).mail_out(server.clone()).warn_owners(OwnerRules::new(directory))
}

async fn deposit(node: &Node, seed: u32) -> MessageId {
    deposit_in("2001", node, seed).await
}

async fn deposit_in(number: &str, node: &Node, seed: u32) -> MessageId {
    let quality = ClockQuality::unknown(ClockSource::Manual);
    let recorded_at = RecordedAt::new("2026-03-25T12:00:00Z".parse().unwrap(), chrono_tz::UTC, quality);
    let message = Message::builder(Audio::new(AudioType::Wav, wav(100, seed)), recorded_at).build();
    MessageStore::deposit(node.store().unwrap(), &mailbox(number), &Origin::Here, &message).await.unwrap();
    message.id()
}

fn room(event: Event) -> Option<MailboxRoom> {
    if let Event::MailboxRoom { room, .. } = event { Some(room) } else { None }
}

fn mail_sent(event: Event) -> Option<()> {
    matches!(event, Event::MailSent { .. }).then_some(())
}

const NEARLY: &str = "Ihre Mailbox ist fast voll (2001)";
const EXPIRE: &str = "Sprachnachrichten werden bald gelöscht (2001)";
const FULL: &str = "Ihre Mailbox ist voll (2001)";

#[tokio::test(start_paused = true)]
async fn each_crossing_is_one_mail_and_one_event() {
    let (folder, store, server) = (tempdir().unwrap(), store(), MailServer::default());
    let node = builder(&store, &server, folder.path()).open().await.unwrap();
    let mut events = node.events();
    let running = run(&node);
    let mut ids = vec![deposit(&node, 1).await];
    sleep(Duration::from_secs(300)).await;
    assert_eq!(server.subjects(), [""; 0], "a mailbox with room is no reason for a mail");
    ids.push(deposit(&node, 2).await);
    assert_eq!(event(&mut events, room).await, MailboxRoom::Little);
    event(&mut events, mail_sent).await;
    ids.push(deposit(&node, 3).await);
    sleep(Duration::from_secs(300)).await;
    assert_eq!(server.subjects(), [NEARLY], "one more message is no crossing");
    ids.push(deposit(&node, 4).await);
    assert_eq!(event(&mut events, room).await, MailboxRoom::None);
    event(&mut events, mail_sent).await;
    assert_eq!(server.subjects(), [NEARLY, FULL]);

    for id in ids {
        node.store().unwrap().remove(&mailbox("2001"), id).await.unwrap();
    }
    sleep(Duration::from_secs(180)).await;
    deposit(&node, 5).await;
    deposit(&node, 6).await;
    assert_eq!(event(&mut events, room).await, MailboxRoom::Little, "it had room in between");
    event(&mut events, mail_sent).await;
    assert_eq!(server.subjects(), [NEARLY, FULL, NEARLY]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_repeats_no_warning() {
    let (folder, store, server) = (tempdir().unwrap(), store(), MailServer::default());
    let node = builder(&store, &server, folder.path()).open().await.unwrap();
    let mut events = node.events();
    let running = run(&node);
    deposit(&node, 1).await;
    deposit(&node, 2).await;
    event(&mut events, mail_sent).await;
    sleep(Duration::from_secs(120)).await;
    running.crash().await;
    drop(node);

    let node = builder(&store, &server, folder.path()).open().await.unwrap();
    let running = run(&node);
    deposit(&node, 3).await;
    sleep(Duration::from_secs(600)).await;
    assert_eq!(server.subjects(), [NEARLY]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn two_nodes_that_share_their_jobs_warn_once() {
    let (folder, store, server) = (tempdir().unwrap(), store(), MailServer::default());
    let jobs = Arc::new(FolderJobs::open(Arc::new(OsDisk), folder.path().join("jobs")).await.unwrap());
    let open =
        async |name: &str| builder(&store, &server, &folder.path().join(name)).jobs(Arc::clone(&jobs)).open().await.unwrap();
    let (one, other) = (open("one").await, open("other").await);
    let (mut of_one, mut of_other) = (one.events(), other.events());
    let running = [run(&one), run(&other)];
    deposit(&one, 1).await;
    deposit(&other, 2).await;
    deposit(&one, 3).await;
    sleep(Duration::from_secs(600)).await;
    let mut rooms = Vec::new();
    for events in [&mut of_one, &mut of_other] {
        while let Ok(occurrence) = events.try_recv() {
            rooms.extend(room(occurrence.event));
        }
    }
    assert_eq!(rooms, [MailboxRoom::Little]);
    assert_eq!(server.subjects(), [NEARLY]);
    for running in running {
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_owner_is_told_before_messages_grow_too_old() {
    let (folder, store, server) = (tempdir().unwrap(), store(), MailServer::default());
    let clock = Arc::new(clock());
    let open = async || builder(&store, &server, folder.path()).clock(Arc::clone(&clock)).open().await.unwrap();
    let node = open().await;
    let mut events = node.events();
    let running = run(&node);
    deposit(&node, 1).await;
    sleep(HALF_DAY).await;
    assert_eq!(server.subjects(), [""; 0], "ten days are left");
    clock.advance(TimeDelta::days(8));
    let expire = |event| if let Event::MessagesExpire { messages, days, .. } = event { Some((messages, days)) } else { None };
    assert_eq!(event(&mut events, expire).await, (1, 3));
    event(&mut events, mail_sent).await;
    assert_eq!(server.subjects(), [EXPIRE]);
    running.crash().await;
    drop(node);

    let node = open().await;
    let running = run(&node);
    sleep(HALF_DAY).await;
    assert_eq!(server.subjects(), [EXPIRE], "neither a restart nor another look repeats it");
    clock.advance(TimeDelta::days(3));
    sleep(HALF_DAY).await;
    assert_eq!(server.subjects(), [EXPIRE, EXPIRE], "messages still grow too old three days later");
    running.stop().await;
}

/// A store that cannot be asked about mailbox 2000, the first one of the network, while the flag is set.
#[derive(Debug)]
struct OneFails(Arc<MemoryStore>, Arc<AtomicBool>);

#[async_trait]
impl StoreWrapper for OneFails {
    type Inner = MemoryStore;

    fn inner(&self) -> &MemoryStore {
        &self.0
    }

    async fn usage(&self, number: &MailboxId) -> Result<MailboxUsage, StoreError> {
        if *number == mailbox("2000") && self.1.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("as the test wants".into()));
        }
        MessageStore::usage(&self.0, number).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_that_fails_keeps_no_other_owner_from_a_warning() {
    let (folder, store, server) = (tempdir().unwrap(), store(), MailServer::default());
    let later = clock();
    later.advance(TimeDelta::days(8));
    let node = builder(&store, &server, folder.path())
        .store(OneFails(Arc::clone(&store), Arc::new(true.into())))
        .clock(later)
        .open()
        .await
        .unwrap();
    let running = run(&node);
    deposit(&node, 1).await;
    sleep(HALF_DAY).await;
    assert_eq!(server.subjects(), [EXPIRE], "one mail, however often the other mailbox is tried");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_that_fails_hides_the_room_of_no_other() {
    let (folder, server) = (tempdir().unwrap(), MailServer::default());
    let store = Arc::new(MemoryStore::new(["2000", "2001"].map(mailbox)).directory(network().directory()).clock(clock()));
    let (clock, fails) = (Arc::new(clock()), Arc::new(AtomicBool::new(false)));
    let failing = OneFails(Arc::clone(&store), Arc::clone(&fails));
    let node = builder(&store, &server, folder.path()).store(failing).clock(Arc::clone(&clock)).open().await.unwrap();
    let mut events = node.events();
    let running = run(&node);
    for seed in [1, 2] {
        deposit_in("2000", &node, seed).await;
    }
    assert_eq!(event(&mut events, room).await, MailboxRoom::Little);
    sleep(Duration::from_secs(180)).await;

    fails.store(true, Ordering::Relaxed);
    clock.advance(TimeDelta::minutes(1));
    deposit_in("2000", &node, 3).await;
    let ids = [deposit(&node, 4).await, deposit(&node, 5).await];
    sleep(Duration::from_secs(180)).await;
    assert_eq!(server.subjects(), [NEARLY], "though 2000 is looked at first");
    for id in ids {
        node.store().unwrap().remove(&mailbox("2001"), id).await.unwrap();
    }
    sleep(Duration::from_secs(180)).await;
    for seed in [6, 7] {
        deposit(&node, seed).await;
    }
    sleep(Duration::from_secs(180)).await;
    assert_eq!(server.subjects(), [NEARLY, NEARLY], "it had room in between");
    running.stop().await;
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const HALF_DAY: Duration = Duration::from_secs(12 * 60 * 60);
