//! Two companies whose nodes exchange messages: a sender learns that a message was heard there, or could not be delivered.

#![allow(clippy::unwrap_used, clippy::future_not_send, reason = "these are tests")]

use crate::support;

use std::net::SocketAddr;

use support::{Running, address, event, mailbox, run, site, soon, wav};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use voicemail::clock::SystemClock;
use voicemail::directory::VoicemailSystem;
use voicemail::event::Event;
use voicemail::forward::SmtpForwarder;
use voicemail::forward::smtp::Security;
use voicemail::intake::{Access, ListenMode, ListenerPolicy};
use voicemail::message::{
    Audio, AudioType, DeliveryFailure, Disposition, Head, MessageId, MessageKind, Privacy, ReceiptChoice, Urgency,
};
use voicemail::network::{LicenceClass, Mailbox, Network, Site, TimeSource, VoicemailType};
use voicemail::node::Node;
use voicemail::retrieval::Sent;
use voicemail::smtp::ReturnPaths;
use voicemail::store::MemoryStore;

const LONDON: &str = "vm.london.example";
const BOSTON: &str = "vm.boston.example";

/// The node of a company with one mailbox, whose owner reaches the other company by 86 and one of its mailboxes.
struct Company {
    node: Node,
    running: Running,
    _folder: TempDir,
}

impl Company {
    async fn open(name: &str, number: &str, other: &str, listener: TcpListener, other_at: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let to_other = SmtpForwarder::builder(other_at.to_string(), other).node(name).security(Security::PlainText);
        let to_other = to_other.return_paths(paths(name), SystemClock).build().unwrap();
        let network = network(name, number, other);
        let directory = network.directory();
        let policy = ListenerPolicy::new(ListenMode::StartTls, Access::anyone_anywhere());
        let node = Node::builder(address(name), network, directory, folder.path().join("spool"))
            .store(MemoryStore::new([mailbox(number)]))
            .mail_out(to_other)
            .return_paths(paths(name))
            .listen(listener, policy)
            .open()
            .await
            .unwrap();
        let running = run(&node);
        Self { node, running, _folder: folder }
    }

    /// Sends a message of `owner` with a request for a receipt; returns the id of the mail, when the other company has answered.
    async fn send(&self, owner: &str, to: &str) -> Event {
        let (owner, to) = (mailbox(owner), [mailbox(to)]);
        let service = self.node.mailbox_service().unwrap().with_receipts(ReceiptChoice::Requested);
        let sound = Audio::new(AudioType::Wav, wav(1_000, 5));
        let message = service.compose(&owner, &to, sound, Urgency::Normal, Privacy::Normal).await.unwrap();
        let mut events = self.node.events();
        let sent = service.send(&owner, &message, &to).await;
        assert!(matches!(sent[..], [(_, Ok(Sent::Mailed(_)))]), "{sent:?}");
        soon(event(&mut events, |event| matches!(event, Event::MailSent { .. } | Event::MailGivenUp { .. }).then_some(event)))
            .await
    }

    async fn heads(&self, number: &str) -> Vec<Head> {
        let listed = self.node.store().unwrap().list(&mailbox(number)).await.unwrap();
        listed.into_iter().map(|entry| entry.head).collect()
    }

    /// Waits until there is a receipt in the mailbox; returns it.
    async fn receipt(&self, number: &str) -> (String, Disposition) {
        loop {
            let heads = self.heads(number).await;
            if let Some(MessageKind::Receipt(report)) = heads.into_iter().map(|head| head.kind).next() {
                return (report.mailbox.to_string(), report.disposition);
            }
            tokio::task::yield_now().await;
        }
    }
}

fn paths(node: &str) -> ReturnPaths {
    ReturnPaths::new(node, &[3; 32])
}

fn network(name: &str, number: &str, other: &str) -> Network {
    let central = Site::builder(site("main"), VoicemailType::Central, chrono_tz::Europe::London)
        .node(address(name))
        .time(TimeSource::Sntp(vec!["ntp.example".parse().unwrap()]))
        .licence(LicenceClass::Voicemail)
        .licence(LicenceClass::NetworkedMessaging)
        .ports(4)
        .mailbox(Mailbox::new(mailbox(number)));
    let system = VoicemailSystem::new("other", other).prefix("86").strip(2);
    Network::builder(name).site(central).system(system).build().unwrap()
}

async fn two_companies() -> (Company, Company, SocketAddr) {
    let (london, boston) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let (london_at, boston_at) = (london.local_addr().unwrap(), boston.local_addr().unwrap());
    let london = Company::open(LONDON, "2001", BOSTON, london, boston_at).await;
    let boston = Company::open(BOSTON, "6171", LONDON, boston, london_at).await;
    (london, boston, london_at)
}

/// The id of the message in the mail of an event.
fn mail_of(event: &Event) -> MessageId {
    let (Event::MailSent { mail, .. } | Event::MailGivenUp { mail, .. }) = event else { panic!("{event:?}") };
    mail.trim_start_matches('<').split('@').next().unwrap().parse().unwrap()
}

/// Sends a mail from the null sender; returns the last reply.
async fn mailed(at: SocketAddr, to: &str, mail: &str) -> String {
    let mut stream = BufReader::new(TcpStream::connect(at).await.unwrap());
    let commands = [
        "EHLO mx.boston.example\r\n".to_owned(),
        "MAIL FROM:<>\r\n".to_owned(),
        format!("RCPT TO:<{to}>\r\n"),
        "DATA\r\n".to_owned(),
        format!("{}\r\n.\r\n", mail.replace('\n', "\r\n")),
    ];
    let mut reply = String::new();
    for command in [None].into_iter().chain(commands.iter().map(Some)) {
        if let Some(command) = command {
            stream.write_all(command.as_bytes()).await.unwrap();
        }
        loop {
            reply.clear();
            stream.read_line(&mut reply).await.unwrap();
            if reply.as_bytes().get(3) != Some(&b'-') {
                break;
            }
        }
    }
    reply
}

#[tokio::test]
async fn a_message_that_is_heard_at_the_other_company_has_its_receipt() {
    let (london, boston, _) = two_companies().await;
    let sent = london.send("2001", "866171").await;
    assert!(matches!(sent, Event::MailSent { .. }), "{sent:?}");
    let received = boston.heads("6171").await.remove(0);
    boston.node.mailbox_service().unwrap().played(&mailbox("6171"), received.id).await.unwrap();
    assert_eq!(soon(london.receipt("2001")).await, ("866171".to_owned(), Disposition::Played));
    london.running.stop().await;
    boston.running.stop().await;
}

#[tokio::test]
async fn a_message_that_the_other_company_refuses_is_reported() {
    let (london, boston, _) = two_companies().await;
    let sent = london.send("2001", "866199").await;
    assert!(matches!(sent, Event::MailGivenUp { .. }), "{sent:?}");
    let failed = ("866199".to_owned(), Disposition::NotDelivered(DeliveryFailure::NoSuchMailbox));
    assert_eq!(soon(london.receipt("2001")).await, failed);
    london.running.stop().await;
    boston.running.stop().await;
}

#[tokio::test]
async fn a_later_failure_report_is_told_to_the_sender_once() {
    let (london, boston, at) = two_companies().await;
    let id = mail_of(&london.send("2001", "866171").await);
    let return_path = format!("{}@{LONDON}", paths(LONDON).sign(id, chrono::Utc::now()));
    let report = "From: MAILER-DAEMON\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\
        Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.boston.example\n\nFinal-Recipient: rfc822; 6171@vm.boston.example\n\
        Action: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 552 5.2.2 full\n\n--b--\n";
    for _ in 0..2 {
        let reply = mailed(at, &return_path, report).await;
        assert!(reply.starts_with("250 2.0.0"), "{reply}");
    }
    let failed = ("866171".to_owned(), Disposition::NotDelivered(DeliveryFailure::MailboxFull));
    assert_eq!(soon(london.receipt("2001")).await, failed);
    assert_eq!(london.heads("2001").await.len(), 1);
    london.running.stop().await;
    boston.running.stop().await;
}

#[tokio::test]
async fn a_receipt_about_an_unknown_mail_is_refused() {
    let (london, boston, at) = two_companies().await;
    let id = mail_of(&london.send("2001", "866171").await);
    let receipt = |id: MessageId| {
        format!(
            "From: <6171@vm.boston.example>\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n--b\n\
             Content-Type: message/disposition-notification\n\nOriginal-Message-ID: <{id}@{LONDON}>\n\
             Disposition: manual-action/MDN-sent-manually; displayed\n\n--b--\n"
        )
    };
    let to = format!("2001@{LONDON}");
    let reply = mailed(at, &to, &receipt(MessageId::random())).await;
    assert!(reply.starts_with("554"), "{reply}");
    assert_eq!(london.heads("2001").await, []);
    let reply = mailed(at, &to, &receipt(id)).await;
    assert!(reply.starts_with("250"), "{reply}");
    assert_eq!(london.heads("2001").await.len(), 1);
    london.running.stop().await;
    boston.running.stop().await;
}
