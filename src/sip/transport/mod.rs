//! The transport layer of SIP, for both sides: datagrams, TCP, and TLS over TCP.
//!
//! [`SipSink`](super::SipSink) opens a [`Channel`] by [`Connect`] for each exchange; [`SipNotifier`](super::SipNotifier) keeps
//! [`Connections`], which it has accepted by an [`Acceptor`] or opened by [`Connect`]. TLS enters by the traits [`SecureClient`] and
//! [`SecureServer`] alone, whose implementations are in one file.
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

use std::str::FromStr;

pub(super) use self::acceptor::{AcceptedConnection, Acceptor};
pub(super) use self::address::{ConnectionId, Destination, HostPort, MessageSource, NextHop};
pub(super) use self::channel::{Channel, Connect, NetworkConnector, receive_datagram};
pub(super) use self::connections::{ConnectionLimits, Connections};
#[cfg_attr(not(feature = "sip-tls"), allow(unused_imports, reason = "only TLS implements them"))]
pub(super) use self::secure::{ConnectionStream, SecureClient, SecureServer};
#[cfg(feature = "sip-tls")]
pub use self::tls::SipTlsError;
#[cfg(feature = "sip-tls")]
pub(super) use self::tls::{TlsClient, TlsServer};

/// What SIP is spoken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Transport {
    /// Datagrams: each request is sent again until it is answered.
    Udp,
    /// A connection.
    Tcp,
    /// A connection under TLS, as `sips:` and `transport=tls` ask for.
    Tls,
}

impl Transport {
    /// Its name, as a Via field has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }

    /// Whether what is sent arrives without being sent again.
    pub const fn is_reliable(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp | Self::Tls => true,
        }
    }

    /// The port where no other is given: 5060, or 5061 for TLS.
    ///
    /// # Source
    ///
    /// RFC 3261 §19.1.2.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
        }
    }

    /// The parameter of an address of this transport: nothing for UDP, which is what an address means without one.
    pub(super) const fn param(self) -> &'static str {
        match self {
            Self::Udp => "",
            Self::Tcp => ";transport=tcp",
            Self::Tls => ";transport=tls",
        }
    }
}

impl FromStr for Transport {
    type Err = InvalidTransport;

    fn from_str(text: &str) -> Result<Self, InvalidTransport> {
        let mut known = [Self::Udp, Self::Tcp, Self::Tls].into_iter();
        known.find(|transport| transport.name().eq_ignore_ascii_case(text)).ok_or(InvalidTransport)
    }
}

/// A text that names no [`Transport`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a transport is udp, tcp or tls")]
pub struct InvalidTransport;
