//! A group mailbox has a name instead of a number, in any case; the names of the node's own addresses stay its own.

#![allow(clippy::unwrap_used, clippy::future_not_send, reason = "these are tests")]

use crate::support;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use support::{CENTRAL, address, clock, event, mailbox, run, site, soon, wav};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use voicemail::disk::{Disk as _, PowerCutDisk};
use voicemail::event::Event;
use voicemail::greeting::GreetingKind;
use voicemail::intake::ListenMode;
use voicemail::message::{Audio, AudioType, ClockQuality, ClockSource, InvalidMailboxId, MailboxId, Message, RecordedAt};
use voicemail::mwi::ChannelSink;
use voicemail::network::NetworkDescription;
use voicemail::node::Node;
use voicemail::record::CallFacts;
use voicemail::store::{MaildirStore, MessageStore as _};
use voicemail::wire::{Addresses, TransferEncoding, encode};

const NETWORK: &str = r#"
    domain = "voicemail.example"

    [[pbx]]
    id = "london"
    voicemail = "central"
    zone = "Europe/London"
    node = "central.voicemail.example"
    time = { sntp = ["ntp.example"] }
    licences = ["voicemail"]
    ports = 4

    [pbx.mailbox.2001]
    [pbx.mailbox.Sales]
    [pbx.mailbox."sales.berlin-2"]
"#;

async fn open_node(disk: &PowerCutDisk, sink: ChannelSink, listener: TcpListener) -> Node {
    let network = toml::from_str::<NetworkDescription>(NETWORK).unwrap().check().unwrap();
    let directory = network.directory();
    let store = MaildirStore::builder("/store").disk(Arc::new(disk.clone())).clock(clock()).directory(directory.clone());
    let node = Node::builder(address(CENTRAL), network, directory, "/spool").disk(disk.clone()).clock(clock());
    node.store(store.open().await.unwrap()).sink(sink).listen(listener, ListenMode::StartTls).open().await.unwrap()
}

/// Sends one mail to each recipient in one session, and returns all replies.
async fn session(at: SocketAddr, recipients: &[&str], mail: &[u8]) -> String {
    let mut stream = BufReader::new(TcpStream::connect(at).await.unwrap());
    let mut replies = String::new();
    stream.read_line(&mut replies).await.unwrap();
    stream.write_all(b"EHLO mail.example\r\n").await.unwrap();
    for to in recipients {
        let start = format!("MAIL FROM:<>\r\nRCPT TO:<{to}>\r\nBDAT {} LAST\r\n", mail.len());
        stream.write_all(start.as_bytes()).await.unwrap();
        stream.write_all(mail).await.unwrap();
    }
    stream.write_all(b"QUIT\r\n").await.unwrap();
    stream.read_to_string(&mut replies).await.unwrap();
    replies
}

fn a_mail() -> Vec<u8> {
    let quality = ClockQuality::unknown(ClockSource::Manual);
    let recorded_at = RecordedAt::new("2025-03-30T00:59:40Z".parse().unwrap(), chrono_tz::UTC, quality);
    let message = Message::builder(Audio::new(AudioType::Wav, wav(1_000, 1)), recorded_at).build();
    encode(&message, &Addresses::new("edge.example", "voicemail.example", &[]), TransferEncoding::Base64).to_bytes().to_vec()
}

#[tokio::test]
async fn mail_to_a_name_in_any_case_lights_its_lamp() {
    let (disk, (sink, mut lamps)) = (PowerCutDisk::new(), ChannelSink::new(64));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let node = open_node(&disk, sink, listener).await;
    let mut events = node.events();
    let running = run(&node);
    let recipients = ["Sales@voicemail.example", "\"SALES\"@voicemail.example", "Sales.Berlin-2@voicemail.example"];
    let replies = session(at, &recipients, &a_mail()).await;
    assert_eq!(replies.matches("250 2.1.5").count(), 3, "{replies}");
    for (name, count) in [("sales", 1), ("sales.berlin-2", 1)] {
        let stored = node.store().unwrap().list(&mailbox(name)).await.unwrap();
        assert_eq!(stored.len(), count, "{name}: the second mail of the same message is a duplicate");
        assert!(disk.list(&Path::new("/store/mail").join(name)).is_ok());
    }
    // The lamps of two mailboxes are lit in any order.
    let mut dark = vec![mailbox("sales"), mailbox("sales.berlin-2")];
    let lit = async {
        while !dark.is_empty() {
            let state = lamps.recv().await.unwrap();
            if state.summary.new == 1 {
                dark.retain(|mailbox| *mailbox != state.mailbox);
            }
        }
    };
    soon(lit).await;
    // A recording for the same mailbox passes the spool, and a greeting its folder.
    let kept = node.deposit_wav(&site("london"), CallFacts::to(mailbox("SALES")), wav(1_000, 2).into()).await.unwrap();
    soon(event(&mut events, |event| matches!(event, Event::Stored { id, .. } if id == kept.id).then_some(()))).await;
    assert_eq!(node.store().unwrap().list(&mailbox("sales")).await.unwrap().len(), 2);
    let hello = Audio::new(AudioType::Wav, wav(500, 3));
    node.greet(&mailbox("Sales"), GreetingKind::Normal, hello.clone()).await.unwrap();
    running.stop().await;
    drop(node);

    // All of it is found again after a restart.
    let (sink, _lamps) = ChannelSink::new(64);
    let node = open_node(&disk, sink, TcpListener::bind("127.0.0.1:0").await.unwrap()).await;
    assert_eq!(node.greeting(&mailbox("sales"), GreetingKind::Normal).await.unwrap(), Some(hello));
    assert_eq!(node.store().unwrap().list(&mailbox("sales")).await.unwrap().len(), 2);
}

#[tokio::test]
async fn addresses_of_the_node_itself_are_no_mailboxes() {
    let (disk, (sink, _lamps)) = (PowerCutDisk::new(), ChannelSink::new(64));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let node = open_node(&disk, sink, listener).await;
    let mut events = node.events();
    let running = run(&node);
    let replies = session(at, &["Postmaster@voicemail.example"], b"Subject: Hello\r\n\r\n").await;
    assert!(replies.contains("250 2.0.0 kept for the postmaster"), "{replies}");
    soon(event(&mut events, |event| matches!(event, Event::PostmasterMail { .. }).then_some(()))).await;
    for refused in ["voicemail", "vm+2001", "non-mail-user", "../sales", ".sales", "support"] {
        let replies = session(at, &[&format!("{refused}@voicemail.example")], &a_mail()).await;
        assert!(replies.contains("550 5.1.1") || replies.contains("501 5.1.3"), "{refused}: {replies}");
    }
    running.stop().await;
    let description = NETWORK.replace("[pbx.mailbox.Sales]", "[pbx.mailbox.Postmaster]");
    let error = toml::from_str::<NetworkDescription>(&description).unwrap().check().unwrap_err().to_string();
    assert!(error.contains("N38") && error.contains("are reserved; choose another name"), "{error}");
    assert_eq!("postmaster".parse::<MailboxId>(), Err(InvalidMailboxId::Reserved));
}
