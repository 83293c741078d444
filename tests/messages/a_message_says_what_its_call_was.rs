//! Details of a call stay with its message: in the spool, over a restart, on the way to the central node, and in its store.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use crate::support;

use std::path::Path;
use std::sync::Arc;

use support::{CENTRAL, HIMALAYA, event, mailbox, network, node, run, server_config, site, soon, wav};
use tempfile::tempdir;
use tokio::net::TcpListener;
use voicemail::audio::Format;
use voicemail::event::Event;
use voicemail::forward::SmtpForwarder;
use voicemail::intake::ListenMode;
use voicemail::message::{CallDetails, Caller, CallerName};
use voicemail::mwi::ChannelSink;
use voicemail::node::Node;
use voicemail::record::CallFacts;
use voicemail::store::{MaildirStore, MessageStore as _};

const CALL_ID: &str = "a84b4c76e66710@pc33.example.com";

fn said() -> CallDetails {
    CallDetails::default()
        .called("+97715550100".parse().unwrap())
        .diverted_from("sip:2001@pbx.example".parse().unwrap())
        .call_id(CALL_ID.parse().unwrap())
        .field("queue", "बिक्री, \"Zürich\" ☎️")
        .and_then(|details| details.field("ticket", "=?utf-8?Q?17?="))
        .unwrap()
}

async fn distributed(folder: &Path, central: &str, made: &rcgen::CertifiedKey<rcgen::KeyPair>) -> Node {
    let forwarder = SmtpForwarder::builder(central, "voicemail.example").node(HIMALAYA).server_name(CENTRAL);
    let forwarder = forwarder.ca_pem(made.cert.pem().as_bytes()).build().unwrap();
    node(HIMALAYA, folder).forwarder(forwarder).open().await.unwrap()
}

#[tokio::test]
async fn what_is_said_of_a_call_reaches_the_owners_mailbox() {
    let folder = tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed([CENTRAL.to_owned()]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap().to_string();

    // A recording and a sound file wait in the spool when the node ends.
    let first = distributed(folder.path(), &at, &made).await;
    let mut events = first.events();
    let caller = Caller::new("2417".parse().ok(), CallerName::cleaned("Anna"));
    let facts = CallFacts::to(mailbox("2001")).caller(caller.clone()).call_details(said());
    let mut recording = first.record(&site("kathmandu"), facts.clone(), Format::TELEPHONE_PCMU).await.unwrap();
    recording.push_payload(&[0x20; 16_000], 0);
    let recorded = recording.finish().await.unwrap().id;
    let deposited = first.deposit_wav(&site("kathmandu"), facts, wav(1_200, 1).into()).await.unwrap().id;
    for id in [recorded, deposited] {
        let call_id = soon(event(&mut events, |event| match event {
            Event::Kept { id: kept, call_id, .. } if kept == id => Some(call_id),
            _ => None,
        }));
        assert_eq!(call_id.await.unwrap().as_str(), CALL_ID);
    }
    drop(first);

    let store = MaildirStore::builder(folder.path().join("store")).directory(Arc::new(network().directory()));
    let (sink, _lamps) = ChannelSink::new(64);
    let central = node(CENTRAL, folder.path()).store(store.open().await.unwrap()).sink(sink).tls(server_config(&made));
    let central = central.listen(listener, ListenMode::StartTls).open().await.unwrap();
    let mut events = central.events();
    let second = distributed(folder.path(), &at, &made).await;
    let running = [run(&central), run(&second)];
    for _ in 0..2 {
        let call_id = soon(event(&mut events, |event| match event {
            Event::Stored { call_id, .. } => Some(call_id),
            _ => None,
        }));
        assert_eq!(call_id.await.unwrap().as_str(), CALL_ID);
    }
    let store = central.store().unwrap();
    let entries = store.list(&mailbox("2001")).await.unwrap();
    assert_eq!(entries.len(), 2);
    for entry in entries {
        assert_eq!((&entry.head.call_details, &entry.head.caller), (&said(), &caller));
        let message = store.retrieve(&mailbox("2001"), entry.head.id).await.unwrap();
        assert_eq!(message.head().call_details, said());
        let mail = String::from_utf8_lossy(message.mail().unwrap()).into_owned();
        assert!(mail.contains(&format!("\r\nVoicemail-Call-ID: {CALL_ID}\r\n")), "{mail}");
    }
    for running in running {
        running.stop().await;
    }
}

#[tokio::test]
async fn a_recording_that_is_begun_again_says_the_same() {
    let folder = tempdir().unwrap();
    let store = MaildirStore::builder(folder.path().join("store")).directory(Arc::new(network().directory()));
    let node = node(CENTRAL, folder.path()).store(store.open().await.unwrap()).open().await.unwrap();
    let facts = CallFacts::to(mailbox("2001")).call_details(said());
    let recording = node.record(&site("london"), facts, Format::TELEPHONE_PCMU).await.unwrap();
    let mut again = recording.restart().await.unwrap();
    again.push_payload(&[0x20; 16_000], 0);
    let kept = again.finish().await.unwrap();
    let message = node.store().unwrap().retrieve(&mailbox("2001"), kept.id).await.unwrap();
    assert_eq!(message.head().call_details, said());
}
