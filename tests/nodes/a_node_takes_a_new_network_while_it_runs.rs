//! A node adopts another network while it runs: it loses no call, connection or message, and a network that does not fit changes nothing.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use crate::support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use support::{CENTRAL, HIMALAYA, address, clock, event, mailbox, run, site, soon, wav};
use tempfile::tempdir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use voicemail::audio::Format;
use voicemail::disk::{FaultyDisk, InjectedFault, PowerCutDisk};
use voicemail::event::Event;
use voicemail::forward::{Acceptance, ForwardError, Forwarder, MemoryForwarder, Outcome, Script, SmtpForwarder};
use voicemail::forward::{TransportSecurity, smtp::Security};
use voicemail::intake::ListenMode;
use voicemail::message::{MailboxId, Message, MessageId};
use voicemail::mwi::ChannelSink;
use voicemail::network::{
    CentralForwarder, Commit, LicenceClass, Mailbox, Network, NetworkDirectory, NetworkObserver, Refusal, Site, SiteBuilder,
    TimeSource, VoicemailType,
};
use voicemail::node::{Node, NodeBuilder, NodeError};
use voicemail::record::{CallFacts, RecordError};
use voicemail::store::{MaildirStore, MemoryStore, MessageStore as _};

/// Another node that can be the central one.
const OTHER: &str = "other.voicemail.example";
const PCMU: Format = Format::TELEPHONE_PCMU;

fn pbx(name: &str, voicemail: VoicemailType, node: &str) -> SiteBuilder {
    let time = TimeSource::Sntp(vec!["ntp.example".parse().unwrap()]);
    Site::builder(site(name), voicemail, chrono_tz::UTC).node(address(node)).time(time).licence(LicenceClass::Voicemail).ports(64)
}

fn distributed(name: &str, node: &str) -> SiteBuilder {
    pbx(name, VoicemailType::Distributed, node).trunk_group("main", &site("london")).destination("main")
}

/// London is central, at any node; York is distributed at the node [`CENTRAL`]; Kathmandu and Tokyo share [`HIMALAYA`].
fn sites(central: &str, tokyo_ports: u32) -> [SiteBuilder; 4] {
    let london = ["2001", "2002"].map(mailbox).into_iter().map(Mailbox::new);
    [
        london.fold(pbx("london", VoicemailType::Central, central), SiteBuilder::mailbox),
        distributed("york", CENTRAL),
        distributed("kathmandu", HIMALAYA),
        distributed("tokyo", HIMALAYA).ports(tokyo_ports),
    ]
}

fn network_of(sites: impl IntoIterator<Item = SiteBuilder>) -> Network {
    sites.into_iter().fold(Network::builder("voicemail.example"), voicemail::network::NetworkBuilder::site).build().unwrap()
}

fn network(central: &str, tokyo_ports: u32) -> Network {
    network_of(sites(central, tokyo_ports))
}

fn builder(at: &str, network: &Network, folder: &Path) -> NodeBuilder {
    Node::builder(address(at), network.clone(), network.directory(), folder.join(at)).clock(clock())
}

fn store() -> Arc<MemoryStore> {
    Arc::new(MemoryStore::new(["2001", "2002"].map(mailbox)))
}

async fn deposit(node: &Node, at: &str, seed: u32) -> MessageId {
    node.deposit_wav(&site(at), CallFacts::to(mailbox("2001")), wav(1_000, seed).into()).await.unwrap().id
}

async fn wait_until(node: &Node, holds: impl Fn(&Node) -> bool + Sync) {
    let waits = async {
        while !holds(node) {
            tokio::task::yield_now().await;
        }
    };
    soon(waits).await;
}

fn is_empty(node: &Node) -> bool {
    node.spool().waiting().is_empty()
}

#[tokio::test]
async fn a_running_recording_keeps_its_port_and_takes_the_new_route() {
    let folder = tempdir().unwrap();
    let forwarder = MemoryForwarder::new();
    let node = builder(HIMALAYA, &network(CENTRAL, 2), folder.path()).forwarder(forwarder.clone()).open().await.unwrap();
    let running = run(&node);
    let mut call = node.record(&site("tokyo"), CallFacts::to(mailbox("2001")), PCMU).await.unwrap();
    call.push_payload(&[0x20; 8_000], 0);

    node.adopt(network(OTHER, 1)).unwrap();
    assert_eq!(node.ports(&site("tokyo")).map(|ports| (ports.in_use, ports.limit)), Some((1, 1)));
    let busy = node.record(&site("tokyo"), CallFacts::to(mailbox("2001")), PCMU).await.unwrap_err();
    assert!(matches!(busy, RecordError::Refused(Refusal::AllPortsBusy { limit: 1, .. })), "{busy}");

    call.push_payload(&[0x20; 8_000], 8_000);
    let mut events = node.events();
    let kept = call.finish().await.unwrap();
    assert_eq!(kept.length.as_secs(), 2);
    let went_to = soon(event(&mut events, |event| match event {
        Event::Forwarded { id, destination, .. } if id == kept.id => Some(destination),
        _ => None,
    }));
    assert_eq!(went_to.await, OTHER);
    assert_eq!(node.ports(&site("tokyo")).unwrap().in_use, 0);
    running.stop().await;
}

/// A forwarder that lets a message pass for each permit.
#[derive(Debug, Clone)]
struct GatedForwarder {
    open: Arc<Semaphore>,
    reached: Arc<AtomicUsize>,
    passed: Arc<Mutex<BTreeMap<MessageId, u32>>>,
}

#[async_trait]
impl Forwarder for GatedForwarder {
    async fn forward(&self, message: &Message, recipients: &[MailboxId]) -> Result<Acceptance, ForwardError> {
        self.reached.fetch_add(1, Ordering::SeqCst);
        self.open.acquire().await.unwrap().forget();
        *self.passed.lock().unwrap().entry(message.id()).or_default() += 1;
        Ok(Acceptance::new(vec![Outcome::Accepted; recipients.len()], TransportSecurity::InMemory))
    }
}

#[tokio::test]
async fn waiting_mail_moves_and_mail_in_transfer_stays_each_once() {
    let folder = tempdir().unwrap();
    let gate = GatedForwarder { open: Arc::new(Semaphore::new(0)), reached: Arc::default(), passed: Arc::default() };
    let node = builder(HIMALAYA, &network(CENTRAL, 1), folder.path()).forwarder(gate.clone()).open().await.unwrap();
    let running = run(&node);
    for seed in 0..100 {
        deposit(&node, "kathmandu", seed).await;
    }
    let depths = |node: &Node| {
        let state = node.spool().state();
        let depth = |name: &str| state.iter().find(|state| state.destination == name).map_or(0, |state| state.depth);
        (depth(CENTRAL), depth(OTHER))
    };
    assert_eq!(depths(&node), (100, 0));
    // 64 messages go to one destination at once.
    wait_until(&node, |_| gate.reached.load(Ordering::SeqCst) == 64).await;

    node.adopt(network(OTHER, 1)).unwrap();
    wait_until(&node, |node| depths(node) == (64, 36)).await;
    for name in [CENTRAL, OTHER] {
        let files = std::fs::read_dir(folder.path().join(HIMALAYA).join("queue").join(name)).unwrap().count();
        assert_eq!(files, if name == CENTRAL { 64 } else { 36 }, "{name}");
    }
    let mut events = node.events();
    gate.open.add_permits(100);
    let mut went_to = BTreeMap::<String, u32>::new();
    for _ in 0..100 {
        let destination = soon(event(&mut events, |event| match event {
            Event::Forwarded { destination, .. } => Some(destination),
            _ => None,
        }));
        *went_to.entry(destination.await).or_default() += 1;
    }
    assert_eq!(went_to, BTreeMap::from([(CENTRAL.to_owned(), 64), (OTHER.to_owned(), 36)]));
    let passed = gate.passed.lock().unwrap().clone();
    assert!(passed.len() == 100 && passed.values().all(|times| *times == 1), "{passed:?}");
    running.stop().await;
}

#[tokio::test]
async fn mail_deferred_by_the_old_central_node_goes_to_the_new_one() {
    let folder = tempdir().unwrap();
    let forwarder = MemoryForwarder::new();
    forwarder.next(Script::Fail(ForwardError::TimedOut { peer: CENTRAL.to_owned(), step: "greeting" }));
    let node = builder(HIMALAYA, &network(CENTRAL, 1), folder.path()).forwarder(forwarder.clone()).open().await.unwrap();
    let mut events = node.events();
    deposit(&node, "kathmandu", 1).await;
    let running = run(&node);
    soon(event(&mut events, |event| matches!(event, Event::Deferred { .. }).then_some(()))).await;
    node.adopt(network(OTHER, 1)).unwrap();
    let went_to = soon(event(&mut events, |event| match event {
        Event::Forwarded { destination, .. } => Some(destination),
        _ => None,
    }));
    assert_eq!(went_to.await, OTHER);
    wait_until(&node, is_empty).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_disk_fault_at_any_step_of_the_move_loses_and_doubles_none() {
    for step in 0.. {
        let (disk, forwarder) = (FaultyDisk::new(Arc::new(PowerCutDisk::new())), MemoryForwarder::new());
        let node = builder(HIMALAYA, &network(CENTRAL, 1), Path::new("spool")).disk(disk.clone()).forwarder(forwarder.clone());
        let node = node.open().await.unwrap();
        let mut kept = [deposit(&node, "kathmandu", 1).await, deposit(&node, "kathmandu", 2).await];
        disk.fail(InjectedFault::after(step, std::io::ErrorKind::Other));
        node.adopt(network(OTHER, 1)).unwrap();
        let running = run(&node);
        let all_gone = async {
            while !is_empty(&node) {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(3_600), all_gone).await.expect("they are sent");
        running.stop().await;
        let mut arrived: Vec<_> = forwarder.taken(&mailbox("2001")).iter().map(Message::id).collect();
        arrived.sort_unstable();
        kept.sort_unstable();
        assert_eq!(arrived, kept, "the disk failed at step {step}");
        if disk.mend() == 0 {
            assert!(step > 6, "each message is linked, its folder flushed, and the old name removed");
            return;
        }
    }
}

#[tokio::test]
async fn a_distributed_node_becomes_central_and_distributed_again() {
    let folder = tempdir().unwrap();
    let (store, forwarder, (sink, mut lamps)) = (store(), MemoryForwarder::new(), ChannelSink::new(64));
    let parts = |node: NodeBuilder| node.store(Arc::clone(&store)).forwarder(forwarder.clone());
    let node = parts(builder(HIMALAYA, &network(CENTRAL, 1), folder.path())).sink(sink).open().await.unwrap();
    let running = run(&node);
    let mut events = node.events();
    let goes_to = |wanted: MessageId| {
        move |event| match event {
            Event::Forwarded { id, destination, .. } if id == wanted => Some(destination),
            _ => None,
        }
    };
    assert!(node.store().is_none());
    let first = deposit(&node, "kathmandu", 1).await;
    assert_eq!(soon(event(&mut events, goes_to(first))).await, CENTRAL);

    node.adopt(network(HIMALAYA, 1)).unwrap();
    let second = deposit(&node, "kathmandu", 2).await;
    let stored = node.store().unwrap().list(&mailbox("2001")).await.unwrap();
    assert_eq!(stored.iter().map(|entry| entry.head.id).collect::<Vec<_>>(), [second]);
    // Every lamp is updated, and the one that changed is right.
    let mut shown = BTreeMap::new();
    while shown.len() < 2 || shown[&mailbox("2001")] != 1 {
        let state = soon(lamps.recv()).await.unwrap();
        shown.insert(state.mailbox, state.summary.new);
    }
    assert_eq!(shown[&mailbox("2002")], 0);

    node.adopt(network(CENTRAL, 1)).unwrap();
    let third = deposit(&node, "kathmandu", 3).await;
    assert_eq!(soon(event(&mut events, goes_to(third))).await, CENTRAL);
    assert!(node.store().is_none());
    assert_eq!((forwarder.taken(&mailbox("2001")).len(), store.summary(&mailbox("2001")).await.unwrap().new), (2, 1));
    running.stop().await;
}

#[derive(Debug)]
struct RefusingObserver;

impl NetworkObserver for RefusingObserver {
    fn prepare<'a>(&'a self, network: &'a Arc<Network>) -> Result<Commit<'a>, Box<dyn std::error::Error + Send + Sync>> {
        if network.site(&site("york")).is_some() { Ok(Box::new(|| ())) } else { Err("York is gone".into()) }
    }
}

#[tokio::test]
async fn a_network_that_does_not_fit_is_refused_and_changes_nothing() {
    let folder = tempdir().unwrap();
    let old = network(CENTRAL, 1);
    let directory = NetworkDirectory::new(old.clone());
    let central = builder(CENTRAL, &old, folder.path())
        .store(store())
        .observe_network(directory.clone())
        .observe_network(RefusingObserver)
        .open();
    let distributed = builder(HIMALAYA, &old, folder.path()).forwarder(MemoryForwarder::new()).open();
    let (central, distributed) = (central.await.unwrap(), distributed.await.unwrap());
    let before = [central.network(), distributed.network(), directory.network()];

    let no_forwarder = central.adopt(network(OTHER, 9)).unwrap_err();
    assert!(matches!(&no_forwarder, NodeError::NoForwarder(node) if *node == address(CENTRAL)), "{no_forwarder}");
    let no_store = distributed.adopt(network(HIMALAYA, 9)).unwrap_err();
    assert!(matches!(&no_store, NodeError::NoStore(node) if *node == address(HIMALAYA)), "{no_store}");
    let [london, york, ..] = sites(CENTRAL, 9);
    let not_there = distributed.adopt(network_of([london.clone(), york.clone()])).unwrap_err();
    assert!(matches!(not_there, NodeError::NotInNetwork(_)), "{not_there}");
    let renamed = Network::builder("mail.example").site(london.clone()).site(york).build().unwrap();
    let renamed = central.adopt(renamed).unwrap_err();
    assert!(matches!(&renamed, NodeError::DomainChanges { to, .. } if to == "mail.example"), "{renamed}");
    let refused = central.adopt(network_of([london.mailbox(Mailbox::new(mailbox("2009")))])).unwrap_err();
    assert!(matches!(refused, NodeError::ObserverRefused(_)), "{refused}");

    for (before, now) in before.iter().zip([central.network(), distributed.network(), directory.network()]) {
        assert!(Arc::ptr_eq(before, &now));
    }
    assert_eq!(distributed.ports(&site("tokyo")).unwrap().limit, 1);
    assert!(central.check(&site("york"), LicenceClass::Voicemail).is_ok());
}

/// A conversation with an intake, line by line.
struct Conversation(BufReader<TcpStream>);

impl Conversation {
    async fn command(&mut self, command: &str) -> String {
        self.0.get_mut().write_all(command.as_bytes()).await.unwrap();
        loop {
            let mut line = String::new();
            soon(self.0.read_line(&mut line)).await.unwrap();
            if line.as_bytes().get(3) == Some(&b' ') {
                return line;
            }
        }
    }
}

#[tokio::test]
async fn an_open_connection_stays_and_answers_by_the_new_network() {
    let folder = tempdir().unwrap();
    let old = network(CENTRAL, 1);
    let directory = NetworkDirectory::new(old.clone());
    let store = MaildirStore::builder(folder.path().join("mail")).directory(directory.clone()).open().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let node = Node::builder(address(CENTRAL), old, directory.clone(), folder.path().join("spool"))
        .store(store)
        .forwarder(MemoryForwarder::new())
        .listen(listener, ListenMode::StartTls)
        .observe_network(directory)
        .open();
    let node = node.await.unwrap();
    let running = run(&node);
    let mut client = Conversation(BufReader::new(TcpStream::connect(at).await.unwrap()));
    assert!(client.command("").await.starts_with("220 "));
    assert!(client.command("EHLO mail.example\r\n").await.starts_with("250 "));
    assert!(client.command("MAIL FROM:<someone@mail.example>\r\n").await.starts_with("250 "));
    assert!(client.command("RCPT TO:<2009@voicemail.example>\r\n").await.starts_with("550 5.1.1 "));

    let [london, others @ ..] = sites(CENTRAL, 1);
    let with_one_more = || network_of([london.clone().mailbox(Mailbox::new(mailbox("2009")))].into_iter().chain(others.clone()));
    node.adopt(with_one_more()).unwrap();
    assert!(client.command("RCPT TO:<2009@voicemail.example>\r\n").await.starts_with("250 "));
    let kept = node.deposit_wav(&site("london"), CallFacts::to(mailbox("2009")), wav(1_000, 1).into()).await.unwrap();
    assert_eq!(node.store().unwrap().list(&mailbox("2009")).await.unwrap()[0].head.id, kept.id);

    node.adopt(network(OTHER, 1)).unwrap();
    assert!(client.command("RSET\r\n").await.starts_with("250 "));
    assert!(client.command("MAIL FROM:<someone@mail.example>\r\n").await.starts_with("250 "));
    let refused = client.command("RCPT TO:<2001@voicemail.example>\r\n").await;
    assert!(refused.starts_with("45"), "the sender keeps the mail: {refused}");
    assert!(client.command("QUIT\r\n").await.starts_with("221 "));
    running.stop().await;
}

#[tokio::test]
async fn hosts_of_the_central_node_are_observed_and_tried_in_order() {
    let folder = tempdir().unwrap();
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (first, second) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let [at_first, at_second] = [&first, &second].map(|listener| listener.local_addr().unwrap());
    let with_hosts = |hosts: &[std::net::SocketAddr]| {
        let [london, others @ ..] = sites(CENTRAL, 1);
        let london = hosts.iter().fold(london, |london, host| london.host(host.to_string().parse().unwrap()));
        network_of([london].into_iter().chain(others))
    };
    let network = with_hosts(&[unused, at_first]);
    let make = |network: &Network, host: &voicemail::network::NodeHost| {
        SmtpForwarder::builder(host.to_string(), network.domain()).node(HIMALAYA).security(Security::PlainText).build()
    };
    let forwarder = Arc::new(CentralForwarder::new(&network, make).unwrap());
    let far =
        builder(HIMALAYA, &network, folder.path()).forwarder(Arc::clone(&forwarder)).observe_network(Arc::clone(&forwarder));
    let far = far.open().await.unwrap();
    let hosts = [("first", first), ("second", second)].map(|(name, listener)| {
        let node = builder(CENTRAL, &network, &folder.path().join(name)).store(store()).listen(listener, ListenMode::StartTls);
        node.open()
    });
    let [first, second] = hosts;
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    let running = [&far, &first, &second].map(run);

    let one = deposit(&far, "kathmandu", 1).await;
    wait_until(&far, is_empty).await;
    assert_eq!(first.store().unwrap().list(&mailbox("2001")).await.unwrap()[0].head.id, one);
    far.adopt(with_hosts(&[at_second, at_first])).unwrap();
    let two = deposit(&far, "kathmandu", 2).await;
    wait_until(&far, is_empty).await;
    assert_eq!(second.store().unwrap().list(&mailbox("2001")).await.unwrap()[0].head.id, two);
    for running in running {
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_arrives_once_while_the_central_node_changes() {
    let folder = tempdir().unwrap();
    let (store, forwarder) = (store(), MemoryForwarder::new());
    let network_with = |central| network(central, 1);
    let node = builder(HIMALAYA, &network_with(CENTRAL), folder.path())
        .store(Arc::clone(&store))
        .forwarder(forwarder.clone())
        .open()
        .await
        .unwrap();
    let running = run(&node);
    let mut events = node.events();
    let callers = (0..8_u32).map(|caller| {
        let node = node.clone();
        tokio::spawn(async move {
            let mut kept = Vec::new();
            for call in 0..25 {
                kept.push(deposit(&node, "kathmandu", caller * 1_000 + call).await);
            }
            kept
        })
    });
    let callers: Vec<_> = callers.collect();
    for turn in 0..66 {
        node.adopt(network_with([OTHER, HIMALAYA, CENTRAL][turn % 3])).unwrap();
        for _ in 0..3 {
            soon(event(&mut events, |event| matches!(event, Event::Kept { .. }).then_some(()))).await;
        }
    }
    let mut kept = Vec::new();
    for caller in callers {
        kept.extend(caller.await.unwrap());
    }
    wait_until(&node, is_empty).await;
    running.stop().await;

    let mut arrived: Vec<_> = forwarder.taken(&mailbox("2001")).iter().map(Message::id).collect();
    arrived.extend(store.list(&mailbox("2001")).await.unwrap().iter().map(|entry| entry.head.id));
    arrived.sort_unstable();
    kept.sort_unstable();
    assert!(arrived == kept, "{} kept, {} arrived", kept.len(), arrived.len());
}
