//! [`Connector`]: makes connections that are as safe as the policy asks.

use std::io;
use std::sync::Arc;

use lettre::transport::smtp::authentication::Credentials;
use tokio::time::timeout;

use super::connection::Connection;
use super::dial::{Dial, Transport};
use super::fault::Fault;
use super::opening::Opening;
use super::security::TlsMode;
use super::timeouts::Timeouts;
use super::tls::{Certificate, NoTls, Tls};
use super::tls_memory::TlsMemory;
use crate::event::{Event, Events};
use crate::forward::{ForwardError, Travelled};

/// Makes connections to one peer.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) peer: String,
    pub(super) node: String,
    pub(super) dial: Arc<dyn Dial>,
    pub(super) policy: Policy,
    pub(super) mode: TlsMode,
    pub(super) login: Option<Login>,
    pub(super) timeouts: Timeouts,
    pub(super) events: Option<Events>,
    /// Who has spoken TLS before.
    pub(super) memory: TlsMemory,
}

/// What a connection must be, and how TLS is spoken where it is.
#[derive(Debug)]
pub(super) enum Policy {
    /// As [`Security::Tls`](super::Security::Tls).
    Tls(Tls),
    /// As [`Security::PlainTextIfNoTls`](super::Security::PlainTextIfNoTls) or
    /// [`Security::PlainTextEvenAfterTls`](super::Security::PlainTextEvenAfterTls).
    TlsIfPossible(Tls, AfterTls),
    /// As [`Security::PlainText`](super::Security::PlainText).
    PlainText,
}

/// Whether a peer that has spoken TLS before may be spoken to in plain text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterTls {
    PlainText,
    NoPlainText,
}

/// Why a peer is not spoken to in plain text, although the policy allows that.
#[derive(Debug, thiserror::Error)]
#[error("{0}, but this peer has spoken TLS before: is somebody in between?")]
struct Withheld(String);

/// A name and password, and where they may be said.
#[derive(Debug)]
pub(super) struct Login {
    pub(super) credentials: Credentials,
    pub(super) over: PasswordOver,
}

/// What a password may go over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PasswordOver {
    /// TLS with a certificate that verified: an impostor is not told.
    VerifiedTls,
    /// Anything that the security policy allows.
    Anything,
}

/// Why there is no connection under TLS.
enum Failure {
    NoTls(NoTls),
    Fault(Fault),
}

impl Connector {
    /// A connection that is ready for a message.
    pub(super) async fn connect(&self) -> Result<Connection, ForwardError> {
        let mut connection = match &self.policy {
            Policy::Tls(tls) => self.under_tls(tls, Certificate::MustVerify).await.map_err(|failure| self.required(failure))?,
            Policy::TlsIfPossible(tls, after_tls) => self.under_tls_if_possible(tls, *after_tls).await?,
            Policy::PlainText => self.in_plain_text().await.map_err(|fault| fault.into_error(&self.peer))?,
        };
        self.log_in(&mut connection).await.map_err(|fault| fault.into_error(&self.peer))?;
        Ok(connection)
    }

    async fn under_tls_if_possible(&self, tls: &Tls, after_tls: AfterTls) -> Result<Connection, ForwardError> {
        let mut attempt = self.under_tls(tls, Certificate::Noted).await;
        if let Err(Failure::NoTls(NoTls::Unverified(_))) = attempt {
            attempt = self.under_tls(tls, Certificate::Any).await;
        }
        let reason = match attempt {
            Ok(connection) => return Ok(connection),
            Err(Failure::Fault(fault)) => return Err(fault.into_error(&self.peer)),
            Err(Failure::NoTls(reason)) => reason.to_string(),
        };
        if after_tls == AfterTls::NoPlainText && self.memory.has(&self.peer).await {
            self.emit(Event::TlsWithheld { peer: self.peer.clone(), reason: reason.clone() });
            return Err(ForwardError::NoTls { peer: self.peer.clone(), source: Withheld(reason).into() });
        }
        // A new connection: what is left of the old one is in no known state.
        let connection = self.in_plain_text().await.map_err(|fault| fault.into_error(&self.peer))?;
        self.emit(Event::PlainTextFallback { peer: self.peer.clone(), reason });
        Ok(connection)
    }

    fn emit(&self, event: Event) {
        if let Some(events) = &self.events {
            events.emit(event);
        }
    }

    async fn under_tls(&self, tls: &Tls, certificate: Certificate) -> Result<Connection, Failure> {
        let plain = match self.mode {
            TlsMode::Implicit => self.dial().await?,
            TlsMode::StartTls => self.dial_and_ask_for_tls().await?,
        };
        let (transport, travelled) = tls.handshake(plain, certificate, &self.timeouts).await.map_err(Failure::NoTls)?;
        let mut opening = Opening::new(transport, &self.timeouts);
        if self.mode == TlsMode::Implicit {
            opening.greeting().await?;
        }
        // RFC 3207 §4.2: what was learnt before is forgotten.
        let capabilities = opening.hello(&self.node).await?;
        self.memory.remember(&self.peer).await;
        Ok(Connection::new(opening.into_channel(), capabilities, travelled).await?)
    }

    async fn dial_and_ask_for_tls(&self) -> Result<Box<dyn Transport>, Failure> {
        let mut opening = Opening::new(self.dial().await?, &self.timeouts);
        opening.greeting().await?;
        if !opening.hello(&self.node).await?.starttls {
            return Err(Failure::NoTls(NoTls::NotOffered));
        }
        opening.starttls().await?.map_err(Failure::NoTls)
    }

    async fn in_plain_text(&self) -> Result<Connection, Fault> {
        let mut opening = Opening::new(self.dial().await?, &self.timeouts);
        opening.greeting().await?;
        let capabilities = opening.hello(&self.node).await?;
        Connection::new(opening.into_channel(), capabilities, Travelled::PlainText).await
    }

    async fn dial(&self) -> Result<Box<dyn Transport>, Fault> {
        let limit = self.timeouts.connect;
        match timeout(limit, self.dial.dial(limit)).await {
            Ok(Ok(transport)) => Ok(transport),
            Ok(Err(error)) if error.kind() != io::ErrorKind::TimedOut => Err(Fault::Lost(error.into())),
            Ok(Err(_)) | Err(_) => Err(Fault::TimedOut("connection")),
        }
    }

    async fn log_in(&self, connection: &mut Connection) -> Result<(), Fault> {
        let Some(login) = &self.login else { return Ok(()) };
        let allowed = match login.over {
            PasswordOver::VerifiedTls => matches!(connection.travelled(), Travelled::Tls(_)),
            PasswordOver::Anything => true,
        };
        if allowed { connection.log_in(&login.credentials, &self.timeouts).await } else { Ok(()) }
    }

    fn required(&self, failure: Failure) -> ForwardError {
        match failure {
            Failure::Fault(fault) => fault.into_error(&self.peer),
            Failure::NoTls(NoTls::TooSlow(step)) => Fault::TimedOut(step).into_error(&self.peer),
            Failure::NoTls(reason) => ForwardError::NoTls { peer: self.peer.clone(), source: reason.into() },
        }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}
