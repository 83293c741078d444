//! The backup node serves the same engine as the central node: when that dies, it takes the messages of distributed nodes at once, and updates the lamps
//! within five seconds.

#![allow(clippy::unwrap_used, clippy::future_not_send, reason = "these are tests")]

use crate::support;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use support::{CENTRAL, HIMALAYA, address, event, mailbox, run, site, soon, wav};
use tokio::net::TcpListener;
use tokio::time::Instant;
use voicemail::event::Event;
use voicemail::forward::SmtpForwarder;
use voicemail::forward::smtp::Security;
use voicemail::intake::ListenMode;
use voicemail::mwi::{MemoryLeases, MwiError, MwiSink, MwiState};
use voicemail::network::{CentralForwarder, Fallback, LicenceClass, Mailbox, Network, Site, TimeSource, VoicemailType};
use voicemail::node::{Node, NodeBuilder, NodeError};
use voicemail::record::CallFacts;
use voicemail::store::{MemoryStore, MessageStore as _};

const BACKUP: &str = "backup.voicemail.example";

/// 2001 is a mailbox of London; Berlin has no node and names the backup node; Tokyo has a distributed node.
fn network() -> Network {
    let time = TimeSource::Sntp(vec!["ntp.example".parse().unwrap()]);
    let pbx = |name: &str, voicemail| Site::builder(site(name), voicemail, chrono_tz::UTC).time(time.clone());
    let london = pbx("london", VoicemailType::Central).node(address(CENTRAL)).engine("company-mail".parse().unwrap());
    let berlin = pbx("berlin", VoicemailType::Centralized).fallback(Fallback::default().with_backup_node(address(BACKUP)));
    let tokyo = pbx("tokyo", VoicemailType::Distributed).node(address(HIMALAYA));
    Network::builder("voicemail.example")
        .site(london.licence(LicenceClass::Voicemail).ports(4).mailbox(Mailbox::new(mailbox("2001"))))
        .site(berlin.trunk_group("main", &site("london")).destination("main"))
        .site(tokyo.trunk_group("main", &site("london")).destination("main").licence(LicenceClass::Voicemail).ports(4))
        .build()
        .unwrap()
}

fn builder(name: &str, folder: &Path) -> NodeBuilder {
    let network = network();
    let directory = network.directory();
    Node::builder(address(name), network, directory, folder.join(name))
}

/// The lamps of the PBX: the newest state, and the faults of the nodes.
#[derive(Debug, Clone, Default)]
struct Lamps(Arc<Mutex<Vec<MwiState>>>);

#[async_trait]
impl MwiSink for Lamps {
    async fn show(&self, state: &MwiState) -> Result<(), MwiError> {
        self.0.lock().unwrap().push(state.clone());
        Ok(())
    }
}

async fn deposit(node: &Node, at: &str, seed: u32) {
    node.deposit_wav(&site(at), CallFacts::to(mailbox("2001")), wav(1_000, seed).into()).await.unwrap();
}

#[tokio::test]
async fn it_takes_messages_at_once_and_lamps_within_five_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::new([mailbox("2001")]).versions_from(1).of_engine("company-mail"));
    let (leases, lamps) = (MemoryLeases::new(Duration::from_secs(4)), Lamps::default());
    let listeners = [TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap()];
    let [central_at, backup_at] = listeners.each_ref().map(|listener| listener.local_addr().unwrap());
    let mut nodes = Vec::new();
    for (name, listener) in [CENTRAL, BACKUP].into_iter().zip(listeners) {
        let node = builder(name, folder.path()).store(Arc::clone(&store)).sink(lamps.clone()).lamp_lease(leases.holder());
        let node = node.listen(listener, ListenMode::StartTls).open().await.unwrap();
        nodes.push((run(&node), node));
    }
    let (backup_runs, backup) = nodes.pop().unwrap();
    let (central_runs, central) = nodes.pop().unwrap();
    let forwarder = CentralForwarder::new(&network(), move |network, host| {
        let at = if host.to_string().starts_with("backup") { backup_at } else { central_at };
        SmtpForwarder::builder(at.to_string(), network.domain()).node(HIMALAYA).security(Security::PlainText).build()
    });
    let distributed = builder(HIMALAYA, folder.path()).forwarder(forwarder.unwrap()).open().await.unwrap();
    let distributed_runs = run(&distributed);

    let mut events = central.events();
    deposit(&distributed, "tokyo", 1).await;
    soon(event(&mut events, |event| matches!(event, Event::Stored { .. }).then_some(()))).await;

    let mut events = backup.events();
    drop(central);
    central_runs.crash().await;
    let died = Instant::now();
    deposit(&distributed, "tokyo", 2).await;
    soon(event(&mut events, |event| matches!(event, Event::Stored { .. }).then_some(()))).await;
    assert!(died.elapsed() < Duration::from_secs(3), "the message waited for {:?}", died.elapsed());
    // The calls of the central PBX and of the one on centralized voicemail are recorded there, too.
    deposit(&backup, "london", 3).await;
    deposit(&backup, "berlin", 4).await;
    soon(event(&mut events, |event| match event {
        Event::LampShown { summary, .. } => (summary.new == 4).then_some(()),
        _ => None,
    }))
    .await;
    assert!(died.elapsed() < Duration::from_secs(5), "the lamp waited for {:?}", died.elapsed());
    let shown = lamps.0.lock().unwrap().clone();
    assert!(shown.is_sorted_by_key(|state| state.version), "{shown:?}");
    assert_eq!(shown.last().unwrap().summary, store.summary(&mailbox("2001")).await.unwrap());
    distributed_runs.stop().await;
    backup_runs.stop().await;
}

#[tokio::test]
async fn a_node_with_a_store_of_another_engine_does_not_open() {
    let folder = tempfile::tempdir().unwrap();
    let other = MemoryStore::new([mailbox("2001")]).of_engine("test-mail");
    let opened = builder(BACKUP, folder.path()).store(other).open().await;
    assert!(matches!(opened, Err(NodeError::OtherEngine { found, .. }) if found == "test-mail"));
    let without = builder(BACKUP, folder.path()).open().await;
    assert!(matches!(without, Err(NodeError::NoStore(node)) if node == address(BACKUP)));
}
