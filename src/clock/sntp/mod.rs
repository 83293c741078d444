//! [`SntpClock`].

mod discipline;
mod packet;

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::future;
use tokio::net::UdpSocket;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use self::discipline::{Discipline, Sample, best};
use self::packet::{Reply, Useless};
use super::{Clock, Reading, SystemClock};

/// A clock that follows time servers, and says how well.
///
/// It asks every server several times, goes by the quickest exchange that most servers agree with, and holds the result against the
/// machine's monotonic clock: a step of the system clock, whoever makes it, changes nothing. Until the first answer it tells the system
/// clock's time, and says so by its [`source`](crate::message::ClockQuality::source); from then on its time never goes back, but goes a
/// twentieth slower or faster until it is right, or jumps forward when it is late by more than a second.
///
/// It starts no task of its own: [`Node::run`](crate::node::Node::run) drives the clock of its node, and for a clock of nobody's somebody
/// drives [`run`](Self::run).
///
/// ```
/// use voicemail::clock::{Clock, SntpClock};
/// use voicemail::message::ClockSource;
///
/// let clock = SntpClock::new(["ntp.example.com:123"]);
/// assert_eq!(clock.now().quality.source, ClockSource::System); // nobody has been asked yet
/// ```
///
/// # Source
///
/// RFC 4330 (SNTP version 4).
#[derive(Debug)]
pub struct SntpClock {
    servers: Vec<String>,
    discipline: Mutex<Discipline>,
    /// Taken by who asks the servers for ever.
    place: Semaphore,
}

impl SntpClock {
    /// A clock that follows `servers`, each written `host:port`, or `host` alone for port 123.
    pub fn new<S: Into<String>>(servers: impl IntoIterator<Item = S>) -> Self {
        let with_port = |server: String| if has_port(&server) { server } else { format!("{server}:123") };
        let servers = servers.into_iter().map(|server| with_port(server.into())).collect();
        Self { servers, discipline: Mutex::default(), place: Semaphore::new(1) }
    }

    /// Asks the servers for ever: several times at the start, then about every minute, and less often those that do not answer.
    ///
    /// Of several calls at once, as when nodes share a clock, one asks; when it is dropped, the next goes on.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with network and time.
    ///
    /// # Cancel safety
    ///
    /// A dropped call stops asking; the clock goes on from what it knows.
    pub async fn run(&self) {
        let Ok(_place) = self.place.acquire().await else { return future::pending().await };
        let mut peers: Vec<Peer> = self.servers.iter().map(Peer::new).collect();
        loop {
            let now = Instant::now();
            let asked = peers.iter_mut().filter(|peer| peer.due <= now);
            let samples: Vec<Sample> = future::join_all(asked.map(Peer::ask)).await.into_iter().flatten().collect();
            self.learn(&samples);
            let Some(due) = peers.iter().map(|peer| peer.due).min() else { return future::pending().await };
            sleep(due.saturating_duration_since(Instant::now()).max(LEAST_PAUSE)).await;
        }
    }

    /// Asks every server a few times, and answers when that is done: for a start that wants the time to be right.
    ///
    /// # Errors
    ///
    /// When no server told the time, what was wrong with the last one. The clock goes on with the system's time, or with what it
    /// knew before.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with network and time.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has learnt nothing.
    pub async fn measure(&self) -> io::Result<()> {
        let exchanges = self.servers.iter().map(|server| burst(server));
        let mut samples = Vec::new();
        let mut last = io::Error::new(io::ErrorKind::NotFound, "no time server is named");
        for asked in future::join_all(exchanges).await {
            match asked {
                Ok(sample) => samples.push(sample),
                Err(error) => last = error,
            }
        }
        if samples.is_empty() {
            return Err(last);
        }
        self.learn(&samples);
        Ok(())
    }

    fn learn(&self, samples: &[Sample]) {
        if let Some(sample) = best(samples) {
            let mut discipline = self.discipline();
            discipline.handle_sample(&sample, Instant::now(), SystemClock.now().instant);
        }
    }

    fn discipline(&self) -> MutexGuard<'_, Discipline> {
        self.discipline.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Clock for SntpClock {
    fn now(&self) -> Reading {
        let discipline = self.discipline();
        // Read under the lock, so that of two readings the later one is not the earlier.
        discipline.reading(Instant::now()).unwrap_or_else(|| SystemClock.now())
    }

    async fn keep(&self) {
        self.run().await;
    }
}

/// One server, and when it is asked next.
#[derive(Debug)]
struct Peer<'a> {
    server: &'a str,
    due: Instant,
    failures: u32,
}

impl<'a> Peer<'a> {
    fn new(server: &'a String) -> Self {
        Self { server, due: Instant::now(), failures: 0 }
    }

    /// Asks the server, and plans the next time. One that does not answer, or asks to be left alone, is asked half as often each time.
    fn ask(&mut self) -> impl Future<Output = Option<Sample>> {
        let server = self.server;
        async move {
            match burst(server).await {
                Ok(sample) => {
                    self.failures = 0;
                    self.due = Instant::now() + ASK_EVERY;
                    Some(sample)
                }
                Err(error) => {
                    tracing::debug!(%error, server, "a time server did not tell the time");
                    self.due = Instant::now() + FIRST_PAUSE * 2_u32.pow(self.failures.min(MAX_DOUBLINGS));
                    self.failures = self.failures.saturating_add(1);
                    None
                }
            }
        }
    }
}

/// The best of several exchanges with one server.
async fn burst(server: &str) -> io::Result<Sample> {
    let socket = connect(server).await?;
    let mut samples = Vec::new();
    let mut failed = None;
    for exchange_number in 0..EXCHANGES {
        if exchange_number > 0 {
            sleep(BETWEEN_EXCHANGES).await;
        }
        match exchange(&socket).await {
            Ok(sample) => samples.push(sample),
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    let nobody = || failed.unwrap_or_else(|| io::ErrorKind::TimedOut.into());
    samples.into_iter().min_by_key(|sample| sample.delay).ok_or_else(nobody)
}

async fn exchange(socket: &UdpSocket) -> io::Result<Sample> {
    let mut nonce = [0; 8];
    getrandom::fill(&mut nonce).map_err(io::Error::other)?;
    let nonce = u64::from_be_bytes(nonce);
    let sent = Instant::now();
    socket.send(&packet::request(nonce)).await?;
    let answered = async {
        let mut buffer = [0; 2 * packet::LEN];
        loop {
            let len = socket.recv(&mut buffer).await?;
            let received = Instant::now();
            match Reply::parse(&buffer[..len], nonce) {
                Ok(reply) => return Sample::of(sent, &reply, received).ok_or_else(|| io::ErrorKind::InvalidData.into()),
                Err(Useless::NotOurs) => {}
                Err(useless @ (Useless::GoAway | Useless::NotSynchronized)) => return Err(io::Error::other(useless)),
            }
        }
    };
    timeout(ANSWER_TIME, answered).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// A socket that hears nobody but the server.
async fn connect(server: &str) -> io::Result<UdpSocket> {
    let mut failed = io::Error::from(io::ErrorKind::NotFound);
    for address in tokio::net::lookup_host(server).await? {
        let local: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let connected = async {
            let socket = UdpSocket::bind(local).await?;
            socket.connect(address).await.map(|()| socket)
        };
        match connected.await {
            Ok(socket) => return Ok(socket),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// Whether a port stands at the end; the colons of a bare IPv6 address are none.
fn has_port(server: &str) -> bool {
    match server.rsplit_once(':') {
        Some((host, port)) => port.bytes().all(|byte| byte.is_ascii_digit()) && (!host.contains(':') || host.ends_with(']')),
        None => false,
    }
}

const ANSWER_TIME: Duration = Duration::from_secs(2);
const EXCHANGES: u32 = 4;
const BETWEEN_EXCHANGES: Duration = Duration::from_millis(50);
const ASK_EVERY: Duration = Duration::from_secs(64);
const FIRST_PAUSE: Duration = Duration::from_secs(4);
/// 4 seconds doubled so often are 68 minutes.
const MAX_DOUBLINGS: u32 = 10;
const LEAST_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use chrono::TimeDelta;

    use super::*;
    use crate::conformance;
    use crate::message::ClockSource;

    /// A server on loopback whose clock differs from the system's by `offset`; answers with its address.
    async fn server(offset: TimeDelta, first_byte: u8) -> SocketAddr {
        counting_server(offset, first_byte, Arc::default()).await
    }

    /// The same, which counts in `asked` how often it was asked.
    async fn counting_server(offset: TimeDelta, first_byte: u8, asked: Arc<AtomicU32>) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut packet = [0; 48];
            while let Ok((_, peer)) = socket.recv_from(&mut packet).await {
                asked.fetch_add(1, Ordering::SeqCst);
                let now = SystemClock.now().instant + offset;
                let secs = u64::try_from(now.timestamp() + 2_208_988_800).unwrap() & 0xffff_ffff;
                let stamp = (secs << 32) | ((u64::from(now.timestamp_subsec_nanos()) << 32) / 1_000_000_000);
                let mut reply = [0; 48];
                (reply[0], reply[1]) = (first_byte, 2);
                reply[24..32].copy_from_slice(&packet[40..]);
                reply[32..40].copy_from_slice(&stamp.to_be_bytes());
                reply[40..].copy_from_slice(&stamp.to_be_bytes());
                // Something that is no reply comes first.
                socket.send_to(&[0; 48], peer).await.unwrap();
                socket.send_to(&reply, peer).await.unwrap();
            }
        });
        address
    }

    fn off_by(clock: &SntpClock) -> TimeDelta {
        clock.now().instant - SystemClock.now().instant
    }

    #[tokio::test]
    async fn it_tells_the_time_of_a_server_and_how_far_the_system_is_off() {
        let clock = Arc::new(SntpClock::new([server(TimeDelta::milliseconds(-90_000), 0x24).await.to_string()]));
        conformance::clock::run_all(&clock);
        clock.measure().await.unwrap();
        conformance::clock::run_all(&clock);
        assert!((off_by(&clock) + TimeDelta::milliseconds(90_000)).abs() < TimeDelta::milliseconds(10), "{:?}", off_by(&clock));
        let quality = clock.now().quality;
        assert_eq!(quality.source, ClockSource::Sntp);
        assert!((quality.offset.unwrap() + TimeDelta::milliseconds(90_000)).abs() < TimeDelta::milliseconds(10));
        assert!(quality.uncertainty.unwrap() < Duration::from_millis(10));
    }

    #[tokio::test]
    async fn one_of_three_that_lies_and_one_that_does_not_know_are_not_followed() {
        let mut servers = Vec::new();
        for (offset, first_byte) in [(3500, 0x24), (60_000, 0x24), (3500, 0x24), (0, 0xe4)] {
            servers.push(server(TimeDelta::milliseconds(offset), first_byte).await.to_string());
        }
        let clock = SntpClock::new(servers);
        clock.measure().await.unwrap();
        assert!((off_by(&clock) - TimeDelta::milliseconds(3500)).abs() < TimeDelta::milliseconds(10), "{:?}", off_by(&clock));
    }

    #[tokio::test]
    async fn without_an_answer_the_systems_time_goes_on_and_says_that_it_is_that() {
        let clock = SntpClock::new([server(TimeDelta::zero(), 0xe4).await.to_string()]);
        assert!(clock.measure().await.is_err());
        assert_eq!(clock.now().quality.source, ClockSource::System);
        assert!(SntpClock::new(Vec::<String>::new()).measure().await.is_err());
    }

    #[tokio::test]
    async fn run_measures_as_soon_as_it_is_driven() {
        let clock = SntpClock::new([server(TimeDelta::milliseconds(3500), 0x24).await.to_string()]);
        let measured = async {
            while clock.now().quality.source != ClockSource::Sntp {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = clock.run() => unreachable!("it runs for ever"),
            () = measured => {}
        }
        assert!((off_by(&clock) - TimeDelta::milliseconds(3500)).abs() < TimeDelta::milliseconds(10));
    }

    #[tokio::test]
    async fn of_several_who_keep_one_clock_one_asks_and_the_next_goes_on_when_it_is_dropped() {
        let asked = Arc::new(AtomicU32::new(0));
        let server = counting_server(TimeDelta::zero(), 0x24, Arc::clone(&asked)).await;
        let clock = SntpClock::new([server.to_string()]);
        let (mut first, mut second) = (clock.keep(), clock.keep());
        let measured = async {
            while clock.now().quality.source != ClockSource::Sntp {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = &mut first => unreachable!("it runs for ever"),
            () = &mut second => unreachable!("it runs for ever"),
            () = measured => {}
        }
        assert_eq!(asked.load(Ordering::SeqCst), EXCHANGES);
        drop(first);
        let again = async {
            while asked.load(Ordering::SeqCst) == EXCHANGES {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = &mut second => unreachable!("it runs for ever"),
            () = again => {}
        }
    }

    #[test]
    fn a_port_is_added_where_none_is_named() {
        let clock = SntpClock::new(["ntp.example", "ntp.example:1123", "192.0.2.1", "[2001:db8::1]:124", "[2001:db8::1]"]);
        let expected = ["ntp.example:123", "ntp.example:1123", "192.0.2.1:123", "[2001:db8::1]:124", "[2001:db8::1]:123"];
        assert_eq!(clock.servers, expected);
    }
}
