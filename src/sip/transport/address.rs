//! [`MessageSource`], [`NextHop`] and [`Destination`]: where a message came from, and where one goes.

use std::io;
use std::net::SocketAddr;

use super::super::SipUri;
use super::Transport;

/// Where a message came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sip) struct MessageSource {
    pub(in crate::sip) transport: Transport,
    pub(in crate::sip) peer: SocketAddr,
    /// The own address that it came to.
    pub(in crate::sip) local: SocketAddr,
    /// Its connection, if it did not come as a datagram.
    pub(in crate::sip) connection: Option<ConnectionId>,
}

/// A connection, among all that there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::sip) struct ConnectionId(pub(in crate::sip) u64);

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sip) enum NextHop {
    /// A datagram, to this address.
    Datagram(SocketAddr),
    /// Along a connection that was there when this was decided; elsewhere if it is gone.
    Connection(ConnectionId, Option<HostPort>),
    /// To a place that is to be looked up first.
    Lookup(HostPort),
}

/// A place by its name or address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sip) struct HostPort {
    pub(in crate::sip) transport: Transport,
    /// A name, or an address; one of IPv6 in brackets.
    pub(in crate::sip) host: String,
    pub(in crate::sip) port: u16,
}

impl HostPort {
    /// The place of `uri`, over the transport that it asks for; UDP where it asks for none.
    pub(in crate::sip) fn of(uri: &SipUri) -> Self {
        Self::over(uri.transport().unwrap_or(Transport::Udp), uri)
    }

    /// The place of `uri`, over `transport`.
    pub(in crate::sip) fn over(transport: Transport, uri: &SipUri) -> Self {
        Self { transport, host: uri.host().to_owned(), port: uri.port().unwrap_or(transport.default_port()) }
    }

    /// `host:port`.
    pub(in crate::sip) fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Where it is, if that can be seen without looking up a name.
    pub(in crate::sip) fn without_lookup(&self) -> Option<Destination> {
        self.address().parse().ok().map(|address| self.at(address))
    }

    /// Looks up its name; the first address counts.
    pub(in crate::sip) async fn resolve(&self) -> io::Result<Destination> {
        let address = tokio::net::lookup_host(self.address()).await?.next().ok_or(io::ErrorKind::NotFound)?;
        Ok(self.at(address))
    }

    fn at(&self, address: SocketAddr) -> Destination {
        Destination::new(self.transport, address, &self.host)
    }
}

/// An address to send to, and the name that its certificate must have under TLS.
///
/// Two destinations are the same only if their names are: a connection that was verified for one domain carries nothing for another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::sip) struct Destination {
    pub(in crate::sip) transport: Transport,
    pub(in crate::sip) address: SocketAddr,
    /// Empty without TLS.
    pub(in crate::sip) name: String,
}

impl Destination {
    /// `address`, which `host` stands for.
    pub(in crate::sip) fn new(transport: Transport, address: SocketAddr, host: &str) -> Self {
        let name = match transport {
            Transport::Udp | Transport::Tcp => String::new(),
            Transport::Tls => host.trim_start_matches('[').trim_end_matches(']').to_owned(),
        };
        Self { transport, address, name }
    }

    /// The same address over `transport`.
    pub(in crate::sip) fn over(&self, transport: Transport) -> Self {
        Self { transport, ..self.clone() }
    }
}
