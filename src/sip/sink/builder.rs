//! [`SipSinkBuilder`].

use std::sync::{Arc, Mutex};

use super::super::digest::DigestCredentials;
#[cfg(feature = "sip-dns")]
use super::super::locate::DnsResolver;
use super::super::locate::{Resolve, SystemResolver};
use super::super::transport::{Connect, NetworkConnector, SecureClient};
#[cfg(feature = "sip-tls")]
use super::super::transport::{SipTlsError, TlsClient};
use super::super::{SipTargets, SipUri, Transport};
use super::peer::Peers;
use super::{HashMap, SipSink};

/// What a [`SipSink`] is made of.
#[derive(Debug)]
pub struct SipSinkBuilder {
    from: SipUri,
    targets: SipTargets,
    addresses: Vec<String>,
    transport: Option<Transport>,
    credentials: Option<DigestCredentials>,
    max_concurrent: usize,
    tls: Option<Arc<dyn SecureClient>>,
    server_name: Option<String>,
    resolver: Box<dyn Resolve>,
    connect: Option<Box<dyn Connect>>,
}

impl SipSinkBuilder {
    pub(super) fn new(from: SipUri, targets: SipTargets) -> Self {
        Self {
            from,
            targets,
            addresses: Vec::new(),
            transport: None,
            credentials: None,
            max_concurrent: MAX_CONCURRENT,
            tls: None,
            server_name: None,
            resolver: Box::new(SystemResolver),
            connect: None,
        }
    }

    /// Where to send everything, each written `host:port`, the first that answers; else it goes to the host of each target.
    #[must_use]
    pub fn addresses<S: Into<String>>(mut self, addresses: impl IntoIterator<Item = S>) -> Self {
        self.addresses = addresses.into_iter().map(Into::into).collect();
        self
    }

    /// What to speak over; else what each target asks for, UDP where it does not. A `sips:` target is reached over TLS whatever this says.
    #[must_use]
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = Some(transport);
        self
    }

    /// What to prove to a peer that asks who is there.
    #[must_use]
    pub fn credentials(mut self, credentials: DigestCredentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// How many NOTIFYs may be under way to one address at a time: 8 unless told, 1 at least.
    #[must_use]
    pub fn max_concurrent(mut self, max_concurrent: usize) -> Self {
        self.max_concurrent = max_concurrent;
        self
    }

    /// Trusts the authorities whose certificates `pem` holds to vouch for the peer's, and nobody else. The certificate must be that of the
    /// SIP domain: a `sip:` address of the host, or else its DNS name; no wildcard matches.
    ///
    /// # Errors
    ///
    /// [`SipTlsError::Certificates`] when `pem` holds no certificate.
    ///
    /// # Source
    ///
    /// RFC 5922 §7.
    #[cfg(feature = "sip-tls")]
    pub fn ca_pem(mut self, pem: &[u8]) -> Result<Self, SipTlsError> {
        self.tls = Some(Arc::new(TlsClient::by_authorities(pem)?));
        Ok(self)
    }

    /// Speaks TLS as `config` says: for a certificate of our own, or for trust of another kind. The later of this and
    /// [`ca_pem`](Self::ca_pem) counts.
    #[cfg(feature = "sip-tls")]
    #[must_use]
    pub fn tls(mut self, config: Arc<tokio_rustls::rustls::ClientConfig>) -> Self {
        self.tls = Some(Arc::new(TlsClient::new(config)));
        self
    }

    /// The name that must be on the peer's certificate; without it, the host of the address or target.
    #[cfg(feature = "sip-tls")]
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Finds the servers of a target's domain by NAPTR and SRV records, as the DNS servers of this machine know them. A target with a port
    /// is not looked up so, nor are [`addresses`](Self::addresses).
    ///
    /// # Errors
    ///
    /// When the configuration of the operating system's resolver cannot be read.
    ///
    /// # Source
    ///
    /// RFC 3263 §4.
    #[cfg(feature = "sip-dns")]
    pub fn dns(mut self) -> std::io::Result<Self> {
        self.resolver = Box::new(DnsResolver::of_system()?);
        Ok(self)
    }

    /// The same, as these DNS servers know them.
    ///
    /// # Errors
    ///
    /// When the resolver cannot be made.
    #[cfg(feature = "sip-dns")]
    pub fn dns_servers(mut self, servers: impl IntoIterator<Item = std::net::SocketAddr>) -> std::io::Result<Self> {
        self.resolver = Box::new(DnsResolver::of_servers(servers)?);
        Ok(self)
    }

    #[cfg(test)]
    pub(super) fn connect(mut self, connect: impl Connect + 'static) -> Self {
        self.connect = Some(Box::new(connect));
        self
    }

    /// The sink.
    pub fn build(self) -> SipSink {
        SipSink {
            from: self.from,
            targets: self.targets,
            addresses: self.addresses,
            transport: self.transport,
            credentials: self.credentials,
            server_name: self.server_name,
            resolver: self.resolver,
            tls: self.tls.is_some(),
            connect: self.connect.unwrap_or_else(|| Box::new(NetworkConnector { tls: self.tls })),
            peers: Peers::new(self.max_concurrent),
            turns: Mutex::new(HashMap::new()),
        }
    }
}

const MAX_CONCURRENT: usize = 8;
