//! A message that was refused for good is copied once into the mailbox for undeliverable messages, and stays parked.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use crate::support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use support::{CENTRAL, HIMALAYA, address, clock, event, mailbox, run, site, soon, wav};
use tempfile::tempdir;
use voicemail::event::Event;
use voicemail::forward::{ForwardError, MemoryForwarder, Outcome, Reply, Script};
use voicemail::message::{CallFields, MailboxId, Message, MessageId, Origin};
use voicemail::network::{LicenceClass, Mailbox, Network, NetworkBuilder, Site, SiteBuilder, TimeSource, VoicemailType};
use voicemail::node::Node;
use voicemail::record::CallFacts;
use voicemail::spool::ParkedBy;
use voicemail::store::{Deposit, MemoryStore, MessageStore, StoreError, StoreWrapper};

/// London is central, Kathmandu and Tokyo share a distributed node. Undeliverable messages go to 2009, those of Tokyo to 2008.
fn network() -> NetworkBuilder {
    let pbx = |name: &str, voicemail, node| -> SiteBuilder {
        let time = TimeSource::Sntp(vec!["ntp.example".parse().unwrap()]);
        let pbx = Site::builder(site(name), voicemail, chrono_tz::UTC).time(time).licence(LicenceClass::Voicemail).ports(8);
        pbx.node(address(node))
    };
    let distributed = |name| {
        let pbx = pbx(name, VoicemailType::Distributed, HIMALAYA);
        pbx.trunk_group("main", &site("london")).destination("main")
    };
    let numbers = (2001..=2009).map(|number| Mailbox::new(mailbox(&number.to_string())));
    let london = numbers.fold(pbx("london", VoicemailType::Central, CENTRAL), SiteBuilder::mailbox);
    let tokyo = distributed("tokyo").undeliverable(mailbox("2008"));
    Network::builder("voicemail.example").site(london).site(distributed("kathmandu")).site(tokyo)
}

fn with_undeliverable() -> Network {
    network().undeliverable(mailbox("2009")).build().unwrap()
}

/// A store that refuses messages for 2005 for good, and takes none for 2009 while that is full.
#[derive(Debug)]
struct Refusing {
    store: MemoryStore,
    is_full: AtomicBool,
}

impl Refusing {
    fn new() -> Arc<Self> {
        let store = MemoryStore::new((2001..=2009).map(|number| mailbox(&number.to_string())));
        Arc::new(Self { store, is_full: AtomicBool::new(false) })
    }
}

#[async_trait]
impl StoreWrapper for Refusing {
    type Inner = MemoryStore;

    fn inner(&self) -> &MemoryStore {
        &self.store
    }

    async fn deposit(&self, mailbox: &MailboxId, origin: &Origin, message: &Message) -> Result<Deposit, StoreError> {
        match mailbox.as_str() {
            "2005" => Err(StoreError::NoSuchMailbox(mailbox.clone())),
            "2009" if self.is_full.load(Ordering::Relaxed) => Err(StoreError::MailboxFull(mailbox.clone())),
            _ => self.store.deposit(mailbox, origin, message).await,
        }
    }
}

async fn central(store: &Arc<Refusing>, folder: &Path) -> Node {
    let network = with_undeliverable();
    let directory = network.directory();
    Node::builder(address(CENTRAL), network, directory, folder).store(Arc::clone(store)).open().await.unwrap()
}

async fn himalaya(forwarder: &MemoryForwarder, network: Network, folder: &Path) -> Node {
    let directory = network.directory();
    let node = Node::builder(address(HIMALAYA), network, directory, folder).forwarder(forwarder.clone());
    node.clock(clock()).open().await.unwrap()
}

async fn keep(node: &Node, at: &str, number: &str, seed: u32) -> MessageId {
    node.deposit_wav(&site(at), CallFacts::to(mailbox(number)), wav(1_000, seed).into()).await.unwrap().id
}

fn deposited(event: Event) -> Option<(MessageId, MailboxId, MailboxId)> {
    match event {
        Event::UndeliverableDeposited { id, mailbox, deposited_in, .. } => Some((id, mailbox, deposited_in)),
        _ => None,
    }
}

fn note(folder: &Path) -> PathBuf {
    let mut notes = fs::read_dir(folder.join("parked")).unwrap().map(|entry| entry.unwrap().path());
    notes.find(|path| path.extension().is_some_and(|extension| extension == "txt")).unwrap()
}

fn unknown() -> Outcome {
    Outcome::Refused(Reply::new(550, "5.1.1 no mailbox 2005"))
}

#[tokio::test]
async fn a_central_node_deposits_a_copy_with_address_and_reason() {
    let (folder, store) = (tempdir().unwrap(), Refusing::new());
    let node = central(&store, folder.path()).await;
    let mut events = node.events();
    let running = run(&node);
    let id = keep(&node, "london", "2005", 1).await;
    assert_eq!(soon(event(&mut events, deposited)).await, (id, mailbox("2005"), mailbox("2009")));

    let [entry] = &store.store.list(&mailbox("2009")).await.unwrap()[..] else { panic!("one copy is deposited") };
    let copy = store.store.retrieve(&mailbox("2009"), entry.head.id).await.unwrap();
    assert_eq!(copy.audio().bytes()[..], wav(1_000, 1)[..], "it is whole");
    let fields = &copy.head().call_details.fields;
    assert_eq!(fields.get(CallFields::UNDELIVERABLE_TO), Some("2005"));
    assert!(fields.get(CallFields::UNDELIVERABLE_REASON).unwrap().contains("no mailbox 2005"), "{:?}", copy.head());

    let [parked] = &node.spool().parked().await.unwrap()[..] else { panic!("the message stays parked") };
    assert_eq!((parked.id, parked.by, parked.deposited_in.clone()), (id, ParkedBy::Refusal, Some(mailbox("2009"))));
    node.spool().export(id, &mailbox("2005")).await.unwrap();
    running.stop().await;
}

#[tokio::test]
async fn a_crash_before_the_note_makes_no_second_copy() {
    let (folder, store) = (tempdir().unwrap(), Refusing::new());
    let node = central(&store, folder.path()).await;
    let mut events = node.events();
    let running = run(&node);
    let id = keep(&node, "london", "2005", 2).await;
    soon(event(&mut events, deposited)).await;
    running.crash().await;
    drop(node);
    let path = note(folder.path());
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("deposited-in: 2009\n", "")).unwrap();
    assert_ne!(fs::read_to_string(&path).unwrap(), text, "the note had the mailbox");

    let node = central(&store, folder.path()).await;
    let mut events = node.events();
    let running = run(&node);
    assert_eq!(soon(event(&mut events, deposited)).await.0, id, "it is offered again");
    assert_eq!(store.store.list(&mailbox("2009")).await.unwrap().len(), 1);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_full_mailbox_gets_the_copy_when_it_has_room() {
    let (folder, store) = (tempdir().unwrap(), Refusing::new());
    store.is_full.store(true, Ordering::Relaxed);
    let node = central(&store, folder.path()).await;
    let mut events = node.events();
    let running = run(&node);
    let id = keep(&node, "london", "2005", 3).await;
    event(&mut events, |event| matches!(event, Event::Parked { .. }).then_some(())).await;
    tokio::time::sleep(std::time::Duration::from_secs(600)).await;
    let [parked] = &node.spool().parked().await.unwrap()[..] else { panic!("the message is parked") };
    assert_eq!(parked.deposited_in, None);
    store.is_full.store(false, Ordering::Relaxed);
    assert_eq!(event(&mut events, deposited).await.0, id);
    running.stop().await;
}

#[tokio::test]
async fn a_distributed_node_forwards_the_copy_of_each_pbx() {
    let (folder, forwarder) = (tempdir().unwrap(), MemoryForwarder::new());
    forwarder.answer(mailbox("2005"), unknown());
    let node = himalaya(&forwarder, with_undeliverable(), folder.path()).await;
    let mut events = node.events();
    let running = run(&node);
    let first = keep(&node, "kathmandu", "2005", 4).await;
    assert_eq!(soon(event(&mut events, deposited)).await, (first, mailbox("2005"), mailbox("2009")));
    let second = keep(&node, "tokyo", "2005", 5).await;
    assert_eq!(soon(event(&mut events, deposited)).await, (second, mailbox("2005"), mailbox("2008")));
    for (number, seed) in [("2009", 4), ("2008", 5)] {
        let [copy] = &forwarder.taken(&mailbox(number))[..] else { panic!("one copy comes to {number}") };
        assert_eq!(copy.audio().bytes()[..], wav(1_000, seed)[..]);
        assert_eq!(copy.head().call_details.fields.get(CallFields::UNDELIVERABLE_TO), Some("2005"));
    }
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_repeats_the_copy_under_the_same_id() {
    let (folder, forwarder) = (tempdir().unwrap(), MemoryForwarder::new());
    let node = himalaya(&forwarder, with_undeliverable(), folder.path()).await;
    let mut events = node.events();
    forwarder.next(Script::Refuse(Reply::new(550, "5.1.1 no mailbox")));
    forwarder.next(Script::Fail(ForwardError::TimedOut { peer: CENTRAL.to_owned(), step: "greeting" }));
    forwarder.next(Script::LoseTheAnswer);
    let running = run(&node);
    keep(&node, "kathmandu", "2005", 6).await;
    event(&mut events, deposited).await;
    let copies: Vec<MessageId> = forwarder.taken(&mailbox("2009")).iter().map(Message::id).collect();
    assert_eq!(copies.len(), 2, "the answer to the first was lost");
    assert_eq!(copies[0], copies[1], "a store takes it once");
    running.stop().await;
}

#[tokio::test]
async fn no_copy_is_made_that_could_come_round() {
    let (folder, forwarder) = (tempdir().unwrap(), MemoryForwarder::new());
    let node = himalaya(&forwarder, with_undeliverable(), folder.path()).await;
    let mut events = node.events();
    // By an operator, before the node runs.
    let held = keep(&node, "kathmandu", "2001", 7).await;
    node.spool().park(held, &mailbox("2001"), "wait for the owner").await.unwrap();
    forwarder.next(Script::Refuse(Reply::new(550, "5.7.1 not for you")));
    let running = run(&node);
    // For the mailbox of undeliverable messages itself.
    let refused = keep(&node, "kathmandu", "2009", 8).await;
    soon(event(&mut events, |event| matches!(event, Event::Parked { id, .. } if id == refused).then_some(()))).await;
    forwarder.answer(mailbox("2005"), unknown());
    let other = keep(&node, "kathmandu", "2005", 9).await;
    assert_eq!(soon(event(&mut events, deposited)).await.0, other);
    assert_eq!(forwarder.taken(&mailbox("2009")).len(), 1, "only the copy of the third message");
    let parked = node.spool().parked().await.unwrap();
    let of = |id| parked.iter().find(|parked| parked.id == id).unwrap();
    assert_eq!((of(held).by, of(held).deposited_in.clone()), (ParkedBy::Operator, None));
    assert_eq!((of(refused).by, of(refused).deposited_in.clone()), (ParkedBy::Refusal, None));
    running.stop().await;
}

#[tokio::test]
async fn a_mailbox_that_is_named_later_gets_what_is_parked() {
    let (folder, forwarder) = (tempdir().unwrap(), MemoryForwarder::new());
    forwarder.answer(mailbox("2005"), unknown());
    let node = himalaya(&forwarder, network().build().unwrap(), folder.path()).await;
    let mut events = node.events();
    let running = run(&node);
    let id = keep(&node, "kathmandu", "2005", 10).await;
    soon(event(&mut events, |event| matches!(event, Event::Parked { .. }).then_some(()))).await;
    running.stop().await;
    drop((node, events));

    let node = himalaya(&forwarder, with_undeliverable(), folder.path()).await;
    let mut events = node.events();
    let running = run(&node);
    assert_eq!(soon(event(&mut events, deposited)).await, (id, mailbox("2005"), mailbox("2009")));
    running.stop().await;
}
