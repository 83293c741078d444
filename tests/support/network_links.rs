//! Connections in memory whose failures a test controls, for tests with paused time.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, duplex, split};
use tokio::sync::watch;
use tokio::time::sleep;
use voicemail::forward::smtp::{ByteStream, Dial};
use voicemail::intake::{Intake, ListenMode};

/// Connects to one intake over links that can fail.
#[derive(Clone)]
pub struct LinkedNetwork {
    state: watch::Sender<LinkState>,
    intake: Intake,
    latency: Duration,
    dials: Arc<AtomicUsize>,
    /// How often [`drop_silently`](Self::drop_silently) was called.
    drops: Arc<AtomicUsize>,
}

/// How the links treat bytes and new connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// Bytes and connections arrive.
    Up,
    /// Bytes and connections vanish, and no end sees an error. A link that lost a byte never works again, and no end sees that either.
    BlackHole,
    /// The other machine runs, but its program does not: links end, and new ones are refused.
    Refusing,
}

impl LinkedNetwork {
    pub fn to(intake: Intake, latency: Duration) -> Self {
        Self { state: watch::Sender::new(LinkState::Up), intake, latency, dials: Arc::default(), drops: Arc::default() }
    }

    pub fn set(&self, state: LinkState) {
        self.state.send_replace(state);
    }

    /// Breaks all present links without an error at either end, as when a router on the path forgets them. New links work.
    pub fn drop_silently(&self) {
        self.drops.fetch_add(1, Ordering::Relaxed);
    }

    /// How many connections were requested.
    pub fn dials(&self) -> usize {
        self.dials.load(Ordering::Relaxed)
    }

    fn state(&self) -> LinkState {
        *self.state.borrow()
    }

    fn connect(&self) -> DuplexStream {
        let (client, near) = duplex(PIPE);
        let (far, server) = duplex(PIPE);
        let intake = self.intake.clone();
        tokio::spawn(async move { drop(intake.serve_stream(server, None, ListenMode::StartTls, std::future::pending()).await) });
        let ((near_read, near_write), (far_read, far_write)) = (split(near), split(far));
        tokio::spawn(self.clone().carry(near_read, far_write));
        tokio::spawn(self.clone().carry(far_read, near_write));
        client
    }

    async fn carry(self, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
        let mut changes = self.state.subscribe();
        let mut piece = vec![0; PIPE];
        let drops = self.drops.load(Ordering::Relaxed);
        loop {
            let refused = changes.wait_for(|state| *state == LinkState::Refusing);
            let count = tokio::select! {
                read = from.read(&mut piece) => read.unwrap_or(0),
                _ = refused => break,
            };
            sleep(self.latency).await;
            let died = self.drops.load(Ordering::Relaxed) > drops;
            match if died { LinkState::BlackHole } else { self.state() } {
                LinkState::Up if count > 0 => {
                    if to.write_all(&piece[..count]).await.is_err() {
                        break;
                    }
                }
                LinkState::Up | LinkState::Refusing => break,
                LinkState::BlackHole => {
                    while from.read(&mut piece).await.is_ok_and(|count| count > 0) {}
                    // The other end sees no end of the connection and goes on waiting.
                    std::future::pending::<()>().await;
                }
            }
        }
        // The other end must see the end of the connection, also after an error.
        let _ = to.shutdown().await;
    }
}

#[async_trait]
impl Dial for LinkedNetwork {
    async fn dial(&self, _budget: Duration) -> io::Result<Box<dyn ByteStream>> {
        self.dials.fetch_add(1, Ordering::Relaxed);
        sleep(self.latency).await;
        match self.state() {
            LinkState::Up => Ok(Box::new(self.connect())),
            LinkState::BlackHole => std::future::pending().await,
            LinkState::Refusing => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }
}

impl fmt::Debug for LinkedNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkedNetwork").field("state", &self.state()).finish_non_exhaustive()
    }
}

const PIPE: usize = 64 * 1024;
