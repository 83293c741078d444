//! [`MessageSource`], [`NextHop`] and [`Destination`]: the addresses that messages come from and are sent to.

use std::io;
use std::net::SocketAddr;

use super::super::SipUri;
use super::Transport;

/// The origin of a message that was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sip) struct MessageSource {
    pub(in crate::sip) transport: Transport,
    pub(in crate::sip) peer: SocketAddr,
    /// The local address that received the message.
    pub(in crate::sip) local: SocketAddr,
    /// The connection that it came on; `None` for a datagram.
    pub(in crate::sip) connection: Option<ConnectionId>,
}

/// The identifier of a connection; it is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::sip) struct ConnectionId(pub(in crate::sip) u64);

/// The next hop of a message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sip) enum NextHop {
    /// The message is sent as a datagram to this address.
    Datagram(SocketAddr),
    /// The message is sent on this connection; if it has been closed, to the given host, or nowhere.
    Connection(ConnectionId, Option<HostPort>),
    /// The message is sent to this host, whose name is resolved first.
    Lookup(HostPort),
}

/// A host and a port, with the transport to reach them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sip) struct HostPort {
    pub(in crate::sip) transport: Transport,
    /// A domain name or an IP address; an IPv6 address is in brackets.
    pub(in crate::sip) host: String,
    pub(in crate::sip) port: u16,
}

impl HostPort {
    /// The host of `uri`, over the transport that `uri` asks for; UDP where it asks for none.
    pub(in crate::sip) fn of(uri: &SipUri) -> Self {
        Self::over(uri.transport().unwrap_or(Transport::Udp), uri)
    }

    /// The host of `uri`, over `transport`.
    pub(in crate::sip) fn over(transport: Transport, uri: &SipUri) -> Self {
        Self { transport, host: uri.host().to_owned(), port: uri.port().unwrap_or(transport.default_port()) }
    }

    /// `host:port`.
    pub(in crate::sip) fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The destination, if the host is an IP address, so that no name has to be resolved.
    pub(in crate::sip) fn without_lookup(&self) -> Option<Destination> {
        self.address().parse().ok().map(|address| self.at(address))
    }

    /// Resolves the host name to its first address.
    pub(in crate::sip) async fn resolve(&self) -> io::Result<Destination> {
        let address = tokio::net::lookup_host(self.address()).await?.next().ok_or(io::ErrorKind::NotFound)?;
        Ok(self.at(address))
    }

    fn at(&self, address: SocketAddr) -> Destination {
        Destination::new(self.transport, address, &self.host)
    }
}

/// An address to send to, and the name that the peer's certificate must have under TLS.
///
/// Two destinations are equal only if their names are: a connection that was verified for one domain is not used for another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::sip) struct Destination {
    pub(in crate::sip) transport: Transport,
    pub(in crate::sip) address: SocketAddr,
    /// The name on the certificate; empty without TLS.
    pub(in crate::sip) name: String,
}

impl Destination {
    /// The destination at `address`, one of the addresses of `host`.
    pub(in crate::sip) fn new(transport: Transport, address: SocketAddr, host: &str) -> Self {
        let name = if transport.is_secure() { host.trim_start_matches('[').trim_end_matches(']') } else { "" };
        Self { transport, address, name: name.to_owned() }
    }

    /// The same address over `transport`.
    pub(in crate::sip) fn over(&self, transport: Transport) -> Self {
        Self { transport, ..self.clone() }
    }
}
