//! [`SntpClock`].

mod discipline;
mod error;
mod packet;
mod plausible;
mod polling;
#[cfg(test)]
mod tests;
mod udp;

use std::collections::VecDeque;
use std::sync::MutexGuard;
use std::time::Instant;

use async_trait::async_trait;
use futures::future;
use tokio::sync::Semaphore;
use tokio::time::sleep_until;

use self::discipline::{Discipline, Sample, best, freshest};
pub use self::error::SntpError;
use self::polling::{GAP, Polling};
use self::udp::{TimeQuery, Udp};
use super::{Clock, Reading, SystemClock};
use crate::lock::Lock;
use crate::retry::now;

/// A clock that follows time servers, and says how well.
///
/// It polls every server four times at the start and then about every minute, goes by the quickest exchange that most servers agree with,
/// and holds the result against the machine's monotonic clock: a step of the system clock, whoever makes it, changes nothing. Until the
/// first answer it gives the system clock's time, and says so by its [`source`](crate::message::ClockQuality::source); from then on its
/// time never goes back, but goes a twentieth slower or faster until it is right, or jumps forward when it is late by more than a
/// second.
///
/// # What servers ask for
///
/// No server gets two requests within 2 s. One that does not answer is polled ever less often, up to every 68 minutes; one that answers
/// RATE half as often from then on, each time; one that answers DENY or RSTR never again.
///
/// # What is not followed
///
/// A server is not followed whose time is before the year of this program's time zone data, or a multiple of 1024 weeks off this
/// machine's time: after a week rollover, GPS receivers send servers back by 19.6 years. Of the others, the majority counts.
///
/// # Driving it
///
/// It starts no task: [`Node::run`](crate::node::Node::run) drives the clock of its node. For a clock without a node, drive
/// [`run`](Self::run).
///
/// ```
/// use voicemail::clock::{Clock, SntpClock};
/// use voicemail::message::ClockSource;
///
/// let clock = SntpClock::new(["ntp.example.com:123"]);
/// assert_eq!(clock.now().quality.source, ClockSource::System); // no server has been asked yet
/// ```
///
/// # Source
///
/// RFC 4330 (SNTP version 4), RFC 5905 §7.4 (kiss codes).
#[derive(Debug)]
pub struct SntpClock {
    servers: Vec<Server>,
    query: Box<dyn TimeQuery>,
    discipline: Lock<Discipline>,
    /// Held by the call that polls the servers for ever.
    place: Semaphore,
}

impl SntpClock {
    /// A clock that follows `servers`, each written `host:port`, or `host` alone for port 123.
    pub fn new<S: Into<String>>(servers: impl IntoIterator<Item = S>) -> Self {
        Self::querying(servers, Udp::default())
    }

    fn querying<S: Into<String>>(servers: impl IntoIterator<Item = S>, query: impl TimeQuery) -> Self {
        let with_port = |server: String| if has_port(&server) { server } else { format!("{server}:123") };
        let mut named: Vec<String> = Vec::new();
        for server in servers.into_iter().map(|server| with_port(server.into())) {
            if !named.contains(&server) {
                named.push(server);
            }
        }
        let servers = named.into_iter().map(Server::new).collect();
        Self { servers, query: Box::new(query), discipline: Lock::default(), place: Semaphore::new(1) }
    }

    /// Polls the servers for ever: four times in six seconds at the start, then about every minute, and less often those that do not
    /// answer or ask for that.
    ///
    /// Of several calls at once, as when nodes share a clock, one polls; when it is dropped, the next goes on.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with network and time.
    ///
    /// # Cancel safety
    ///
    /// A dropped call stops polling; the clock goes on from what it knows.
    pub async fn run(&self) {
        let Ok(_place) = self.place.acquire().await else { return future::pending().await };
        loop {
            let now = now();
            let due = self.servers.iter().filter(|server| server.state().polling.poll_timeout().is_some_and(|due| due <= now));
            // Not one after the other: a server that is wrong is outvoted before it is followed.
            if future::join_all(due.map(|server| self.poll(server))).await.iter().any(Result::is_ok) {
                self.learn();
            }
            let next = self.servers.iter().filter_map(|server| server.state().polling.poll_timeout()).min();
            let Some(next) = next else { return future::pending().await };
            sleep_until(next.into()).await;
        }
    }

    /// Polls every server once, and returns when all have answered or failed: for a start that wants the time to be right.
    ///
    /// It takes up to 4 s: a server that was polled in the last 2 s is left alone for so long, and has 2 s to answer.
    ///
    /// # Errors
    ///
    /// When no server gave the time, the last one's error. The clock goes on with the system's time, or with what it knew before.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with network and time.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has changed nothing but when the servers are polled next.
    pub async fn measure(&self) -> Result<(), SntpError> {
        let mut failed = SntpError::NoServer;
        let mut answered = false;
        for polled in future::join_all(self.servers.iter().map(|server| self.poll_soon(server))).await {
            match polled {
                Ok(()) => answered = true,
                Err(error) => failed = error,
            }
        }
        if !answered {
            return Err(failed);
        }
        self.learn();
        Ok(())
    }

    /// Polls `server` as soon as it may be polled, if that is soon.
    async fn poll_soon(&self, server: &Server) -> Result<(), SntpError> {
        let (earliest, interval) = {
            let state = server.state();
            (state.polling.earliest(), state.polling.interval())
        };
        match earliest {
            None => Err(SntpError::Denied { server: server.name.clone() }),
            Some(earliest) if earliest > now() + GAP => Err(SntpError::RateLimited { server: server.name.clone(), interval }),
            Some(_) => self.poll(server).await,
        }
    }

    /// Polls `server`, keeps its answer, and plans the next poll.
    async fn poll(&self, server: &Server) -> Result<(), SntpError> {
        let at = server.state().polling.handle_poll(now());
        sleep_until(at.into()).await;
        let asked = self.query.query(&server.name).await;
        let asked = asked.and_then(|sample| {
            plausible::check(&server.name, sample.utc, self.now().instant)?;
            Ok(sample)
        });
        server.handle(&asked, now());
        asked.map(drop)
    }

    /// Goes by what the servers have said lately.
    fn learn(&self) {
        let now = now();
        let samples: Vec<Sample> = self.servers.iter().filter_map(|server| freshest(&server.state().samples, now)).collect();
        if let Some(sample) = best(&samples) {
            self.discipline().handle_sample(&sample, now, SystemClock.now().instant);
        }
    }

    fn discipline(&self) -> MutexGuard<'_, Discipline> {
        self.discipline.lock()
    }
}

#[async_trait]
impl Clock for SntpClock {
    fn now(&self) -> Reading {
        let discipline = self.discipline();
        // Read under the lock, so that of two readings the later one is not the earlier.
        discipline.reading(now()).unwrap_or_else(|| SystemClock.now())
    }

    async fn synchronize(&self) {
        self.run().await;
    }
}

/// One server: when it is polled, and what it has said lately.
#[derive(Debug)]
struct Server {
    name: String,
    state: Lock<ServerState>,
}

#[derive(Debug)]
struct ServerState {
    polling: Polling,
    samples: VecDeque<Sample>,
}

impl Server {
    fn new(name: String) -> Self {
        let state = ServerState { polling: Polling::new(now()), samples: VecDeque::new() };
        Self { name, state: Lock::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, ServerState> {
        self.state.lock()
    }

    /// The server has been asked.
    fn handle(&self, asked: &Result<Sample, SntpError>, now: Instant) {
        let mut state = self.state();
        match asked {
            Ok(sample) => {
                state.samples.push_back(*sample);
                if state.samples.len() > SAMPLES {
                    state.samples.pop_front();
                }
                state.polling.handle_answer(now);
            }
            Err(error) => {
                self.report(error);
                match error {
                    SntpError::RateLimited { interval, .. } => state.polling.handle_rate(*interval, now),
                    SntpError::Denied { .. } => state.polling.handle_denied(),
                    SntpError::BeforeRelease { .. } | SntpError::WeekRollover { .. } => {
                        // What it said before is no better.
                        state.samples.clear();
                        state.polling.handle_failure(now);
                    }
                    _ => state.polling.handle_failure(now),
                }
            }
        }
    }

    fn report(&self, error: &SntpError) {
        let (server, cause) = (&self.name, std::error::Error::source(error));
        match error {
            SntpError::Denied { .. } | SntpError::BeforeRelease { .. } | SntpError::WeekRollover { .. } => {
                tracing::warn!(%error, server, "a time server is not followed");
            }
            _ => tracing::debug!(%error, cause, server, "a time server did not give the time"),
        }
    }
}

/// Whether a port stands at the end; the colons of a bare IPv6 address are none.
fn has_port(server: &str) -> bool {
    match server.rsplit_once(':') {
        Some((host, port)) => port.bytes().all(|byte| byte.is_ascii_digit()) && (!host.contains(':') || host.ends_with(']')),
        None => false,
    }
}

/// How many of a server's last samples are kept, of which the best counts.
const SAMPLES: usize = 4;
