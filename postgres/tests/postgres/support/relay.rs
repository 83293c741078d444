//! [`Relay`]: a TCP relay between a node and its server, which cuts connections at a chosen message, or the network for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The side that a message comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    Node,
    Server,
}

/// A TCP relay that cuts a connection after the `n`-th message from one side, counted over all connections. While its network is cut, nothing passes in
/// either direction and no connection ends; what was sent meanwhile passes when it is restored, as TCP sends it again.
#[derive(Debug)]
pub(crate) struct Relay {
    port: u16,
    limits: Arc<Limits>,
    is_up: watch::Sender<bool>,
    accepted: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

/// How many messages from each side still pass; negative: all.
#[derive(Debug)]
struct Limits {
    node: AtomicI64,
    server: AtomicI64,
}

impl Relay {
    pub(crate) async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let limits = Arc::new(Limits { node: AtomicI64::new(-1), server: AtomicI64::new(-1) });
        let (is_up, accepted) = (watch::Sender::new(true), Arc::<AtomicUsize>::default());
        let (shared, up, count) = (Arc::clone(&limits), is_up.clone(), Arc::clone(&accepted));
        let task = tokio::spawn(async move {
            while let Ok((node, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let (limits, up) = (Arc::clone(&shared), up.clone());
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
                    node.set_nodelay(true).unwrap();
                    server.set_nodelay(true).unwrap();
                    let (from_node, to_node) = node.into_split();
                    let (from_server, to_server) = server.into_split();
                    // The first one to end closes both sides.
                    tokio::select! {
                        () = pass(from_node, to_server, &limits.node, &up, true) => {}
                        () = pass(from_server, to_node, &limits.server, &up, false) => {}
                    }
                });
            }
        });
        Self { port, limits, is_up, accepted, task }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Cuts a connection after `n` more messages from this side.
    pub(crate) fn cut_after(&self, from: From, n: i64) {
        self.limit(from).store(n, Ordering::SeqCst);
    }

    /// Cuts nothing any more; answers whether the cut had been reached.
    pub(crate) fn heal(&self, from: From) -> bool {
        self.limit(from).swap(-1, Ordering::SeqCst) < 0
    }

    /// Cuts the network: nothing passes any more, and no connection ends.
    pub(crate) fn cut_network(&self) {
        self.is_up.send_replace(false);
    }

    /// Ends the cut of the network.
    pub(crate) fn restore_network(&self) {
        self.is_up.send_replace(true);
    }

    /// How many connections nodes have begun so far, also while the network was cut.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    fn limit(&self, from: From) -> &AtomicI64 {
        match from {
            From::Node => &self.limits.node,
            From::Server => &self.limits.server,
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Passes whole messages on, until the limit or the end.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    limit: &AtomicI64,
    is_up: &watch::Sender<bool>,
    mut is_start: bool,
) {
    let mut is_up = is_up.subscribe();
    loop {
        // A message has a type, its length and its body; only a node's first one has no type.
        let mut message = vec![0; if is_start { 4 } else { 5 }];
        is_start = false;
        if from.read_exact(&mut message).await.is_err() {
            return;
        }
        let header = message.len();
        let length: [u8; 4] = message[header - 4..].try_into().unwrap();
        let body = u32::from_be_bytes(length) as usize - 4;
        message.resize(header + body, 0);
        if from.read_exact(&mut message[header..]).await.is_err() {
            return;
        }
        let left = limit.load(Ordering::SeqCst);
        if left == 0 {
            limit.store(-1, Ordering::SeqCst);
            return;
        }
        if left > 0 {
            limit.store(left - 1, Ordering::SeqCst);
        }
        // The sender is above.
        let _ = is_up.wait_for(|is_up| *is_up).await;
        if to.write_all(&message).await.is_err() {
            return;
        }
    }
}
