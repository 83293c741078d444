//! [`Dialog`]: what a telephone and this side call each other.

use std::net::SocketAddr;

use super::super::message::{Address, HeaderName, Headers, Method, Request, host_of};
use super::super::transport::{ConnectionId, HostPort, MessageSource, NextHop};
use super::super::{MessageSummary, SipUri, Transport};

/// What both sides call each other, and the way between them.
#[derive(Debug)]
pub(super) struct Dialog {
    pub(super) call_id: String,
    pub(super) local_tag: String,
    pub(super) remote_tag: String,
    /// This side, with its tag, and the other, as they stand in fields.
    pub(super) local: String,
    pub(super) remote: String,
    /// The mailbox, as the telephone knows it.
    pub(super) account: SipUri,
    /// The telephone itself.
    pub(super) target: SipUri,
    /// The proxies in between that want to stay there.
    pub(super) route: Vec<String>,
    /// Where this side can be reached: `host:port`.
    pub(super) local_address: String,
    pub(super) source: MessageSource,
    /// Whether the connection that it came by is closed.
    pub(super) closed: bool,
    /// Whether anybody stands in between, so that the source is not the telephone itself.
    pub(super) through_proxy: bool,
    pub(super) event: String,
    /// Whether it was begun at a `sips:` address, so that every step of it is under TLS.
    pub(super) secure: bool,
}

impl Dialog {
    /// How many bytes of what the telephone said are kept.
    pub(super) fn len(&self) -> usize {
        let texts = [&self.call_id, &self.local, &self.remote, &self.event];
        let route: usize = self.route.iter().map(String::len).sum();
        route + self.target.to_string().len() + texts.iter().map(|text| text.len()).sum::<usize>()
    }

    /// What the telephone calls it.
    pub(super) fn key(&self) -> (String, String) {
        (self.call_id.clone(), self.remote_tag.clone())
    }

    /// The telephone has refreshed it, from `source`, and is at `target` if it said so.
    pub(super) fn handle_refresh(&mut self, target: Option<SipUri>, source: MessageSource) {
        if let Some(target) = target.filter(|target| target.is_secure() || !self.secure) {
            self.target = target;
        }
        (self.source, self.closed) = (source, false);
    }

    /// `connection` is closed.
    pub(super) fn handle_closed(&mut self, connection: ConnectionId) {
        self.closed |= self.source.connection == Some(connection);
    }

    /// Whether its connection is closed.
    pub(super) const fn is_closed(&self) -> bool {
        self.closed
    }

    /// A NOTIFY.
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

    /// Where this side can be reached.
    pub(super) fn contact(&self) -> String {
        if self.secure {
            format!("<sips:{}>", self.local_address)
        } else {
            format!("<sip:{}{}>", self.local_address, self.source.transport.param())
        }
    }

    /// What the next step of the way speaks.
    pub(super) fn transport(&self) -> Transport {
        match self.next_hop() {
            NextHop::Datagram(_) => Transport::Udp,
            NextHop::Connection(..) => self.source.transport,
            NextHop::Lookup(local_address) => local_address.transport,
        }
    }

    /// To the first proxy that wants to stay in between, or else to the telephone: back to where it spoke from, if it spoke for
    /// itself, so that it is found behind a translation of addresses and nobody else is sent what it did not ask for.
    pub(super) fn next_hop(&self) -> NextHop {
        let proxy = self.route.first().and_then(|route| Address::parse(route)?.sip_uri());
        let next = proxy.as_ref().unwrap_or(&self.target);
        let from_there = proxy.as_ref().map_or(!self.through_proxy, |proxy| proxy.ip() == Some(self.source.peer.ip()));
        match self.source.connection {
            // Where it is gone, a new one is tried.
            Some(connection) if from_there => NextHop::Connection(connection, Some(HostPort::over(self.source.transport, next))),
            None if proxy.is_none() && from_there => NextHop::Datagram(self.source.peer),
            Some(_) | None => NextHop::Lookup(HostPort::of(next)),
        }
    }
}

/// The host and port to say where `local` can be reached; `asked` is what the telephone called it, for an address that is none.
pub(super) fn local_address_for(local: SocketAddr, asked: &SipUri) -> String {
    if local.ip().is_unspecified() { HostPort::of(asked).address() } else { format!("{}:{}", host_of(local.ip()), local.port()) }
}

/// What every branch begins with. RFC 3261 §8.1.1.7.
pub(super) const BRANCH: &str = "z9hG4bK";
