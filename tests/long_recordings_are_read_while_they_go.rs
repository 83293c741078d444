//! A long recording is never in memory whole on its way: read while it is sent, it arrives byte for byte or not at all.

#![allow(clippy::unwrap_used, reason = "these are tests")]

#[path = "support/links.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
mod links;
mod support;

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use links::Net;
use support::{CENTRAL, HIMALAYA, clock, event, mailbox, network, node, run, site, soon, wav};
use voicemail::conformance::disk::{Fault, FaultyDisk, Operation, PowerCutDisk};
use voicemail::event::Event;
use voicemail::forward::smtp::{Security, SmtpForwarder};
use voicemail::intake::Intake;
use voicemail::node::Node;
use voicemail::record::CallFacts;
use voicemail::store::{MemoryStore, MessageStore as _};

/// A distributed node on `disk`, and the mailboxes of the central one that it reaches.
async fn scene(disk: &FaultyDisk) -> (Node, Arc<MemoryStore>) {
    let store = Arc::new(MemoryStore::new([mailbox("2001")]));
    let network = network();
    let intake = Intake::builder(network.domain(), Arc::clone(&store) as _, Arc::new(network.directory())).build();
    let net = Net::to(intake, Duration::from_millis(20));
    let forwarder = SmtpForwarder::builder(format!("{CENTRAL}:25"), network.domain()).node(HIMALAYA).dial(net);
    let forwarder = forwarder.security(Security::PlainText).build().unwrap();
    let node = node(HIMALAYA, Path::new("/node")).disk(disk.clone()).forwarder(forwarder).clock(clock());
    (node.open().await.unwrap(), store)
}

fn reads(operation: Operation) -> bool {
    operation == Operation::ReadExactAt
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_cannot_be_read_in_the_middle_puts_off_that_message_alone_and_it_arrives_once_when_it_can() {
    let spoken = wav(75_000, 7);
    let mut met_in_the_sound = 0;
    for reads_before in [0, 1, 2, 3, 10, 100] {
        let disk = FaultyDisk::new(Arc::new(PowerCutDisk::new()));
        let (node, store) = scene(&disk).await;
        let mut events = node.events();
        let facts = || CallFacts::to(mailbox("2001"));
        let kept = node.deposit_wav(&site("kathmandu"), facts(), spoken.clone().into()).await.unwrap();
        disk.fail(Fault::after(reads_before, ErrorKind::Other).only(reads));
        let running = run(&node);
        let first = event(&mut events, |event| match event {
            Event::Deferred { reason, .. } => Some(Some(reason)),
            Event::Forwarded { .. } => Some(None),
            _ => None,
        });
        let first = soon(first).await;
        assert_eq!(first.is_some(), disk.mend() == 1, "{first:?} after {reads_before} reads");
        if first.is_some() {
            assert!(store.list(&mailbox("2001")).await.unwrap().is_empty(), "{first:?} after {reads_before} reads");
            met_in_the_sound += u32::from(reads_before > 0);
            // The way is open for others.
            let other = node.deposit_wav(&site("tokyo"), facts(), wav(1_000, 9).into()).await.unwrap();
            let forwarded = |event| matches!(event, Event::Forwarded { id, .. } if id == other.id).then_some(());
            soon(event(&mut events, forwarded)).await;
            let forwarded = |event| matches!(event, Event::Forwarded { id, .. } if id == kept.id).then_some(());
            soon(event(&mut events, forwarded)).await;
        }
        running.stop().await;
        let message = store.retrieve(&mailbox("2001"), kept.id).await.unwrap();
        assert!(message.audio().bytes()[..] == spoken[..], "byte for byte, after {reads_before} reads");
        assert_eq!(store.list(&mailbox("2001")).await.unwrap().len(), 1 + usize::from(first.is_some()));
    }
    assert!(met_in_the_sound >= 3, "{met_in_the_sound}");
}
