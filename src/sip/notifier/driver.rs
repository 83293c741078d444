//! [`Driver`]: connects a [`Server`], which has no I/O, with sockets, timers and the source of states.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::MutexGuard;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant, sleep, timeout};

use super::super::Transport;
use super::super::message::SipMessage;
use super::super::transport::{
    AcceptedConnection, Acceptor, Channel, Connect as _, Connections, Destination, HostPort, MessageSource, NextHop,
    receive_datagram,
};
use super::SipNotifier;
use super::server::{Server, SubscriptionId, Transmit};
use crate::mwi::{CurrentState, MwiSource};
use crate::retry::{now, wait_until};

/// One run of a notifier.
pub(super) struct Driver<'a> {
    notifier: &'a SipNotifier,
    source: &'a dyn MwiSource,
    connections: Connections,
    /// States that are being looked up.
    lookups: FuturesUnordered<BoxFuture<'a, (SubscriptionId, CurrentState)>>,
    /// Messages whose destination is being resolved or connected to.
    locating: FuturesUnordered<BoxFuture<'a, LocatedMessage>>,
}

/// A message whose destination was resolved, or could not be.
struct LocatedMessage {
    bytes: Bytes,
    subscription: Option<SubscriptionId>,
    next_hop: io::Result<LocatedHop>,
}

/// A resolved destination.
enum LocatedHop {
    Address(SocketAddr),
    Channel(Box<dyn Channel>, Destination),
}

impl<'a> Driver<'a> {
    /// Serves telephones until `stop`, and then ends all subscriptions.
    pub(super) async fn run(notifier: &'a SipNotifier, source: &'a dyn MwiSource, stop: impl Future<Output = ()> + Send) {
        let (arrivals, mut arrived) = mpsc::channel(MAX_ARRIVALS);
        let connections = Connections::new(notifier.limits.for_connections(), arrivals);
        let (lookups, locating) = (FuturesUnordered::new(), FuturesUnordered::new());
        let mut run = Self { notifier, source, connections, lookups, locating };
        let mut tcp = Acceptor::new(Transport::Tcp, notifier.tcp.as_ref(), None);
        let (tls_listener, tls) = notifier.tls.as_ref().map(|(listener, tls)| (listener, tls)).unzip();
        let mut tls = Acceptor::new(Transport::Tls, tls_listener, tls);
        let mut buffer = Vec::new();
        let mut stop = pin!(stop);
        let mut end: Option<Instant> = None;
        loop {
            run.act();
            let (due, empty) = {
                let server = run.server();
                (server.poll_timeout(), server.len() == 0)
            };
            if end.is_some_and(|end| empty || end <= Instant::now()) {
                break;
            }
            let next = due.into_iter().chain(end.map(Instant::into_std)).min();
            tokio::select! {
                () = &mut stop, if end.is_none() => {
                    end = Some(Instant::now() + run.notifier.limits.shutdown_timeout);
                    run.server().handle_stop(now());
                }
                (message, peer) = receive(notifier.udp.as_ref(), &mut buffer) => run.handle_datagram(message, peer),
                accepted = tcp.accept(), if end.is_none() => run.handle_accepted(accepted, &mut tcp),
                accepted = tls.accept(), if end.is_none() => run.handle_accepted(accepted, &mut tls),
                Some((message, source)) = arrived.recv() => run.server().handle_message(message, source, now()),
                id = run.connections.ended() => run.server().handle_closed(id),
                Some((id, current)) = run.lookups.next() => run.server().handle_current(id, &current, now()),
                Some(reached) = run.locating.next() => run.handle_located(reached),
                () = notifier.changed.notified() => {}
                () = wait_until(next) => run.server().handle_time(now()),
            }
        }
        let _ = timeout(CLOSE_TIMEOUT, run.connections.close()).await;
    }

    fn server(&self) -> MutexGuard<'a, Server> {
        self.notifier.server()
    }

    /// Carries out what the server asks for.
    fn act(&mut self) {
        loop {
            let (transmit, ask, authenticated) = {
                let mut server = self.server();
                let may_ask = self.lookups.len() < MAX_LOOKUPS;
                (server.poll_transmit(), if may_ask { server.poll_lookup() } else { None }, server.poll_authenticated())
            };
            if transmit.is_none() && ask.is_none() && authenticated.is_none() {
                return;
            }
            if let Some(connection) = authenticated {
                self.connections.handle_authenticated(connection);
            }
            if let Some(transmit) = transmit {
                self.transmit(transmit);
            }
            if let Some((id, mailbox)) = ask {
                let source = self.source;
                let counted =
                    async move { timeout(LOOKUP_TIMEOUT, AssertUnwindSafe(source.current(&mailbox)).catch_unwind()).await };
                // A source that panics or does not return in time does not know the state.
                self.lookups.push(
                    counted
                        .map(move |counted| {
                            (id, counted.map_or(CurrentState::Unknown, |current| current.unwrap_or(CurrentState::Unknown)))
                        })
                        .boxed(),
                );
            }
        }
    }

    fn transmit(&mut self, Transmit { next_hop, bytes, subscription }: Transmit) {
        match next_hop {
            NextHop::Datagram(address) => self.send_datagram(address, &bytes),
            NextHop::Connection(id, elsewhere) => {
                let sent = self.connections.send(id, bytes.clone());
                match (sent, elsewhere) {
                    (true, _) | (false, None) => {}
                    (false, Some(place)) => self.locate_and_send(place, bytes, subscription),
                }
            }
            NextHop::Lookup(place) => match place.without_lookup() {
                Some(destination) if !place.transport.is_reliable() => self.send_datagram(destination.address, &bytes),
                Some(_) | None => self.locate_and_send(place, bytes, subscription),
            },
        }
    }

    /// Sends `bytes` to `place`, after its name is resolved and, except for datagrams, a connection is opened.
    fn locate_and_send(&mut self, place: HostPort, bytes: Bytes, subscription: Option<SubscriptionId>) {
        if place.transport.is_reliable()
            && let Some(destination) = place.without_lookup()
            && let Some(id) = self.connections.to(&destination)
            && self.connections.send(id, bytes.clone())
        {
            return;
        }
        let network = &self.notifier.network;
        let next_hop = async move {
            let destination = place.resolve().await?;
            if destination.transport.is_reliable() {
                Ok(LocatedHop::Channel(network.connect(&destination).await?, destination))
            } else {
                Ok(LocatedHop::Address(destination.address))
            }
        };
        if self.locating.len() >= MAX_LOCATING {
            return; // as if it were lost in the network: it is sent again, or times out
        }
        let next_hop = timeout(LOCATE_TIMEOUT, next_hop).map(|next_hop| next_hop.unwrap_or_else(|elapsed| Err(elapsed.into())));
        self.locating.push(next_hop.map(move |next_hop| LocatedMessage { bytes, subscription, next_hop }).boxed());
    }

    fn handle_located(&mut self, LocatedMessage { bytes, subscription, next_hop }: LocatedMessage) {
        let sent = match next_hop {
            Ok(LocatedHop::Address(address)) => {
                self.send_datagram(address, &bytes);
                true
            }
            Ok(LocatedHop::Channel(channel, destination)) => {
                let id = self.connections.add(channel, destination);
                id.is_some_and(|id| self.connections.send(id, bytes))
            }
            Err(error) => {
                tracing::debug!(%error, "a SIP peer is not reached");
                false
            }
        };
        if let Some(subscription) = subscription.filter(|_| !sent) {
            self.server().handle_unreachable(subscription, now());
        }
    }

    /// Sends a datagram, which is lost if the buffer of the socket is full.
    fn send_datagram(&self, address: SocketAddr, bytes: &[u8]) {
        if let Some(socket) = &self.notifier.udp {
            let _ = socket.try_send_to(bytes, address);
        }
    }

    fn handle_datagram(&self, message: SipMessage, peer: SocketAddr) {
        if let Some(local) = self.notifier.udp_address() {
            let source = MessageSource { transport: Transport::Udp, peer, local, connection: None };
            self.server().handle_message(message, source, now());
        }
    }

    fn handle_accepted(&mut self, accepted: io::Result<AcceptedConnection>, acceptor: &mut Acceptor<'_>) {
        match accepted {
            Ok(accepted) => self.connections.accept(accepted),
            Err(_) if self.connections.handle_exhausted() => acceptor.handle_descriptor_freed(),
            Err(_) => {}
        }
    }
}

async fn receive(socket: Option<&UdpSocket>, buffer: &mut Vec<u8>) -> (SipMessage, SocketAddr) {
    let Some(socket) = socket else { return std::future::pending().await };
    loop {
        match receive_datagram(socket, buffer).await {
            Ok(received) => return received,
            Err(error) => {
                tracing::debug!(%error, "the SIP socket did not receive");
                sleep(PAUSE).await;
            }
        }
    }
}

const MAX_ARRIVALS: usize = 64;
/// The number of states that are looked up at the same time.
const MAX_LOOKUPS: usize = 64;
const MAX_LOCATING: usize = 64;
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);
const LOCATE_TIMEOUT: Duration = Duration::from_secs(10);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(100);
