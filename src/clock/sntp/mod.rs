//! [`SntpClock`]: a clock that follows time servers.

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

/// A clock that follows time servers, and reports how good its time is.
///
/// It polls every server four times at the start and then about every minute, uses the quickest exchange that most servers agree with, and
/// carries the result on by the machine's monotonic clock, so that a step of the system clock changes nothing. Until the first answer it
/// gives the time of the system clock, as its [`source`](crate::message::ClockQuality::source) shows. From then on its time never goes
/// back: it runs a twentieth slower or faster until it is right, or jumps forward when it is behind by more than a second.
///
/// # Load on servers
///
/// No server gets two requests within 2 s. A server that does not answer is polled ever less often, down to every 68 minutes. A server that
/// answers RATE is polled half as often after each such answer; one that answers DENY or RSTR is never polled again.
///
/// # Wrong servers
///
/// A server is not followed if its time is before the year of this program's zone data, or differs from this machine's time by a multiple of
/// 1024 weeks: after a week rollover, GPS receivers set servers back by 19.6 years. Of the others, the majority counts.
///
/// # Running it
///
/// The clock starts no task: [`Node::run`](crate::node::Node::run) drives the clock of its node. For a clock without a node, drive
/// [`run`](Self::run).
///
/// ```
/// use voicemail::clock::{Clock, SntpClock};
/// use voicemail::message::ClockSource;
///
/// let clock = SntpClock::new(["ntp.example.com:123"]);
/// assert_eq!(clock.now().quality.source, ClockSource::System); // no server was queried yet
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
    /// Held by the call that polls the servers.
    poll_permit: Semaphore,
}

impl SntpClock {
    /// Returns a clock that follows `servers`, each written `host:port`, or `host` alone for port 123.
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
        Self { servers, query: Box::new(query), discipline: Lock::default(), poll_permit: Semaphore::new(1) }
    }

    /// Polls the servers for ever: four times in six seconds at the start, then about every minute, and less often those that do not
    /// answer or ask for that.
    ///
    /// Of several calls at once, as when nodes share a clock, one polls; when it is dropped, the next continues.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with network and time.
    ///
    /// # Cancel safety
    ///
    /// A dropped call stops polling; the clock goes on from its last measurement.
    pub async fn run(&self) {
        let Ok(_permit) = self.poll_permit.acquire().await else { return future::pending().await };
        loop {
            let now = now();
            let due = self.servers.iter().filter(|server| server.state().polling.poll_timeout().is_some_and(|due| due <= now));
            // All at once: a server that is wrong is outvoted before it is followed.
            if future::join_all(due.map(|server| self.poll(server))).await.iter().any(Result::is_ok) {
                self.follow_best_sample();
            }
            let next = self.servers.iter().filter_map(|server| server.state().polling.poll_timeout()).min();
            let Some(next) = next else { return future::pending().await };
            sleep_until(next.into()).await;
        }
    }

    /// Polls every server once, and returns when all have answered or failed: for a start that wants the time to be right.
    ///
    /// It takes up to 4 s: a server that was polled less than 2 s ago is polled when these have passed, and has 2 s to answer.
    ///
    /// # Errors
    ///
    /// The error of the last server, if no server gave the time. The clock then goes on with the system's time, or from its last measurement.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with network and time.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has only changed when the servers are polled next.
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
        self.follow_best_sample();
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

    /// Follows the best of the recent samples of all servers.
    fn follow_best_sample(&self) {
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
        // The monotonic clock is read under the lock, so that a later reading is never earlier in time.
        discipline.reading(now()).unwrap_or_else(|| SystemClock.now())
    }

    async fn synchronize(&self) {
        self.run().await;
    }
}

/// One server: its polling schedule and its last samples.
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

    /// Takes in the result of a poll.
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
                        // Its earlier samples are no better.
                        state.samples.clear();
                        state.polling.handle_failure(now);
                    }
                    SntpError::NoServer
                    | SntpError::Unreachable { .. }
                    | SntpError::NoAnswer { .. }
                    | SntpError::NotSynchronized { .. }
                    | SntpError::Inconsistent { .. } => state.polling.handle_failure(now),
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
            SntpError::NoServer
            | SntpError::Unreachable { .. }
            | SntpError::NoAnswer { .. }
            | SntpError::RateLimited { .. }
            | SntpError::NotSynchronized { .. }
            | SntpError::Inconsistent { .. } => tracing::debug!(%error, cause, server, "a time server did not give the time"),
        }
    }
}

/// Returns whether the text ends with a port. The colons of a bare IPv6 address are no port.
fn has_port(server: &str) -> bool {
    match server.rsplit_once(':') {
        Some((host, port)) => port.bytes().all(|byte| byte.is_ascii_digit()) && (!host.contains(':') || host.ends_with(']')),
        None => false,
    }
}

/// How many samples of a server are kept; the best of them counts.
const SAMPLES: usize = 4;
