//! Postfix and Exim between a distributed node and the central node: what they accept is kept until the central node proves that it has it, and what is
//! refused behind them is parked with the reason. Each test prints SKIPPED for a program that is missing.

#![allow(clippy::unwrap_used, clippy::future_not_send, reason = "these are tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use chrono::DateTime;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use voicemail::clock::SystemClock;
use voicemail::event::{Event, Occurrence, ReturnPathState};
use voicemail::forward::smtp::{Security, SmtpForwarderBuilder};
use voicemail::forward::{Custody, Forwarder as _, Outcome, SmtpForwarder};
use voicemail::intake::{Access, KnownPeer, Limits, ListenMode, Listener, ListenerPolicy, Sites, SocketFile, StoredPassword};
use voicemail::message::{Audio, AudioType, ClockQuality, ClockSource, MailboxId, Message, MessageId, Origin, RecordedAt};
use voicemail::node::Node;
use voicemail::record::CallFacts;
use voicemail::retry::{Backoff, RetryPolicy};
use voicemail::smtp::{CustodyKey, CustodySecret, ReturnPaths};
use voicemail::store::{MemoryStore, MessageStore as _};

use crate::mail_servers::{Kind, MailServer, Route};
use crate::programs::unused_address;
use crate::support::{CENTRAL, HIMALAYA, Running, event, mailbox, node, run, site, soon, wav};

const DOMAIN: &str = "voicemail.example";
/// The name and the password with which a mail server logs in at the central node.
const SITE: &str = "kathmandu";
const PASSWORD: &str = "a-long-random-text";
/// How long a mail server tries.
const LIFETIME: Duration = Duration::from_secs(8);

/// A distributed node, a mail server, and the address of a central node.
struct RelayedNode {
    folder: TempDir,
    server: MailServer,
    server_at: String,
    central_at: String,
    edge: Node,
    events: broadcast::Receiver<Occurrence>,
    _running: Running,
}

fn secret() -> CustodySecret {
    CustodySecret::new(&[1; 32])
}

fn anyone() -> ListenerPolicy {
    ListenerPolicy::new(ListenMode::StartTls, Access::anyone_anywhere())
}

/// Admits the mail server as the PBX [`SITE`], and no other client.
fn the_site() -> ListenerPolicy {
    let password = StoredPassword::of(PASSWORD).unwrap();
    let peer = KnownPeer::new(SITE.parse().unwrap(), Sites::only([site(SITE)])).password(password);
    ListenerPolicy::new(ListenMode::StartTls, Access::peers([peer]).passwords_even_in_plain_text())
}

fn forwarder(to: &str, from: &str) -> SmtpForwarderBuilder {
    SmtpForwarder::builder(to, DOMAIN).node(from).security(Security::PlainText)
}

impl RelayedNode {
    async fn new(kind: Kind) -> Option<Self> {
        Self::reached_as(kind, HIMALAYA).await
    }

    /// A mail server that sends mail to the distributed node only if that has the name `reached_as`.
    async fn reached_as(kind: Kind, reached_as: &str) -> Option<Self> {
        let [server_at, central_at, edge_at] = [unused_address(), unused_address(), unused_address()];
        let central = Route::new(DOMAIN, &central_at).login(SITE, PASSWORD);
        let server = MailServer::new(kind, &server_at, &[central, Route::new(reached_as, &edge_at)], LIFETIME)?;
        let folder = TempDir::new().unwrap();
        let key = CustodyKey::new(HIMALAYA, &secret().key_bytes(HIMALAYA));
        let paths = ReturnPaths::new(HIMALAYA, &[2; 32]);
        let out = forwarder(&server_at, HIMALAYA).return_paths(paths.clone(), SystemClock).custody(Custody::Auto, key.clone());
        let listener = TcpListener::bind(&edge_at).await.unwrap();
        let policy = RetryPolicy::default().return_path_unproven(LIFETIME);
        let policy = policy.relayed_unconfirmed(Duration::from_secs(4)).relayed_offered_again(Duration::from_secs(12));
        let edge =
            node(HIMALAYA, folder.path()).forwarder(out.build().unwrap()).return_paths(paths).custody_key(key).retry(policy);
        let edge = edge.listen(listener, anyone()).open().await.unwrap();
        let (events, running) = (edge.events(), run(&edge));
        Some(Self { folder, server, server_at, central_at, edge, events, _running: running })
    }

    /// Runs a central node with mailboxes 2001 and 2002, which hold one message each.
    async fn central(&self, limits: Limits) -> (Node, Running) {
        let second = Backoff::new(Duration::from_millis(200), Duration::from_secs(1)).unwrap();
        let store = MemoryStore::new(["2001", "2002"].map(mailbox)).max_messages(1);
        let listener = TcpListener::bind(&self.central_at).await.unwrap();
        let central = node(CENTRAL, &self.folder.path().join("central")).store(store).limits(limits);
        let central = central.mail_out(forwarder(&self.server_at, CENTRAL).build().unwrap()).custody_secret(secret());
        let central =
            central.retry(RetryPolicy::default().mail_deferred(second)).listen(listener, the_site()).open().await.unwrap();
        let running = run(&central);
        (central, running)
    }

    async fn deposit(&self, number: &str) -> MessageId {
        self.deposit_at(SITE, number).await
    }

    async fn deposit_at(&self, pbx: &str, number: &str) -> MessageId {
        let facts = CallFacts::to(mailbox(number));
        self.edge.deposit_wav(&site(pbx), facts, wav(1_000, 5).into()).await.unwrap().id
    }

    /// Waits until the message was relayed, and then for its end: `confirmed`, or the reason why it was parked.
    async fn end_of(&mut self, id: MessageId) -> String {
        let found = event(&mut self.events, |event| match event {
            Event::Confirmed { id: of, .. } if of == id => Some("confirmed".to_owned()),
            Event::Parked { id: of, reason, .. } if of == id => Some(reason),
            Event::Forwarded { id: of, .. } if of == id => panic!("a mail server is no final node"),
            _ => None,
        });
        let ended = tokio::time::timeout(Duration::from_secs(60), found).await;
        ended.unwrap_or_else(|_| panic!("{id} ends within 60 s; {:?}\n{}", self.edge.spool().state(), self.server.log()))
    }

    async fn new_messages(central: &Node, number: &str) -> u32 {
        central.store().unwrap().summary(&number.parse::<MailboxId>().unwrap()).await.unwrap().new
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_behind_a_mail_server_releases_the_message() {
    for kind in Kind::ALL {
        let Some(mut relayed) = RelayedNode::new(kind).await else { continue };
        let (central, _running) = relayed.central(Limits::default()).await;
        let id = relayed.deposit("2001").await;
        assert_eq!(relayed.end_of(id).await, "confirmed", "{kind:?}");
        assert_eq!(RelayedNode::new_messages(&central, "2001").await, 1, "{kind:?}");
        assert_eq!(relayed.edge.spool().relayed().await.unwrap(), [], "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_shows_whether_a_mail_server_knows_the_way_back() {
    for kind in Kind::ALL {
        for (name, expected) in [(HIMALAYA, ReturnPathState::Works), ("elsewhere.example", ReturnPathState::Fails)] {
            let Some(mut relayed) = RelayedNode::reached_as(kind, name).await else { continue };
            // Messages are forwarded all the same.
            let id = relayed.deposit("2001").await;
            let sent =
                event(&mut relayed.events, |event| matches!(event, Event::Relayed { id: of, .. } if of == id).then_some(()));
            soon(sent).await;
            let mut reported = relayed.edge.events();
            if relayed.edge.spool().state()[0].return_path != expected {
                let shown = event(&mut reported, |event| match event {
                    Event::ReturnPathWorks { .. } => Some(ReturnPathState::Works),
                    Event::ReturnPathFails { .. } => Some(ReturnPathState::Fails),
                    _ => None,
                });
                assert_eq!(soon(shown).await, expected, "{kind:?} {name}\n{}", relayed.server.log());
            }
            let state = &relayed.edge.spool().state()[0];
            assert_eq!((state.return_path, state.relayed), (expected, 1), "{kind:?} {name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_behind_a_mail_server_parks_with_its_reason() {
    for kind in Kind::ALL {
        let Some(mut relayed) = RelayedNode::new(kind).await else { continue };
        let mut limits = Limits::default();
        limits.message = 30_000;
        let (_central, _running) = relayed.central(limits).await;
        let wav_of = |millis| wav(millis, 7);
        let facts = || CallFacts::to(mailbox("2001"));
        let big = relayed.edge.deposit_wav(&site("kathmandu"), facts(), wav_of(3_000).into()).await.unwrap().id;
        let reason = relayed.end_of(big).await;
        assert!(reason.contains("exceeds") || reason.contains("too big"), "{kind:?}: {reason}");
        // The directory of the central node knows it, and its store does not.
        let unknown = relayed.deposit("2003").await;
        let reason = relayed.end_of(unknown).await;
        assert!(reason.contains("550 5.1.1"), "{kind:?}: {reason}");
        let first = relayed.deposit("2002").await;
        assert_eq!(relayed.end_of(first).await, "confirmed", "{kind:?}");
        let full = relayed.deposit("2002").await;
        let reason = relayed.end_of(full).await;
        assert!(reason.contains("452 4.2.2"), "full for longer than the queue lives, {kind:?}: {reason}");
        assert_eq!(relayed.edge.spool().parked().await.unwrap().len(), 3, "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_another_site_is_refused_and_parked() {
    for kind in Kind::ALL {
        let Some(mut relayed) = RelayedNode::new(kind).await else { continue };
        let (central, _running) = relayed.central(Limits::default()).await;
        let mut refused = central.events();
        let ours = relayed.deposit("2001").await;
        assert_eq!(relayed.end_of(ours).await, "confirmed", "{kind:?}");
        let other = relayed.deposit_at("tokyo", "2002").await;
        let reason = relayed.end_of(other).await;
        assert!(reason.contains("550 5.7.1"), "{kind:?}: {reason}");
        let (id, origin) = event(&mut refused, |event| match event {
            Event::SiteRefused { id, origin, .. } => Some((id, origin)),
            _ => None,
        })
        .await;
        assert_eq!((id, origin), (other, Origin::Peer(SITE.into())), "{kind:?}: the central node knows who has sent it");
        let parked = relayed.edge.spool().parked().await.unwrap();
        assert_eq!((parked.len(), parked[0].id, &parked[0].reason), (1, other, &reason), "{kind:?}");
        let [first, second] = ["2001", "2002"].map(|number| RelayedNode::new_messages(&central, number));
        assert_eq!((first.await, second.await), (1, 0), "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_loses_its_queue_costs_one_more_sending() {
    for kind in Kind::ALL {
        let Some(mut relayed) = RelayedNode::new(kind).await else { continue };
        let id = relayed.deposit("2001").await;
        event(&mut relayed.events, |event| matches!(event, Event::Relayed { .. }).then_some(())).await;
        relayed.server.lose_its_queue();
        let (central, _running) = relayed.central(Limits::default()).await;
        let mut steps = relayed.edge.events();
        assert_eq!(relayed.end_of(id).await, "confirmed", "{kind:?}");
        let mut again = 0;
        while let Ok(occurrence) = steps.try_recv() {
            again += usize::from(matches!(occurrence.event, Event::OfferedAgain { .. }));
        }
        assert_eq!((again, RelayedNode::new_messages(&central, "2001").await), (1, 1), "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postfix_delivers_to_each_mailbox_by_lmtp() {
    let at = unused_address();
    let listener = TcpListener::bind(&at).await.unwrap();
    deliver_by_lmtp(&format!("lmtp:{at}"), listener).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postfix_delivers_by_lmtp_over_a_socket_file() {
    // Its client runs as the user postfix, who must be able to search the folder and to write the file.
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = folder.path().join("lmtp");
    let socket = SocketFile::bind(&path, 0o666).await.unwrap();
    deliver_by_lmtp(&format!("lmtp:unix:{}", path.display()), socket).await;
}

/// Lets Postfix deliver at the route `by_lmtp`, which leads to `listener`, to three recipients: one has room, one is full, and one is
/// unknown to the store.
async fn deliver_by_lmtp(by_lmtp: &str, listener: impl Into<Listener>) {
    let [server_at, edge_at] = [unused_address(), unused_address()];
    let routes = [Route::new(DOMAIN, by_lmtp), Route::new(HIMALAYA, &edge_at)];
    let Some(server) = MailServer::new(Kind::Postfix, &server_at, &routes, LIFETIME) else { return };
    let folder = TempDir::new().unwrap();
    let store = MemoryStore::new(["2001", "2002"].map(mailbox)).max_messages(1);
    let policy = ListenerPolicy::from(ListenMode::StartTls).lmtp();
    let central = node(CENTRAL, folder.path()).store(store).listen(listener, policy).open().await.unwrap();
    let _running = run(&central);
    let message = |number: u8| {
        let recorded_at = RecordedAt::new(DateTime::UNIX_EPOCH, chrono_tz::UTC, ClockQuality::unknown(ClockSource::Manual));
        Message::builder(Audio::new(AudioType::Wav, wav(1_000, number.into())), recorded_at).build()
    };
    central.store().unwrap().deposit(&mailbox("2002"), &Origin::Here, &message(1)).await.unwrap();

    let sent =
        forwarder(&server_at, HIMALAYA).build().unwrap().forward(&message(2), &["2001", "2002", "2003"].map(mailbox)).await;
    assert!(sent.unwrap().outcomes.iter().all(Outcome::is_accepted));
    tokio::task::spawn_blocking(move || {
        let line = |number: &'static str, status, reply| vec![number, "postfix/lmtp", status, reply];
        let wanted = [
            line("to=<2001@", "status=sent", "250 2."),
            line("to=<2002@", "status=deferred", "452 4.2.2"),
            line("to=<2003@", "status=bounced", "550 5.1.1"),
        ];
        server.wait_for_log(&wanted.each_ref().map(Vec::as_slice));
    })
    .await
    .unwrap();
    assert_eq!(RelayedNode::new_messages(&central, "2001").await, 1);
    assert_eq!(RelayedNode::new_messages(&central, "2002").await, 1, "only the one that was there");
}

#[tokio::test(flavor = "multi_thread")]
async fn pythons_lmtp_client_delivers_over_a_socket_file() {
    if !Command::new("python3").arg("-V").output().is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: python3 is not installed");
        return;
    }
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("lmtp");
    let socket = SocketFile::bind(&path, 0o600).await.unwrap();
    let store = MemoryStore::new(["2001", "2002"].map(mailbox)).max_messages(1);
    let policy = ListenerPolicy::from(ListenMode::StartTls).lmtp();
    let central = node(CENTRAL, folder.path()).store(store).listen(socket, policy).open().await.unwrap();
    let running = run(&central);
    let mut client = Command::new("python3");
    client.args(["-c", LMTP_CLIENT]).arg(&path).arg(DOMAIN);
    let client = tokio::task::spawn_blocking(move || client.output()).await.unwrap().unwrap();
    let (out, error) = (String::from_utf8_lossy(&client.stdout), String::from_utf8_lossy(&client.stderr));
    assert_eq!(out, "2001 taken\n2002 taken\n2001 refused 452\n9 refused 550\n", "{error}");
    for number in ["2001", "2002"] {
        assert_eq!(RelayedNode::new_messages(&central, number).await, 1, "{number}");
    }
    running.stop().await;
    assert!(!path.exists());
}

/// Sends one mail to each number, over one connection; the arguments are the path of the socket and the domain.
const LMTP_CLIENT: &str = r#"
import io, smtplib, sys, wave
from email.message import EmailMessage
path, domain = sys.argv[1:]
sound = io.BytesIO()
with wave.open(sound, "wb") as file:
    file.setnchannels(1); file.setsampwidth(2); file.setframerate(8000)
    file.writeframes(bytes(16000))
with smtplib.LMTP(path, local_hostname="mx.example") as client:
    for nth, number in enumerate(["2001", "2002", "2001", "9"]):
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Message-ID"] = "pbx@other.example", f"{number}@{domain}", f"<{nth}@other.example>"
        mail.add_attachment(sound.getvalue(), "audio", "wav", filename="message.wav")
        try:
            print(number, "taken" if client.send_message(mail) == {} else "?")
        except smtplib.SMTPRecipientsRefused as refused:
            print(number, "refused", *(code for code, _ in refused.recipients.values()))
        except smtplib.SMTPResponseException as refused:
            print(number, "refused", refused.smtp_code)
"#;
