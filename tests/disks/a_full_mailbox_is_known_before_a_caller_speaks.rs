//! A caller does not speak to a full mailbox in vain: neither at the node that keeps it, nor at a distributed node that has learnt that it is full.

#![allow(clippy::unwrap_used, clippy::future_not_send, reason = "these are tests")]

use crate::support;

use std::path::Path;
use std::sync::Arc;

use support::{CENTRAL, HIMALAYA, clock, event, mailbox, node, run, site, soon, wav};
use voicemail::audio::Format;
use voicemail::disk::PowerCutDisk;
use voicemail::event::Event;
use voicemail::forward::{MemoryForwarder, Outcome, Reply};
use voicemail::record::{CallFacts, RecordError};
use voicemail::store::MemoryStore;

#[tokio::test(start_paused = true)]
async fn a_distributed_node_remembers_full_mailboxes_for_a_while() {
    let (forwarder, disk) = (MemoryForwarder::new(), PowerCutDisk::new());
    forwarder.answer(mailbox("2001"), Outcome::Deferred(Reply::new(452, "4.2.2 mailbox 2001 is full")));
    let builder = node(HIMALAYA, Path::new("/spool")).disk(disk).forwarder(forwarder.clone()).clock(clock());
    let node = builder.open().await.unwrap();
    let mut events = node.events();
    let running = run(&node);
    let record =
        async |number: &str| node.record(&site("kathmandu"), CallFacts::to(mailbox(number)), Format::TELEPHONE_L16).await;

    drop(record("2001").await.unwrap());
    node.deposit_wav(&site("kathmandu"), CallFacts::to(mailbox("2001")), wav(1_500, 7).into()).await.unwrap();
    soon(event(&mut events, |event| matches!(event, Event::Deferred { .. }).then_some(()))).await;
    assert!(matches!(record("2001").await, Err(RecordError::MailboxFull(full)) if full == mailbox("2001")));
    node.deposit_wav(&site("kathmandu"), CallFacts::to(mailbox("2001")), wav(1_500, 9).into())
        .await
        .expect("it was spoken already");
    drop(record("2002").await.unwrap());
    let both = CallFacts::to(mailbox("2001")).and_to(mailbox("2002"));
    drop(node.record(&site("kathmandu"), both, Format::TELEPHONE_L16).await.unwrap());

    forwarder.answer(mailbox("2001"), Outcome::Accepted);
    soon(event(&mut events, |event| matches!(event, Event::Forwarded { .. }).then_some(()))).await;
    drop(record("2001").await.unwrap());
    running.stop().await;
}

#[tokio::test]
async fn the_central_node_asks_its_store() {
    let store = Arc::new(MemoryStore::new([mailbox("2001")]).max_messages(1));
    let builder = node(CENTRAL, Path::new("/spool")).disk(PowerCutDisk::new()).store(store).clock(clock());
    let node = builder.open().await.unwrap();
    let facts = || CallFacts::to(mailbox("2001"));
    node.deposit_wav(&site("london"), facts(), wav(1_500, 7).into()).await.unwrap();
    let refused = node.record(&site("london"), facts(), Format::TELEPHONE_L16).await;
    assert!(matches!(refused, Err(RecordError::MailboxFull(_))));
}
