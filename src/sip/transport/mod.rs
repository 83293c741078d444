//! The transport layer of SIP: UDP, TCP, and TLS over TCP.
//!
//! [`SipSink`](super::SipSink) opens a [`Channel`] with [`Connect`] for each request; [`SipNotifier`](super::SipNotifier) keeps
//! [`Connections`], which an [`Acceptor`] has accepted or [`Connect`] has opened. TLS is reached through the traits [`SecureClient`] and
//! [`SecureServer`], whose implementations are in one file.
//!
//! **A new transport is added in this file alone:** a variant of [`Transport`], its [`Properties`], and how [`NetworkConnector`] opens a
//! channel. No other file matches on the variants. To accept connections of it, the notifier's builder needs a method that takes its listener.
//!
//! # Source
//!
//! RFC 3261 §18, RFC 3581, RFC 5922 (certificates).

mod acceptor;
mod address;
mod channel;
mod connections;
mod secure;
#[cfg(feature = "sip-tls")]
mod tls;

use std::io;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::net::TcpStream;

pub(super) use self::acceptor::{AcceptedConnection, Acceptor};
pub(super) use self::address::{ConnectionId, Destination, HostPort, MessageSource, NextHop};
pub(super) use self::channel::{Channel, Connect, receive_datagram};
use self::channel::{StreamChannel, UdpChannel, plain};
pub(super) use self::connections::{ConnectionLimits, Connections};
#[cfg_attr(not(feature = "sip-tls"), allow(unused_imports, reason = "only TLS implements them"))]
pub(super) use self::secure::{ConnectionStream, SecureClient, SecureServer};
#[cfg(feature = "sip-tls")]
pub use self::tls::SipTlsError;
#[cfg(feature = "sip-tls")]
pub(super) use self::tls::{TlsClient, TlsServer};

/// A transport of SIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Transport {
    /// UDP: each request is sent again until it is answered.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP, as `sips:` and `transport=tls` ask for.
    Tls,
}

/// The properties of a transport that the rest of this crate depends on.
struct Properties {
    name: &'static str,
    reliable: bool,
    secure: bool,
    port: u16,
    param: &'static str,
    naptr_service: &'static str,
    srv_prefix: &'static str,
}

impl Transport {
    /// Every transport, in the order in which they are tried where a domain names none. RFC 3263 §4.1.
    pub(super) const ALL: [Self; 3] = [Self::Udp, Self::Tcp, Self::Tls];

    const fn properties(self) -> Properties {
        match self {
            Self::Udp => Properties {
                name: "UDP",
                reliable: false,
                secure: false,
                port: 5060,
                param: "",
                naptr_service: "SIP+D2U",
                srv_prefix: "_sip._udp",
            },
            Self::Tcp => Properties {
                name: "TCP",
                reliable: true,
                secure: false,
                port: 5060,
                param: ";transport=tcp",
                naptr_service: "SIP+D2T",
                srv_prefix: "_sip._tcp",
            },
            Self::Tls => Properties {
                name: "TLS",
                reliable: true,
                secure: true,
                port: 5061,
                param: ";transport=tls",
                naptr_service: "SIPS+D2T",
                srv_prefix: "_sips._tcp",
            },
        }
    }

    /// The name, as in a Via field.
    pub const fn name(self) -> &'static str {
        self.properties().name
    }

    /// Whether the transport itself delivers a message, so that requests are sent once.
    pub const fn is_reliable(self) -> bool {
        self.properties().reliable
    }

    /// Whether the transport encrypts, and authenticates the server by a certificate.
    pub const fn is_secure(self) -> bool {
        self.properties().secure
    }

    /// The port where no other is given: 5060, or 5061 for TLS.
    ///
    /// # Source
    ///
    /// RFC 3261 §19.1.2.
    pub const fn default_port(self) -> u16 {
        self.properties().port
    }

    /// The parameter of a SIP URI for this transport; empty for UDP, which is the default.
    pub(super) const fn param(self) -> &'static str {
        self.properties().param
    }

    /// The service field of a NAPTR record for this transport. RFC 3263 §4.1.
    pub(super) const fn naptr_service(self) -> &'static str {
        self.properties().naptr_service
    }

    /// The service and the protocol in the name of an SRV record for this transport. RFC 3263 §4.1.
    pub(super) const fn srv_prefix(self) -> &'static str {
        self.properties().srv_prefix
    }
}

impl FromStr for Transport {
    type Err = InvalidTransport;

    fn from_str(text: &str) -> Result<Self, InvalidTransport> {
        Self::ALL.into_iter().find(|transport| transport.name().eq_ignore_ascii_case(text)).ok_or(InvalidTransport)
    }
}

/// The text is not a [`Transport`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a transport is udp, tcp or tls")]
pub struct InvalidTransport;

/// Opens channels over the network.
#[derive(Debug, Default)]
pub(super) struct NetworkConnector {
    /// Makes the TLS handshake; without it, no peer is reached over TLS.
    pub(super) tls: Option<Arc<dyn SecureClient>>,
}

#[async_trait]
impl Connect for NetworkConnector {
    async fn connect(&self, destination: &Destination) -> io::Result<Box<dyn Channel>> {
        let Destination { transport, address, name } = destination;
        Ok(match transport {
            Transport::Udp => Box::new(UdpChannel::to(*address).await?),
            Transport::Tcp => {
                let stream = TcpStream::connect(address).await?;
                Box::new(StreamChannel::new(&stream.local_addr()?, plain(stream)?))
            }
            Transport::Tls => {
                let tls = self.tls.as_ref().ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, TlsNotConfigured))?;
                let stream = TcpStream::connect(address).await?;
                let local = stream.local_addr()?;
                stream.set_nodelay(true)?;
                Box::new(StreamChannel::new(&local, tls.connect(stream, name).await?))
            }
        })
    }
}

/// The builder got no TLS settings, so a peer that needs TLS cannot be reached.
#[derive(Debug, thiserror::Error)]
#[error("the address asks for TLS, and no TLS is configured: give the builder `ca_pem` or `tls`")]
struct TlsNotConfigured;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_transport_is_found_by_its_name_and_has_names_of_its_own() {
        for transport in Transport::ALL {
            assert_eq!(transport.name().to_lowercase().parse(), Ok(transport));
            for other in Transport::ALL.into_iter().filter(|other| *other != transport) {
                assert_ne!(transport.param(), other.param());
                assert_ne!(transport.naptr_service(), other.naptr_service());
                assert_ne!(transport.srv_prefix(), other.srv_prefix());
            }
        }
        assert_eq!("sctp".parse::<Transport>(), Err(InvalidTransport));
    }
}
