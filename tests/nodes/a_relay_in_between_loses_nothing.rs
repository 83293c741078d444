//! A node behind a mail server keeps each message until the central node proves that it has it.

#![allow(clippy::unwrap_used, clippy::future_not_send, reason = "these are tests")]

use crate::support;

use std::net::SocketAddr;
use std::path::Path;

use support::{CENTRAL, HIMALAYA, event, mailbox, network, node, run, server_config, site, soon, wav};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use voicemail::clock::SystemClock;
use voicemail::event::{Event, ReturnPathState};
use voicemail::forward::smtp::{Security, SetupError, SmtpForwarderBuilder};
use voicemail::forward::{Custody, SmtpForwarder};
use voicemail::intake::{Access, ListenMode, ListenerPolicy};
use voicemail::message::MessageId;
use voicemail::node::{Node, NodeBuilder};
use voicemail::record::CallFacts;
use voicemail::smtp::{CustodyKey, CustodySecret, ReturnPaths};
use voicemail::store::MemoryStore;

const DOMAIN: &str = "voicemail.example";

fn secret() -> CustodySecret {
    CustodySecret::new(&[1; 32])
}

fn key() -> CustodyKey {
    CustodyKey::new(HIMALAYA, &secret().key_bytes(HIMALAYA))
}

fn paths() -> ReturnPaths {
    ReturnPaths::new(HIMALAYA, &[2; 32])
}

fn anyone() -> ListenerPolicy {
    ListenerPolicy::new(ListenMode::StartTls, Access::anyone_anywhere())
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    (listener, at)
}

fn plain(to: SocketAddr, from: &str) -> SmtpForwarderBuilder {
    SmtpForwarder::builder(to.to_string(), DOMAIN).node(from).security(Security::PlainText)
}

/// The central node, which sends mail to the other one at `edge`.
fn centre(folder: &Path, edge: SocketAddr) -> NodeBuilder {
    let store = MemoryStore::new((2001..=2009).map(|number| mailbox(&number.to_string())));
    node(CENTRAL, folder).store(store).mail_out(plain(edge, CENTRAL).build().unwrap()).custody_secret(secret())
}

/// The distributed node, which sends by `forwarder`.
async fn edge(folder: &Path, listener: TcpListener, forwarder: SmtpForwarder) -> Node {
    let node = node(HIMALAYA, folder).forwarder(forwarder).return_paths(paths()).custody_key(key());
    node.listen(listener, anyone()).open().await.unwrap()
}

async fn deposit(edge: &Node) -> MessageId {
    let kept = edge.deposit_wav(&site("kathmandu"), CallFacts::to(mailbox("2001")), wav(1_000, 5).into()).await.unwrap();
    kept.id
}

/// Sends a report to the return path of a message; returns the last reply.
async fn report(to: SocketAddr, id: MessageId, report: &str) -> String {
    let mut stream = BufReader::new(TcpStream::connect(to).await.unwrap());
    let local = paths().sign(id, chrono::Utc::now());
    let report = report.replace('\n', "\r\n");
    let commands = [
        "EHLO relay.example\r\n".to_owned(),
        "MAIL FROM:<>\r\n".to_owned(),
        format!("RCPT TO:<{local}@{HIMALAYA}>\r\n"),
        "DATA\r\n".to_owned(),
        format!("{report}\r\n.\r\n"),
    ];
    let mut last = String::new();
    for command in std::iter::once(String::new()).chain(commands) {
        stream.get_mut().write_all(command.as_bytes()).await.unwrap();
        last = String::from("----");
        while last.as_bytes()[3] == b'-' {
            last.clear();
            stream.read_line(&mut last).await.unwrap();
        }
    }
    last
}

/// A report as Postfix writes it, about mailbox 2001.
fn postfix_report(action: &str, more: &str) -> String {
    format!(
        "From: MAILER-DAEMON@relay.example\nSubject: Undelivered Mail\nContent-Type: multipart/report; report-type=delivery-status;\n\
         \tboundary=\"x/1\"\n\n--x/1\nContent-Type: text/plain\n\nI'm sorry\n\n--x/1\nContent-Type: message/delivery-status\n\n\
         Reporting-MTA: dns; relay.example\n\nFinal-Recipient: rfc822; 2001@{DOMAIN}\nAction: {action}\nStatus: 5.1.1\n\
         Diagnostic-Code: smtp; 550 5.1.1 no such mailbox\n{more}\n--x/1--\n"
    )
}

#[tokio::test]
async fn a_relayed_message_goes_when_the_central_node_proves_it() {
    let folder = TempDir::new().unwrap();
    let (edge_listener, edge_at) = listener().await;
    let (centre_listener, centre_at) = listener().await;
    let centre = centre(folder.path(), edge_at).listen(centre_listener, anyone()).open().await.unwrap();
    let forwarder = plain(centre_at, HIMALAYA).return_paths(paths(), SystemClock).custody(Custody::Relay, key());
    let edge = edge(folder.path(), edge_listener, forwarder.build().unwrap()).await;
    let mut events = edge.events();
    let id = deposit(&edge).await;
    let running = [run(&centre), run(&edge)];
    let mut steps = Vec::new();
    while steps.last() != Some(&"confirmed") {
        let step = soon(event(&mut events, |event| match event {
            Event::Relayed { id: of, .. } | Event::Confirmed { id: of, .. } => (of == id).then(|| event.name()),
            Event::Forwarded { .. } | Event::Parked { .. } => panic!("{event:?}"),
            _ => None,
        }));
        steps.push(step.await);
    }
    assert_eq!(steps, ["relayed", "confirmed"]);
    assert_eq!(edge.spool().relayed().await.unwrap(), []);
    assert_eq!(centre.store().unwrap().summary(&mailbox("2001")).await.unwrap().new, 1);
    for running in running {
        running.stop().await;
    }
}

#[tokio::test]
async fn a_relay_without_the_way_back_is_reported_until_a_receipt() {
    let folder = TempDir::new().unwrap();
    let (edge_listener, edge_at) = listener().await;
    let (centre_listener, centre_at) = listener().await;
    let centre = centre(folder.path(), edge_at).listen(centre_listener, anyone()).open().await.unwrap();
    // As a relay, the central node sends no mail to other hosts.
    let forwarder = plain(centre_at, HIMALAYA).return_paths(paths(), SystemClock).custody(Custody::Relay, key());
    let edge = edge(folder.path(), edge_listener, forwarder.build().unwrap()).await;
    let mut events = edge.events();
    let running = [run(&centre), run(&edge)];
    let shown = |event| match event {
        Event::ReturnPathFails { destination, reason, .. } => Some((destination, reason)),
        Event::ReturnPathWorks { destination, .. } => Some((destination, "works".to_owned())),
        _ => None,
    };
    let (destination, reason) = soon(event(&mut events, shown)).await;
    assert!(destination == CENTRAL && reason.starts_with("the relay refused the probe: 550 "), "{reason}");
    assert_eq!(edge.spool().state()[0].return_path, ReturnPathState::Fails);
    deposit(&edge).await;
    assert_eq!(soon(event(&mut events, shown)).await.1, "works", "its receipt has come");
    assert_eq!(edge.spool().state()[0].return_path, ReturnPathState::Works);
    for running in running {
        running.stop().await;
    }
}

#[tokio::test]
async fn a_probe_that_comes_back_is_no_report() {
    let folder = TempDir::new().unwrap();
    let (edge_listener, edge_at) = listener().await;
    // The node itself is the relay, and delivers the probe.
    let forwarder = plain(edge_at, HIMALAYA).return_paths(paths(), SystemClock).custody(Custody::Auto, key());
    let edge = edge(folder.path(), edge_listener, forwarder.build().unwrap()).await;
    let mut events = edge.events();
    let running = run(&edge);
    let shown = event(&mut events, |event| match event {
        Event::ReturnPathWorks { .. } => Some(()),
        Event::ReportReceived { .. } | Event::UnprovenReport { .. } | Event::ReturnPathFails { .. } => panic!("{event:?}"),
        _ => None,
    });
    soon(shown).await;
    running.stop().await;
}

#[tokio::test]
async fn a_centre_that_proves_its_name_under_tls_is_no_relay() {
    let folder = TempDir::new().unwrap();
    let (edge_listener, edge_at) = listener().await;
    let (centre_listener, centre_at) = listener().await;
    let made = rcgen::generate_simple_self_signed([CENTRAL.to_owned()]).unwrap();
    let centre = centre(folder.path(), edge_at).tls(server_config(&made)).listen(centre_listener, anyone()).open().await.unwrap();
    let builder = |name: &str| {
        let builder = SmtpForwarder::builder(centre_at.to_string(), DOMAIN).node(HIMALAYA).server_name(name);
        builder.return_paths(paths(), SystemClock).custody(Custody::Auto, key())
    };
    let proven = builder(CENTRAL).ca_pem(made.cert.pem().as_bytes()).build().unwrap();
    // The same server, whose certificate nobody has checked.
    let unproven = builder(CENTRAL).security(Security::PlainTextIfNoTls).build().unwrap();
    let edge = edge(folder.path(), edge_listener, proven).await;
    let mut events = edge.events();
    let id = deposit(&edge).await;
    let running = [run(&centre), run(&edge)];
    let step = event(&mut events, |event| match event {
        Event::Relayed { .. } => panic!("it has proven its name"),
        Event::Forwarded { id: of, .. } => (of == id).then_some(()),
        _ => None,
    });
    soon(step).await;
    let message = centre.store().unwrap().retrieve(&mailbox("2001"), id).await.unwrap();
    assert_eq!(edge.spool().state()[0].return_path, ReturnPathState::Unknown, "nothing is asked of a final node");
    let acceptance = voicemail::forward::Forwarder::forward(&unproven, &message, &[mailbox("2001")]).await.unwrap();
    assert_eq!(acceptance.outcomes, [voicemail::forward::Outcome::Relayed]);
    for running in running {
        running.stop().await;
    }
}

#[tokio::test]
async fn reports_do_what_they_prove_and_no_more() {
    let folder = TempDir::new().unwrap();
    let (edge_listener, edge_at) = listener().await;
    let relay = voicemail::forward::MemoryForwarder::new();
    relay.answer(mailbox("2001"), voicemail::forward::Outcome::Relayed);
    let node = node(HIMALAYA, folder.path()).forwarder(relay).return_paths(paths()).custody_key(key());
    let edge = node.listen(edge_listener, anyone()).open().await.unwrap();
    let mut events = edge.events();
    let id = deposit(&edge).await;
    let running = run(&edge);
    soon(event(&mut events, |event| matches!(event, Event::Relayed { .. }).then_some(()))).await;

    let no_proof = "X-Voicemail-Custody: 1;himalaya.voicemail.example;AAAA\nX-Voicemail-Digest: sha-256=00\n";
    let other_mailbox = postfix_report("failed", "").replace("2001@", "2002@");
    let other_domain = postfix_report("failed", "").replace(DOMAIN, "elsewhere.example");
    for (action, harmless) in [
        ("delivered", postfix_report("delivered", "")),
        ("delivered", postfix_report("delivered", no_proof)),
        ("relayed", postfix_report("relayed", "")),
        ("delayed", postfix_report("delayed", "")),
        ("expanded", postfix_report("expanded", "")),
        ("failed", other_domain),
        ("unreadable", "Subject: Out of office\nAuto-Submitted: auto-replied\n\nAction: failed\n".to_owned()),
        (
            "unreadable",
            format!(
                "Content-Type: multipart/report; boundary=o\n\n--o\nContent-Type: message/rfc822\n\n{}",
                postfix_report("failed", "")
            ),
        ),
    ] {
        assert!(soon(report(edge_at, id, &harmless)).await.starts_with("250"), "{harmless}");
        assert_eq!(edge.spool().relayed().await.unwrap().len(), 1, "{harmless}");
        let reported = event(&mut events, |event| match event {
            Event::UnprovenReport { id: of, mailbox, action, status, server, reply, .. } if of == id => {
                let fields = (mailbox.map(|mailbox| mailbox.to_string()), status.map(|status| status.to_string()), server, reply);
                Some((action, fields))
            }
            _ => None,
        });
        let (reported, fields) = soon(reported).await;
        assert_eq!(reported.as_str(), action, "{harmless}");
        let text = |text: &str| Some(text.to_owned());
        let expected = if action == "unreadable" {
            (None, None, None, None)
        } else {
            let number = text("2001").filter(|_| action != "failed");
            (number, text("5.1.1"), text("relay.example"), text("550 5.1.1 no such mailbox"))
        };
        assert_eq!(fields, expected, "{harmless}");
        let said = edge.spool().said(id).await.unwrap().unwrap();
        assert!(String::from_utf8_lossy(&said).contains(&harmless.replace('\n', "\r\n")), "{harmless}");
    }
    assert!(soon(report(edge_at, id, &other_mailbox)).await.starts_with("250"));
    assert_eq!(edge.spool().relayed().await.unwrap().len(), 1, "about another mailbox");
    let unknown = soon(report(edge_at, MessageId::random(), &postfix_report("failed", ""))).await;
    assert!(unknown.starts_with("250") && edge.spool().relayed().await.unwrap().len() == 1, "about another message");

    for _ in 0..2 {
        assert!(soon(report(edge_at, id, &postfix_report("failed", ""))).await.starts_with("250"));
    }
    let parked = edge.spool().parked().await.unwrap();
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].reason, "5.1.1 550 5.1.1 no such mailbox (reported by relay.example)");
    assert_eq!(edge.spool().relayed().await.unwrap(), []);
    running.stop().await;
}

#[test]
fn custody_without_return_paths_is_named_by_build() {
    let at = "127.0.0.1:25".parse().unwrap();
    let built = plain(at, HIMALAYA).custody(Custody::Auto, key()).build();
    assert!(matches!(built, Err(SetupError::NoReturnPath)));
    assert!(plain(at, HIMALAYA).custody(Custody::Final, key()).build().is_ok());
    assert_eq!(network().domain(), DOMAIN);
}
