//! An intake of a hundred mailboxes in memory, and SMTP clients that send it any bytes.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, duplex};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use voicemail::directory::{Owner, StaticDirectory};
use voicemail::event::Events;
use voicemail::intake::{Access, Intake, IntakeBuilder, ListenMode, ListenerPolicy};
use voicemail::message::MailboxId;
use voicemail::store::{MemoryStore, MessageStore};

/// An intake with the access list of its listener.
#[derive(Clone)]
pub struct TestIntake {
    pub intake: Intake,
    pub access: Access,
    pub store: Arc<MemoryStore>,
    pub events: Events,
    pub trust: Arc<ClientConfig>,
}

/// Two of the mailboxes of a [`TestIntake`].
pub const MAILBOXES: [&str; 2] = ["2001", "2002"];

impl TestIntake {
    pub fn new(access: Access) -> Self {
        Self::with(access, |intake| intake)
    }

    pub fn with(access: Access, change: impl FnOnce(IntakeBuilder) -> IntakeBuilder) -> Self {
        let mailboxes: Vec<MailboxId> = (2001..2121).map(|number: u32| number.to_string().parse().unwrap()).collect();
        let owner = Owner::new("london".parse().unwrap(), chrono_tz::UTC);
        let directory: StaticDirectory = mailboxes.iter().map(|mailbox| (mailbox.clone(), owner.clone())).collect();
        let store = Arc::new(MemoryStore::new(mailboxes));
        let certified = rcgen::generate_simple_self_signed(["vm1.example".to_owned()]).unwrap();
        let certificate: CertificateDer<'static> = certified.cert.der().clone();
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
        let server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        let trust = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let events = Events::new();
        let intake = Intake::builder("vm.example", Arc::clone(&store), directory)
            .node("vm1.example")
            .events(events.clone())
            .tls(Arc::new(server));
        Self { intake: change(intake).build(), access, store, events, trust: Arc::new(trust) }
    }

    /// The number of new messages in a mailbox.
    pub async fn count(&self, mailbox: &str) -> u32 {
        self.store.summary(&mailbox.parse().unwrap()).await.unwrap().new
    }

    /// Opens a connection that the intake serves.
    pub fn connect(&self, mode: ListenMode, address: Option<IpAddr>) -> Box<dyn Stream> {
        let (ours, theirs) = duplex(64 * 1024);
        self.serve(theirs, mode, address);
        Box::new(ours)
    }

    fn serve(&self, stream: impl Stream + 'static, mode: ListenMode, address: Option<IpAddr>) {
        let Self { intake, access, .. } = self.clone();
        let policy = ListenerPolicy::new(mode, access);
        tokio::spawn(async move { drop(intake.serve_stream(stream, address, policy, std::future::pending()).await) });
    }
}

impl fmt::Debug for TestIntake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestIntake").field("access", &self.access).finish_non_exhaustive()
    }
}

pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// The client's end of a connection.
pub struct SmtpClient {
    stream: Box<dyn Stream>,
    trust: Arc<ClientConfig>,
}

impl SmtpClient {
    /// Connects and reads the greeting.
    pub async fn connect(intake: &TestIntake, address: Option<IpAddr>) -> Self {
        let mut client = Self::connect_silently(intake, ListenMode::StartTls, address);
        assert_eq!(client.reply().await.get(..4), Some("220 "));
        client
    }

    /// Connects and does not wait for the greeting.
    pub fn connect_silently(intake: &TestIntake, mode: ListenMode, address: Option<IpAddr>) -> Self {
        Self { stream: intake.connect(mode, address), trust: Arc::clone(&intake.trust) }
    }

    /// Sends `text` before the intake serves the connection.
    pub async fn connect_and_send(intake: &TestIntake, text: &str) -> Self {
        let (mut ours, theirs) = duplex(64 * 1024);
        ours.write_all(text.as_bytes()).await.unwrap();
        intake.serve(theirs, ListenMode::StartTls, None);
        Self { stream: Box::new(ours), trust: Arc::clone(&intake.trust) }
    }

    /// Sends EHLO and STARTTLS, and continues under TLS.
    pub async fn start_tls(self) -> Self {
        self.start_tls_after("EHLO pbx.example\r\n").await
    }

    /// Sends the commands in `text` and STARTTLS, and continues under TLS.
    pub async fn start_tls_after(mut self, text: &str) -> Self {
        for line in text.split_inclusive("\r\n") {
            self.command(line).await;
        }
        assert_eq!(self.command("STARTTLS\r\n").await, "220 2.0.0 ready to start TLS");
        let name = ServerName::try_from("vm1.example").unwrap();
        let stream = TlsConnector::from(Arc::clone(&self.trust)).connect(name, self.stream).await.unwrap();
        Self { stream: Box::new(stream), trust: self.trust }
    }

    /// Sends `line` and returns the last line of the reply, without its line end.
    pub async fn command(&mut self, line: &str) -> String {
        self.send(line.as_bytes()).await;
        self.reply().await
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Sends `bytes`; returns whether the connection is still open.
    pub async fn send_if_open(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok() && self.stream.flush().await.is_ok()
    }

    /// Reads a reply and returns its last line, which is empty when the connection has ended.
    pub async fn reply(&mut self) -> String {
        let mut line = Vec::new();
        loop {
            match self.stream.read_u8().await {
                Ok(b'\n') if line.get(3) == Some(&b' ') => return String::from_utf8(line).unwrap().trim_end().to_owned(),
                Ok(b'\n') => line.clear(),
                Ok(byte) => line.push(byte),
                Err(_) => return String::new(),
            }
        }
    }

    /// Sends `bytes` while it reads, closes its side, and returns the codes of all replies.
    pub async fn send_all(&mut self, bytes: impl Into<Vec<u8>>) -> String {
        let bytes = bytes.into();
        let (mut reader, mut writer) = tokio::io::split(&mut self.stream);
        let sending = async {
            // A session that has ended reads no more.
            let _ = writer.write_all(&bytes).await;
            let _ = writer.shutdown().await;
        };
        let mut text = Vec::new();
        let ((), _) = tokio::join!(sending, reader.read_to_end(&mut text));
        codes(&text)
    }

    /// Reads until the connection ends and returns the codes of all replies.
    pub async fn remaining_codes(&mut self) -> String {
        let mut text = Vec::new();
        let _ = self.stream.read_to_end(&mut text).await;
        codes(&text)
    }
}

impl fmt::Debug for SmtpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SmtpClient(..)")
    }
}

fn codes(text: &[u8]) -> String {
    let lines = std::str::from_utf8(text).unwrap().lines().filter(|line| line.as_bytes().get(3) == Some(&b' '));
    lines.map(|line| &line[..3]).collect::<Vec<_>>().join(" ")
}

/// An address outside this host, another for each number.
pub fn address_of(number: u16) -> IpAddr {
    let [high, low] = number.to_be_bytes();
    [198, 18, high, low].into()
}

/// A voice message in this crate's own format, with CRLF line ends.
pub fn own_mail() -> Vec<u8> {
    let mail = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/own.eml"));
    mail.replace("\r\n", "\n").replace('\n', "\r\n").into_bytes()
}
