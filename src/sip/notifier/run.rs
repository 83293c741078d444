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
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant, sleep, sleep_until, timeout};

use super::super::Transport;
use super::super::message::Message;
use super::SipNotifier;
use super::connection::Connections;
use super::server::{Server, SubscriptionId, Transmit};
use super::way::{ConnectionId, Place, Source, Way};
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
    Stream(TcpStream, SocketAddr),
}

impl<'a> Run<'a> {
    /// Answers and tells telephones until `stop`, and then tells them that it ends.
    pub(super) async fn run(notifier: &'a SipNotifier, source: &'a dyn MwiSource, stop: impl Future<Output = ()> + Send) {
        let (arrivals, mut arrived) = mpsc::channel(MOST_ARRIVALS);
        let connections = Connections::new(notifier.limits.clone(), arrivals);
        let (counting, reaching) = (FuturesUnordered::new(), FuturesUnordered::new());
        let mut run = Self { notifier, source, connections, counting, reaching };
        let mut buffer = vec![0; LONGEST_DATAGRAM];
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
                (len, peer) = receive(notifier.udp.as_ref(), &mut buffer) => run.handle_datagram(&buffer[..len], peer),
                (stream, peer) = accept(notifier.tcp.as_ref()), if end.is_none() => {
                    // Without room it is closed at once.
                    run.connections.take(stream, peer, false);
                }
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
            Way::Place(place) => match (place.transport, place.address.parse()) {
                (Transport::Udp, Ok(address)) => self.send_datagram(address, &bytes),
                (Transport::Udp | Transport::Tcp, _) => self.reach(place, bytes, subscription),
            },
        }
    }

    /// Looks up a place, and connects to it if need be.
    fn reach(&mut self, place: Place, bytes: Bytes, subscription: Option<SubscriptionId>) {
        if let (Transport::Tcp, Ok(address)) = (place.transport, place.address.parse())
            && let Some(id) = self.connections.to(address)
            && self.connections.send(id, bytes.clone())
        {
            return;
        }
        let way = async move {
            let found = tokio::net::lookup_host(&place.address).await?.next();
            let address = found.ok_or(io::ErrorKind::NotFound)?;
            match place.transport {
                Transport::Udp => Ok(ReachedWay::Address(address)),
                Transport::Tcp => Ok(ReachedWay::Stream(TcpStream::connect(address).await?, address)),
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
            Ok(ReachedWay::Stream(stream, peer)) => {
                let id: Option<ConnectionId> = self.connections.take(stream, peer, true);
                id.is_some_and(|id| self.connections.send(id, bytes))
            }
            Err(_) => false,
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

    fn handle_datagram(&self, datagram: &[u8], peer: SocketAddr) {
        let local = self.notifier.udp.as_ref().and_then(|socket| socket.local_addr().ok());
        if let (Some(local), Ok(message)) = (local, Message::parse(datagram)) {
            self.server().handle_message(message, Source { peer, local, connection: None }, now());
        }
    }
}

async fn receive(socket: Option<&UdpSocket>, buffer: &mut [u8]) -> (usize, SocketAddr) {
    let Some(socket) = socket else { return std::future::pending().await };
    loop {
        match socket.recv_from(buffer).await {
            Ok(received) => return received,
            Err(error) => {
                tracing::debug!(%error, "the SIP socket did not receive");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> (TcpStream, SocketAddr) {
    let Some(listener) = listener else { return std::future::pending().await };
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // File descriptors have run out, perhaps.
            Err(error) => {
                tracing::warn!(%error, "the SIP listener did not accept");
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

const LONGEST_DATAGRAM: usize = 64 * 1024;
const MOST_ARRIVALS: usize = 64;
/// Mailboxes that are counted at the same time.
const MOST_COUNTS: usize = 64;
const MOST_REACHING: usize = 64;
const COUNT_TIME: Duration = Duration::from_secs(10);
const REACH_TIME: Duration = Duration::from_secs(10);
const CLOSE_TIME: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(100);
