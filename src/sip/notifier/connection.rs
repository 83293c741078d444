//! [`Connections`]: those that telephones have opened, and those that were opened to them.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep_until, timeout};

use super::super::message::Message;
use super::limits::SipLimits;
use super::way::{ConnectionId, Source};

/// Every connection that is open; all end with this.
#[derive(Debug)]
pub(super) struct Connections {
    limits: SipLimits,
    next: u64,
    open: HashMap<ConnectionId, Open>,
    running: JoinSet<ConnectionId>,
    arrivals: mpsc::Sender<(Message, Source)>,
}

#[derive(Debug)]
struct Open {
    peer: SocketAddr,
    outbox: mpsc::Sender<Bytes>,
    proven: Arc<AtomicBool>,
}

impl Connections {
    /// None yet; their messages go to `arrivals`.
    pub(super) fn new(limits: SipLimits, arrivals: mpsc::Sender<(Message, Source)>) -> Self {
        Self { limits, next: 0, open: HashMap::new(), running: JoinSet::new(), arrivals }
    }

    /// Takes one that was opened from or to `peer`, if there is room. One that this side has opened is `proven`.
    pub(super) fn take(&mut self, stream: TcpStream, peer: SocketAddr, proven: bool) -> Option<ConnectionId> {
        let from_there = self.open.values().filter(|open| open.peer.ip().to_canonical() == peer.ip().to_canonical()).count();
        if self.open.len() >= self.limits.connections || from_there >= self.limits.connections_from_address {
            return None;
        }
        let local = stream.local_addr().ok()?;
        stream.set_nodelay(true).ok()?;
        self.next += 1;
        let id = ConnectionId(self.next);
        let (outbox, messages) = mpsc::channel(MOST_WAITING);
        let proven = Arc::new(AtomicBool::new(proven));
        self.open.insert(id, Open { peer, outbox, proven: Arc::clone(&proven) });
        let source = Source { peer, local, connection: Some(id) };
        let talk = Talk { stream, source, proven, unproven: self.limits.unproven, idle: self.limits.idle };
        let arrivals = self.arrivals.clone();
        self.running.spawn(async move {
            let ended = talk.run(messages, arrivals).await;
            tracing::debug!(%peer, ended = ?ended.err(), "a SIP connection has ended");
            id
        });
        Some(id)
    }

    /// Sends `message` along a connection; says whether it is there. One whose peer reads too slowly is closed.
    pub(super) fn send(&mut self, id: ConnectionId, message: Bytes) -> bool {
        let sent = self.open.get(&id).is_some_and(|open| open.outbox.try_send(message).is_ok());
        if !sent {
            self.open.remove(&id);
        }
        sent
    }

    /// One that is open to `peer`.
    pub(super) fn to(&self, peer: SocketAddr) -> Option<ConnectionId> {
        self.open.iter().find(|(_, open)| open.peer == peer).map(|(id, _)| *id)
    }

    /// Somebody has proven to be there, so it may be silent for long.
    pub(super) fn handle_proven(&self, id: ConnectionId) {
        if let Some(open) = self.open.get(&id) {
            open.proven.store(true, Ordering::Relaxed);
        }
    }

    /// Waits until one has ended; for ever while there is none.
    pub(super) async fn ended(&mut self) -> ConnectionId {
        loop {
            match self.running.join_next().await {
                Some(Ok(id)) => {
                    self.open.remove(&id);
                    return id;
                }
                // A panic in it, which is reported by the runtime: its outbox is closed, and the next send finds that out.
                Some(Err(_)) => self.open.retain(|_, open| !open.outbox.is_closed()),
                None => std::future::pending().await,
            }
        }
    }

    /// Sends what waits, closes all, and waits for that.
    pub(super) async fn close(mut self) {
        self.open.clear();
        while self.running.join_next().await.is_some() {}
    }
}

/// One connection.
struct Talk {
    stream: TcpStream,
    source: Source,
    proven: Arc<AtomicBool>,
    unproven: Duration,
    idle: Duration,
}

impl Talk {
    /// Reads and writes until either side closes it, the peer says what is not SIP, reads too slowly, or is silent for too long.
    async fn run(self, mut messages: mpsc::Receiver<Bytes>, arrivals: mpsc::Sender<(Message, Source)>) -> io::Result<()> {
        let Self { mut stream, source, proven, unproven, idle } = self;
        let (mut reader, mut writer) = stream.split();
        let mut input = BytesMut::new();
        let opened = Instant::now();
        let mut heard = opened;
        loop {
            let until = if proven.load(Ordering::Relaxed) { heard + idle } else { opened + unproven };
            tokio::select! {
                read = reader.read_buf(&mut input) => {
                    if read? == 0 {
                        return Ok(());
                    }
                    heard = Instant::now();
                    while let Some(message) = Message::read(&mut input).map_err(io::Error::other)? {
                        if arrivals.send((message, source)).await.is_err() {
                            return Ok(());
                        }
                    }
                }
                message = messages.recv() => match message {
                    Some(message) => {
                        timeout(WRITE_TIME, writer.write_all(&message)).await??;
                        heard = Instant::now();
                    }
                    None => return writer.shutdown().await,
                },
                () = sleep_until(until) => {
                    // Somebody may have proven to be there in the meantime.
                    if !proven.load(Ordering::Relaxed) || heard + idle <= Instant::now() {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
            }
        }
    }
}

/// Messages that wait to be written to one connection.
const MOST_WAITING: usize = 64;
const WRITE_TIME: Duration = Duration::from_secs(10);
