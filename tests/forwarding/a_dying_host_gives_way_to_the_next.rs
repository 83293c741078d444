//! Two central hosts share one store: if the first one fails in any way, the second accepts the message, and there is one copy.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use crate::faulty_proxy;
use crate::network_links;
use crate::support;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use faulty_proxy::{FaultyProxy, ProxyFault, SmtpStep};
use network_links::{LinkState, LinkedNetwork};
use support::{CENTRAL, HIMALAYA, clock, event, mailbox, network, node, run, site, wav};
use tempfile::{TempDir, tempdir};
use tokio::time::Instant;
use voicemail::disk::PowerCutDisk;
use voicemail::event::Event;
use voicemail::forward::Failover;
use voicemail::forward::smtp::{Dial, Security, SmtpForwarder};
use voicemail::intake::Intake;
use voicemail::record::CallFacts;
use voicemail::store::{MaildirStore, MessageStore as _};

/// A tree of Maildirs that two hosts have mounted; each host has its own store and intake.
struct Centre {
    tree: TempDir,
    hosts: [Intake; 2],
}

async fn centre() -> Centre {
    let tree = tempdir().unwrap();
    let hosts = [host(&tree, "one").await, host(&tree, "two").await];
    Centre { tree, hosts }
}

async fn host(tree: &TempDir, name: &str) -> Intake {
    let network = network();
    let store = Arc::new(store(tree).await);
    Intake::builder(network.domain(), store, network.directory()).node(format!("{name}.{CENTRAL}")).build()
}

async fn store(tree: &TempDir) -> MaildirStore {
    let store = MaildirStore::builder(tree.path()).open().await.unwrap();
    store.create_mailbox(&mailbox("2001")).await.unwrap();
    store
}

fn forwarder(dial: impl Dial) -> SmtpForwarder {
    let builder = SmtpForwarder::builder(format!("{CENTRAL}:25"), "voicemail.example").node(HIMALAYA).dial(dial);
    builder.security(Security::PlainText).build().unwrap()
}

/// Sends three messages by `first` and then `second`, and counts the copies; returns how long it took.
async fn three_arrive_once(case: &str, centre: &Centre, first: SmtpForwarder, second: SmtpForwarder) -> Duration {
    let forwarder = Failover::new(first).or(second);
    let node = node(HIMALAYA, Path::new("/node")).disk(PowerCutDisk::new()).forwarder(forwarder).clock(clock());
    let node = node.open().await.unwrap();
    let mut events = node.events();
    let running = run(&node);
    let began = Instant::now();
    let mut kept = Vec::new();
    for seed in 1..=3 {
        let spoken = wav(1_200, seed * 10 + 1);
        let facts = CallFacts::to(mailbox("2001"));
        let id = node.deposit_wav(&site("kathmandu"), facts, spoken.clone().into()).await.unwrap().id;
        kept.push((id, spoken));
    }
    for _ in 0..3 {
        event(&mut events, |event| matches!(event, Event::Forwarded { .. }).then_some(())).await;
    }
    let took = began.elapsed();
    running.stop().await;
    let store = store(&centre.tree).await;
    assert_eq!(store.list(&mailbox("2001")).await.unwrap().len(), 3, "{case}: copies");
    for (id, spoken) in kept {
        let message = store.retrieve(&mailbox("2001"), id).await.unwrap();
        assert!(message.audio().bytes()[..] == spoken[..], "{case}: byte for byte");
    }
    assert!(node.spool().waiting().is_empty() && node.spool().parked().await.unwrap().is_empty(), "{case}: the spool");
    took
}

#[tokio::test(start_paused = true)]
async fn a_first_host_that_is_dead_costs_the_time_of_one_connection() {
    for (weather, most) in [(LinkState::Refusing, 1), (LinkState::BlackHole, 6)] {
        let centre = centre().await;
        let net = LinkedNetwork::to(centre.hosts[0].clone(), Duration::from_millis(10));
        net.set(weather);
        let second = LinkedNetwork::to(centre.hosts[1].clone(), Duration::from_millis(10));
        let took = three_arrive_once(&format!("{weather:?}"), &centre, forwarder(net), forwarder(second)).await;
        assert!(took <= Duration::from_secs(most), "{weather:?}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_host_that_dies_midway_or_defers_leaves_one_copy() {
    let later = ProxyFault::Reply("451 4.3.0 later\r\n");
    let cases = [
        (SmtpStep::Banner, ProxyFault::Drop),
        (SmtpStep::Banner, later),
        (SmtpStep::Mail, later),
        (SmtpStep::Rcpt, later),
        (SmtpStep::Body, ProxyFault::Drop),
        (SmtpStep::Body, ProxyFault::Stall),
        (SmtpStep::LastByte, ProxyFault::Drop),
        // The first host has stored the message, and its reply is lost: the second one stores no other copy.
        (SmtpStep::End, ProxyFault::Drop),
        (SmtpStep::End, ProxyFault::Stall),
        (SmtpStep::End, ProxyFault::HalfAndDrop),
        (SmtpStep::End, later),
    ];
    for (step, fault) in cases {
        for times in [1, 1_000] {
            let case = format!("{fault:?} at {step:?}, {times} times");
            let centre = centre().await;
            let first = FaultyProxy::new(centre.hosts[0].clone(), &[], None);
            first.inject(step, fault, times);
            let second = FaultyProxy::new(centre.hosts[1].clone(), &[], None);
            three_arrive_once(&case, &centre, forwarder(first.clone()), forwarder(second)).await;
            assert!(first.injected() > 0, "{case}");
        }
    }
}
