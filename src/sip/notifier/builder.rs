//! [`SipNotifierBuilder`].

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::Notify;

use super::super::digest::{DigestAlgorithm, DigestAuthenticator, DigestSecret};
use super::super::transport::{NetworkConnector, SecureServer};
#[cfg(feature = "sip-tls")]
use super::super::transport::{SipTlsError, TlsClient, TlsServer};
use super::id_generator::IdGenerator;
use super::server::Server;
use super::users::Users;
use super::{SipLimits, SipNotifier};
use crate::lock::Lock;
use crate::message::MailboxId;
use crate::retry::now;

/// Builds a [`SipNotifier`].
#[derive(Debug)]
#[must_use]
pub struct SipNotifierBuilder {
    realm: String,
    users: Vec<(String, DigestSecret, Vec<MailboxId>)>,
    udp: Option<UdpSocket>,
    tcp: Option<TcpListener>,
    tls: Option<(TcpListener, Arc<dyn SecureServer>)>,
    network: NetworkConnector,
    limits: SipLimits,
    algorithms: Vec<DigestAlgorithm>,
}

impl SipNotifierBuilder {
    pub(super) fn new(realm: String) -> Self {
        Self {
            realm,
            users: Vec::new(),
            udp: None,
            tcp: None,
            tls: None,
            network: NetworkConnector::default(),
            limits: SipLimits::default(),
            algorithms: vec![DigestAlgorithm::Sha256, DigestAlgorithm::Md5],
        }
    }

    /// Allows the user `name` to subscribe to `mailboxes`, the first of which is the user's own.
    pub fn user(self, name: &str, password: &str, mailboxes: impl IntoIterator<Item = MailboxId>) -> Self {
        let secret = DigestSecret::of(name, &self.realm, password);
        self.user_with(name, secret, mailboxes)
    }

    /// Allows a user to subscribe, as [`user`](Self::user) does, for integrators that store no passwords. `secret` is that of `name` in the
    /// realm of this notifier.
    pub fn user_with(mut self, name: &str, secret: DigestSecret, mailboxes: impl IntoIterator<Item = MailboxId>) -> Self {
        self.users.push((name.to_owned(), secret, mailboxes.into_iter().collect()));
        self
    }

    /// Receives and sends datagrams on `socket`.
    pub fn udp(mut self, socket: UdpSocket) -> Self {
        self.udp = Some(socket);
        self
    }

    /// Accepts TCP connections on `listener`.
    pub fn tcp(mut self, listener: TcpListener) -> Self {
        self.tcp = Some(listener);
        self
    }

    /// Accepts TLS connections on `listener`, with `config`. A telephone may then subscribe at a `sips:` URI.
    #[cfg(feature = "sip-tls")]
    pub fn tls(mut self, listener: TcpListener, config: Arc<tokio_rustls::rustls::ServerConfig>) -> Self {
        self.tls = Some((listener, Arc::new(TlsServer::new(config))));
        self
    }

    /// Accepts TLS connections, as [`tls`](Self::tls) does, with the certificates of `chain`, that of this server first, and its private
    /// `key`; both are PEM.
    ///
    /// # Errors
    ///
    /// [`SipTlsError`] when `chain` or `key` cannot be read, or the key is not that of the first certificate.
    #[cfg(feature = "sip-tls")]
    pub fn tls_pem(mut self, listener: TcpListener, chain: &[u8], key: &[u8]) -> Result<Self, SipTlsError> {
        self.tls = Some((listener, Arc::new(TlsServer::by_certificate(chain, key)?)));
        Ok(self)
    }

    /// Trusts certificates that the authorities in `pem` have issued, for TLS connections that the notifier opens to telephones and proxies.
    /// Without it, a telephone is reached over TLS only on a connection that the telephone has opened.
    ///
    /// # Errors
    ///
    /// [`SipTlsError::Certificates`] when `pem` holds no certificate.
    #[cfg(feature = "sip-tls")]
    pub fn ca_pem(mut self, pem: &[u8]) -> Result<Self, SipTlsError> {
        self.network.tls = Some(Arc::new(TlsClient::by_authorities(pem)?));
        Ok(self)
    }

    /// Sets the digest algorithms that are offered, in order of preference: by default SHA-256, then MD5. Some telephones support MD5 only, and
    /// give up when another one is offered beside it, for example baresip before version 2.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = DigestAlgorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Sets the limits on what telephones may use.
    pub const fn limits(mut self, limits: SipLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Builds the notifier.
    ///
    /// # Errors
    ///
    /// When the operating system has no random numbers.
    pub fn build(self) -> io::Result<SipNotifier> {
        let (mut for_nonces, mut for_names) = ([0; DigestAuthenticator::KEY_LEN], [0; IdGenerator::KEY_LEN]);
        getrandom::fill(&mut for_nonces).and_then(|()| getrandom::fill(&mut for_names)).map_err(io::Error::other)?;
        let secrets = self.users.iter().map(|(name, secret, _)| (name.clone(), secret.clone()));
        let authenticator = DigestAuthenticator::new(self.realm, for_nonces, now()).users(secrets).algorithms(self.algorithms);
        let mailboxes: HashMap<_, _> = self.users.into_iter().map(|(name, _, mailboxes)| (name, mailboxes)).collect();
        let users = Users::new(authenticator, mailboxes, &self.limits);
        let server = Lock::new(Server::new(users, self.limits.clone(), IdGenerator::new(for_names)));
        let (limits, changed) = (self.limits, Notify::new());
        Ok(SipNotifier { limits, udp: self.udp, tcp: self.tcp, tls: self.tls, network: self.network, server, changed })
    }
}
