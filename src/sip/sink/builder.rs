//! [`SipSinkBuilder`].

use std::sync::Mutex;

use super::super::channel::{Connect, Network};
use super::super::digest::Login;
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
    login: Option<Login>,
    at_once: usize,
    connect: Box<dyn Connect>,
}

impl SipSinkBuilder {
    pub(super) fn new(from: SipUri, targets: SipTargets) -> Self {
        let (addresses, connect) = (Vec::new(), Box::new(Network));
        Self { from, targets, addresses, transport: None, login: None, at_once: AT_ONCE, connect }
    }

    /// Where to send everything, each written `host:port`, the first that answers; else it goes to the host of each target.
    #[must_use]
    pub fn addresses<S: Into<String>>(mut self, addresses: impl IntoIterator<Item = S>) -> Self {
        self.addresses = addresses.into_iter().map(Into::into).collect();
        self
    }

    /// What to speak over; else what each target asks for, UDP where it does not.
    #[must_use]
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = Some(transport);
        self
    }

    /// What to prove to a peer that asks who is there.
    #[must_use]
    pub fn login(mut self, login: Login) -> Self {
        self.login = Some(login);
        self
    }

    /// How many NOTIFYs may be under way to one address at a time: 8 unless told, 1 at least.
    #[must_use]
    pub fn at_once(mut self, at_once: usize) -> Self {
        self.at_once = at_once;
        self
    }

    #[cfg(test)]
    pub(super) fn connect(mut self, connect: impl Connect + 'static) -> Self {
        self.connect = Box::new(connect);
        self
    }

    /// The sink.
    pub fn build(self) -> SipSink {
        SipSink {
            from: self.from,
            targets: self.targets,
            addresses: self.addresses,
            transport: self.transport,
            login: self.login,
            connect: self.connect,
            peers: Peers::new(self.at_once),
            lanes: Mutex::new(HashMap::new()),
        }
    }
}

const AT_ONCE: usize = 8;
