//! A partition of 75 s heals, and within 5 s of the network's time the last message that waited is in its mailbox. A node stops within
//! 8 s, partition or not, and loses nothing.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use crate::network_links;
use crate::support;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use network_links::{LinkState, LinkedNetwork};
use support::{CENTRAL, HIMALAYA, clock, mailbox, network, node, run, site, soon, wav};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};
use voicemail::disk::PowerCutDisk;
use voicemail::forward::smtp::{Security, SmtpForwarder};
use voicemail::intake::{Intake, ListenMode};
use voicemail::mwi::{MwiError, MwiSink, MwiState};
use voicemail::node::Node;
use voicemail::record::CallFacts;
use voicemail::store::{MemoryStore, MessageStore as _};

struct PartitionTest {
    store: Arc<MemoryStore>,
    net: LinkedNetwork,
    node: Node,
}

/// A distributed node whose forwarder has every timeout at its default, and a central one, 20 ms apart.
async fn setup() -> PartitionTest {
    setup_on(PowerCutDisk::new(), Arc::new(MemoryStore::new([mailbox("2001")]))).await
}

/// The same, with the distributed node's spool on `disk`, and the central node's mailboxes in `store`.
async fn setup_on(disk: PowerCutDisk, store: Arc<MemoryStore>) -> PartitionTest {
    let network = network();
    let intake = Intake::builder(network.domain(), Arc::clone(&store), network.directory()).build();
    let net = LinkedNetwork::to(intake, Duration::from_millis(20));
    let forwarder = SmtpForwarder::builder(format!("{CENTRAL}:25"), network.domain()).node(HIMALAYA).dial(net.clone());
    let forwarder = forwarder.security(Security::PlainText).build().unwrap();
    let node = node(HIMALAYA, Path::new("/node")).disk(disk).forwarder(forwarder).clock(clock()).open().await.unwrap();
    PartitionTest { store, net, node }
}

impl PartitionTest {
    async fn deposit(&self, count: usize, millis: u32) {
        for _ in 0..count {
            self.node.deposit_wav(&site("kathmandu"), CallFacts::to(mailbox("2001")), wav(millis, 3).into()).await.unwrap();
        }
    }

    /// Returns how long it takes until no message waits any more.
    async fn all_through(&self) -> Duration {
        let began = Instant::now();
        while !self.node.spool().waiting().is_empty() {
            sleep(Duration::from_millis(20)).await;
        }
        began.elapsed()
    }

    async fn copies(&self) -> usize {
        self.store.list(&mailbox("2001")).await.unwrap().len()
    }
}

#[tokio::test(start_paused = true)]
async fn after_75_s_the_backlog_is_delivered_within_5_s() {
    let mut longest = Duration::ZERO;
    // The partition begins later in each case: before, between and after each step of the conversation.
    for begins in (0..360).step_by(30).map(Duration::from_millis) {
        let setup = setup().await;
        setup.deposit(20, 1_500).await;
        setup.deposit(1, 30_000).await;
        let running = run(&setup.node);
        sleep(begins).await;
        let arrived = setup.copies().await;
        setup.net.set(LinkState::BlackHole);
        sleep(Duration::from_secs(40)).await;
        setup.deposit(5, 1_500).await;
        sleep(Duration::from_secs(35)).await;
        setup.net.set(LinkState::Up);
        let took = setup.all_through().await;
        println!("begun after {begins:?} with {arrived} arrived: all through after {took:?}");
        longest = longest.max(took);
        assert_eq!(setup.copies().await, 26, "begun after {begins:?}");
        running.stop().await;
    }
    assert!(longest <= Duration::from_secs(5), "took {longest:?}");
}

#[tokio::test(start_paused = true)]
async fn a_returning_node_gets_the_backlog_in_3_s_at_full_speed() {
    let setup = setup().await;
    setup.net.set(LinkState::Refusing);
    setup.deposit(200, 1_000).await;
    let running = run(&setup.node);
    sleep(Duration::from_secs(3600)).await;
    setup.net.set(LinkState::Up);
    let healed = Instant::now();
    while setup.copies().await == 0 {
        sleep(Duration::from_millis(20)).await;
    }
    let noticed = healed.elapsed();
    assert!(noticed <= Duration::from_millis(3_200), "noticed after {noticed:?}");
    let flowed = setup.all_through().await;
    // 4 connections, and a round trip of 40 ms per message, give 2 s; nothing is left for a wait.
    assert!(flowed <= Duration::from_secs(3), "flowed in {flowed:?}");
    assert_eq!(setup.copies().await, 200);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_with_a_dead_path_costs_two_seconds() {
    let setup = setup().await;
    let running = run(&setup.node);
    setup.deposit(1, 1_500).await;
    setup.all_through().await;
    setup.net.drop_silently();
    sleep(Duration::from_secs(10)).await;
    setup.deposit(1, 1_500).await;
    let took = setup.all_through().await;
    assert!(took <= Duration::from_millis(2_500), "took {took:?}");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_takes_8_s_at_most_and_loses_or_doubles_nothing() {
    // The partition begins before, between and after each step of the conversations; at 0 ms no greeting arrives.
    for begins in (0..400).step_by(40).map(Duration::from_millis) {
        let disk = PowerCutDisk::new();
        let setup = setup_on(disk.clone(), Arc::new(MemoryStore::new([mailbox("2001")]))).await;
        setup.deposit(8, 1_500).await;
        setup.net.set(if begins.is_zero() { LinkState::BlackHole } else { LinkState::Up });
        let running = run(&setup.node);
        sleep(begins).await;
        setup.net.set(LinkState::BlackHole);
        let asked = Instant::now();
        running.stop().await;
        assert!(asked.elapsed() <= Duration::from_secs(8), "begun after {begins:?}: took {:?}", asked.elapsed());
        setup.net.set(LinkState::Up);

        let store = Arc::clone(&setup.store);
        drop(setup);
        let again = setup_on(disk, store).await;
        let running = run(&again.node);
        again.all_through().await;
        running.stop().await;
        assert_eq!(again.copies().await, 8, "begun after {begins:?}");
    }
}

/// A sink that never answers.
#[derive(Debug)]
struct Stuck;

#[async_trait]
impl MwiSink for Stuck {
    async fn show(&self, _state: &MwiState) -> Result<(), MwiError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_lamp_that_never_answers_delays_a_stop_by_at_most_8_s() {
    let store = MemoryStore::new([mailbox("2001")]);
    let node =
        node(CENTRAL, Path::new("/node")).disk(PowerCutDisk::new()).store(store).sink(Stuck).clock(clock()).open().await.unwrap();
    let running = run(&node);
    sleep(Duration::from_secs(1)).await;
    let asked = Instant::now();
    running.stop().await;
    assert_eq!(asked.elapsed(), Duration::from_secs(8));
}

#[tokio::test]
async fn half_a_mail_delays_a_stop_no_longer_than_its_timeout() {
    let store = Arc::new(MemoryStore::new([mailbox("2001")]));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let node = node(CENTRAL, Path::new("/node")).disk(PowerCutDisk::new()).store(Arc::clone(&store)).clock(clock());
    let node = node.listen(listener, ListenMode::StartTls).shutdown_timeout(Duration::from_millis(400)).open().await.unwrap();
    let running = run(&node);
    let mut sender = TcpStream::connect(address).await.unwrap();
    for (reply, line) in [
        ("220 ", "EHLO sender.example\r\n"),
        ("250 ", "MAIL FROM:<>\r\n"),
        ("250 ", "RCPT TO:<2001@voicemail.example>\r\n"),
        ("250 ", "DATA\r\n"),
        ("354 ", "Subject: half a ma"),
    ] {
        let mut heard = String::new();
        while !heard.lines().any(|heard| heard.starts_with(reply)) || !heard.ends_with('\n') {
            let mut bytes = [0; 1024];
            let len = soon(sender.read(&mut bytes)).await.unwrap();
            assert_ne!(len, 0, "closed after {heard:?}");
            heard.push_str(std::str::from_utf8(&bytes[..len]).unwrap());
        }
        sender.write_all(line.as_bytes()).await.unwrap();
    }
    let asked = std::time::Instant::now();
    soon(running.stop()).await;
    assert!(asked.elapsed() < Duration::from_secs(5), "took {:?}", asked.elapsed());
    assert_eq!(store.list(&mailbox("2001")).await.unwrap().len(), 0);
}
