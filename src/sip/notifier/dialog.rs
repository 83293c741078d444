//! [`Dialog`]: the dialog with a telephone, which identifies a subscription and routes its NOTIFYs.

use std::net::SocketAddr;

use super::super::message::{Address, HeaderName, Headers, Method, Request, host_of};
use super::super::transport::{ConnectionId, HostPort, MessageSource, NextHop};
use super::super::{MessageSummary, SipUri, Transport};

/// A dialog as RFC 3261 §12 has it: its identifiers, and the route to the telephone.
#[derive(Debug)]
pub(super) struct Dialog {
    pub(super) call_id: String,
    pub(super) local_tag: String,
    pub(super) remote_tag: String,
    /// The local and the remote party with their tags, as in From and To.
    pub(super) local: String,
    pub(super) remote: String,
    /// The account of the mailbox, as the telephone wrote it.
    pub(super) account: SipUri,
    /// The remote target: the Contact of the telephone.
    pub(super) target: SipUri,
    /// The route set: the proxies in Record-Route.
    pub(super) route: Vec<String>,
    /// The address of this side for the telephone: `host:port`.
    pub(super) local_address: String,
    pub(super) source: MessageSource,
    /// Whether the connection of `source` is closed.
    pub(super) closed: bool,
    /// Whether the SUBSCRIBE came through a proxy, so that `source` is not the telephone itself.
    pub(super) through_proxy: bool,
    pub(super) event: String,
    /// Whether the dialog began at a `sips:` URI, so that every hop must use TLS.
    pub(super) secure: bool,
}

impl Dialog {
    /// The number of bytes that the telephone sent and that are stored.
    pub(super) fn len(&self) -> usize {
        let texts = [&self.call_id, &self.local, &self.remote, &self.event];
        let route: usize = self.route.iter().map(String::len).sum();
        route + self.target.to_string().len() + texts.iter().map(|text| text.len()).sum::<usize>()
    }

    /// The Call-ID and the remote tag, which identify the dialog before the telephone knows the local tag.
    pub(super) fn key(&self) -> (String, String) {
        (self.call_id.clone(), self.remote_tag.clone())
    }

    /// The telephone has refreshed the subscription from `source`, with the Contact `target` if it sent one.
    pub(super) fn handle_refresh(&mut self, target: Option<SipUri>, source: MessageSource) {
        if let Some(target) = target.filter(|target| target.is_secure() || !self.secure) {
            self.target = target;
        }
        (self.source, self.closed) = (source, false);
    }

    /// `connection` has been closed.
    pub(super) fn handle_closed(&mut self, connection: ConnectionId) {
        self.closed |= self.source.connection == Some(connection);
    }

    /// Whether the connection of the telephone is closed.
    pub(super) const fn is_closed(&self) -> bool {
        self.closed
    }

    /// A NOTIFY in this dialog.
    pub(super) fn notify(&self, branch: &str, number: u32, state: &str, body: Option<String>) -> Request {
        let (transport, local_address) = (self.transport(), &self.local_address);
        let mut headers = Headers::default()
            .with(HeaderName::Via, format!("SIP/2.0/{} {local_address};rport;branch={branch}", transport.name()));
        for proxy in &self.route {
            headers.push(HeaderName::Route, proxy.as_str());
        }
        headers = headers
            .with(HeaderName::MaxForwards, "70")
            .with(HeaderName::From, self.local.as_str())
            .with(HeaderName::To, self.remote.as_str())
            .with(HeaderName::CallId, self.call_id.as_str())
            .with(HeaderName::CSeq, format!("{number} {}", Method::Notify.as_str()))
            .with(HeaderName::Contact, self.contact())
            .with(HeaderName::Event, self.event.as_str())
            .with(HeaderName::SubscriptionState, state);
        if body.is_some() {
            headers.push(HeaderName::ContentType, MessageSummary::CONTENT_TYPE);
        }
        let body = body.unwrap_or_default().into();
        Request { method: Method::Notify, uri: self.target.to_string(), headers, body }
    }

    /// The Contact of this side.
    pub(super) fn contact(&self) -> String {
        if self.secure {
            format!("<sips:{}>", self.local_address)
        } else {
            format!("<sip:{}{}>", self.local_address, self.source.transport.param())
        }
    }

    /// The transport to the next hop.
    pub(super) fn transport(&self) -> Transport {
        match self.next_hop() {
            NextHop::Datagram(_) => Transport::Udp,
            NextHop::Connection(..) => self.source.transport,
            NextHop::Lookup(local_address) => local_address.transport,
        }
    }

    /// The next hop of a NOTIFY: the first proxy of the route set, or else the telephone. If the telephone sent its SUBSCRIBE itself, the NOTIFY
    /// goes back to the source address. That reaches a telephone behind NAT, and no third party can be made the target of NOTIFYs.
    pub(super) fn next_hop(&self) -> NextHop {
        let proxy = self.route.first().and_then(|route| Address::parse(route)?.sip_uri());
        let next = proxy.as_ref().unwrap_or(&self.target);
        let from_there = proxy.as_ref().map_or(!self.through_proxy, |proxy| proxy.ip() == Some(self.source.peer.ip()));
        match self.source.connection {
            // If the connection has been closed, a new one is tried.
            Some(connection) if from_there => NextHop::Connection(connection, Some(HostPort::over(self.source.transport, next))),
            None if proxy.is_none() && from_there => NextHop::Datagram(self.source.peer),
            Some(_) | None => NextHop::Lookup(HostPort::of(next)),
        }
    }
}

/// The host and port of `local` for the telephone. Where `local` is the unspecified address, they are those of `asked`, the URI that the
/// telephone sent its request to.
pub(super) fn local_address_for(local: SocketAddr, asked: &SipUri) -> String {
    if local.ip().is_unspecified() { HostPort::of(asked).address() } else { format!("{}:{}", host_of(local.ip()), local.port()) }
}

/// The prefix of every branch. RFC 3261 §8.1.1.7.
pub(super) const BRANCH: &str = "z9hG4bK";
