//! A network of links in memory, whose weather a test makes: for a clock that is paused.

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
use voicemail::forward::smtp::{Dial, Transport};
use voicemail::intake::{Intake, ListenMode};

/// The way to one intake.
#[derive(Clone)]
pub struct Net {
    weather: watch::Sender<Weather>,
    intake: Intake,
    latency: Duration,
    dials: Arc<AtomicUsize>,
    /// How often all links died.
    deaths: Arc<AtomicUsize>,
}

/// What becomes of bytes and of new connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// They arrive.
    Fair,
    /// They vanish, and nobody is told. A link that lost a byte is dead for ever, and nobody is told that either.
    BlackHole,
    /// The other machine is there, and its program is not: links end, and new ones are refused.
    Refusing,
}

impl Net {
    pub fn to(intake: Intake, latency: Duration) -> Self {
        Self { weather: watch::Sender::new(Weather::Fair), intake, latency, dials: Arc::default(), deaths: Arc::default() }
    }

    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    /// Kills all links there are now, and nobody is told: as when a box on the way forgot them. New ones are served.
    pub fn die_silently(&self) {
        self.deaths.fetch_add(1, Ordering::Relaxed);
    }

    /// How many connections were asked for.
    pub fn dials(&self) -> usize {
        self.dials.load(Ordering::Relaxed)
    }

    fn weather(&self) -> Weather {
        *self.weather.borrow()
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
        let mut changes = self.weather.subscribe();
        let mut piece = vec![0; PIPE];
        let deaths = self.deaths.load(Ordering::Relaxed);
        loop {
            let refused = changes.wait_for(|weather| *weather == Weather::Refusing);
            let count = tokio::select! {
                read = from.read(&mut piece) => read.unwrap_or(0),
                _ = refused => break,
            };
            sleep(self.latency).await;
            let died = self.deaths.load(Ordering::Relaxed) > deaths;
            match if died { Weather::BlackHole } else { self.weather() } {
                Weather::Fair if count > 0 => {
                    if to.write_all(&piece[..count]).await.is_err() {
                        break;
                    }
                }
                Weather::Fair | Weather::Refusing => break,
                Weather::BlackHole => {
                    while from.read(&mut piece).await.is_ok_and(|count| count > 0) {}
                    // Whoever waits at the other end goes on waiting.
                    std::future::pending::<()>().await;
                }
            }
        }
        // Whoever waits is told, whatever else becomes of the link.
        let _ = to.shutdown().await;
    }
}

#[async_trait]
impl Dial for Net {
    async fn dial(&self, _budget: Duration) -> io::Result<Box<dyn Transport>> {
        self.dials.fetch_add(1, Ordering::Relaxed);
        sleep(self.latency).await;
        match self.weather() {
            Weather::Fair => Ok(Box::new(self.connect())),
            Weather::BlackHole => std::future::pending().await,
            Weather::Refusing => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }
}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Net").field("weather", &self.weather()).finish_non_exhaustive()
    }
}

/// Numbers that a seed gives again and again.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn of(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }

    pub fn millis_below(&mut self, end: u64) -> Duration {
        Duration::from_millis(self.below(end))
    }
}

/// A seed that no run had before; the test prints it.
pub fn new_seed() -> u64 {
    let id = voicemail::message::MessageId::random();
    id.as_bytes().iter().take(6).fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}

const PIPE: usize = 64 * 1024;
