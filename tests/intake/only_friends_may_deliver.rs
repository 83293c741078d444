//! Access to an intake: forwarders that authenticate by password or certificate, the sites that they may deliver for, and that no log
//! contains secrets.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use crate::test_intake;

use std::fmt::{self, Write as _};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use test_intake::{SmtpClient, Stream, TestIntake, address_of};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tracing::field::{Field, Visit};
use tracing::span;
use voicemail::event::Event;
use voicemail::forward::smtp::{ByteStream, Dial, SmtpForwarder, SmtpForwarderBuilder};
use voicemail::forward::{ForwardError, Forwarder as _, Outcome};
use voicemail::intake::{Access, KnownPeer, Limits, ListenMode, Sites, StoredPassword};
use voicemail::message::{
    Audio, AudioType, Caller, CallerName, ClockQuality, ClockSource, MailboxId, Message, Origin, RecordedAt, SiteId,
};

const PASSWORD: &str = "correct horse battery staple";

fn berlin() -> KnownPeer {
    KnownPeer::new("berlin".parse().unwrap(), Sites::only([site("berlin-1"), site("berlin-2")]))
}

fn with_password() -> KnownPeer {
    berlin().password(StoredPassword::of(PASSWORD).unwrap())
}

fn site(id: &str) -> SiteId {
    id.parse().unwrap()
}

fn message(from: Option<&str>) -> Message {
    let recorded_at = RecordedAt::new(
        "2025-03-30T00:59:00Z".parse().unwrap(),
        chrono_tz::Europe::Berlin,
        ClockQuality::unknown(ClockSource::Manual),
    );
    let caller = Caller::new("+493023125014".parse().ok(), CallerName::cleaned("Zebulon Quux"));
    let builder = Message::builder(Audio::new(AudioType::Basic, &b"a secret word"[..]), recorded_at).caller(caller);
    match from {
        Some(from) => builder.site(site(from)).build(),
        None => builder.build(),
    }
}

/// Connects to a test intake, from the address with this number.
#[derive(Debug)]
struct TestIntakeDial(TestIntake, u16);

#[async_trait]
impl Dial for TestIntakeDial {
    async fn dial(&self, _: Duration) -> io::Result<Box<dyn ByteStream>> {
        Ok(Box::new(SyncStream(Mutex::new(self.0.connect(ListenMode::StartTls, Some(address_of(self.1)))))))
    }
}

/// A stream of a test intake, made `Sync` as a byte stream must be.
struct SyncStream(Mutex<Box<dyn Stream>>);

impl fmt::Debug for SyncStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SyncStream")
    }
}

mod pipe {
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    use super::SyncStream;

    impl AsyncRead for SyncStream {
        fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Pin::new(self.get_mut().0.get_mut().unwrap()).poll_read(cx, buf)
        }
    }

    impl AsyncWrite for SyncStream {
        fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            Pin::new(self.get_mut().0.get_mut().unwrap()).poll_write(cx, buf)
        }
        fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(self.get_mut().0.get_mut().unwrap()).poll_flush(cx)
        }
        fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(self.get_mut().0.get_mut().unwrap()).poll_shutdown(cx)
        }
    }
}

fn forwarder(house: &TestIntake, from: u16) -> SmtpForwarderBuilder {
    SmtpForwarder::builder("vm1.example:25", "vm.example")
        .node("berlin.example")
        .dial(TestIntakeDial(house.clone(), from))
        .tls(Arc::clone(&house.trust))
}

async fn outcome(forwarder: &SmtpForwarder, message: &Message) -> Result<Outcome, ForwardError> {
    let mailbox: MailboxId = "2001".parse().unwrap();
    Ok(forwarder.forward(message, &[mailbox]).await?.outcomes.remove(0))
}

#[tokio::test]
async fn a_peer_with_a_password_delivers_for_its_own_sites_only() {
    let house = TestIntake::new(Access::peers([with_password()]));
    let mut events = house.events.subscribe();
    let forwarder = forwarder(&house, 1).credentials("berlin", PASSWORD).build().unwrap();
    for from in [Some("berlin-1"), Some("berlin-2"), None] {
        assert_eq!(outcome(&forwarder, &message(from)).await.unwrap(), Outcome::Accepted, "{from:?}");
        let stored = events.recv().await.unwrap().event;
        assert!(matches!(&stored, Event::Stored { origin: Origin::Peer(name), .. } if &**name == "berlin"), "{stored:?}");
    }
    match outcome(&forwarder, &message(Some("london"))).await.unwrap() {
        Outcome::Refused(reply) => {
            assert_eq!(reply.to_string(), "550 5.7.1 peer berlin does not speak for site london");
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(events.recv().await.unwrap().event, Event::SiteRefused { .. }));
    assert_eq!(house.count("2001").await, 3);
}

#[tokio::test]
async fn a_wrong_password_delivers_nothing_and_attempts_are_limited() {
    let mut limits = Limits::default();
    limits.failed_logins = 3;
    let house = TestIntake::with(Access::peers([with_password()]), |intake| intake.limits(limits));
    for (user, password) in [("berlin", "wrong horse battery staple"), ("bonn", PASSWORD), ("berlin", "")] {
        let wrong = forwarder(&house, 1).credentials(user, password).build().unwrap();
        let error = outcome(&wrong, &message(None)).await.unwrap_err();
        assert!(error.is_transient(), "somebody can put it right, so the message waits: {error}");
    }
    let right = |from| forwarder(&house, from).credentials("berlin", PASSWORD).build().unwrap();
    assert!(outcome(&right(1), &message(None)).await.is_err(), "from there, not even the right one is heard for a while");
    assert_eq!(outcome(&right(2), &message(None)).await.unwrap(), Outcome::Accepted);
    assert!(outcome(&forwarder(&house, 3).build().unwrap(), &message(None)).await.unwrap_err().is_transient());
    assert_eq!(house.count("2001").await, 1);
}

#[tokio::test]
async fn a_certificate_proves_a_name_and_another_authoritys_does_not() {
    let authority = Authority::new();
    let by_certificate = berlin().certificate(ServerName::try_from("berlin.example").unwrap());
    let server = authority.server();
    let house = TestIntake::with(Access::peers([by_certificate]), |intake| intake.tls(server));
    let mut events = house.events.subscribe();
    let with = |config| forwarder(&house, 1).tls(config).build().unwrap();

    assert_eq!(
        outcome(&with(authority.client(Some("berlin.example"))), &message(Some("berlin-1"))).await.unwrap(),
        Outcome::Accepted
    );
    let stored = events.recv().await.unwrap().event;
    assert!(matches!(&stored, Event::Stored { origin: Origin::Peer(name), .. } if &**name == "berlin"), "{stored:?}");

    for config in [authority.client(Some("bonn.example")), authority.client(None)] {
        let error = outcome(&with(config), &message(None)).await.unwrap_err();
        let said = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        assert!(said.contains("530 5.7.0 prove who you are first"), "{error}: {said}");
    }
    let stranger = Authority::new();
    let forged = authority.client_of(&stranger, "berlin.example");
    assert!(outcome(&with(forged), &message(None)).await.is_err(), "the handshake does not end well");
    assert_eq!(house.count("2001").await, 1);
}

#[tokio::test]
async fn an_unauthenticated_client_may_use_no_site_of_a_known_peer() {
    let house = TestIntake::new(Access::peers([with_password()]).and_anyone_on(["198.18.0.0/15".parse().unwrap()]));
    let forwarder = forwarder(&house, 1).build().unwrap();
    assert_eq!(outcome(&forwarder, &message(Some("london"))).await.unwrap(), Outcome::Accepted);
    assert!(matches!(outcome(&forwarder, &message(Some("berlin-1"))).await.unwrap(), Outcome::Refused(_)));
}

#[tokio::test]
async fn an_address_on_no_list_is_refused_without_details() {
    for access in [Access::default(), Access::peers([with_password()]).only_from(["10.0.0.0/8".parse().unwrap()])] {
        let house = TestIntake::new(access);
        let mut client = SmtpClient::connect_silently(&house, ListenMode::StartTls, Some(address_of(1)));
        assert_eq!(client.remaining_codes().await, "554");
    }
}

#[tokio::test]
async fn no_log_contains_a_caller_a_message_or_a_password() {
    let log = Log::default();
    // The subscriber of the whole process, so that the logs of the other tests here are checked too.
    tracing::subscriber::set_global_default(log.clone()).unwrap();
    let house = TestIntake::new(Access::peers([with_password()]));
    let right = forwarder(&house, 1).credentials("berlin", PASSWORD).build().unwrap();
    for from in [Some("berlin-1"), Some("london")] {
        outcome(&right, &message(from)).await.unwrap();
    }
    let wrong = forwarder(&house, 1).credentials("hunter", "wrong horse battery staple").build().unwrap();
    outcome(&wrong, &message(None)).await.unwrap_err();
    let mut client = SmtpClient::connect(&house, Some(address_of(1))).await.start_tls().await;
    for line in [
        "EHLO \u{1b}[2Jevil\r\n",
        "MAIL FROM:<\u{1b}]0;evil\u{7}@b>\r\n",
        "AUTH LOGIN\r\n",
        "aHVudGVyMg==\r\n",
        "aHVudGVyMg==\r\n",
    ] {
        client.command(line).await;
    }

    let text = log.0.lock().unwrap().clone();
    assert!(
        text.contains("Stored") && text.contains("LoginRefused") && text.contains("SiteRefused"),
        "it tells what happens: {text}"
    );
    for secret in ["Zebulon", "Quux", "23125014", "horse", "hunter", "secret word", "aHVudGVy", "AGJlcmxp"] {
        assert!(!text.contains(secret), "{secret} is in the log: {text}");
    }
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
}

/// A certificate authority.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    fn certified(&self, name: &str) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        (vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        roots
    }

    /// Makes a server configuration that asks for a client certificate, and accepts clients without one.
    fn server(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(self.roots()), Arc::clone(&provider));
        let verifier = verifier.allow_unauthenticated().build().unwrap();
        let (chain, key) = self.certified("vm1.example");
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap())
    }

    fn client(&self, name: Option<&str>) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(self.roots());
        Arc::new(match name.map(|name| self.certified(name)) {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
            None => builder.with_no_client_auth(),
        })
    }

    /// Makes a client configuration that trusts this authority, and has a certificate from the `other`.
    fn client_of(&self, other: &Self, name: &str) -> Arc<ClientConfig> {
        let (chain, key) = other.certified(name);
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(self.roots());
        Arc::new(builder.with_client_auth_cert(chain, key).unwrap())
    }
}

/// Every event and span of all levels, as text.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl tracing::Subscriber for Log {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        span.record(&mut self.clone());
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut self.clone());
    }
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.clone());
        self.0.lock().unwrap().push('\n');
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0.lock().unwrap(), "{}={value:?} ", field.name()).unwrap();
    }
}
