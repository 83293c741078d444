//! A node sends a mail for a message that a caller leaves, and the lamp follows it.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::sync::Arc;

use voicemail::arrival::mail::OwnerRules;
use voicemail::directory::{Owner, StaticDirectory};
use voicemail::event::Event;
use voicemail::mwi::ChannelSink;
use voicemail::record::CallFacts;
use voicemail::rules::{ArrivalRules, Content, Then};
use voicemail::store::MemoryStore;

use super::nodes::{CENTRAL, event, mailbox, node, run, site, soon, wav};
use super::support::{Server, rule};

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_is_accepted_puts_the_lamp_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut owner = Owner::new(site("london"), chrono_tz::Europe::London);
    owner.email = Some("anna@example.com".parse().unwrap());
    owner.rules = ArrivalRules::new([rule(Content::Copy).then(Then::Heard)]).unwrap();
    let directory: StaticDirectory = [(mailbox("2001"), owner)].into_iter().collect();
    let (server, (sink, mut states)) = (Server::default(), ChannelSink::new(64));
    let node = node(CENTRAL, folder.path())
        .store(Arc::new(MemoryStore::new([mailbox("2001")])))
        .sink(sink)
        .mail_owners(OwnerRules::new(directory), server.clone());
    let node = node.open().await.unwrap();
    let mut events = node.events();
    let running = run(&node);
    node.deposit_wav(&site("london"), CallFacts::to(mailbox("2001")), wav(2_000, 1).into()).await.unwrap();
    let attempts = soon(event(&mut events, |event| match event {
        Event::StepDone { step, attempts, .. } if step == "mail" => Some(attempts),
        _ => None,
    }));
    assert_eq!(attempts.await, 1);
    let heard = async { while states.recv().await.is_none_or(|state| state.summary.to_string() != "0/1 (0/0)") {} };
    soon(heard).await;
    running.stop().await;
    let mails = server.mails.lock().unwrap();
    let [(to, mail)] = &mails[..] else { panic!("{} mails", mails.len()) };
    assert_eq!(to.as_str(), "anna@example.com");
    let mail = mail_parser::MessageParser::default().parse(&mail[..]).unwrap();
    assert_eq!(mail.from().unwrap().first().unwrap().address(), Some("voicemail@voicemail.example"));
    assert_eq!(mail.subject(), Some("Voice message from an unknown caller, 0:02"));
}
