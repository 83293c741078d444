//! [`Connections`]: the open connections of a notifier, incoming and outgoing.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Duration, Instant, sleep_until, timeout};

use super::super::message::SipMessage;
use super::acceptor::AcceptedConnection;
use super::channel::accepted;
use super::{Channel, ConnectionId, Destination, MessageSource};
use crate::retry::network_of;

/// The limits on the number of connections, and on their duration.
#[derive(Debug, Clone)]
pub(in crate::sip) struct ConnectionLimits {
    pub(in crate::sip) all: usize,
    pub(in crate::sip) per_address: usize,
    /// How long a connection may be open before a user has authenticated on it.
    pub(in crate::sip) unauthenticated_timeout: Duration,
    /// How long a connection may be silent in both directions after that.
    pub(in crate::sip) idle_timeout: Duration,
}

/// All open connections. Dropping this closes them.
#[derive(Debug)]
pub(in crate::sip) struct Connections {
    limits: ConnectionLimits,
    next: u64,
    open: HashMap<ConnectionId, OpenConnection>,
    running: JoinSet<ConnectionId>,
    arrivals: mpsc::Sender<(SipMessage, MessageSource)>,
}

#[derive(Debug)]
struct OpenConnection {
    peer: SocketAddr,
    /// The destination that this side opened it to; `None` for an incoming connection.
    destination: Option<Destination>,
    outgoing: mpsc::Sender<Bytes>,
    authenticated: Arc<AtomicBool>,
    task: AbortHandle,
}

impl OpenConnection {
    fn is_from(&self, network: IpAddr) -> bool {
        network_of(self.peer.ip()) == network
    }

    fn is_authenticated(&self) -> bool {
        self.authenticated.load(Ordering::Relaxed)
    }
}

impl Connections {
    /// An empty set of connections; the messages that are received go to `arrivals`.
    pub(in crate::sip) fn new(limits: ConnectionLimits, arrivals: mpsc::Sender<(SipMessage, MessageSource)>) -> Self {
        Self { limits, next: 0, open: HashMap::new(), running: JoinSet::new(), arrivals }
    }

    /// Adds an incoming connection, or closes it at once where the limits leave no room for it.
    pub(in crate::sip) fn accept(&mut self, AcceptedConnection { stream, peer, transport, tls }: AcceptedConnection) {
        let (Ok(local), true) = (stream.local_addr(), self.make_room(peer.ip())) else { return };
        let source = |id| MessageSource { transport, peer, local, connection: Some(id) };
        self.start(source, None, accepted(stream, tls).boxed());
    }

    /// Adds a connection that this side has opened to `destination`; `None` where the limits leave no room for it.
    pub(in crate::sip) fn add(&mut self, channel: Box<dyn Channel>, destination: Destination) -> Option<ConnectionId> {
        let Destination { transport, address: peer, .. } = destination;
        if !self.make_room(peer.ip()) {
            return None;
        }
        let local = channel.local();
        let source = |id| MessageSource { transport, peer, local, connection: Some(id) };
        Some(self.start(source, Some(destination), std::future::ready(Ok(channel)).boxed()))
    }

    fn start(
        &mut self,
        source: impl FnOnce(ConnectionId) -> MessageSource,
        destination: Option<Destination>,
        opening: BoxFuture<'static, io::Result<Box<dyn Channel>>>,
    ) -> ConnectionId {
        self.next += 1;
        let id = ConnectionId(self.next);
        let source = source(id);
        let peer = source.peer;
        let (outgoing, messages) = mpsc::channel(MAX_OUTGOING);
        let authenticated = Arc::new(AtomicBool::new(destination.is_some()));
        let task = ConnectionTask {
            source,
            authenticated: Arc::clone(&authenticated),
            unauthenticated_timeout: self.limits.unauthenticated_timeout,
            idle_timeout: self.limits.idle_timeout,
        };
        let arrivals = self.arrivals.clone();
        let task = self.running.spawn(async move {
            let ended = task.run(opening, messages, arrivals).await;
            tracing::debug!(%peer, ended = ?ended.err(), "a SIP connection has ended");
            id
        });
        self.open.insert(id, OpenConnection { peer, destination, outgoing, authenticated, task });
        id
    }

    /// Sends `message` on a connection; returns `false` where it is closed. A connection whose peer reads too slowly is closed.
    pub(in crate::sip) fn send(&mut self, id: ConnectionId, message: Bytes) -> bool {
        let sent = self.open.get(&id).is_some_and(|open| open.outgoing.try_send(message).is_ok());
        if !sent {
            self.open.remove(&id);
        }
        sent
    }

    /// A connection to `destination`, if one is open. An incoming one is used, too, but not under TLS, because the peer's name was not verified.
    pub(in crate::sip) fn to(&self, destination: &Destination) -> Option<ConnectionId> {
        let is_there = |open: &OpenConnection| match &open.destination {
            Some(opened) => opened == destination,
            None => !destination.transport.is_secure() && open.peer == destination.address,
        };
        self.open.iter().find(|(_, open)| is_there(open)).map(|(id, _)| *id)
    }

    /// A user has authenticated on the connection, so it may be silent for [`ConnectionLimits::idle_timeout`].
    pub(in crate::sip) fn handle_authenticated(&self, id: ConnectionId) {
        if let Some(open) = self.open.get(&id) {
            open.authenticated.store(true, Ordering::Relaxed);
        }
    }

    /// A connection could not be accepted: closes the oldest one on which no user has authenticated, to free its descriptor. Returns whether
    /// there was one.
    pub(in crate::sip) fn handle_exhausted(&mut self) -> bool {
        self.evict_from_busiest_network()
    }

    /// Waits until a connection has ended; for ever while there is none.
    pub(in crate::sip) async fn ended(&mut self) -> ConnectionId {
        loop {
            match self.running.join_next().await {
                Some(Ok(id)) => {
                    self.open.remove(&id);
                    return id;
                }
                // The task was aborted to make room, or panicked, which the runtime reports: its channel is closed.
                Some(Err(_)) => self.open.retain(|_, open| !open.outgoing.is_closed()),
                None => std::future::pending().await,
            }
        }
    }

    /// Sends the waiting messages, closes all connections, and waits until they have ended.
    pub(in crate::sip) async fn close(mut self) {
        self.open.clear();
        while self.running.join_next().await.is_some() {}
    }

    /// Returns whether one more connection with `peer` fits into the limits. If it does not, an unauthenticated connection is closed for it:
    /// one of the same network where that has reached its limit, else one of the network that has most of them.
    fn make_room(&mut self, peer: IpAddr) -> bool {
        let network = network_of(peer);
        if self.open.values().filter(|open| open.is_from(network)).count() >= self.limits.per_address {
            return self.evict_from(network);
        }
        self.open.len() < self.limits.all || self.evict_from_busiest_network()
    }

    fn evict_from_busiest_network(&mut self) -> bool {
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        for open in self.open.values().filter(|open| !open.is_authenticated()) {
            *counts.entry(network_of(open.peer.ip())).or_default() += 1;
        }
        let busiest = counts.into_iter().max_by_key(|(network, count)| (*count, *network));
        busiest.is_some_and(|(network, _)| self.evict_from(network))
    }

    /// Closes the oldest unauthenticated connection of `network`; returns whether there was one.
    fn evict_from(&mut self, network: IpAddr) -> bool {
        let unproven = self.open.iter().filter(|(_, open)| open.is_from(network) && !open.is_authenticated());
        let oldest = unproven.map(|(id, _)| *id).min();
        let evicted = oldest.and_then(|oldest| self.open.remove(&oldest));
        evicted.map(|open| open.task.abort()).is_some()
    }
}

/// The task that serves one connection.
struct ConnectionTask {
    source: MessageSource,
    authenticated: Arc<AtomicBool>,
    unauthenticated_timeout: Duration,
    idle_timeout: Duration,
}

impl ConnectionTask {
    /// Reads and writes until either side closes the connection, or the peer sends a malformed message, reads too slowly, or is silent for
    /// too long.
    async fn run(
        self,
        opening: BoxFuture<'static, io::Result<Box<dyn Channel>>>,
        mut messages: mpsc::Receiver<Bytes>,
        arrivals: mpsc::Sender<(SipMessage, MessageSource)>,
    ) -> io::Result<()> {
        let opened = Instant::now();
        let mut channel = timeout(self.unauthenticated_timeout, opening).await??;
        let mut last_active = opened;
        loop {
            let deadline = self.deadline(opened, last_active);
            tokio::select! {
                message = channel.receive() => {
                    last_active = Instant::now();
                    if arrivals.send((message?, self.source)).await.is_err() {
                        return Ok(());
                    }
                }
                message = messages.recv() => match message {
                    Some(message) => {
                        timeout(WRITE_TIMEOUT, channel.send(&message)).await??;
                        last_active = Instant::now();
                    }
                    None => return timeout(WRITE_TIMEOUT, channel.close()).await?,
                },
                // A user may have authenticated in the meantime.
                () = sleep_until(deadline) => if self.deadline(opened, last_active) <= Instant::now() {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
        }
    }

    /// The time until which the connection may be silent.
    fn deadline(&self, opened: Instant, last_active: Instant) -> Instant {
        if self.authenticated.load(Ordering::Relaxed) {
            last_active + self.idle_timeout
        } else {
            opened + self.unauthenticated_timeout
        }
    }
}

/// The number of messages that may wait to be written to one connection.
const MAX_OUTGOING: usize = 64;
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
