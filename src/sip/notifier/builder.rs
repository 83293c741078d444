//! [`SipNotifierBuilder`].

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::super::digest::{DigestAlgorithm, DigestAuthenticator, DigestSecret};
use super::super::transport::{NetworkConnector, SecureServer};
#[cfg(feature = "sip-tls")]
use super::super::transport::{SipTlsError, TlsClient, TlsServer};
use super::id_generator::IdGenerator;
use super::server::Server;
use super::users::Users;
use super::{SipLimits, SipNotifier};
use crate::message::MailboxId;

/// What a [`SipNotifier`] is made of.
#[derive(Debug)]
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

    /// Lets the user `name` subscribe to `mailboxes`, the first of which is the user's own.
    #[must_use]
    pub fn user(self, name: &str, password: &str, mailboxes: impl IntoIterator<Item = MailboxId>) -> Self {
        let secret = DigestSecret::of(name, &self.realm, password);
        self.user_with(name, secret, mailboxes)
    }

    /// The same for whoever keeps no passwords; `secret` is one of this name and this realm.
    #[must_use]
    pub fn user_with(mut self, name: &str, secret: DigestSecret, mailboxes: impl IntoIterator<Item = MailboxId>) -> Self {
        self.users.push((name.to_owned(), secret, mailboxes.into_iter().collect()));
        self
    }

    /// Where to hear and send datagrams.
    #[must_use]
    pub fn udp(mut self, socket: UdpSocket) -> Self {
        self.udp = Some(socket);
        self
    }

    /// Where to take connections.
    #[must_use]
    pub fn tcp(mut self, listener: TcpListener) -> Self {
        self.tcp = Some(listener);
        self
    }

    /// Where to take connections under TLS, and how to speak it: a telephone may then subscribe at a `sips:` address.
    #[cfg(feature = "sip-tls")]
    #[must_use]
    pub fn tls(mut self, listener: TcpListener, config: Arc<tokio_rustls::rustls::ServerConfig>) -> Self {
        self.tls = Some((listener, Arc::new(TlsServer::new(config))));
        self
    }

    /// The same with the certificates of `chain`, the own one first, and its `key`; both are PEM.
    ///
    /// # Errors
    ///
    /// [`SipTlsError`] when one of them cannot be read, or they do not belong together.
    #[cfg(feature = "sip-tls")]
    pub fn tls_pem(mut self, listener: TcpListener, chain: &[u8], key: &[u8]) -> Result<Self, SipTlsError> {
        self.tls = Some((listener, Arc::new(TlsServer::by_certificate(chain, key)?)));
        Ok(self)
    }

    /// Trusts the authorities whose certificates `pem` holds to vouch for telephones and proxies that are reached over a new TLS connection.
    /// Without it, a telephone is reached over TLS only along the connection that it has opened.
    ///
    /// # Errors
    ///
    /// [`SipTlsError::Certificates`] when `pem` holds no certificate.
    #[cfg(feature = "sip-tls")]
    pub fn ca_pem(mut self, pem: &[u8]) -> Result<Self, SipTlsError> {
        self.network.tls = Some(Arc::new(TlsClient::by_authorities(pem)?));
        Ok(self)
    }

    /// What passwords may be proven with, the best first: SHA-256 and MD5 unless told. Some telephones know MD5 only, and give up when
    /// they are asked for more beside it: baresip before version 2 is one.
    #[must_use]
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = DigestAlgorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// What telephones may take.
    #[must_use]
    pub fn limits(mut self, limits: SipLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The notifier.
    ///
    /// # Errors
    ///
    /// When the operating system gives no random numbers.
    pub fn build(self) -> io::Result<SipNotifier> {
        let (mut for_nonces, mut for_names) = ([0; DigestAuthenticator::KEY_LEN], [0; IdGenerator::KEY_LEN]);
        getrandom::fill(&mut for_nonces).and_then(|()| getrandom::fill(&mut for_names)).map_err(io::Error::other)?;
        let secrets = self.users.iter().map(|(name, secret, _)| (name.clone(), secret.clone()));
        let authenticator = DigestAuthenticator::new(self.realm, secrets, for_nonces, NONCE_LIFETIME, Instant::now().into_std())
            .algorithms(self.algorithms);
        let mailboxes: HashMap<_, _> = self.users.into_iter().map(|(name, _, mailboxes)| (name, mailboxes)).collect();
        let users = Users::new(authenticator, mailboxes, &self.limits);
        let server = Mutex::new(Server::new(users, self.limits.clone(), IdGenerator::new(for_names)));
        let (limits, changed) = (self.limits, Notify::new());
        Ok(SipNotifier { limits, udp: self.udp, tcp: self.tcp, tls: self.tls, network: self.network, server, changed })
    }
}

/// How long a challenge may be answered.
const NONCE_LIFETIME: Duration = Duration::from_secs(60);
