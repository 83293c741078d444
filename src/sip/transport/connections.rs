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

use super::super::message::Message;
use super::acceptor::Accepted;
use super::channel::accepted;
use super::{Channel, ConnectionId, Destination, Source, Transport};
use crate::retry::network_of;

/// How many connections there may be, and for how long.
#[derive(Debug, Clone)]
pub(in crate::sip) struct ConnectionLimits {
    pub(in crate::sip) all: usize,
    pub(in crate::sip) from_address: usize,
    /// How long one may be open before somebody has proven to be there.
    pub(in crate::sip) unproven: Duration,
    /// How long one may be silent both ways after that.
    pub(in crate::sip) idle: Duration,
}

/// Every connection that is open; all end with this.
#[derive(Debug)]
pub(in crate::sip) struct Connections {
    limits: ConnectionLimits,
    next: u64,
    open: HashMap<ConnectionId, Open>,
    running: JoinSet<ConnectionId>,
    arrivals: mpsc::Sender<(Message, Source)>,
}

#[derive(Debug)]
struct Open {
    peer: SocketAddr,
    /// Where it was opened to, if it was opened by this side.
    destination: Option<Destination>,
    outbox: mpsc::Sender<Bytes>,
    proven: Arc<AtomicBool>,
    task: AbortHandle,
}

impl Open {
    fn is_from(&self, network: IpAddr) -> bool {
        network_of(self.peer.ip()) == network
    }

    fn is_proven(&self) -> bool {
        self.proven.load(Ordering::Relaxed)
    }
}

impl Connections {
    /// None yet; their messages go to `arrivals`.
    pub(in crate::sip) fn new(limits: ConnectionLimits, arrivals: mpsc::Sender<(Message, Source)>) -> Self {
        Self { limits, next: 0, open: HashMap::new(), running: JoinSet::new(), arrivals }
    }

    /// Takes a connection that a peer has opened. Without room for it, it is closed at once.
    pub(in crate::sip) fn take(&mut self, Accepted { stream, peer, tls }: Accepted) {
        let (Ok(local), true) = (stream.local_addr(), self.make_room(peer.ip())) else { return };
        let transport = if tls.is_some() { Transport::Tls } else { Transport::Tcp };
        let source = |id| Source { transport, peer, local, connection: Some(id) };
        self.start(source, None, accepted(stream, tls).boxed());
    }

    /// Keeps a connection that this side has opened to `destination`, if there is room; messages may be sent along it.
    pub(in crate::sip) fn keep(&mut self, channel: Box<dyn Channel>, destination: Destination) -> Option<ConnectionId> {
        let Destination { transport, address: peer, .. } = destination;
        if !self.make_room(peer.ip()) {
            return None;
        }
        let local = channel.local();
        let source = |id| Source { transport, peer, local, connection: Some(id) };
        Some(self.start(source, Some(destination), std::future::ready(Ok(channel)).boxed()))
    }

    fn start(
        &mut self,
        source: impl FnOnce(ConnectionId) -> Source,
        destination: Option<Destination>,
        opening: BoxFuture<'static, io::Result<Box<dyn Channel>>>,
    ) -> ConnectionId {
        self.next += 1;
        let id = ConnectionId(self.next);
        let source = source(id);
        let peer = source.peer;
        let (outbox, messages) = mpsc::channel(MOST_WAITING);
        let proven = Arc::new(AtomicBool::new(destination.is_some()));
        let task = Task { source, proven: Arc::clone(&proven), unproven: self.limits.unproven, idle: self.limits.idle };
        let arrivals = self.arrivals.clone();
        let task = self.running.spawn(async move {
            let ended = task.run(opening, messages, arrivals).await;
            tracing::debug!(%peer, ended = ?ended.err(), "a SIP connection has ended");
            id
        });
        self.open.insert(id, Open { peer, destination, outbox, proven, task });
        id
    }

    /// Sends `message` along a connection; says whether it is there. One whose peer reads too slowly is closed.
    pub(in crate::sip) fn send(&mut self, id: ConnectionId, message: Bytes) -> bool {
        let sent = self.open.get(&id).is_some_and(|open| open.outbox.try_send(message).is_ok());
        if !sent {
            self.open.remove(&id);
        }
        sent
    }

    /// One that is open to `destination`. One that the peer has opened will do, but not under TLS, where its name is not verified.
    pub(in crate::sip) fn to(&self, destination: &Destination) -> Option<ConnectionId> {
        let is_there = |open: &Open| match &open.destination {
            Some(opened) => opened == destination,
            None => destination.transport == Transport::Tcp && open.peer == destination.address,
        };
        self.open.iter().find(|(_, open)| is_there(open)).map(|(id, _)| *id)
    }

    /// Somebody has proven to be there, so it may be silent for long.
    pub(in crate::sip) fn handle_proven(&self, id: ConnectionId) {
        if let Some(open) = self.open.get(&id) {
            open.proven.store(true, Ordering::Relaxed);
        }
    }

    /// A connection could not be accepted: closes the oldest one on which nobody has proven to be there, for its descriptor; says whether
    /// there was one.
    pub(in crate::sip) fn handle_exhausted(&mut self) -> bool {
        self.evict_of_crowd()
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
                Some(Err(_)) => self.open.retain(|_, open| !open.outbox.is_closed()),
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
        if self.open.values().filter(|open| open.is_from(network)).count() >= self.limits.from_address {
            return self.evict_of(network);
        }
        self.open.len() < self.limits.all || self.evict_of_crowd()
    }

    fn evict_of_crowd(&mut self) -> bool {
        let mut crowds: HashMap<IpAddr, usize> = HashMap::new();
        for open in self.open.values().filter(|open| !open.is_proven()) {
            *crowds.entry(network_of(open.peer.ip())).or_default() += 1;
        }
        let crowd = crowds.into_iter().max_by_key(|(network, count)| (*count, *network));
        crowd.is_some_and(|(network, _)| self.evict_of(network))
    }

    /// Closes the oldest connection of `network` on which nobody has proven to be there.
    fn evict_of(&mut self, network: IpAddr) -> bool {
        let unproven = self.open.iter().filter(|(_, open)| open.is_from(network) && !open.is_proven());
        let oldest = unproven.map(|(id, _)| *id).min();
        let evicted = oldest.and_then(|oldest| self.open.remove(&oldest));
        evicted.map(|open| open.task.abort()).is_some()
    }
}

/// One connection.
struct Task {
    source: Source,
    proven: Arc<AtomicBool>,
    unproven: Duration,
    idle: Duration,
}

impl Task {
    /// Reads and writes until either side closes it, the peer sends what is not SIP, reads too slowly, or is silent for too long.
    async fn run(
        self,
        opening: BoxFuture<'static, io::Result<Box<dyn Channel>>>,
        mut messages: mpsc::Receiver<Bytes>,
        arrivals: mpsc::Sender<(Message, Source)>,
    ) -> io::Result<()> {
        let opened = Instant::now();
        let mut channel = timeout(self.unproven, opening).await??;
        let mut heard = opened;
        loop {
            let until = self.until(opened, heard);
            tokio::select! {
                message = channel.receive() => {
                    heard = Instant::now();
                    if arrivals.send((message?, self.source)).await.is_err() {
                        return Ok(());
                    }
                }
                message = messages.recv() => match message {
                    Some(message) => {
                        timeout(WRITE_TIME, channel.send(&message)).await??;
                        heard = Instant::now();
                    }
                    None => return timeout(WRITE_TIME, channel.close()).await?,
                },
                // Somebody may have proven to be there in the meantime.
                () = sleep_until(until) => if self.until(opened, heard) <= Instant::now() {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
        }
    }

    /// Until when it may be silent.
    fn until(&self, opened: Instant, heard: Instant) -> Instant {
        if self.proven.load(Ordering::Relaxed) { heard + self.idle } else { opened + self.unproven }
    }
}

/// Messages that wait to be written to one connection.
const MOST_WAITING: usize = 64;
const WRITE_TIME: Duration = Duration::from_secs(10);
