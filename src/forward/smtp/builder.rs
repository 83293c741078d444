//! [`SmtpForwarderBuilder`].

use std::sync::Arc;

use lettre::Address;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::connector::{Connector, PlainTextAfterTls, TlsPolicy};
use super::credentials::{Credentials, TokenSource};
use super::dial::{Dial, TcpDial, host_and_port};
use super::pool::Pool;
use super::refused_recipients::RefusedRecipients;
use super::security::{Security, SetupError, TlsMode};
use super::tls::Tls;
use super::tls_memory::TlsMemory;
use super::{SmtpForwarder, Timeouts};
use crate::event::Events;
use crate::message::mailbox::NODE_SENDER;
use crate::smtp::client::Chunking;

/// Builds an [`SmtpForwarder`]; made by [`SmtpForwarder::builder`].
#[derive(Debug)]
#[must_use]
pub struct SmtpForwarderBuilder {
    peer: String,
    domain: String,
    node: String,
    security: Security,
    mode: TlsMode,
    config: Option<Arc<ClientConfig>>,
    authorities: Option<Vec<u8>>,
    server_name: Option<String>,
    login: Option<Credentials>,
    chunking: Chunking,
    max_connections: usize,
    timeouts: Timeouts,
    events: Option<Events>,
    dial: Option<Arc<dyn Dial>>,
    memory: TlsMemory,
}

impl SmtpForwarderBuilder {
    pub(super) fn new(peer: String, domain: String) -> Self {
        Self {
            peer,
            domain,
            node: "localhost".to_owned(),
            security: Security::default(),
            mode: TlsMode::default(),
            config: None,
            authorities: None,
            server_name: None,
            login: None,
            chunking: Chunking::allowed(),
            max_connections: 16,
            timeouts: Timeouts::default(),
            events: None,
            dial: None,
            memory: TlsMemory::in_memory(),
        }
    }

    /// The name of this node: it says it in EHLO, its messages' ids end in it, and failures come back to `voicemail@` it.
    /// Without it, `localhost`.
    pub fn node(mut self, name: impl Into<String>) -> Self {
        self.node = name.into();
        self
    }

    /// What a connection must be; without it, [`Security::Tls`].
    pub fn security(mut self, security: Security) -> Self {
        self.security = security;
        self
    }

    /// Trusts the authorities whose certificates `pem` holds to vouch for the peer's, and nobody else.
    ///
    /// The peer's own certificate may be among them, also a self-signed one as `openssl req -x509` makes it: presented by the peer, it is
    /// trusted while it is valid and has the peer's name.
    pub fn ca_pem(mut self, pem: &[u8]) -> Self {
        self.authorities = Some(pem.to_vec());
        self
    }

    /// Speaks TLS as `config` says: for a certificate of our own, or for trust of another kind. It wins over
    /// [`ca_pem`](Self::ca_pem).
    ///
    /// Under [`Security::PlainTextIfNoTls`], a certificate that `config` refuses costs a second connection, on which it passes.
    pub fn tls(mut self, config: Arc<ClientConfig>) -> Self {
        self.config = Some(config);
        self
    }

    /// The name that must be on the peer's certificate; without it, the peer's host.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// When TLS begins; without it, [`TlsMode::StartTls`].
    pub fn tls_mode(mut self, mode: TlsMode) -> Self {
        self.mode = mode;
        self
    }

    /// Logs in with a password, by the strongest mechanism that both sides have: SCRAM-SHA-256, PLAIN or LOGIN.
    ///
    /// Only under TLS with a certificate that verified: elsewhere, nothing of it is said. With SCRAM-SHA-256 the peer must prove that it
    /// knows the password, too.
    ///
    /// # Source
    ///
    /// RFC 4954 (AUTH), RFC 5802 and RFC 7677 (SCRAM-SHA-256), RFC 4616 (PLAIN).
    pub fn credentials(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.login = Some(Credentials::Password { user: user.into(), password: password.into() });
        self
    }

    /// Logs in with a bearer token, a new one for each connection, by OAUTHBEARER or XOAUTH2.
    ///
    /// Only under TLS with a certificate that verified. It takes the place of [`credentials`](Self::credentials).
    ///
    /// # Source
    ///
    /// RFC 7628.
    pub fn token(mut self, user: impl Into<String>, source: impl TokenSource) -> Self {
        self.login = Some(Credentials::Token { user: user.into(), source: Arc::new(source) });
        self
    }

    /// Sends messages by DATA, also to a peer that offers CHUNKING.
    ///
    /// Without it, BDAT is used where it is offered, until it turns out that the peer does not know it.
    ///
    /// # Source
    ///
    /// RFC 3030.
    pub fn without_chunking(mut self) -> Self {
        self.chunking = Chunking::avoided();
        self
    }

    /// How many connections there may be at a time, at least 1; without it, 16. There are as many as bring more messages through,
    /// and up to 32 messages are under way on each, where the peer keeps a message once and allows it. Calls beyond wait their turn.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// How long the peer may take; without it, [`Timeouts::default`].
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Where it is remembered that the peer has spoken TLS. Without it, in memory: until the next restart.
    pub fn tls_memory(mut self, memory: TlsMemory) -> Self {
        self.memory = memory;
        self
    }

    /// Where it is told how far each message is ([`Event::Connected`](crate::event::Event::Connected),
    /// [`Event::Sent`](crate::event::Event::Sent)), and falls to plain text, and refusals to fall: to the same listeners as its node,
    /// say.
    pub fn events(mut self, events: Events) -> Self {
        self.events = Some(events);
        self
    }

    /// Connects through `dial` instead of TCP: over a transport of your own. The peer's host then only names it, in errors and for
    /// its certificate.
    pub fn dial(mut self, dial: impl Dial) -> Self {
        self.dial = Some(Arc::new(dial));
        self
    }

    /// The forwarder. It connects when the first message comes.
    ///
    /// # Errors
    ///
    /// A [`SetupError`] that names the choice that cannot be.
    pub fn build(self) -> Result<SmtpForwarder, SetupError> {
        let (host, port) = host_and_port(&self.peer).ok_or_else(|| SetupError::Peer(self.peer.clone()))?;
        let from = address(&self.node)?;
        address(&self.domain)?;
        if self.security == Security::PlainText && self.login.is_some() {
            return Err(SetupError::PlainTextPassword);
        }
        let policy = self.policy(host)?;
        let dial = self.dial.unwrap_or_else(|| Arc::new(TcpDial { host: host.to_owned(), port }));
        let connector = Connector {
            peer: self.peer.clone(),
            node: self.node,
            dial,
            policy,
            mode: self.mode,
            login: self.login,
            timeouts: self.timeouts,
            events: self.events,
            memory: self.memory,
        };
        let pool = Pool::new(self.max_connections);
        Ok(SmtpForwarder {
            connector,
            pool,
            refused: RefusedRecipients::default(),
            chunking: self.chunking,
            domain: self.domain,
            from,
        })
    }

    fn policy(&self, host: &str) -> Result<TlsPolicy, SetupError> {
        match self.security {
            Security::Tls => self.peer_tls(host)?.map(TlsPolicy::Tls).ok_or(SetupError::NobodyTrusted),
            Security::PlainTextIfNoTls => self.tls_if_possible(host, PlainTextAfterTls::Forbidden),
            Security::PlainTextEvenAfterTls => self.tls_if_possible(host, PlainTextAfterTls::Allowed),
            Security::PlainText => Ok(TlsPolicy::PlainText),
        }
    }

    fn tls_if_possible(&self, host: &str, after_tls: PlainTextAfterTls) -> Result<TlsPolicy, SetupError> {
        let name = self.certificate_name(host)?;
        Ok(TlsPolicy::TlsIfPossible(self.peer_tls(host)?.unwrap_or_else(|| Tls::trusting_nobody(name)), after_tls))
    }

    /// How TLS is spoken with the peer; `None` if nobody is trusted to vouch for it.
    fn peer_tls(&self, host: &str) -> Result<Option<Tls>, SetupError> {
        let name = self.certificate_name(host)?;
        match (&self.config, &self.authorities) {
            (Some(config), _) => Ok(Some(Tls::with_config(Arc::clone(config), name))),
            (None, Some(pem)) => Tls::with_authorities(pem, name).map(Some),
            (None, None) => Ok(None),
        }
    }

    fn certificate_name(&self, host: &str) -> Result<ServerName<'static>, SetupError> {
        let name = self.server_name.clone().unwrap_or_else(|| host.to_owned());
        ServerName::try_from(name.clone()).map_err(|_| SetupError::ServerName(name))
    }
}

/// The address of this crate at `domain`, which checks the domain.
fn address(domain: &str) -> Result<Address, SetupError> {
    let wrong = || SetupError::Domain(domain.to_owned());
    if domain.is_ascii() { Address::new(NODE_SENDER, domain).map_err(|_| wrong()) } else { Err(wrong()) }
}
