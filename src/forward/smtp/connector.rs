//! [`Connector`]: makes connections that are as safe as the policy requires.

use std::io;
use std::sync::Arc;

use tokio::time::{Instant, timeout};

use super::connection::Connection;
use super::credentials::Credentials;
use super::dial::{ByteStream, Dial};
use super::security::TlsMode;
use super::shared_connection::SharedConnection;
use super::tls::{CertificateCheck, Tls, TlsFailure};
use super::tls_memory::TlsMemory;
use super::{Timeouts, into_error};
use crate::event::{Event, Events};
use crate::forward::{ForwardError, TransportSecurity};
use crate::retry::now;
use crate::smtp::client::{Client, ClientError, Event as ClientEvent, FirstLine, NoStartTls, OpeningGoal};
use crate::smtp::extensions::Extensions;

/// Makes connections to one peer.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) peer: String,
    pub(super) node: String,
    /// The name that the peer's certificate must have.
    pub(super) peer_name: String,
    pub(super) dial: Arc<dyn Dial>,
    pub(super) policy: TlsPolicy,
    pub(super) mode: TlsMode,
    pub(super) login: Option<Credentials>,
    pub(super) timeouts: Timeouts,
    pub(super) events: Option<Events>,
    /// The peers that have spoken TLS before.
    pub(super) memory: TlsMemory,
}

/// Whether a connection must be under TLS, and the TLS settings.
#[derive(Debug)]
pub(super) enum TlsPolicy {
    /// TLS is required: [`Security::Tls`](super::Security::Tls).
    Tls(Tls),
    /// TLS is used where the peer supports it: [`Security::PlainTextIfNoTls`](super::Security::PlainTextIfNoTls) or
    /// [`Security::PlainTextEvenAfterTls`](super::Security::PlainTextEvenAfterTls).
    TlsIfPossible(Tls, PlainTextAfterTls),
    /// TLS is not used: [`Security::PlainText`](super::Security::PlainText).
    PlainText,
}

/// Whether plain text may be used with a peer that has spoken TLS before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlainTextAfterTls {
    Allowed,
    Forbidden,
}

/// The reason why plain text is not used with a peer, although the policy allows it.
#[derive(Debug, thiserror::Error)]
#[error("{0}, but this peer has spoken TLS before: is there an attacker in between?")]
struct DowngradeRefused(String);

/// Why an attempt to connect under TLS failed.
enum TlsAttemptError {
    Tls(TlsFailure),
    Client(ClientError),
}

/// A connection on which the peer has answered EHLO.
struct OpenedConnection {
    connection: Connection,
    extensions: Extensions,
    transport_security: TransportSecurity,
}

impl Connector {
    /// Makes a connection that is ready for a message.
    pub(super) async fn connect(&self) -> Result<SharedConnection, ForwardError> {
        let mut opened = match &self.policy {
            TlsPolicy::Tls(tls) => {
                self.under_tls(tls, CertificateCheck::Required).await.map_err(|failure| self.required(failure))?
            }
            TlsPolicy::TlsIfPossible(tls, after_tls) => self.under_tls_if_possible(tls, *after_tls).await?,
            TlsPolicy::PlainText => self.in_plain_text().await.map_err(|fault| into_error(fault, &self.peer))?,
        };
        self.log_in(&mut opened).await.map_err(|fault| into_error(fault, &self.peer))?;
        let OpenedConnection { connection, mut extensions, transport_security } = opened;
        // Only a certificate that was verified proves the peer's name.
        extensions.is_final &= matches!(transport_security, TransportSecurity::Tls(_));
        Ok(SharedConnection::new(connection, extensions, transport_security, Instant::now()))
    }

    async fn under_tls_if_possible(&self, tls: &Tls, after_tls: PlainTextAfterTls) -> Result<OpenedConnection, ForwardError> {
        let mut attempt = self.under_tls(tls, CertificateCheck::Reported).await;
        if let Err(TlsAttemptError::Tls(TlsFailure::Unverified(_))) = attempt {
            attempt = self.under_tls(tls, CertificateCheck::Skipped).await;
        }
        let reason = match attempt {
            Ok(connection) => return Ok(connection),
            Err(TlsAttemptError::Client(fault)) => return Err(into_error(fault, &self.peer)),
            Err(TlsAttemptError::Tls(reason)) => reason.to_string(),
        };
        if after_tls == PlainTextAfterTls::Forbidden && self.memory.has(&self.peer).await {
            self.emit(Event::TlsWithheld { peer: self.peer.clone(), reason: reason.clone() });
            return Err(ForwardError::NoTls { peer: self.peer.clone(), source: DowngradeRefused(reason).into() });
        }
        // A new connection, for the old one is in no known state.
        let connection = self.in_plain_text().await.map_err(|fault| into_error(fault, &self.peer))?;
        self.emit(Event::PlainTextFallback { peer: self.peer.clone(), reason });
        Ok(connection)
    }

    fn emit(&self, event: Event) {
        if let Some(events) = &self.events {
            events.emit(event);
        }
    }

    async fn under_tls(&self, tls: &Tls, certificate: CertificateCheck) -> Result<OpenedConnection, TlsAttemptError> {
        let (plain, first) = match self.mode {
            TlsMode::Implicit => (self.dial().await?, FirstLine::Greeting),
            TlsMode::StartTls => (self.dial_and_ask_for_tls().await?, FirstLine::Ehlo),
        };
        let (transport, transport_security) =
            tls.handshake(plain, certificate, &self.timeouts).await.map_err(TlsAttemptError::Tls)?;
        // RFC 3207 §4.2: the client discards all that it learnt before the handshake.
        let opened = self.open(transport, first, transport_security).await?;
        self.memory.remember(&self.peer).await;
        Ok(opened)
    }

    async fn dial_and_ask_for_tls(&self) -> Result<Box<dyn ByteStream>, TlsAttemptError> {
        let mut connection = self.begin(self.dial().await?, FirstLine::Greeting, OpeningGoal::StartTls);
        match connection.next_event().await {
            // Plain text that was received ahead would be read as if it had come under TLS.
            ClientEvent::TlsReady => {
                let clean = connection.into_transport();
                clean.ok_or_else(|| ClientError::InvalidReply("plain text before the TLS handshake".into()).into())
            }
            ClientEvent::NoStartTls(NoStartTls::NotOffered) => Err(TlsAttemptError::Tls(TlsFailure::NotOffered)),
            ClientEvent::NoStartTls(NoStartTls::Declined(reply)) => Err(TlsAttemptError::Tls(TlsFailure::Declined(reply))),
            ClientEvent::NoStartTls(NoStartTls::Failed(fault)) => Err(match fault {
                ClientError::TimedOut(step) => TlsAttemptError::Tls(TlsFailure::TooSlow(step)),
                ClientError::ConnectionLost(cause) => TlsAttemptError::Tls(TlsFailure::Broken(cause)),
                ClientError::InvalidReply(what) => TlsAttemptError::Tls(TlsFailure::Broken(what.into())),
                fault @ (ClientError::NotServed(_) | ClientError::Refused { .. }) => TlsAttemptError::Client(fault),
            }),
            event => Err(failure(event).into()),
        }
    }

    async fn in_plain_text(&self) -> Result<OpenedConnection, ClientError> {
        self.open(self.dial().await?, FirstLine::Greeting, TransportSecurity::PlainText).await
    }

    async fn open(
        &self,
        transport: Box<dyn ByteStream>,
        first: FirstLine,
        transport_security: TransportSecurity,
    ) -> Result<OpenedConnection, ClientError> {
        let mut connection = self.begin(transport, first, OpeningGoal::Messages);
        match connection.next_event().await {
            ClientEvent::Opened(extensions) => Ok(OpenedConnection { connection, extensions, transport_security }),
            event => Err(failure(event)),
        }
    }

    fn begin(&self, transport: Box<dyn ByteStream>, first: FirstLine, goal: OpeningGoal) -> Connection {
        let client = Client::new(&self.node, first, goal, self.timeouts, now()).expecting(&self.peer_name);
        Connection::new(transport, client)
    }

    async fn dial(&self) -> Result<Box<dyn ByteStream>, ClientError> {
        let limit = self.timeouts.connect;
        match timeout(limit, self.dial.dial(limit)).await {
            Ok(Ok(transport)) => Ok(transport),
            Ok(Err(error)) if error.kind() != io::ErrorKind::TimedOut => Err(ClientError::ConnectionLost(error.into())),
            Ok(Err(_)) | Err(_) => Err(ClientError::TimedOut("connection")),
        }
    }

    /// Authenticates, but only on a connection that nobody else can read.
    async fn log_in(&self, opened: &mut OpenedConnection) -> Result<(), ClientError> {
        let Some(login) = &self.login else { return Ok(()) };
        if !matches!(opened.transport_security, TransportSecurity::Tls(_)) {
            return Ok(());
        }
        let exchange = timeout(self.timeouts.command, login.exchange(opened.extensions.auth, &self.peer)).await;
        let exchange = exchange.unwrap_or(Err(ClientError::TimedOut("token")))?;
        opened.connection.client.authenticate(exchange, now());
        match opened.connection.next_event().await {
            ClientEvent::Authenticated => Ok(()),
            event => Err(failure(event)),
        }
    }

    fn required(&self, failure: TlsAttemptError) -> ForwardError {
        match failure {
            TlsAttemptError::Client(fault) => into_error(fault, &self.peer),
            TlsAttemptError::Tls(TlsFailure::TooSlow(step)) => into_error(ClientError::TimedOut(step), &self.peer),
            TlsAttemptError::Tls(reason) => ForwardError::NoTls { peer: self.peer.clone(), source: reason.into() },
        }
    }
}

/// Returns the reason why a connection could not be opened.
fn failure(event: ClientEvent) -> ClientError {
    match event {
        ClientEvent::Failed(fault) => fault,
        event => ClientError::InvalidReply(format!("{event:?} while the connection was opened")),
    }
}

impl From<ClientError> for TlsAttemptError {
    fn from(fault: ClientError) -> Self {
        Self::Client(fault)
    }
}
