//! A network in memory, with peers that answer as the test says; it runs on paused time.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep_until};

use super::super::super::Transport;
use super::super::super::message::{Request, Response, SipMessage, StatusCode};
use super::super::super::transport::{Channel, Connect, Destination};

/// The responses of a peer to a request, each with its delay.
pub(super) type Answers = Vec<(Duration, Response)>;
type PeerBehaviour = Box<dyn Fn(&Request) -> Answers + Send + Sync>;

#[derive(Clone, Default)]
pub(super) struct MemoryNetwork(Arc<MemoryNetworkState>);

#[derive(Default)]
struct MemoryNetworkState {
    /// How often all peers have closed their connections.
    hung_up: AtomicUsize,
    peers: Mutex<HashMap<(Transport, SocketAddr), Arc<PeerBehaviour>>>,
    sent: Mutex<Vec<Sent>>,
    connections: Mutex<Vec<(Transport, SocketAddr)>>,
}

/// A request that was sent, and when.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) at: Instant,
    pub(super) to: SocketAddr,
    pub(super) transport: Transport,
    pub(super) request: Request,
}

impl MemoryNetwork {
    /// Makes a peer at `address` answer as `peer` says; other addresses refuse connections.
    pub(super) fn listen(&self, transport: Transport, address: &str, peer: impl Fn(&Request) -> Answers + Send + Sync + 'static) {
        self.0.peers.lock().unwrap().insert((transport, address.parse().unwrap()), Arc::new(Box::new(peer)));
    }

    /// Makes every peer close its connections.
    pub(super) fn hang_up(&self) {
        self.0.hung_up.fetch_add(1, Ordering::Relaxed);
    }

    fn hung_up(&self) -> usize {
        self.0.hung_up.load(Ordering::Relaxed)
    }

    /// All requests that were sent, in order.
    pub(super) fn sent(&self) -> Vec<Sent> {
        self.0.sent.lock().unwrap().clone()
    }

    /// All connections that were opened, in order.
    pub(super) fn connections(&self) -> Vec<(Transport, SocketAddr)> {
        self.0.connections.lock().unwrap().clone()
    }
}

/// Answers each request at once.
pub(super) fn always(status: StatusCode) -> impl Fn(&Request) -> Answers + Send + Sync {
    move |request| vec![(Duration::ZERO, request.response(status, "peer"))]
}

/// Sends no response.
pub(super) fn silent(_: &Request) -> Answers {
    Vec::new()
}

#[async_trait]
impl Connect for MemoryNetwork {
    async fn connect(&self, destination: &Destination) -> io::Result<Box<dyn Channel>> {
        let (transport, peer) = (destination.transport, destination.address);
        self.0.connections.lock().unwrap().push((transport, peer));
        let behaviour = self.0.peers.lock().unwrap().get(&(transport, peer)).map(Arc::clone);
        match behaviour {
            Some(peer_does) => {
                let (memory, opened) = (self.clone(), self.hung_up());
                Ok(Box::new(MemoryChannel { memory, opened, transport, peer, peer_does, coming: Vec::new() }))
            }
            None => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }
}

struct MemoryChannel {
    memory: MemoryNetwork,
    opened: usize,
    transport: Transport,
    peer: SocketAddr,
    peer_does: Arc<PeerBehaviour>,
    coming: Vec<(Instant, Response)>,
}

#[async_trait]
impl Channel for MemoryChannel {
    fn local(&self) -> SocketAddr {
        "192.0.2.1:5070".parse().unwrap()
    }

    async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        if self.memory.hung_up() > self.opened {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let Ok(SipMessage::Request(request)) = SipMessage::parse(message) else { panic!("{message:?} is no request") };
        let at = Instant::now();
        self.coming.extend((self.peer_does)(&request).into_iter().map(|(after, response)| (at + after, response)));
        self.coming.sort_by_key(|(at, _)| *at);
        self.memory.0.sent.lock().unwrap().push(Sent { at, to: self.peer, transport: self.transport, request });
        Ok(())
    }

    async fn receive(&mut self) -> io::Result<SipMessage> {
        match self.coming.first() {
            Some((at, _)) => {
                sleep_until(*at).await;
                Ok(SipMessage::Response(self.coming.remove(0).1))
            }
            None => std::future::pending().await,
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for MemoryNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryNetwork")
    }
}

impl fmt::Debug for MemoryChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryChannel")
    }
}
