//! A greeting that is recorded at the central node reaches the node that answers the owner's callers, and plays there also while the
//! central node is down.

#![allow(clippy::unwrap_used, clippy::future_not_send, reason = "these are tests")]

use crate::support;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use support::{CENTRAL, HIMALAYA, Running, address, event, mailbox, run, server_config, site, soon, wav};
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use voicemail::clock::{Clock as _, ManualClock, SystemClock};
use voicemail::disk::{PowerCutDisk, Unsynced};
use voicemail::event::{Event, Occurrence};
use voicemail::forward::smtp::Security;
use voicemail::forward::{MailOut, MemoryForwarder, Outcome, Sender, SmtpForwarder};
use voicemail::greeting::{Greeting, GreetingEvent, GreetingId, GreetingKind, GreetingVersion, Greetings};
use voicemail::intake::{Access, KnownPeer, ListenMode, ListenerPolicy, Sites, StoredPassword};
use voicemail::message::{Audio, AudioType};
use voicemail::network::{LicenceClass, Mailbox, Network, NodeAddress, Site, TimeSource, VoicemailType};
use voicemail::node::{GreetError, Node, NodeBuilder};
use voicemail::store::MemoryStore;
use voicemail::wire::{GreetingMail, encode_greeting};

const PACIFIC: &str = "pacific.voicemail.example";
const NORMAL: GreetingKind = GreetingKind::Normal;

/// 2001 is a mailbox of London, which is central, 2008 of Tokyo on the node `tokyo_on`, 2019 of Kiritimati.
fn network(tokyo_on: &str) -> Network {
    let time = TimeSource::Sntp(vec!["ntp.example".parse().unwrap()]);
    let pbx = |name: &str, voicemail, node: &str, owner: &str| {
        let pbx = Site::builder(site(name), voicemail, chrono_tz::UTC).node(address(node)).time(time.clone());
        pbx.licence(LicenceClass::Voicemail).ports(4).mailbox(Mailbox::new(mailbox(owner)))
    };
    let distributed = |name, node, owner| {
        pbx(name, VoicemailType::Distributed, node, owner).trunk_group("main", &site("london")).destination("main")
    };
    Network::builder("voicemail.example")
        .site(pbx("london", VoicemailType::Central, CENTRAL, "2001"))
        .site(distributed("tokyo", tokyo_on, "2008"))
        .site(distributed("kathmandu", HIMALAYA, "2010"))
        .site(distributed("kiritimati", PACIFIC, "2019"))
        .build()
        .unwrap()
}

/// The addresses where the nodes listen.
type Addresses = Arc<Mutex<HashMap<NodeAddress, SocketAddr>>>;

/// The folder, addresses and credentials of all nodes of a test.
struct TestNetwork {
    folder: tempfile::TempDir,
    addresses: Addresses,
    identity: Arc<Identity>,
    /// The clock of all nodes.
    clock: Arc<ManualClock>,
}

/// The certificate of the distributed nodes, and the password of the central node.
struct Identity {
    made: rcgen::CertifiedKey<rcgen::KeyPair>,
    password: StoredPassword,
}

impl Identity {
    fn new() -> Arc<Self> {
        let made = rcgen::generate_simple_self_signed([HIMALAYA, PACIFIC].map(str::to_owned)).unwrap();
        Arc::new(Self { made, password: StoredPassword::of(PASSWORD).unwrap() })
    }

    /// Configures a distributed node to receive greetings on `listener`.
    fn listen(&self, node: NodeBuilder, listener: TcpListener) -> NodeBuilder {
        let central = KnownPeer::new(CENTRAL.parse().unwrap(), Sites::All).password(self.password.clone());
        node.tls(server_config(&self.made)).listen(listener, ListenerPolicy::new(ListenMode::StartTls, Access::peers([central])))
    }

    /// The central node's forwarder to the distributed node `node` at `at`.
    fn forwarder(&self, at: SocketAddr, node: &str) -> Result<SmtpForwarder, String> {
        let forwarder = SmtpForwarder::builder(at.to_string(), "voicemail.example").node(CENTRAL).server_name(node);
        let forwarder = forwarder.ca_pem(self.made.cert.pem().as_bytes()).credentials(CENTRAL, PASSWORD);
        forwarder.build().map_err(|error| error.to_string())
    }
}

const PASSWORD: &str = "the central password";

/// A running node and its events.
struct RunningNode {
    node: Node,
    running: Running,
    events: broadcast::Receiver<Occurrence>,
}

impl TestNetwork {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(SystemClock.now().instant));
        Self { folder: tempfile::tempdir().unwrap(), addresses: Addresses::default(), identity: Identity::new(), clock }
    }

    fn builder(&self, name: &str) -> NodeBuilder {
        let network = network(HIMALAYA);
        let directory = network.directory();
        Node::builder(address(name), network, directory, self.folder.path().join(name)).clock(Arc::clone(&self.clock))
    }

    async fn central(&self) -> RunningNode {
        let (addresses, identity) = (Arc::clone(&self.addresses), Arc::clone(&self.identity));
        let builder = self.builder(CENTRAL).store(MemoryStore::new(["2001", "2008", "2019"].map(mailbox)));
        let builder = builder.greeting_forwarder(move |_, node| {
            let at = addresses.lock().unwrap().get(node).copied().ok_or("its address is not known")?;
            identity.forwarder(at, node.as_str())
        });
        RunningNode::on(builder.open().await.unwrap())
    }

    /// Starts a distributed node, at its earlier address if it had one.
    async fn distributed(&self, name: &str) -> RunningNode {
        let listener = self.listener(name).await;
        let builder = self.builder(name).forwarder(MemoryForwarder::new());
        RunningNode::on(self.identity.listen(builder, listener).open().await.unwrap())
    }

    async fn listener(&self, name: &str) -> TcpListener {
        let known = self.addresses.lock().unwrap().get(&address(name)).copied();
        let listener = TcpListener::bind(known.unwrap_or(([127, 0, 0, 1], 0).into())).await.unwrap();
        self.addresses.lock().unwrap().insert(address(name), listener.local_addr().unwrap());
        listener
    }
}

impl RunningNode {
    fn on(node: Node) -> Self {
        let events = node.events();
        Self { running: run(&node), node, events }
    }

    /// The next event of a greeting at this node.
    async fn next(&mut self) -> GreetingEvent {
        soon(event(&mut self.events, |event| match event {
            Event::Greeting(event) => Some(event),
            _ => None,
        }))
        .await
    }

    async fn greeting(&self, owner: &str) -> Option<Vec<u8>> {
        let sound = self.node.greeting(&mailbox(owner), NORMAL).await.unwrap();
        sound.map(|sound| sound.bytes().to_vec())
    }

    async fn greet(&self, owner: &str, seed: u32) -> GreetingVersion {
        self.node.greet(&mailbox(owner), NORMAL, sound(seed)).await.unwrap()
    }
}

fn sound(seed: u32) -> Audio {
    Audio::new(AudioType::Wav, wav(500, seed))
}

fn id(owner: &str) -> GreetingId {
    GreetingId::new(mailbox(owner), NORMAL)
}

/// Whether an event says that this version of the owner's greeting was recorded.
fn is_recorded(event: &GreetingEvent, owner: &str, expected: GreetingVersion) -> bool {
    matches!(event, GreetingEvent::Recorded { greeting, version, .. } if *greeting == id(owner) && *version == expected)
}

/// Whether an event says that this version of the owner's greeting was received.
fn is_received(event: &GreetingEvent, owner: &str, expected: GreetingVersion) -> bool {
    matches!(event, GreetingEvent::Received { greeting, version, .. } if *greeting == id(owner) && *version == expected)
}

/// Whether an event says that this version of the owner's greeting was sent to `node`.
fn is_sent(event: &GreetingEvent, owner: &str, expected: GreetingVersion, node: &str) -> bool {
    matches!(event, GreetingEvent::Sent { greeting, version, destination, .. }
        if *greeting == id(owner) && *version == expected && destination == node)
}

#[tokio::test]
async fn it_reaches_only_its_owners_node_and_needs_no_central_node() {
    let nodes = TestNetwork::new();
    let (mut himalaya, mut pacific) = (nodes.distributed(HIMALAYA).await, nodes.distributed(PACIFIC).await);
    let mut central = nodes.central().await;
    let at_home = central.greet("2001", 1).await;
    assert!(is_recorded(&central.next().await, "2001", at_home));
    for (owner, seed, node, name) in [("2008", 2, &mut himalaya, HIMALAYA), ("2019", 3, &mut pacific, PACIFIC)] {
        let version = central.greet(owner, seed).await;
        assert!(is_received(&node.next().await, owner, version));
        assert!(is_recorded(&central.next().await, owner, version));
        assert!(is_sent(&central.next().await, owner, version, name), "and 2001's is not sent");
    }
    assert_eq!(central.greeting("2001").await, Some(wav(500, 1)));
    central.running.stop().await;

    assert_eq!(himalaya.greeting("2008").await, Some(wav(500, 2)));
    assert_eq!(pacific.greeting("2019").await, Some(wav(500, 3)));
    for (node, foreign) in [(&himalaya, "2019"), (&pacific, "2008"), (&pacific, "2001"), (&himalaya, "2010")] {
        assert_eq!(node.greeting(foreign).await, None, "{foreign} is not at {}", node.node.address());
    }
    let recorded = Greetings::from_iter([NORMAL]);
    assert_eq!(himalaya.node.greetings(&mailbox("2008")).await, recorded);
    himalaya.running.stop().await;
    drop(himalaya.node);
    let himalaya = nodes.distributed(HIMALAYA).await;
    assert_eq!(himalaya.greeting("2008").await, Some(wav(500, 2)), "also after a restart");
    himalaya.running.stop().await;
    pacific.running.stop().await;
}

#[tokio::test]
async fn a_node_that_was_down_gets_the_newest_even_after_a_restart() {
    let nodes = TestNetwork::new();
    // An address where no node listens yet.
    drop(nodes.listener(HIMALAYA).await);
    let mut central = nodes.central().await;
    central.greet("2008", 1).await;
    let newest = central.greet("2008", 2).await;
    let waits = |event| matches!(event, GreetingEvent::Deferred { destination, .. } if destination == HIMALAYA);
    while !waits(central.next().await) {}
    central.running.stop().await;
    drop(central.node);

    let mut himalaya = nodes.distributed(HIMALAYA).await;
    let central = nodes.central().await;
    assert_eq!(central.greeting("2008").await, Some(wav(500, 2)));
    assert!(is_received(&himalaya.next().await, "2008", newest), "and the older one is never received");
    assert_eq!(himalaya.greeting("2008").await, Some(wav(500, 2)));

    // It is removed at the central node, and then at the distributed one.
    let removed = central.node.clear_greeting(&mailbox("2008"), NORMAL).await.unwrap();
    assert!(is_received(&himalaya.next().await, "2008", removed));
    assert_eq!(himalaya.greeting("2008").await, None);
    assert_eq!(himalaya.node.greetings(&mailbox("2008")).await, Greetings::default());
    central.running.stop().await;
    himalaya.running.stop().await;
}

#[tokio::test]
async fn a_node_that_comes_back_gets_the_greetings_that_waited() {
    let nodes = TestNetwork::new();
    drop(nodes.listener(HIMALAYA).await);
    let mut central = nodes.central().await;
    let version = central.greet("2008", 1).await;
    while !matches!(central.next().await, GreetingEvent::Deferred { .. }) {}
    let mut himalaya = nodes.distributed(HIMALAYA).await;
    assert!(is_received(&himalaya.next().await, "2008", version));
    central.running.stop().await;
    himalaya.running.stop().await;
}

#[tokio::test]
async fn a_temporary_greeting_ends_everywhere_and_is_removed() {
    let nodes = TestNetwork::new();
    let mut himalaya = nodes.distributed(HIMALAYA).await;
    let central = nodes.central().await;
    let (owner, temporary) = (mailbox("2008"), GreetingKind::Temporary);
    let until = nodes.clock.now().instant + TimeDelta::days(14);
    central.node.greet_until(&owner, temporary, sound(4), until).await.unwrap();
    assert!(matches!(himalaya.next().await, GreetingEvent::Received { .. }));
    nodes.clock.advance(TimeDelta::days(13));
    for node in [&central.node, &himalaya.node] {
        assert!(node.greetings(&owner).await.temporary);
        assert_eq!(node.greeting(&owner, temporary).await.unwrap(), Some(sound(4)));
    }
    // While the central node is down, the other one obeys the end all the same.
    central.running.stop().await;
    drop(central.node);
    nodes.clock.advance(TimeDelta::days(1));
    assert!(!himalaya.node.greetings(&owner).await.temporary);
    assert_eq!(himalaya.node.greeting(&owner, temporary).await.unwrap(), None);

    let mut central = nodes.central().await;
    assert!(!central.node.greetings(&owner).await.temporary);
    let ended = GreetingId::new(owner, temporary);
    let GreetingEvent::Ended { greeting, version: removed, .. } = central.next().await else { panic!("it is removed") };
    assert_eq!(greeting, ended);
    let received = himalaya.next().await;
    assert!(matches!(received, GreetingEvent::Received { greeting, version, .. } if (&greeting, version) == (&ended, removed)));
    central.running.stop().await;
    himalaya.running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_running_node_notices_the_end_of_a_greeting() {
    let nodes = TestNetwork::new();
    // Without a forwarder, too.
    let builder = nodes.builder(CENTRAL).store(MemoryStore::new([mailbox("2008")]));
    let mut central = RunningNode::on(builder.open().await.unwrap());
    let (owner, two_weeks) = (mailbox("2008"), TimeDelta::days(14));
    let until = nodes.clock.now().instant + two_weeks;
    central.node.greet_until(&owner, GreetingKind::Temporary, sound(4), until).await.unwrap();
    nodes.clock.advance(two_weeks);
    let ended = event(&mut central.events, |event| match event {
        Event::Greeting(GreetingEvent::Ended { greeting, .. }) => Some(greeting),
        _ => None,
    });
    assert_eq!(ended.await, GreetingId::new(owner, GreetingKind::Temporary));
    central.running.stop().await;
}

#[tokio::test]
async fn only_a_node_that_lost_its_disk_is_sent_its_greetings_again() {
    let nodes = TestNetwork::new();
    let (mut himalaya, mut pacific) = (nodes.distributed(HIMALAYA).await, nodes.distributed(PACIFIC).await);
    let central = nodes.central().await;
    let (first, other) = (central.greet("2008", 1).await, central.greet("2019", 2).await);
    assert!(is_received(&himalaya.next().await, "2008", first));
    assert!(is_received(&pacific.next().await, "2019", other));
    central.running.stop().await;
    himalaya.running.stop().await;
    drop((central.node, himalaya.node));
    std::fs::remove_dir_all(nodes.folder.path().join(HIMALAYA)).unwrap();

    let mut himalaya = nodes.distributed(HIMALAYA).await;
    assert_eq!(himalaya.greeting("2008").await, None);
    let mut central = nodes.central().await;
    assert!(is_received(&himalaya.next().await, "2008", first));
    assert!(is_sent(&central.next().await, "2008", first, HIMALAYA));
    // A greeting that a node has is not sent again: the next one that it receives is new.
    let newer = central.greet("2019", 3).await;
    assert!(is_received(&pacific.next().await, "2019", newer));
    for node in [central, himalaya, pacific] {
        node.running.stop().await;
    }
}

#[tokio::test]
async fn a_greeting_follows_its_owner_to_another_node() {
    let nodes = TestNetwork::new();
    let (mut himalaya, mut pacific) = (nodes.distributed(HIMALAYA).await, nodes.distributed(PACIFIC).await);
    let central = nodes.central().await;
    let version = central.greet("2008", 1).await;
    assert!(is_received(&himalaya.next().await, "2008", version));
    for node in [&pacific, &himalaya, &central] {
        node.node.adopt(network(PACIFIC)).unwrap();
    }
    assert!(is_received(&pacific.next().await, "2008", version));
    assert_eq!(pacific.greeting("2008").await, Some(wav(500, 1)));
    let newer = central.greet("2008", 2).await;
    assert!(is_received(&pacific.next().await, "2008", newer));
    assert_eq!(himalaya.greeting("2008").await, Some(wav(500, 1)), "it answers for that owner no more");
    for node in [central, himalaya, pacific] {
        node.running.stop().await;
    }
}

#[tokio::test]
async fn only_the_central_node_may_change_a_greeting_where_needed() {
    let nodes = TestNetwork::new();
    let made = rcgen::generate_simple_self_signed([HIMALAYA.to_owned()]).unwrap();
    let password = |name: &str, password: &str| {
        KnownPeer::new(name.parse().unwrap(), Sites::All).password(StoredPassword::of(password).unwrap())
    };
    let access = Access::peers([password(CENTRAL, "the central password"), password("vendor", "another password")]);
    let listener = nodes.listener(HIMALAYA).await;
    let at = listener.local_addr().unwrap();
    let builder = nodes.builder(HIMALAYA).forwarder(MemoryForwarder::new()).tls(server_config(&made));
    let mut himalaya =
        RunningNode::on(builder.listen(listener, ListenerPolicy::new(ListenMode::StartTls, access)).open().await.unwrap());

    let pem = made.cert.pem();
    let with = |login: Option<(&str, &str)>| {
        let forwarder = SmtpForwarder::builder(at.to_string(), "voicemail.example").node(CENTRAL);
        let forwarder = forwarder.server_name(HIMALAYA).ca_pem(pem.as_bytes());
        let forwarder = login.into_iter().fold(forwarder, |forwarder, (name, password)| forwarder.credentials(name, password));
        forwarder.build().unwrap()
    };
    let mail = |owner: &str, seed| {
        let version = GreetingVersion::next(None, "2025-07-14T09:05:12Z".parse().unwrap());
        let mail = GreetingMail::Greeting(Greeting::new(id(owner), version, Some(sound(seed))));
        encode_greeting(&mail, CENTRAL, "voicemail.example")
    };
    let send = async |forwarder: &SmtpForwarder, owner: &str, seed| {
        let to = format!("{owner}@voicemail.example").parse().unwrap();
        soon(forwarder.send(Sender::Node, &to, &mail(owner, seed))).await
    };

    let stranger = send(&with(None), "2008", 1).await;
    assert!(format!("{stranger:?}").contains("530"), "{stranger:?}");
    let liar = send(&with(Some((CENTRAL, "some password"))), "2008", 1).await;
    assert!(format!("{liar:?}").contains("535"), "{liar:?}");
    let Ok(Outcome::Refused(reply)) = send(&with(Some(("vendor", "another password"))), "2008", 1).await else {
        panic!("forged")
    };
    assert_eq!(reply.to_string(), "550 5.7.1 greetings are taken from the central node only");
    let GreetingEvent::Refused { greeting, origin, .. } = himalaya.next().await else { panic!("the refusal is reported") };
    assert_eq!((greeting, origin.to_string()), (id("2008"), "peer vendor".to_owned()));

    let central = with(Some((CENTRAL, "the central password")));
    for foreign in ["2001", "2019", "2999"] {
        let Ok(Outcome::Refused(reply)) = send(&central, foreign, 1).await else { panic!("{foreign} is not needed") };
        assert_eq!(reply.code, 550, "{foreign}: {reply}");
    }
    assert_eq!(himalaya.greeting("2008").await, None);
    assert_eq!(send(&central, "2008", 2).await.unwrap(), Outcome::Accepted);
    assert_eq!(himalaya.greeting("2008").await, Some(wav(500, 2)));
    himalaya.running.stop().await;
}

#[tokio::test]
async fn a_greeting_dated_more_than_a_day_ahead_is_refused() {
    let nodes = TestNetwork::new();
    let mut himalaya = nodes.distributed(HIMALAYA).await;
    let at = nodes.addresses.lock().unwrap()[&address(HIMALAYA)];
    let central = nodes.identity.forwarder(at, HIMALAYA).unwrap();
    let to = "2008@voicemail.example".parse().unwrap();
    let dated = |ahead| GreetingVersion::next(None, SystemClock.now().instant + ahead);
    let greeting = |ahead, seed| Greeting::new(id("2008"), dated(ahead), Some(sound(seed)));

    let (within, beyond) = (TimeDelta::hours(23), TimeDelta::hours(25));
    let offer = GreetingMail::Offer(id("2008"), greeting(beyond, 1).edition());
    for mail in
        [GreetingMail::Greeting(greeting(beyond, 1)), GreetingMail::Greeting(greeting(TimeDelta::weeks(52_000), 1)), offer]
    {
        let mail = encode_greeting(&mail, CENTRAL, "voicemail.example");
        let Ok(Outcome::Refused(reply)) = soon(central.send(Sender::Node, &to, &mail)).await else {
            panic!("it is of the future")
        };
        assert!(reply.to_string().starts_with("554 5.6.0 the greeting is dated "), "{reply}");
        let GreetingEvent::Refused { greeting, reason, .. } = himalaya.next().await else { panic!("it is reported") };
        assert_eq!(greeting, id("2008"));
        assert!(reason.contains("more than a day ahead of this node's clock"), "{reason}");
    }
    assert_eq!(himalaya.greeting("2008").await, None);
    let mail = encode_greeting(&GreetingMail::Greeting(greeting(within, 2)), CENTRAL, "voicemail.example");
    assert_eq!(soon(central.send(Sender::Node, &to, &mail)).await.unwrap(), Outcome::Accepted);
    assert_eq!(himalaya.greeting("2008").await, Some(wav(500, 2)));
    himalaya.running.stop().await;
}

#[tokio::test]
async fn a_listener_without_peers_takes_no_greeting() {
    let here = ["127.0.0.1/32".parse().unwrap()];
    for access in [Access::default(), Access::anyone_on(here)] {
        let (folder, listener) = (tempfile::tempdir().unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let at = listener.local_addr().unwrap();
        let directory = network(HIMALAYA).directory();
        let node = Node::builder(address(HIMALAYA), network(HIMALAYA), directory, folder.path().join("spool"));
        let node = node.forwarder(MemoryForwarder::new()).listen(listener, ListenerPolicy::new(ListenMode::StartTls, access));
        let himalaya = RunningNode::on(node.open().await.unwrap());
        let stranger = SmtpForwarder::builder(at.to_string(), "voicemail.example").node(CENTRAL).security(Security::PlainText);
        let stranger = stranger.build().unwrap();
        let version = GreetingVersion::next(None, "2025-07-14T09:05:12Z".parse().unwrap());
        let mail = GreetingMail::Greeting(Greeting::new(id("2008"), version, Some(sound(7))));
        let mail = encode_greeting(&mail, CENTRAL, "voicemail.example");
        let to = "2008@voicemail.example".parse().unwrap();
        let Ok(Outcome::Refused(reply)) = soon(stranger.send(Sender::Node, &to, &mail)).await else {
            panic!("nothing was proven")
        };
        assert_eq!(reply.to_string(), "550 5.7.1 a listener without configured peers takes no greetings");
        assert_eq!(himalaya.greeting("2008").await, None);
        himalaya.running.stop().await;
    }
}

#[tokio::test]
async fn a_power_cut_after_any_step_loses_no_accepted_greeting() {
    let identity = Identity::new();
    for unsynced in [Unsynced::Forgotten, Unsynced::NamesKept] {
        for operations in 0.. {
            let disk = PowerCutDisk::new();
            let open = async |listener: Option<TcpListener>| {
                let network = network(HIMALAYA);
                let directory = network.directory();
                let builder = Node::builder(address(HIMALAYA), network, directory, "/spool").disk(disk.clone());
                let builder = builder.forwarder(MemoryForwarder::new());
                let listening = listener.into_iter().fold(builder, |node, listener| identity.listen(node, listener));
                listening.open().await.unwrap()
            };
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let at = listener.local_addr().unwrap();
            let himalaya = RunningNode::on(open(Some(listener)).await);
            let forwarder = identity.forwarder(at, HIMALAYA).unwrap();
            let version = GreetingVersion::next(None, "2025-07-14T09:05:12Z".parse().unwrap());
            let mail = GreetingMail::Greeting(Greeting::new(id("2008"), version, Some(sound(7))));
            let mail = encode_greeting(&mail, CENTRAL, "voicemail.example");
            disk.power_off_after(operations);
            let to = "2008@voicemail.example".parse().unwrap();
            let outcome = soon(forwarder.send(Sender::Node, &to, &mail)).await.unwrap();
            let was_cut = disk.power_cut(unsynced);
            drop(forwarder);
            himalaya.running.stop().await;
            drop(himalaya.node);
            let again = RunningNode::on(open(None).await);
            let greeting = again.greeting("2008").await;
            let at = format!("after {operations} operations, {unsynced:?}, {outcome:?}");
            assert!(greeting.is_none() || greeting == Some(wav(500, 7)), "{at}");
            assert!(outcome != Outcome::Accepted || greeting.is_some(), "{at}");
            again.running.stop().await;
            if !was_cut {
                assert!(operations > 4 && outcome == Outcome::Accepted, "{at}: each step was cut once");
                break;
            }
        }
    }
}

#[tokio::test]
async fn unusable_greetings_are_refused_at_once() {
    let nodes = TestNetwork::new();
    let (himalaya, central) = (nodes.distributed(HIMALAYA).await, nodes.central().await);
    let greet = async |node: &RunningNode, owner: &str, bytes: Vec<u8>| {
        let sound = Audio::new(AudioType::Wav, bytes);
        node.node.greet(&mailbox(owner), NORMAL, sound).await.unwrap_err()
    };
    let error = greet(&himalaya, "2008", wav(500, 1)).await;
    assert!(matches!(&error, GreetError::NotCentral(central) if *central == address(CENTRAL)), "{error}");
    assert!(matches!(greet(&central, "2999", wav(500, 1)).await, GreetError::NoSuchMailbox(_)));
    assert!(matches!(greet(&central, "2008", b"no sound".to_vec()).await, GreetError::UnreadableAudio(_)));
    assert!(matches!(greet(&central, "2008", wav(0, 1)).await, GreetError::Empty));
    assert!(matches!(greet(&central, "2008", vec![0; 5 << 20]).await, GreetError::TooBig { .. }));
    assert!(!error.is_transient() && central.greeting("2008").await.is_none());
    central.running.stop().await;
    himalaya.running.stop().await;
}
