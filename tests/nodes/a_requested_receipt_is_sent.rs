//! A sender who requested a receipt gets it after an outage of the mail server, a power cut, or the expiry of the message.

#![allow(clippy::unwrap_used, clippy::future_not_send, reason = "these are tests")]

use crate::support;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::TimeDelta;
use support::{CENTRAL, HIMALAYA, clock, event, mailbox, network, node, run, wav};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use voicemail::clock::{Clock as _, ManualClock};
use voicemail::disk::{PowerCutDisk, Unsynced};
use voicemail::event::Event;
use voicemail::forward::{ForwardError, MailOut, MemoryForwarder, Outcome, Reply, Sender};
use voicemail::intake::ListenMode;
use voicemail::message::{Audio, AudioType, ClockQuality, ClockSource, MailAddress, Message, MessageId, Origin, RecordedAt};
use voicemail::node::Node;
use voicemail::retrieval::ReceiptOutcome;
use voicemail::store::{MaildirStore, MemoryStore, MessageStore as _, Retention};
use voicemail::wire::{self, Addresses, TransferEncoding};

/// A mail server that defers all mail until it is set to be up.
#[derive(Debug, Clone, Default)]
struct MailServer(Arc<Mutex<Mails>>);

#[derive(Debug, Default)]
struct Mails {
    is_up: bool,
    accepted: Vec<(String, String)>,
}

#[async_trait]
impl MailOut for MailServer {
    async fn send(&self, sender: Sender, to: &MailAddress, mail: &Bytes) -> Result<Outcome, ForwardError> {
        assert_eq!(sender, Sender::Null, "a receipt has no return address");
        let mut mails = self.0.lock().unwrap();
        if !mails.is_up {
            return Ok(Outcome::Deferred(Reply::new(451, "later")));
        }
        mails.accepted.push((to.to_string(), String::from_utf8_lossy(mail).into_owned()));
        Ok(Outcome::Accepted)
    }
}

async fn open_node(disk: &PowerCutDisk, clock: &Arc<ManualClock>, server: &MailServer) -> Node {
    let day = Duration::from_secs(24 * 3600);
    let retention = Retention::default().new_for(30 * day).old_for(7 * day).removed_for(Duration::ZERO);
    let store = MaildirStore::builder("/store").disk(Arc::new(disk.clone())).clock(Arc::clone(clock));
    let store = store.retention(retention).directory(Arc::new(network().directory())).open().await.unwrap();
    let node = node(CENTRAL, Path::new("/spool")).disk(disk.clone()).store(store).clock(Arc::clone(clock));
    node.mail_out(server.clone()).open().await.unwrap()
}

/// Deposits a message for 2001 whose sender requests a receipt.
async fn deposit_with_request(node: &Node, clock: &ManualClock, seed: u32) -> MessageId {
    let recorded_at = RecordedAt::new(clock.now().instant, chrono_tz::UTC, ClockQuality::unknown(ClockSource::Manual));
    let message = Message::builder(Audio::new(AudioType::Wav, wav(1_000, seed)), recorded_at).build();
    let caller = "Disposition-Notification-To: <anna@far.example>\r\nFrom: <anna@far.example>\r\n";
    let recipients = [mailbox("2001")];
    let addresses = Addresses::new("far.example", "voicemail.example", &recipients);
    let mail = wire::encode(&message, &addresses, TransferEncoding::Base64).to_bytes();
    let mail = String::from_utf8(mail.to_vec()).unwrap();
    let without_from =
        mail.lines().filter(|line| !line.starts_with("From:")).fold(String::new(), |mail, line| mail + line + "\r\n");
    let message = message.arrived_as(format!("{caller}{without_from}").into());
    node.store().unwrap().deposit(&mailbox("2001"), &Origin::Here, &message).await.unwrap();
    message.id()
}

#[tokio::test(start_paused = true)]
async fn a_receipt_survives_a_server_outage_and_a_power_cut() {
    let (disk, clock, server) = (PowerCutDisk::new(), clock(), MailServer::default());
    let node = open_node(&disk, &clock, &server).await;
    let id = deposit_with_request(&node, &clock, 1).await;
    let mut events = node.events();
    let running = run(&node);
    assert_eq!(node.mailbox_service().unwrap().played(&mailbox("2001"), id).await.unwrap(), ReceiptOutcome::Sent);
    let reason = event(&mut events, |event| if let Event::MailDeferred { reason, .. } = event { Some(reason) } else { None });
    assert_eq!(reason.await, "451 later");
    running.stop().await;
    drop(node);
    disk.power_cut(Unsynced::Forgotten);

    server.0.lock().unwrap().is_up = true;
    let node = open_node(&disk, &clock, &server).await;
    let mut events = node.events();
    let running = run(&node);
    let sent = event(&mut events, |event| if let Event::MailSent { mail, .. } = event { Some(mail) } else { None }).await;
    assert_eq!(sent, format!("<{id}.played@{CENTRAL}>"));
    running.stop().await;
    let [(to, mail)] = &server.0.lock().unwrap().accepted[..] else { panic!("one receipt") };
    assert!(to == "anna@far.example" && mail.contains("MDN-sent-automatically; displayed"), "{mail}");
}

#[tokio::test(start_paused = true)]
async fn expiry_sends_a_receipt_only_for_an_unheard_message() {
    let (disk, clock, server) = (PowerCutDisk::new(), clock(), MailServer::default());
    server.0.lock().unwrap().is_up = true;
    let node = open_node(&disk, &clock, &server).await;
    let (heard, unheard) = (deposit_with_request(&node, &clock, 1).await, deposit_with_request(&node, &clock, 2).await);
    let mut events = node.events();
    let running = run(&node);
    node.mailbox_service().unwrap().played(&mailbox("2001"), heard).await.unwrap();
    clock.advance(TimeDelta::days(31));
    let mut sent = Vec::new();
    for _ in 0..2 {
        sent.push(event(&mut events, |event| if let Event::MailSent { mail, .. } = event { Some(mail) } else { None }).await);
    }
    assert_eq!(sent, [format!("<{heard}.played@{CENTRAL}>"), format!("<{unheard}.expired@{CENTRAL}>")]);
    // Two more steps of housekeeping: both messages are deleted for good, and no second receipt is sent.
    tokio::time::sleep(Duration::from_secs(121)).await;
    assert_eq!(node.store().unwrap().list(&mailbox("2001")).await.unwrap(), []);
    running.stop().await;
    let taken = &server.0.lock().unwrap().accepted;
    assert!(taken.len() == 2 && taken[1].1.contains("automatic-action/MDN-sent-automatically; deleted/expired"), "{taken:#?}");
}

/// Sends a whole session at once after the greeting, and returns all replies.
async fn session(at: SocketAddr, text: &str) -> String {
    let mut stream = BufReader::new(TcpStream::connect(at).await.unwrap());
    let mut replies = String::new();
    stream.read_line(&mut replies).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.read_to_string(&mut replies).await.unwrap();
    replies
}

#[tokio::test]
async fn mail_to_the_postmaster_of_any_node_reaches_its_operator() {
    let report = "Subject: Undelivered\r\n\r\nyour mail\r\n";
    let session_of = |to: &str| {
        let start = format!("EHLO mail.example\r\nMAIL FROM:<>\r\nRCPT TO:<{to}>\r\n");
        format!("{start}BDAT {} LAST\r\n{report}QUIT\r\n", report.len())
    };
    for (at, operator) in
        [(CENTRAL, None), (CENTRAL, Some("anna@far.example")), (HIMALAYA, None), (HIMALAYA, Some("b@c.example"))]
    {
        let (disk, clock, server) = (PowerCutDisk::new(), clock(), MailServer::default());
        server.0.lock().unwrap().is_up = true;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let node = node(at, Path::new("/spool")).disk(disk.clone()).clock(clock).mail_out(server.clone());
        let node = node.listen(listener, ListenMode::StartTls);
        let node = if at == CENTRAL { node.store(MemoryStore::new([])) } else { node.forwarder(MemoryForwarder::new()) };
        let node = operator.into_iter().fold(node, |node, address: &str| node.postmaster(address.parse().unwrap()));
        let node = node.open().await.unwrap();
        let (mut taken, mut sent) = (node.events(), node.events());
        let running = run(&node);
        for to in ["Postmaster".to_owned(), "postmaster@voicemail.example".to_owned(), format!("postmaster@{at}")] {
            let replies = session(address, &session_of(&to)).await;
            assert!(replies.contains("250 2.0.0 kept for the postmaster"), "{at} {to} {replies}");
            let kept_as =
                event(&mut taken, |event| if let Event::PostmasterMail { kept_as, .. } = event { Some(kept_as) } else { None });
            let kept_as = kept_as.await;
            if let Some(operator) = operator {
                let mail = event(&mut sent, |event| if let Event::MailSent { mail, .. } = event { Some(mail) } else { None });
                assert_eq!(mail.await, kept_as);
                let (went_to, mail) = server.0.lock().unwrap().accepted.pop().unwrap();
                assert!(
                    went_to == operator && mail.contains("\r\nReceived: from mail.example") && mail.ends_with(report),
                    "{mail}"
                );
            } else {
                let path = Path::new("/spool").join(at).join("postmaster").join(&kept_as);
                let mail = String::from_utf8(voicemail::disk::read(&disk, &path).unwrap()).unwrap();
                assert!(mail.starts_with("Received: from mail.example") && mail.ends_with(report), "{mail}");
            }
        }
        let replies = session(address, &session_of(&format!("voicemail@{at}"))).await;
        assert!(replies.contains("550 5.7.1 this node sends from this address"), "{replies}");
        running.stop().await;
    }
}
