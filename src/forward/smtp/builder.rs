//! [`SmtpForwarderBuilder`]: the options of a forwarder.

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
use crate::clock::Clock;
use crate::event::Events;
use crate::forward::Custody;
use crate::message::mailbox::NODE_SENDER;
use crate::smtp::client::Chunking;
use crate::smtp::{CustodyKey, ReturnPaths};

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
    return_paths: Option<(ReturnPaths, Arc<dyn Clock>)>,
    custody: Custody,
    custody_key: Option<CustodyKey>,
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
            return_paths: None,
            custody: Custody::default(),
            custody_key: None,
        }
    }

    /// Sets the host name of this node; `localhost` by default. It stands in EHLO and in message ids, and delivery reports come back to
    /// `voicemail@` this name.
    pub fn node(mut self, name: impl Into<String>) -> Self {
        self.node = name.into();
        self
    }

    /// Sets whether a connection must be under TLS; [`Security::Tls`] by default.
    pub fn security(mut self, security: Security) -> Self {
        self.security = security;
        self
    }

    /// Trusts the certificate authorities in `pem` for the peer's certificate, and no others.
    ///
    /// The peer's own certificate may be among them, even a self-signed one as made by `openssl req -x509`: when the peer presents it, it is
    /// trusted while it is valid and has the peer's name.
    pub fn ca_pem(mut self, pem: &[u8]) -> Self {
        self.authorities = Some(pem.to_vec());
        self
    }

    /// Uses this TLS configuration, for a client certificate or for another kind of trust. It takes precedence over
    /// [`ca_pem`](Self::ca_pem).
    ///
    /// Under [`Security::PlainTextIfNoTls`], a certificate that `config` rejects costs a second connection, on which it is accepted.
    pub fn tls(mut self, config: Arc<ClientConfig>) -> Self {
        self.config = Some(config);
        self
    }

    /// Sets the name that the peer's certificate must have; the peer's host by default.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Sets when TLS begins; [`TlsMode::StartTls`] by default.
    pub fn tls_mode(mut self, mode: TlsMode) -> Self {
        self.mode = mode;
        self
    }

    /// Authenticates with a password, by the strongest mechanism that both sides support: SCRAM-SHA-256, PLAIN or LOGIN.
    ///
    /// This happens only under TLS with a certificate that verified; on any other connection there is no authentication. With SCRAM-SHA-256
    /// the peer must prove that it knows the password, too. Name and password should be ASCII: other characters are sent in UTF-8 as they are,
    /// and not prepared as RFC 4013 describes.
    ///
    /// # Source
    ///
    /// RFC 4954 (AUTH), RFC 5802 and RFC 7677 (SCRAM-SHA-256), RFC 4616 (PLAIN).
    pub fn credentials(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.login = Some(Credentials::Password { user: user.into(), password: password.into() });
        self
    }

    /// Authenticates with a bearer token, a new one for each connection, by OAUTHBEARER or XOAUTH2.
    ///
    /// This happens only under TLS with a certificate that verified. It replaces [`credentials`](Self::credentials).
    ///
    /// # Source
    ///
    /// RFC 7628.
    pub fn token(mut self, user: impl Into<String>, source: impl TokenSource) -> Self {
        self.login = Some(Credentials::Token { user: user.into(), source: Arc::new(source) });
        self
    }

    /// Sends messages by DATA, even to a peer that offers CHUNKING.
    ///
    /// By default BDAT is used with a peer that offers it, until that peer rejects the command.
    ///
    /// # Source
    ///
    /// RFC 3030.
    pub fn without_chunking(mut self) -> Self {
        self.chunking = Chunking::avoided();
        self
    }

    /// Sets the most connections at a time, at least 1; 16 by default.
    ///
    /// Within it, the forwarder opens as many as increase its throughput. Up to 32 messages are under way on each, if the peer offers
    /// PIPELINING and `XVOICEMAIL-ONCE`. Calls beyond that wait for their turn.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// Sets how long the peer may take; [`Timeouts::default`] by default.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Sets where the forwarder remembers that the peer has spoken TLS; by default in memory, until the next restart.
    pub fn tls_memory(mut self, memory: TlsMemory) -> Self {
        self.memory = memory;
        self
    }

    /// Sets where events are reported, for example to the listeners of its node: the progress of each message
    /// ([`Event::Connected`](crate::event::Event::Connected), [`Event::Sent`](crate::event::Event::Sent)), the use of plain text
    /// ([`Event::PlainTextFallback`](crate::event::Event::PlainTextFallback)), and its refusal
    /// ([`Event::TlsWithheld`](crate::event::Event::TlsWithheld)).
    pub fn events(mut self, events: Events) -> Self {
        self.events = Some(events);
        self
    }

    /// Sends each message with a return path that `paths` signs at the time of `clock`, so that reports about it can be believed; by default all have
    /// `voicemail@` the name of this node. The node's listener takes the reports by the same keys, see
    /// [`IntakeBuilder::return_paths`](crate::intake::IntakeBuilder::return_paths).
    pub fn return_paths(mut self, paths: ReturnPaths, clock: impl Clock) -> Self {
        self.return_paths = Some((paths, Arc::new(clock)));
        self
    }

    /// Sets whether the peer keeps the mailboxes or is a relay; [`Custody::Final`] by default. Other values need
    /// [`return_paths`](Self::return_paths), and `key`, by which the node that keeps the mailboxes proves its receipts.
    pub fn custody(mut self, custody: Custody, key: CustodyKey) -> Self {
        (self.custody, self.custody_key) = (custody, Some(key));
        self
    }

    /// Connects through `dial` instead of TCP. The peer's host is then used only as its name, in errors and for its certificate.
    pub fn dial(mut self, dial: impl Dial) -> Self {
        self.dial = Some(Arc::new(dial));
        self
    }

    /// Builds the forwarder. It connects when the first message comes.
    ///
    /// # Errors
    ///
    /// A [`SetupError`] that names the invalid choice.
    pub fn build(self) -> Result<SmtpForwarder, SetupError> {
        let (host, port) = host_and_port(&self.peer).ok_or_else(|| SetupError::Peer(self.peer.clone()))?;
        let from = address(&self.node)?;
        address(&self.domain)?;
        if self.security == Security::PlainText && self.login.is_some() {
            return Err(SetupError::PlainTextPassword);
        }
        if self.custody != Custody::Final && self.return_paths.is_none() {
            return Err(SetupError::NoReturnPath);
        }
        let policy = self.policy(host)?;
        let peer_name = self.server_name.clone().unwrap_or_else(|| host.to_owned());
        let dial = self.dial.unwrap_or_else(|| Arc::new(TcpDial { host: host.to_owned(), port }));
        let connector = Connector {
            peer: self.peer.clone(),
            node: self.node,
            peer_name,
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
            return_paths: self.return_paths,
            custody: self.custody,
            custody_key: self.custody_key,
        })
    }

    fn policy(&self, host: &str) -> Result<TlsPolicy, SetupError> {
        match self.security {
            Security::Tls => self.peer_tls(host)?.map(TlsPolicy::Tls).ok_or(SetupError::NoTrustedAuthority),
            Security::PlainTextIfNoTls => self.tls_if_possible(host, PlainTextAfterTls::Forbidden),
            Security::PlainTextEvenAfterTls => self.tls_if_possible(host, PlainTextAfterTls::Allowed),
            Security::PlainText => Ok(TlsPolicy::PlainText),
        }
    }

    fn tls_if_possible(&self, host: &str, after_tls: PlainTextAfterTls) -> Result<TlsPolicy, SetupError> {
        let name = self.certificate_name(host)?;
        Ok(TlsPolicy::TlsIfPossible(self.peer_tls(host)?.unwrap_or_else(|| Tls::trusting_nobody(name)), after_tls))
    }

    /// Returns the TLS settings for the peer; `None` if no authority is trusted.
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

/// Returns the node's sender address at `domain`, and so checks the domain.
fn address(domain: &str) -> Result<Address, SetupError> {
    let wrong = || SetupError::Domain(domain.to_owned());
    if domain.is_ascii() { Address::new(NODE_SENDER, domain).map_err(|_| wrong()) } else { Err(wrong()) }
}
