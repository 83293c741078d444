//! [`Run`]: sockets and waiting, around a [`Server`] that decides.

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
use tokio::time::{Duration, Instant, sleep, sleep_until, timeout};

use super::super::Transport;
use super::super::message::Message;
use super::super::transport::{
    Accepted, Acceptor, Channel, Connect as _, Connections, Destination, Place, Source, Way, receive_datagram,
};
use super::SipNotifier;
use super::server::{Server, SubscriptionId, Transmit};
use crate::mwi::{Current, MwiSource};

/// One run of a notifier.
pub(super) struct Run<'a> {
    notifier: &'a SipNotifier,
    source: &'a dyn MwiSource,
    connections: Connections,
    /// Counts under way.
    counting: FuturesUnordered<BoxFuture<'a, (SubscriptionId, Current)>>,
    /// Places that are looked up, and connected to.
    reaching: FuturesUnordered<BoxFuture<'a, Reached>>,
}

/// A place that was looked up.
struct Reached {
    bytes: Bytes,
    subscription: Option<SubscriptionId>,
    way: io::Result<ReachedWay>,
}

enum ReachedWay {
    Address(SocketAddr),
    Channel(Box<dyn Channel>, Destination),
}

impl<'a> Run<'a> {
    /// Answers and tells telephones until `stop`, and then tells them that it ends.
    pub(super) async fn run(notifier: &'a SipNotifier, source: &'a dyn MwiSource, stop: impl Future<Output = ()> + Send) {
        let (arrivals, mut arrived) = mpsc::channel(MOST_ARRIVALS);
        let connections = Connections::new(notifier.limits.of_connections(), arrivals);
        let (counting, reaching) = (FuturesUnordered::new(), FuturesUnordered::new());
        let mut run = Self { notifier, source, connections, counting, reaching };
        let mut tcp = Acceptor::new(notifier.tcp.as_ref(), None);
        let mut tls =
            Acceptor::new(notifier.tls.as_ref().map(|(listener, _)| listener), notifier.tls.as_ref().map(|(_, tls)| tls));
        let mut buffer = Vec::new();
        let mut stop = pin!(stop);
        let mut end: Option<Instant> = None;
        loop {
            run.act();
            let (due, empty) = {
                let server = run.server();
                (server.poll_timeout().map(Instant::from_std), server.len() == 0)
            };
            if end.is_some_and(|end| empty || end <= Instant::now()) {
                break;
            }
            let next = due.into_iter().chain(end).min();
            tokio::select! {
                () = &mut stop, if end.is_none() => {
                    end = Some(Instant::now() + run.notifier.limits.stop_time);
                    run.server().handle_stop(now());
                }
                (message, peer) = receive(notifier.udp.as_ref(), &mut buffer) => run.handle_datagram(message, peer),
                accepted = tcp.accept(), if end.is_none() => run.handle_accepted(accepted, &mut tcp),
                accepted = tls.accept(), if end.is_none() => run.handle_accepted(accepted, &mut tls),
                Some((message, source)) = arrived.recv() => run.server().handle_message(message, source, now()),
                id = run.connections.ended() => run.server().handle_closed(id),
                Some((id, current)) = run.counting.next() => run.server().handle_current(id, &current, now()),
                Some(reached) = run.reaching.next() => run.handle_reached(reached),
                () = notifier.changed.notified() => {}
                () = wait_until(next) => run.server().handle_time(now()),
            }
        }
        let _ = timeout(CLOSE_TIME, run.connections.close()).await;
    }

    fn server(&self) -> MutexGuard<'a, Server> {
        self.notifier.server()
    }

    /// Does what the server asks for.
    fn act(&mut self) {
        loop {
            let (transmit, ask, proven) = {
                let mut server = self.server();
                let may_ask = self.counting.len() < MOST_COUNTS;
                (server.poll_transmit(), if may_ask { server.poll_ask() } else { None }, server.poll_proven())
            };
            if transmit.is_none() && ask.is_none() && proven.is_none() {
                return;
            }
            if let Some(connection) = proven {
                self.connections.handle_proven(connection);
            }
            if let Some(transmit) = transmit {
                self.transmit(transmit);
            }
            if let Some((id, mailbox)) = ask {
                let source = self.source;
                let counted = async move { timeout(COUNT_TIME, AssertUnwindSafe(source.current(&mailbox)).catch_unwind()).await };
                // Who does not answer, or panics, knows nothing.
                self.counting.push(
                    counted
                        .map(move |counted| (id, counted.map_or(Current::Unknown, |current| current.unwrap_or(Current::Unknown))))
                        .boxed(),
                );
            }
        }
    }

    fn transmit(&mut self, Transmit { way, bytes, subscription }: Transmit) {
        match way {
            Way::Datagram(address) => self.send_datagram(address, &bytes),
            Way::Connection(id, elsewhere) => {
                let sent = self.connections.send(id, bytes.clone());
                match (sent, elsewhere) {
                    (true, _) | (false, None) => {}
                    (false, Some(place)) => self.reach(place, bytes, subscription),
                }
            }
            Way::Place(place) => match (place.transport, place.known()) {
                (Transport::Udp, Some(destination)) => self.send_datagram(destination.address, &bytes),
                (Transport::Udp | Transport::Tcp | Transport::Tls, _) => self.reach(place, bytes, subscription),
            },
        }
    }

    /// Looks up a place, and connects to it if need be.
    fn reach(&mut self, place: Place, bytes: Bytes, subscription: Option<SubscriptionId>) {
        if place.transport.is_reliable()
            && let Some(destination) = place.known()
            && let Some(id) = self.connections.to(&destination)
            && self.connections.send(id, bytes.clone())
        {
            return;
        }
        let network = &self.notifier.network;
        let way = async move {
            let destination = place.look_up().await?;
            if destination.transport.is_reliable() {
                Ok(ReachedWay::Channel(network.connect(&destination).await?, destination))
            } else {
                Ok(ReachedWay::Address(destination.address))
            }
        };
        if self.reaching.len() >= MOST_REACHING {
            return; // as good as lost on the way: it is sent again, or given up
        }
        let way = timeout(REACH_TIME, way).map(|way| way.unwrap_or_else(|elapsed| Err(elapsed.into())));
        self.reaching.push(way.map(move |way| Reached { bytes, subscription, way }).boxed());
    }

    fn handle_reached(&mut self, Reached { bytes, subscription, way }: Reached) {
        let sent = match way {
            Ok(ReachedWay::Address(address)) => {
                self.send_datagram(address, &bytes);
                true
            }
            Ok(ReachedWay::Channel(channel, destination)) => {
                let id = self.connections.keep(channel, destination);
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

    /// Sends a datagram; where the socket has no room, it is as good as lost on the way.
    fn send_datagram(&self, address: SocketAddr, bytes: &[u8]) {
        if let Some(socket) = &self.notifier.udp {
            let _ = socket.try_send_to(bytes, address);
        }
    }

    fn handle_datagram(&self, message: Message, peer: SocketAddr) {
        if let Some(local) = self.notifier.udp_address() {
            let source = Source { transport: Transport::Udp, peer, local, connection: None };
            self.server().handle_message(message, source, now());
        }
    }

    fn handle_accepted(&mut self, accepted: io::Result<Accepted>, acceptor: &mut Acceptor<'_>) {
        match accepted {
            Ok(accepted) => self.connections.take(accepted),
            Err(_) if self.connections.handle_exhausted() => acceptor.handle_room(),
            Err(_) => {}
        }
    }
}

async fn receive(socket: Option<&UdpSocket>, buffer: &mut Vec<u8>) -> (Message, SocketAddr) {
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

async fn wait_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

const MOST_ARRIVALS: usize = 64;
/// Mailboxes that are counted at the same time.
const MOST_COUNTS: usize = 64;
const MOST_REACHING: usize = 64;
const COUNT_TIME: Duration = Duration::from_secs(10);
const REACH_TIME: Duration = Duration::from_secs(10);
const CLOSE_TIME: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(100);
