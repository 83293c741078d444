//! Connections to an intake, over streams in memory and over loopback.

#[cfg(feature = "node")]
mod custody;
mod greetings;
mod lmtp;
mod overlap;
#[cfg(feature = "fs")]
mod postmaster;
mod reports;
#[cfg(feature = "fs")]
mod staged;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::{TlsConnector, rustls};

use super::listener::ACCEPT_PAUSE;
use super::*;
use crate::clock::ManualClock;
use crate::directory::{DirectoryError, Owner, StaticDirectory};
use crate::event::{Event, Events};
use crate::lock::Lock;
use crate::message::{
    Audio, AudioType, ClockQuality, ClockSource, Head, MailboxId, Message, MessageId, Origin, RecordedAt, Status, Summary,
};
use crate::smtp::server::Dialogue;
use crate::store::{Deposit, Entry, MemoryStore, StoreError};
use crate::wire::{Addresses, TransferEncoding, encode};

const START: &str = "EHLO pbx.example\r\nMAIL FROM:<node@berlin.example>\r\nRCPT TO:<201@vm.example>\r\n";

fn mailbox(number: &str) -> MailboxId {
    number.parse().unwrap()
}

/// A store in memory that fails for some mailboxes, and waits for a notification at one.
#[derive(Debug)]
struct FailingStore {
    memory: MemoryStore,
    failures: HashMap<&'static str, Failure>,
    asked: Notify,
    go_on: Notify,
    deposits: AtomicUsize,
}

type Failure = fn() -> StoreError;

const SLOW: &str = "299";

impl FailingStore {
    fn new(failures: impl IntoIterator<Item = (&'static str, Failure)>) -> Arc<Self> {
        Arc::new(Self {
            memory: MemoryStore::new(["201", "202", SLOW].map(mailbox)),
            failures: failures.into_iter().collect(),
            asked: Notify::new(),
            go_on: Notify::new(),
            deposits: AtomicUsize::new(0),
        })
    }

    async fn new_messages(&self) -> u32 {
        self.memory.summary(&mailbox("201")).await.unwrap().new
    }
}

#[async_trait]
impl MessageStore for FailingStore {
    async fn deposit(&self, mailbox: &MailboxId, origin: &Origin, message: &Message) -> Result<Deposit, StoreError> {
        self.deposits.fetch_add(1, Ordering::Relaxed);
        if mailbox.as_str() == SLOW {
            self.asked.notify_one();
            self.go_on.notified().await;
        }
        match self.failures.get(mailbox.as_str()) {
            Some(failure) => Err(failure()),
            None => self.memory.deposit(mailbox, origin, message).await,
        }
    }
    async fn list(&self, mailbox: &MailboxId) -> Result<Vec<Entry>, StoreError> {
        self.memory.list(mailbox).await
    }
    async fn retrieve(&self, mailbox: &MailboxId, id: MessageId) -> Result<Message, StoreError> {
        self.memory.retrieve(mailbox, id).await
    }
    async fn mark(&self, mailbox: &MailboxId, id: MessageId, status: Status) -> Result<(), StoreError> {
        self.memory.mark(mailbox, id, status).await
    }
    async fn expunge(&self, mailbox: &MailboxId) -> Result<usize, StoreError> {
        self.memory.expunge(mailbox).await
    }
    async fn summary(&self, mailbox: &MailboxId) -> Result<Summary, StoreError> {
        self.memory.summary(mailbox).await
    }
}

/// A directory that is unavailable.
#[derive(Debug)]
struct NoDirectory;

#[async_trait]
impl Directory for NoDirectory {
    async fn find(&self, _: &MailboxId) -> Result<Option<Owner>, DirectoryError> {
        Err(DirectoryError::Unavailable("away".into()))
    }
}

fn builder(store: &Arc<FailingStore>) -> IntakeBuilder {
    let owner = Owner::new("berlin".parse().unwrap(), chrono_tz::Europe::Berlin);
    let directory: StaticDirectory = ["201", "202", SLOW].map(|number| (mailbox(number), owner.clone())).into_iter().collect();
    Intake::builder("vm.example", Arc::clone(store), directory)
        .binary_bodies()
        .node("vm1.example")
        .clock(ManualClock::at("2025-03-30T00:59:40Z".parse().unwrap()))
}

fn message(audio: impl Into<Bytes>) -> Message {
    let recorded_at = RecordedAt {
        instant: "2025-03-30T00:59:00Z".parse().unwrap(),
        zone: chrono_tz::Europe::Berlin,
        quality: ClockQuality::unknown(ClockSource::Manual),
    };
    Message::builder(Audio::new(AudioType::Basic, audio), recorded_at).build()
}

fn mail(message: &Message, encoding: TransferEncoding) -> Bytes {
    let recipients = [mailbox("201")];
    encode(message, &Addresses::new("berlin.example", "vm.example", &recipients), encoding).to_bytes()
}

/// A whole transaction, pipelined.
fn pipelined(start: &str, mail: &[u8]) -> Vec<u8> {
    [start.as_bytes(), format!("BDAT {} LAST\r\n", mail.len()).as_bytes(), mail].concat()
}

/// A client of an intake.
struct Client<S> {
    stream: S,
}

impl Client<DuplexStream> {
    /// Connects, and reads the greeting.
    async fn connect(intake: &Intake) -> Self {
        let (client, _) = Self::connect_stoppable(intake, ListenMode::StartTls);
        client.greeted().await
    }

    fn connect_stoppable(intake: &Intake, mode: ListenMode) -> (Self, (oneshot::Sender<()>, JoinHandle<io::Result<()>>)) {
        let central = KnownPeer::new("central.example".parse().unwrap(), Sites::All);
        let policy = ListenerPolicy::new(mode, Access::peers([central]).and_anyone_on(Cidr::ANYWHERE));
        Self::connect_by(intake, policy)
    }

    fn connect_by(intake: &Intake, policy: ListenerPolicy) -> (Self, (oneshot::Sender<()>, JoinHandle<io::Result<()>>)) {
        let (stream, server) = duplex(1024);
        let (stop, stopped) = oneshot::channel();
        let intake = intake.clone();
        let stop_or_never = async move {
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let session =
            tokio::spawn(async move { intake.serve_stream(server, Some([192, 0, 2, 7].into()), policy, stop_or_never).await });
        (Self { stream }, (stop, session))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    async fn greeted(mut self) -> Self {
        assert_eq!(self.replies(1).await, "220 vm1.example ESMTP\r\n");
        self
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Reads the next `count` replies, or those before the connection ended.
    async fn replies(&mut self, count: usize) -> String {
        let mut text = Vec::new();
        let last_lines = |text: &[u8]| {
            text.split_inclusive(|byte| *byte == b'\n').filter(|line| line.get(3) == Some(&b' ') && line.ends_with(b"\n")).count()
        };
        while last_lines(&text) < count {
            match self.stream.read_u8().await {
                Ok(byte) => text.push(byte),
                Err(_) => break,
            }
        }
        String::from_utf8(text).unwrap()
    }

    async fn last_reply(&mut self, count: usize) -> String {
        self.replies(count).await.lines().last().unwrap_or_default().to_owned()
    }

    /// Reads until the connection ends.
    async fn rest(&mut self) -> String {
        let mut text = Vec::new();
        // A connection may end without close_notify of TLS.
        let _ = self.stream.read_to_end(&mut text).await;
        String::from_utf8(text).unwrap()
    }
}

/// A certificate for `vm1.example`, for a server, and for a client that trusts it.
fn certificate() -> (Arc<rustls::ServerConfig>, TlsConnector) {
    let certified = rcgen::generate_simple_self_signed(["vm1.example".to_owned()]).unwrap();
    let chain: CertificateDer<'static> = certified.cert.der().clone();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![chain.clone()], key)
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(chain).unwrap();
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server), TlsConnector::from(Arc::new(client)))
}

fn server_name() -> ServerName<'static> {
    ServerName::try_from("vm1.example").unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_message_is_kept_byte_for_byte_with_its_trace() {
    let store = FailingStore::new([]);
    let events = Events::new();
    let mut listener = events.subscribe();
    let intake = builder(&store).events(events).build();
    let tricky = Bytes::from_static(b"hello\r\n.\r\nworld\n.\n\0\xff");
    let long: Bytes = (0..3 * Dialogue::MEMORY_STEP).map(|at| at.to_le_bytes()[at % 3]).collect();
    let sounds = [(&tricky, TransferEncoding::Base64), (&tricky, TransferEncoding::Binary), (&long, TransferEncoding::Binary)];
    for (sound, encoding) in sounds {
        let message = message(sound.clone());
        let mut client = Client::connect(&intake).await;
        let sent = mail(&message, encoding);
        client.send(pipelined(START, &sent)).await;
        assert_eq!(client.last_reply(4).await, format!("250 2.0.0 kept {}", message.id()));

        let kept = store.retrieve(&mailbox("201"), message.id()).await.unwrap();
        assert!(kept.audio().bytes() == sound, "{} bytes are others now", sound.len());
        let arrived = kept.mail().unwrap();
        assert!(arrived.starts_with(b"Received: from pbx.example ([192.0.2.7])\r\n\tby vm1.example with ESMTP\r\n\tid "));
        assert!(arrived.ends_with(&sent));
        match listener.recv().await.unwrap().event {
            Event::Stored { id, mailbox, origin, .. } => {
                assert_eq!((id, mailbox.as_str(), origin), (message.id(), "201", Origin::Unproven));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_greeting_waits_for_no_timer() {
    let intake = builder(&FailingStore::new([])).build();
    // A time between two ticks of the runtime's timers, as connections come at.
    tokio::time::advance(Duration::from_micros(1_500)).await;
    let began = Instant::now();
    Client::connect(&intake).await;
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_again_gets_250_and_is_stored_once() {
    let store = FailingStore::new([]);
    let events = Events::new();
    let intake = builder(&store).events(events.clone()).build();
    let mail = mail(&message(&b"hello"[..]), TransferEncoding::Base64);
    let mut client = Client::connect(&intake).await;
    client.send(pipelined(START, &mail)).await;
    assert!(client.last_reply(4).await.starts_with("250 2.0.0"));

    let mut listener = events.subscribe();
    client.send(pipelined(START, &mail)).await;
    assert!(client.last_reply(4).await.starts_with("250 2.0.0"));
    assert!(matches!(listener.recv().await.unwrap().event, Event::Duplicate { .. }));
    assert_eq!(store.new_messages().await, 1);
}

#[tokio::test(start_paused = true)]
async fn data_is_taken_as_well() {
    let store = FailingStore::new([]);
    let intake = builder(&store).build();
    let mut client = Client::connect(&intake).await;
    client.send(format!("{START}DATA\r\n")).await;
    assert!(client.last_reply(4).await.starts_with("354 "));
    client.send(mail(&message(&b"hello"[..]), TransferEncoding::Base64)).await;
    client.send("\r\n.\r\nQUIT\r\n").await;
    assert!(client.replies(1).await.starts_with("250 2.0.0"));
    assert_eq!(client.rest().await, "221 2.0.0 bye\r\n");
    assert_eq!(store.new_messages().await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_never_answered_with_250() {
    let failures: [(Failure, &str); 8] = [
        (|| StoreError::MailboxFull(mailbox("202")), "452 4.2.2 202: mailbox 202 is full (kept for 1 of 2)"),
        (|| StoreError::NoSpace("disk".into()), "452 4.3.1 "),
        (|| StoreError::NotWritable("disk".into()), "451 4.3.0 202: the store may not be written to (kept for 1 of 2)"),
        (|| StoreError::TooBig { size: 9, limit: 8 }, "552 5.3.4 "),
        (|| StoreError::Unavailable("disk".into()), "451 4.3.0 "),
        (|| StoreError::NoSuchMailbox(mailbox("202")), "550 5.1.1 "),
        (|| StoreError::NoSuchMessage(MessageId::random()), "451 4.3.0 "),
        (|| StoreError::Damaged { id: MessageId::random(), source: "disk".into() }, "451 4.3.0 "),
    ];
    for (failure, reply) in failures {
        let store = FailingStore::new([("202", failure)]);
        let intake = builder(&store).build();
        let mut client = Client::connect(&intake).await;
        let both = format!("{START}RCPT TO:<202@vm.example>\r\n");
        client.send(pipelined(&both, &mail(&message(&b"hello"[..]), TransferEncoding::Base64))).await;
        let last = client.last_reply(5).await;
        assert!(last.starts_with(reply), "{last}");
        assert!(!last.contains("disk"), "what is inside the store is no peer's business");
        assert_eq!(store.new_messages().await, 1, "the other mailbox has the message");
    }
}

/// A store that predicts its failures.
#[derive(Debug)]
struct Foretelling {
    memory: MemoryStore,
    failure: Failure,
    asked: AtomicU64,
}

#[async_trait]
impl MessageStore for Foretelling {
    async fn deposit(&self, mailbox: &MailboxId, origin: &Origin, message: &Message) -> Result<Deposit, StoreError> {
        self.memory.deposit(mailbox, origin, message).await
    }
    async fn check(&self, mailbox: &MailboxId, size: u64) -> Result<(), StoreError> {
        self.asked.store(size, Ordering::Relaxed);
        if mailbox.as_str() == "202" { Err((self.failure)()) } else { Ok(()) }
    }
    async fn list(&self, mailbox: &MailboxId) -> Result<Vec<Entry>, StoreError> {
        self.memory.list(mailbox).await
    }
    async fn retrieve(&self, mailbox: &MailboxId, id: MessageId) -> Result<Message, StoreError> {
        self.memory.retrieve(mailbox, id).await
    }
    async fn mark(&self, mailbox: &MailboxId, id: MessageId, status: Status) -> Result<(), StoreError> {
        self.memory.mark(mailbox, id, status).await
    }
    async fn expunge(&self, mailbox: &MailboxId) -> Result<usize, StoreError> {
        self.memory.expunge(mailbox).await
    }
    async fn summary(&self, mailbox: &MailboxId) -> Result<Summary, StoreError> {
        self.memory.summary(mailbox).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_the_store_predicts_is_sent_before_the_audio() {
    let failures: [(Failure, &str); 6] = [
        (|| StoreError::MailboxFull(mailbox("202")), "452 4.2.2 202: mailbox 202 is full"),
        (|| StoreError::NoSpace("disk".into()), "452 4.3.1 202: "),
        (|| StoreError::NotWritable("disk".into()), "451 4.3.0 202: the store may not be written to"),
        (|| StoreError::TooBig { size: 9, limit: 8 }, "552 5.3.4 202: "),
        (|| StoreError::Unavailable("disk".into()), "451 4.3.0 202: "),
        (|| StoreError::NoSuchMailbox(mailbox("202")), "550 5.1.1 202: "),
    ];
    for (failure, reply) in failures {
        let memory = MemoryStore::new(["201", "202"].map(mailbox));
        let store = Arc::new(Foretelling { memory, failure, asked: AtomicU64::new(0) });
        let owner = Owner::new("berlin".parse().unwrap(), chrono_tz::Europe::Berlin);
        let directory: StaticDirectory = ["201", "202"].map(|number| (mailbox(number), owner.clone())).into_iter().collect();
        let intake = Intake::builder("vm.example", Arc::clone(&store), directory).node("vm1.example").binary_bodies().build();
        let mut client = Client::connect(&intake).await;
        let start = START.replace("example>\r\nRCPT", "example> SIZE=12345\r\nRCPT");
        client.send(format!("{start}RCPT TO:<202@vm.example>\r\n")).await;
        let said = client.last_reply(4).await;
        assert!(said.starts_with(reply), "{said}");
        assert!(!said.contains("disk"), "what is inside the store is no peer's business");
        assert_eq!(store.asked.load(Ordering::Relaxed), 12_345);
        client.send(pipelined("", &mail(&message(&b"hello"[..]), TransferEncoding::Base64))).await;
        assert!(client.replies(1).await.starts_with("250 2.0.0 kept"), "the other mailbox takes it");
        assert_eq!(store.summary(&mailbox("201")).await.unwrap().new, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn many_senders_at_once_share_bounded_memory_and_are_served() {
    let (senders, room) = (16, 4);
    let store = FailingStore::new([]);
    let limits = Limits { bodies_in_flight: room * Dialogue::MEMORY_STEP, ..Limits::default() };
    let intake = builder(&store).limits(limits).build();
    // Each message needs one step of memory and a little of a second; all of them together would need 32.
    let sound: Bytes = vec![7; Dialogue::MEMORY_STEP + 1000].into();
    let under_way = Arc::new(AtomicUsize::new(0));
    let send = async || {
        let sent = mail(&message(sound.clone()), TransferEncoding::Binary);
        let mut tries = 0;
        loop {
            tries += 1;
            let mut client = Client::connect(&intake).await;
            client.send(START).await;
            assert!(client.last_reply(3).await.starts_with("250"));
            under_way.fetch_add(1, Ordering::Relaxed);
            client.send(pipelined("", &sent)).await;
            let reply = client.replies(1).await;
            under_way.fetch_sub(1, Ordering::Relaxed);
            if reply.starts_with("250 2.0.0 kept") {
                return tries;
            }
            assert!(reply.starts_with("452 4.3.1"), "{reply}");
            sleep(Duration::from_secs(tries)).await;
        }
    };
    let most = async {
        let (mut most, mut least) = (0, usize::MAX);
        loop {
            most = most.max(under_way.load(Ordering::Relaxed));
            least = least.min(intake.context.memory.available_permits());
            tokio::task::yield_now().await;
            if most == senders && least == 0 {
                return;
            }
        }
    };
    let all = futures::future::join_all((0..senders).map(|_| send()));
    let (tries, ()) = tokio::join!(all, most);
    assert_eq!(store.new_messages().await, u32::try_from(senders).unwrap(), "each is stored once: {tries:?}");
    assert_eq!(intake.context.memory.available_permits(), room, "all room is given back");
}

#[tokio::test(start_paused = true)]
async fn a_store_or_directory_that_never_answers_times_out() {
    let store = FailingStore::new([]);
    let intake = builder(&store).build();
    let mut client = Client::connect(&intake).await;
    let start = START.replace("201", SLOW);
    let began = Instant::now();
    client.send(pipelined(&start, &mail(&message(&b"hello"[..]), TransferEncoding::Base64))).await;
    assert!(client.last_reply(4).await.starts_with("451 4.3.0 299: the store does not answer"));
    assert!(began.elapsed() >= Limits::default().answer_time);

    let intake = Intake::builder("vm.example", store, NoDirectory).node("vm1.example").binary_bodies().build();
    let mut client = Client::connect(&intake).await;
    client.send(START).await;
    assert!(client.last_reply(3).await.starts_with("451 4.3.0"));
}

#[tokio::test(start_paused = true)]
async fn audio_that_cannot_be_played_is_refused_with_the_reason() {
    let store = FailingStore::new([]);
    let intake = builder(&store).build();
    let sent = mail(&message(&b"hello hello"[..]), TransferEncoding::Binary);
    let damaged = String::from_utf8(sent.to_vec()).unwrap().replace("hello hello", "hello jello");
    let short = message(vec![b'h'; 3600]);
    let hour = Head { length: Duration::from_secs(3600), ..short.head().clone() };
    let hour = mail(&Message::new(hour, short.audio().clone()), TransferEncoding::Base64);
    for (mail, reply) in [
        (damaged.as_str(), "554 5.6.1 the audio does not match the digest that came with it"),
        ("Subject: hi\r\nDate: Sun, 30 Mar 2025 00:59:40 +0000\r\n\r\nhi\r\n", "554 5.6.1 the mail has no audio part"),
        ("", "554 5.6.0 the header block has no end"),
        (std::str::from_utf8(&hour).unwrap(), "554 5.6.0 a sound of 3600 bytes cannot last the 3600 s that its mail says"),
    ] {
        let mut client = Client::connect(&intake).await;
        client.send(pipelined(START, mail.as_bytes())).await;
        assert_eq!(client.last_reply(4).await, reply);
    }
    assert_eq!(store.deposits.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_lost_in_the_middle_of_a_message_stores_nothing() {
    let store = FailingStore::new([]);
    let intake = builder(&store).build();
    let mail = mail(&message(&b"hello"[..]), TransferEncoding::Base64);
    for ending in ["BDAT", "DATA"] {
        let (client, (_stop, session)) = Client::connect_stoppable(&intake, ListenMode::StartTls);
        let mut client = client.greeted().await;
        match ending {
            "BDAT" => client.send(&pipelined(START, &mail)[..START.len() + mail.len()]).await,
            _ => client.send([START.as_bytes(), b"DATA\r\n", &mail, b"\r\n."].concat()).await,
        }
        drop(client);
        // The session may fail to send a reply; here it must only end.
        drop(session.await.unwrap());
    }
    assert_eq!(store.deposits.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_disconnected_after_five_minutes() {
    let intake = builder(&FailingStore::new([])).build();
    let mut client = Client::connect(&intake).await;
    let began = Instant::now();
    assert_eq!(client.rest().await, "421 4.4.2 timed out\r\n");
    assert_eq!(began.elapsed().as_secs(), 300);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_no_replies_is_disconnected() {
    let intake = builder(&FailingStore::new([])).build();
    let (client, (_stop, session)) = Client::connect_stoppable(&intake, ListenMode::StartTls);
    let mut client = client.greeted().await;
    let began = Instant::now();
    client.send("NOOP\r\n".repeat(200)).await;
    assert_eq!(session.await.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(began.elapsed().as_secs(), 300);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_speaks_before_the_greeting_is_rejected() {
    for greet_pause in [Duration::ZERO, Duration::from_secs(6)] {
        let intake = builder(&FailingStore::new([])).limits(Limits { greet_pause, ..Limits::default() }).build();
        let (mut client, _session) = Client::connect_stoppable(&intake, ListenMode::StartTls);
        client.send("EHLO attack.example\r\n").await;
        assert!(client.rest().await.starts_with("554 5.5.1"));
        let (client, _session) = Client::connect_stoppable(&intake, ListenMode::StartTls);
        let began = Instant::now();
        client.greeted().await;
        assert_eq!(began.elapsed(), greet_pause);
    }
}

#[tokio::test]
async fn a_message_under_tls_says_so_in_its_trace() {
    let (server, connector) = certificate();
    let store = FailingStore::new([]);
    let intake = builder(&store).tls(server).build();
    for mode in [ListenMode::StartTls, ListenMode::ImplicitTls] {
        let (mut client, _session) = Client::connect_stoppable(&intake, mode);
        if mode == ListenMode::StartTls {
            client = client.greeted().await;
            client.send("EHLO pbx.example\r\nSTARTTLS\r\n").await;
            let replies = client.replies(2).await;
            assert!(replies.contains("250-STARTTLS\r\n") && replies.ends_with("220 2.0.0 ready to start TLS\r\n"), "{replies}");
        }
        let mut client = Client { stream: connector.connect(server_name(), client.stream).await.unwrap() };
        if mode == ListenMode::ImplicitTls {
            client = client.greeted().await;
        }
        client.send("EHLO pbx.example\r\n").await;
        assert!(!client.replies(1).await.contains("STARTTLS"));
        let message = message(&b"hello"[..]);
        client.send(pipelined(START, &mail(&message, TransferEncoding::Binary))).await;
        assert!(client.last_reply(4).await.starts_with("250 2.0.0"));
        let kept = store.retrieve(&mailbox("201"), message.id()).await.unwrap();
        let trace = String::from_utf8_lossy(kept.mail().unwrap()).lines().nth(1).map(str::to_owned);
        assert_eq!(trace.as_deref(), Some("\tby vm1.example with ESMTPS (TLS 1.3)"));
        client.send("QUIT\r\n").await;
        assert_eq!(client.rest().await, "221 2.0.0 bye\r\n");
    }
}

#[tokio::test]
async fn commands_injected_around_starttls_are_not_obeyed() {
    let (server, _) = certificate();
    let store = FailingStore::new([]);
    let intake = builder(&store).tls(server).build();
    let injected = pipelined(START, &mail(&message(&b"hello"[..]), TransferEncoding::Base64));

    let mut client = Client::connect(&intake).await;
    client.send([b"STARTTLS\r\n", &injected[..40]].concat()).await;
    assert!(client.rest().await.starts_with("554 5.5.1"));

    let mut client = Client::connect(&intake).await;
    client.send("STARTTLS\r\n").await;
    assert!(client.replies(1).await.starts_with("220"));
    // The server may have hung up in the middle of it.
    let _ = client.stream.write_all(&injected).await;
    let answer = client.stream.read_u8().await;
    assert!(answer.is_err() || answer.is_ok_and(|byte| byte == 21), "at most a TLS alert");
    assert_eq!(store.deposits.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_never_comes_ends() {
    let (server, _) = certificate();
    let intake = builder(&FailingStore::new([])).tls(server).build();
    let (_client, (_stop, session)) = Client::connect_stoppable(&intake, ListenMode::ImplicitTls);
    assert_eq!(session.await.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn implicit_tls_without_a_certificate_is_an_error() {
    let intake = builder(&FailingStore::new([])).build();
    let (_, stream) = duplex(1);
    let error = intake.serve_stream(stream, None, ListenMode::ImplicitTls, std::future::pending()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

#[tokio::test(start_paused = true)]
async fn messages_share_the_memory_and_wait_for_each_other() {
    let store = FailingStore::new([]);
    let limits = Limits { bodies_in_flight: Dialogue::MEMORY_STEP, ..Limits::default() };
    let intake = builder(&store).limits(limits.clone()).build();
    let mut first = Client::connect(&intake).await;
    first.send(format!("{START}DATA\r\n")).await;
    assert!(first.last_reply(4).await.starts_with("354"));

    let mut second = Client::connect(&intake).await;
    let began = Instant::now();
    second.send(format!("{START}DATA\r\n")).await;
    assert!(second.last_reply(4).await.starts_with("452 4.3.1"));
    assert_eq!(began.elapsed(), limits.memory_timeout);

    second.send("DATA\r\n").await;
    first.send("\r\n.\r\n").await;
    assert!(first.replies(1).await.starts_with("554"));
    assert!(second.replies(1).await.starts_with("354"), "the room of the first is free again");
}

#[tokio::test(start_paused = true)]
async fn a_stopped_stream_finishes_its_message() {
    let store = FailingStore::new([]);
    let intake = builder(&store).build();
    let (idle, (stop_idle, idle_session)) = Client::connect_stoppable(&intake, ListenMode::StartTls);
    let mut idle = idle.greeted().await;
    stop_idle.send(()).unwrap();
    assert_eq!(idle.rest().await, "421 4.3.2 stopping, try again later\r\n");
    drop(idle);
    idle_session.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stop_cuts_half_a_message_off_with_421_in_its_time() {
    let intake = builder(&FailingStore::new([])).build();
    for half in ["", "DATA\r\n", "DATA\r\nSubject: half", "BDAT 1000 LAST\r\nhalf", "BDAT 4 LA"] {
        let (stuck, (stop, session)) = Client::connect_stoppable(&intake, ListenMode::StartTls);
        let mut stuck = stuck.greeted().await;
        stuck.send(START).await;
        stuck.replies(3).await;
        stuck.send(half).await;
        if half.starts_with("DATA") {
            assert!(stuck.last_reply(1).await.starts_with("354"));
        }
        let stopped_at = Instant::now();
        stop.send(()).unwrap();
        assert_eq!(stuck.rest().await, "421 4.3.2 stopping, try again later\r\n", "{half:?}");
        session.await.unwrap().unwrap();
        let took = stopped_at.elapsed();
        assert!(took > Duration::from_secs(6) && took <= Duration::from_secs(8), "{half:?} {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_in_time_though_the_peer_sends_very_slowly() {
    let store = FailingStore::new([]);
    let intake = builder(&store).build();
    let (dripping, (stop, session)) = Client::connect_stoppable(&intake, ListenMode::StartTls);
    let mut dripping = dripping.greeted().await;
    dripping.send(pipelined(START, &mail(&message(&b"hello"[..]), TransferEncoding::Base64))).await;
    dripping.replies(4).await;
    dripping.send("MAIL FROM:<>\r\nRCPT TO:<201@vm.example>\r\nDATA\r\n").await;
    dripping.replies(3).await;
    let stopped_at = Instant::now();
    stop.send(()).unwrap();
    let drip = async {
        while dripping.stream.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(100)).await;
        }
    };
    let (ended, ()) = tokio::join!(session, drip);
    ended.unwrap().unwrap();
    assert!(stopped_at.elapsed() <= Duration::from_secs(8));
    assert_eq!(store.new_messages().await, 1, "what had arrived whole is kept");
}

/// An intake that serves on loopback until it is stopped.
async fn serve(intake: &Intake) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, serving) = serve_at(intake, listener, ListenMode::StartTls.into());
    (address, stop, serving)
}

/// Serves at `listener` until it is stopped.
fn serve_at(
    intake: &Intake,
    listener: impl Into<Listener>,
    policy: ListenerPolicy,
) -> (oneshot::Sender<()>, JoinHandle<io::Result<()>>) {
    let listener = listener.into();
    let (stop, stopped) = oneshot::channel::<()>();
    let intake = intake.clone();
    let stop_or_never = async move {
        if stopped.await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let serving = tokio::spawn(async move { intake.serve(listener, policy, stop_or_never).await });
    (stop, serving)
}

async fn connect_tcp(address: SocketAddr) -> Client<TcpStream> {
    Client { stream: TcpStream::connect(address).await.unwrap() }
}

#[tokio::test]
async fn a_graceful_stop_finishes_messages_and_accepts_nobody() {
    let store = FailingStore::new([]);
    let (address, stop, serving) = serve(&builder(&store).build()).await;
    let mut idle = connect_tcp(address).await.greeted().await;
    let mut busy = connect_tcp(address).await.greeted().await;
    let start = START.replace("201", SLOW);
    busy.send(pipelined(&start, &mail(&message(&b"hello"[..]), TransferEncoding::Binary))).await;
    store.asked.notified().await;

    stop.send(()).unwrap();
    assert_eq!(idle.rest().await, "421 4.3.2 stopping, try again later\r\n");
    assert!(TcpStream::connect(address).await.is_err(), "no connection is accepted");
    assert!(!serving.is_finished());
    store.go_on.notify_one();
    let replies = busy.rest().await;
    let (_, last) = replies.split_once("250 2.0.0 kept").unwrap();
    assert!(last.ends_with("421 4.3.2 stopping, try again later\r\n"), "{replies}");
    drop((idle, busy));
    serving.await.unwrap().unwrap();
    assert_eq!(store.memory.summary(&mailbox(SLOW)).await.unwrap().new, 1);
}

#[tokio::test]
async fn a_stop_cuts_off_a_message_whose_store_never_answers() {
    let limits = Limits { shutdown_timeout: Duration::from_millis(1), ..Limits::default() };
    let store = FailingStore::new([]);
    let (address, stop, serving) = serve(&builder(&store).limits(limits).build()).await;
    let mut client = connect_tcp(address).await.greeted().await;
    client.send(pipelined(&START.replace("201", SLOW), &mail(&message(&b"hello"[..]), TransferEncoding::Binary))).await;
    store.asked.notified().await;
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
    assert!(!client.rest().await.contains("kept"));
}

#[tokio::test]
async fn dropping_the_service_drops_its_connections() {
    let (address, _stop, serving) = serve(&builder(&FailingStore::new([])).build()).await;
    let mut client = connect_tcp(address).await.greeted().await;
    serving.abort();
    assert!(serving.await.unwrap_err().is_cancelled());
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn a_surplus_connection_is_asked_to_come_again() {
    let limits = Limits { connections_per_address: 1, ..Limits::default() };
    let store = FailingStore::new([]);
    let (address, _stop, _serving) = serve(&builder(&store).limits(limits).build()).await;
    let mut first = connect_tcp(address).await.greeted().await;
    first.send(pipelined(&START.replace("201", SLOW), &mail(&message(&b"hello"[..]), TransferEncoding::Binary))).await;
    store.asked.notified().await;
    assert_eq!(connect_tcp(address).await.rest().await, "421 4.3.2 too many connections, try again later\r\n");
    store.go_on.notify_one();
    first.send("QUIT\r\n").await;
    assert!(first.rest().await.ends_with("221 2.0.0 bye\r\n"));
    drop(first);
    // The slot is free after the session has seen the end.
    loop {
        let reply = connect_tcp(address).await.replies(1).await;
        if reply.starts_with("220") {
            break;
        }
        assert!(reply.starts_with("421"), "{reply}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_accept_is_tried_again_after_a_pause() {
    let began = Instant::now();
    let mut failures = 3;
    let next = || {
        failures -= 1;
        std::future::ready(if failures < 0 { Ok("accepted") } else { Err(io::Error::other("out of order")) })
    };
    let accepted = accept(next, || panic!("no place is needed"));
    assert_eq!(accepted.await, "accepted");
    assert_eq!(began.elapsed(), 3 * ACCEPT_PAUSE);
}

#[tokio::test(start_paused = true)]
async fn an_accept_without_descriptors_closes_an_idle_connection() {
    let began = Instant::now();
    let (mut failures, places) = (3, AtomicUsize::new(2));
    let next = || {
        failures -= 1;
        let error = io::Error::from(rustix::io::Errno::MFILE);
        std::future::ready(if failures < 0 { Ok("accepted") } else { Err(error) })
    };
    let make_place = || places.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left: usize| left.checked_sub(1)).is_ok();
    assert_eq!(accept(next, make_place).await, "accepted");
    let took = began.elapsed();
    assert!(took >= ACCEPT_PAUSE && took < 2 * ACCEPT_PAUSE, "a long pause only where there is nothing to close: {took:?}");
    assert_eq!(places.into_inner(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_last_reply_arrives_although_more_was_sent() {
    let limits = Limits { errors: 1, ..Limits::default() };
    let mut client = Client::connect(&builder(&FailingStore::new([])).limits(limits).build()).await;
    // More than the stream holds: it can be sent only while the session reads.
    client.send("X\r\n".repeat(10_000)).await;
    client.stream.shutdown().await.unwrap();
    assert_eq!(client.rest().await, "500 5.5.1 command not known\r\n421 4.7.0 too many errors\r\n");
}
