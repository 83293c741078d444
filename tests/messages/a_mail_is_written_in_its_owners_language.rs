//! The mail of a message has a subject and a text in the language of its owner, or of all its owners.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use crate::support;

use std::sync::Arc;

use support::{CENTRAL, address, clock, mailbox, site, wav};
use voicemail::disk::PowerCutDisk;
use voicemail::message::{Caller, CallerName};
use voicemail::network::NetworkDescription;
use voicemail::node::Node;
use voicemail::record::CallFacts;
use voicemail::store::{MaildirStore, MessageStore as _};

const NETWORK: &str = r#"
    domain = "voicemail.example"

    [[pbx]]
    id = "london"
    voicemail = "central"
    zone = "Europe/London"
    language = "en-GB"
    node = "central.voicemail.example"
    time = { sntp = ["ntp.example"] }
    licences = ["voicemail"]
    ports = 4

    [pbx.mailbox.2001]
    [pbx.mailbox.2002]
    language = "de-AT"
    [pbx.mailbox.2003]
    language = "de-AT"
"#;

async fn open_node() -> Node {
    let network = toml::from_str::<NetworkDescription>(NETWORK).unwrap().check().unwrap();
    let (directory, disk) = (network.directory(), PowerCutDisk::new());
    let store = MaildirStore::builder("/store").disk(Arc::new(disk.clone())).clock(clock()).directory(directory.clone());
    let node = Node::builder(address(CENTRAL), network, directory, "/spool").disk(disk).clock(clock());
    node.store(store.open().await.unwrap()).open().await.unwrap()
}

/// Leaves a message of `facts`, and returns the mail that `number` has of it.
async fn mail_of(node: &Node, facts: CallFacts, number: &str) -> String {
    let kept = node.deposit_wav(&site("london"), facts, wav(41_200, 1).into()).await.unwrap();
    let message = node.store().unwrap().retrieve(&mailbox(number), kept.id).await.unwrap();
    assert!(message.audio().bytes()[..] == wav(41_200, 1)[..], "the sound stays as it was");
    String::from_utf8(message.mail().unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn subject_and_text_are_in_the_language_of_all_owners() {
    let node = open_node().await;
    let caller = Caller::new("+442079460112".parse().ok(), CallerName::cleaned("Anna"));
    let to = |number: &str| CallFacts::to(mailbox(number)).caller(caller.clone());
    let english = "Voice message from Anna +442079460112";
    let german = "Sprachnachricht von Anna +442079460112";
    for (facts, number, expected) in [
        (to("2001"), "2001", english),
        (to("2002"), "2002", german),
        (to("2002").and_to(mailbox("2003")), "2003", german),
        (to("2001").and_to(mailbox("2002")), "2002", english),
        (to("2001").language("de".parse().unwrap()), "2001", german),
    ] {
        let mail = mail_of(&node, facts, number).await;
        assert!(mail.contains(&format!("\r\nSubject: {expected}, 0:42\r\n")), "{mail}");
        assert!(mail.contains(&format!("\r\n\r\n{expected}\r\n")), "{mail}");
        assert!(mail.contains("2025-07-14 10:05 +01:00 Europe/London\r\n"), "{mail}");
    }
}

#[tokio::test]
async fn an_unknown_caller_of_an_urgent_private_message_is_named_so() {
    let node = open_node().await;
    let mail = mail_of(&node, CallFacts::to(mailbox("2001")).urgent().private(), "2001").await;
    assert!(mail.contains("\r\nSubject: Urgent: Voice message from an unknown caller, 0:42\r\n"), "{mail}");
    assert!(mail.contains("\r\nThis message is urgent.\r\nThis message is private. Please do not pass it on.\r\n"), "{mail}");
    assert!(mail.contains("Content-Type: text/plain; charset=\"utf-8\"\r\n"), "{mail}");
}
