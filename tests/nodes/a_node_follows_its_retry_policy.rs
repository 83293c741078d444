//! A node waits as long as its `RetryPolicy` says before it tries again: messages, greetings and lamps. Time is paused.

#![allow(clippy::unwrap_used, clippy::future_not_send, reason = "these are tests")]

use crate::support;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use support::{CENTRAL, HIMALAYA, address, event, mailbox, run, site, wav};
use voicemail::event::Event;
use voicemail::forward::{Acceptance, ForwardError, Forwarder, MailOut, Outcome, Sender};
use voicemail::greeting::{GreetingEvent, GreetingKind};
use voicemail::message::{Audio, AudioType, MailAddress, MailboxId, Message};
use voicemail::mwi::{MwiError, MwiSink, MwiState};
use voicemail::network::{LicenceClass, Mailbox, Network, Site, TimeSource, VoicemailType};
use voicemail::node::{Node, NodeBuilder};
use voicemail::record::CallFacts;
use voicemail::retry::{Backoff, RetryPolicy};
use voicemail::store::MemoryStore;

/// A peer that is never there, for everything that a node sends.
#[derive(Debug, Clone)]
struct Away;

impl Away {
    fn error() -> ForwardError {
        ForwardError::TimedOut { peer: "peer".to_owned(), step: "connection" }
    }
}

#[async_trait]
impl Forwarder for Away {
    async fn forward(&self, _: &Message, _: &[MailboxId]) -> Result<Acceptance, ForwardError> {
        Err(Self::error())
    }
}

#[async_trait]
impl MailOut for Away {
    async fn send(&self, _: Sender, _: &MailAddress, _: &Bytes) -> Result<Outcome, ForwardError> {
        Err(Self::error())
    }
}

#[async_trait]
impl MwiSink for Away {
    async fn show(&self, _: &MwiState) -> Result<(), MwiError> {
        Err(MwiError::Unavailable("the peer is away".into()))
    }
}

/// London is central and has the mailbox 2001; Tokyo is distributed and has 2008.
fn node(at: &str, folder: &tempfile::TempDir) -> NodeBuilder {
    let pbx = |name: &str, voicemail, node: &str, owner: &str| {
        let time = TimeSource::Sntp(vec!["ntp.example".parse().unwrap()]);
        let pbx = Site::builder(site(name), voicemail, chrono_tz::UTC).node(address(node)).time(time);
        pbx.licence(LicenceClass::Voicemail).ports(4).mailbox(Mailbox::new(mailbox(owner)))
    };
    let tokyo = pbx("tokyo", VoicemailType::Distributed, HIMALAYA, "2008");
    let network = Network::builder("voicemail.example")
        .site(pbx("london", VoicemailType::Central, CENTRAL, "2001"))
        .site(tokyo.trunk_group("main", &site("london")).destination("main"))
        .build()
        .unwrap();
    let directory = network.directory();
    Node::builder(address(at), network, directory, folder.path().join(at)).retry(policy())
}

const SPOOL: Duration = Duration::from_secs(40);
const GREETING: Duration = Duration::from_secs(80);
const LAMP: Duration = Duration::from_secs(120);

fn policy() -> RetryPolicy {
    let every = |wait| Backoff::new(wait, wait).unwrap();
    RetryPolicy::default().destination_unreachable(every(SPOOL)).greeting_unreachable(every(GREETING)).lamp_failed(every(LAMP))
}

/// Whether `wait` is `named`, shortened at random by up to a quarter.
fn is_jittered(wait: Duration, named: Duration) -> bool {
    (named.mul_f64(0.749)..=named).contains(&wait)
}

#[tokio::test(start_paused = true)]
async fn messages_are_retried_as_the_nodes_policy_says() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(HIMALAYA, &folder).forwarder(Away).open().await.unwrap();
    let (mut events, running) = (node.events(), run(&node));
    node.deposit_wav(&site("tokyo"), CallFacts::to(mailbox("2001")), wav(1_000, 1).into()).await.unwrap();
    for _ in 0..3 {
        let deferred = |event| if let Event::Deferred { retry_in, .. } = event { Some(retry_in) } else { None };
        let retry_in = event(&mut events, deferred).await;
        // The first probe that fails is followed at once by one with another message: here it is the same.
        assert!(is_jittered(retry_in, SPOOL) || retry_in.is_zero(), "{retry_in:?}");
    }
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn greetings_are_retried_as_the_nodes_policy_says() {
    let folder = tempfile::tempdir().unwrap();
    let builder = node(CENTRAL, &folder).store(MemoryStore::new(["2001", "2008"].map(mailbox)));
    let node = builder.greeting_forwarder(|_, _| Ok::<_, String>(Away)).open().await.unwrap();
    let (mut events, running) = (node.events(), run(&node));
    let sound = Audio::new(AudioType::Wav, wav(1_000, 1));
    node.greet(&mailbox("2008"), GreetingKind::Normal, sound).await.unwrap();
    for _ in 0..3 {
        let deferred = |event| match event {
            Event::Greeting(GreetingEvent::Deferred { retry_in, .. }) => Some(retry_in),
            _ => None,
        };
        let retry_in = event(&mut events, deferred).await;
        assert!(is_jittered(retry_in, GREETING), "{retry_in:?}");
    }
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn lamps_are_retried_as_the_nodes_policy_says() {
    let folder = tempfile::tempdir().unwrap();
    let builder = node(CENTRAL, &folder).store(MemoryStore::new(["2001", "2008"].map(mailbox)));
    let node = builder.sink(Away).open().await.unwrap();
    let (mut events, running) = (node.events(), run(&node));
    let failed = |event| matches!(event, Event::LampFailed { mailbox, .. } if mailbox.as_str() == "2001").then_some(());
    let mut times = Vec::new();
    for _ in 0..4 {
        event(&mut events, failed).await;
        times.push(tokio::time::Instant::now());
    }
    for wait in times.windows(2).map(|pair| pair[1] - pair[0]) {
        assert!((LAMP..LAMP + Duration::from_secs(1)).contains(&wait), "{wait:?}");
    }
    running.stop().await;
}
