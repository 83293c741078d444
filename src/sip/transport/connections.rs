//! [`Connections`]: those that peers have opened, and those that were opened to them.

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
use super::{Channel, ConnectionId, Destination, MessageSource, Transport};
use crate::retry::network_of;

/// How many connections there may be, and for how long.
#[derive(Debug, Clone)]
pub(in crate::sip) struct ConnectionLimits {
    pub(in crate::sip) all: usize,
    pub(in crate::sip) per_address: usize,
    /// How long one may be open before somebody has proven to be there.
    pub(in crate::sip) unauthenticated_timeout: Duration,
    /// How long one may be silent both ways after that.
    pub(in crate::sip) idle_timeout: Duration,
}

/// Every connection that is open; all end with this.
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
    /// Where it was opened to, if it was opened by this side.
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
    /// None yet; their messages go to `arrivals`.
    pub(in crate::sip) fn new(limits: ConnectionLimits, arrivals: mpsc::Sender<(SipMessage, MessageSource)>) -> Self {
        Self { limits, next: 0, open: HashMap::new(), running: JoinSet::new(), arrivals }
    }

    /// Takes a connection that a peer has opened. Without room for it, it is closed at once.
    pub(in crate::sip) fn accept(&mut self, AcceptedConnection { stream, peer, tls }: AcceptedConnection) {
        let (Ok(local), true) = (stream.local_addr(), self.make_room(peer.ip())) else { return };
        let transport = if tls.is_some() { Transport::Tls } else { Transport::Tcp };
        let source = |id| MessageSource { transport, peer, local, connection: Some(id) };
        self.start(source, None, accepted(stream, tls).boxed());
    }

    /// Keeps a connection that this side has opened to `destination`, if there is room; messages may be sent along it.
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

    /// Sends `message` along a connection; says whether it is there. One whose peer reads too slowly is closed.
    pub(in crate::sip) fn send(&mut self, id: ConnectionId, message: Bytes) -> bool {
        let sent = self.open.get(&id).is_some_and(|open| open.outgoing.try_send(message).is_ok());
        if !sent {
            self.open.remove(&id);
        }
        sent
    }

    /// One that is open to `destination`. One that the peer has opened will do, but not under TLS, where its name is not verified.
    pub(in crate::sip) fn to(&self, destination: &Destination) -> Option<ConnectionId> {
        let is_there = |open: &OpenConnection| match &open.destination {
            Some(opened) => opened == destination,
            None => destination.transport == Transport::Tcp && open.peer == destination.address,
        };
        self.open.iter().find(|(_, open)| is_there(open)).map(|(id, _)| *id)
    }

    /// Somebody has proven to be there, so it may be silent for long.
    pub(in crate::sip) fn handle_authenticated(&self, id: ConnectionId) {
        if let Some(open) = self.open.get(&id) {
            open.authenticated.store(true, Ordering::Relaxed);
        }
    }

    /// A connection could not be accepted: closes the oldest one on which nobody has proven to be there, for its descriptor; says whether
    /// there was one.
    pub(in crate::sip) fn handle_exhausted(&mut self) -> bool {
        self.evict_from_busiest_network()
    }

    /// Waits until one has ended; for ever while there is none.
    pub(in crate::sip) async fn ended(&mut self) -> ConnectionId {
        loop {
            match self.running.join_next().await {
                Some(Ok(id)) => {
                    self.open.remove(&id);
                    return id;
                }
                // It was closed to make room, or panicked, which the runtime reports: its outbox is closed.
                Some(Err(_)) => self.open.retain(|_, open| !open.outgoing.is_closed()),
                None => std::future::pending().await,
            }
        }
    }

    /// Sends what waits, closes all, and waits for that.
    pub(in crate::sip) async fn close(mut self) {
        self.open.clear();
        while self.running.join_next().await.is_some() {}
    }

    /// Whether there is room for one more connection with `peer`, after one on which nobody has proven to be there was closed for it: of
    /// the same network where its share is used up, or else of the network that has the most of them.
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

    /// Closes the oldest connection of `network` on which nobody has proven to be there.
    fn evict_from(&mut self, network: IpAddr) -> bool {
        let unproven = self.open.iter().filter(|(_, open)| open.is_from(network) && !open.is_authenticated());
        let oldest = unproven.map(|(id, _)| *id).min();
        let evicted = oldest.and_then(|oldest| self.open.remove(&oldest));
        evicted.map(|open| open.task.abort()).is_some()
    }
}

/// One connection.
struct ConnectionTask {
    source: MessageSource,
    authenticated: Arc<AtomicBool>,
    unauthenticated_timeout: Duration,
    idle_timeout: Duration,
}

impl ConnectionTask {
    /// Reads and writes until either side closes it, the peer sends what is not SIP, reads too slowly, or is silent for too long.
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
                // Somebody may have proven to be there in the meantime.
                () = sleep_until(deadline) => if self.deadline(opened, last_active) <= Instant::now() {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
        }
    }

    /// Until when it may be silent.
    fn deadline(&self, opened: Instant, last_active: Instant) -> Instant {
        if self.authenticated.load(Ordering::Relaxed) {
            last_active + self.idle_timeout
        } else {
            opened + self.unauthenticated_timeout
        }
    }
}

/// Messages that wait to be written to one connection.
const MAX_OUTGOING: usize = 64;
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
