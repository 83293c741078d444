//! [`SipSinkBuilder`].

use std::sync::Arc;

use super::super::digest::DigestCredentials;
#[cfg(feature = "sip-dns")]
use super::super::locate::DnsResolver;
use super::super::locate::{Resolve, SystemResolver};
use super::super::transport::{Connect, NetworkConnector, SecureClient};
#[cfg(feature = "sip-tls")]
use super::super::transport::{SipTlsError, TlsClient};
use super::super::{SipTargets, SipUri, Transport};
use super::SipSink;
use super::peer::Peers;
use crate::lock::Lock;

/// Builds a [`SipSink`].
#[derive(Debug)]
#[must_use]
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

    /// Sends all NOTIFYs to the first of these addresses that answers, each written `host:port`. Without it, a NOTIFY is sent to the host of
    /// its target.
    pub fn addresses<S: Into<String>>(mut self, addresses: impl IntoIterator<Item = S>) -> Self {
        self.addresses = addresses.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the transport. Without it, each target chooses its own, which is UDP where it names none. A `sips:` target is always reached over
    /// TLS.
    pub const fn transport(mut self, transport: Transport) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Sets the user name and the password that answer a challenge of the peer.
    pub fn credentials(mut self, credentials: DigestCredentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// Sets the number of NOTIFYs that may be sent to one address at the same time: 8 by default, at least 1.
    pub const fn max_concurrent(mut self, max_concurrent: usize) -> Self {
        self.max_concurrent = max_concurrent;
        self
    }

    /// Trusts certificates that the authorities in `pem` have issued, and no others. The certificate of the peer must be that of the SIP
    /// domain: with a `sip:` URI of the host, or else its DNS name; a wildcard never matches.
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

    /// Uses `config` for TLS, for example with a client certificate or with another way to verify the peer. The later call of this and
    /// [`ca_pem`](Self::ca_pem) counts.
    #[cfg(feature = "sip-tls")]
    pub fn tls(mut self, config: Arc<tokio_rustls::rustls::ClientConfig>) -> Self {
        self.tls = Some(Arc::new(TlsClient::new(config)));
        self
    }

    /// Sets the name that the peer's certificate must be for. Without it, that is the host of the address or the target.
    #[cfg(feature = "sip-tls")]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Finds the servers of a target's domain by NAPTR and SRV records, from the DNS servers of this machine. These records are not looked up
    /// for a target with a port, nor for [`addresses`](Self::addresses).
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

    /// Finds the servers of a target's domain, as [`dns`](Self::dns) does, by these DNS servers.
    ///
    /// # Errors
    ///
    /// When the resolver cannot be created.
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

    /// Builds the sink.
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
            turns: Lock::default(),
        }
    }
}

const MAX_CONCURRENT: usize = 8;
