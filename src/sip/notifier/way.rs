//! [`Source`] and [`Way`]: where a message came from, and where one goes.

use std::net::SocketAddr;

use super::super::message::DEFAULT_PORT;
use super::super::{SipUri, Transport};

/// Where a message came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) peer: SocketAddr,
    /// The own address that it came to.
    pub(super) local: SocketAddr,
    /// Its connection, if it did not come as a datagram.
    pub(super) connection: Option<ConnectionId>,
}

impl Source {
    pub(super) const fn transport(&self) -> Transport {
        match self.connection {
            Some(_) => Transport::Tcp,
            None => Transport::Udp,
        }
    }
}

/// A connection, among all that there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ConnectionId(pub(super) u64);

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// A datagram, to this address.
    Datagram(SocketAddr),
    /// Along a connection that was there when this was decided; elsewhere if it is gone.
    Connection(ConnectionId, Option<Place>),
    /// To a place that is to be looked up first.
    Place(Place),
}

/// A place by its name or address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) transport: Transport,
    /// `host:port`.
    pub(super) address: String,
}

impl Place {
    pub(super) fn of(uri: &SipUri) -> Self {
        let address = format!("{}:{}", uri.host(), uri.port().unwrap_or(DEFAULT_PORT));
        Self { transport: uri.transport().unwrap_or(Transport::Udp), address }
    }
}
