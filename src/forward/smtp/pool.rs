//! [`Pool`]: a bounded number of connections, kept open between messages, and which message has a place on which.

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use super::connection_limit::ConnectionLimit;
use super::shared_connection::SharedConnection;
use crate::lock::Lock;
use crate::smtp::client::ClientError;

/// Who may send, and on which connection.
#[derive(Debug)]
pub(super) struct Pool {
    /// First come, first served.
    queue: Semaphore,
    connections: Lock<Connections>,
    /// Told when there may be a place.
    changed: Notify,
    /// Told when the peer could not be reached, to those who wait to be free to find it out for themselves.
    unreachable: Notify,
    /// When the peer was last heard.
    heard_at: Lock<Option<Instant>>,
}

#[derive(Debug)]
struct Connections {
    open: Vec<Arc<SharedConnection>>,
    /// Connections that are being made.
    opening: usize,
    limit: ConnectionLimit,
}

/// What a message may do.
#[derive(Debug)]
pub(super) enum Acquired<'a> {
    /// Go on this connection, which nobody used for so long if anybody did before.
    Connection(MessageSlot<'a>, Duration),
    /// Make a connection.
    Connect(ConnectPermit<'a>),
}

/// A message's place on a connection, until it is dropped.
#[derive(Debug)]
pub(super) struct MessageSlot<'a> {
    pub(super) connection: Arc<SharedConnection>,
    pool: &'a Pool,
    _permit: SemaphorePermit<'a>,
}

/// The right to make a connection.
#[derive(Debug)]
pub(super) struct ConnectPermit<'a> {
    pool: &'a Pool,
    permit: Option<SemaphorePermit<'a>>,
}

impl Pool {
    /// A pool of at most `size` connections.
    pub(super) fn new(size: usize) -> Self {
        let limit = ConnectionLimit::new(size, Instant::now());
        Self {
            queue: Semaphore::new(size.clamp(1, MOST_CONNECTIONS) * MESSAGES_PER_CONNECTION),
            connections: Lock::new(Connections { open: Vec::new(), opening: 0, limit }),
            changed: Notify::new(),
            unreachable: Notify::new(),
            heard_at: Lock::default(),
        }
    }

    /// Waits for a place, first come first served.
    pub(super) async fn acquire(&self, limit: Duration) -> Result<Acquired<'_>, ClientError> {
        let deadline = Instant::now() + limit;
        let candidate = async {
            let permit = self.queue.acquire().await.expect("the semaphore is never closed");
            loop {
                let mut changed = std::pin::pin!(self.changed.notified());
                // Registered before it looks, so that no change is missed.
                changed.as_mut().enable();
                if let Some(found) = self.find(Instant::now()) {
                    break (found, permit);
                }
                changed.await;
            }
        };
        let (found, permit) = tokio::select! {
            biased;
            // First, because the connection that could not be made has left its place.
            () = self.unreachable.notified() => return Err(ClientError::ConnectionLost("another call found it unreachable just now".into())),
            found = timeout_at(deadline, candidate) => found.map_err(|_| ClientError::TimedOut("free connection"))?,
        };
        Ok(match found {
            Candidate::Connection(connection, idle) => {
                Acquired::Connection(MessageSlot { connection, pool: self, _permit: permit }, idle)
            }
            Candidate::Connect => Acquired::Connect(ConnectPermit { pool: self, permit: Some(permit) }),
        })
    }

    /// A message of so many bytes has arrived.
    pub(super) fn handle_arrival(&self, bytes: usize) {
        let now = Instant::now();
        self.handle_reached(now);
        self.connections().limit.handle_arrival(bytes, now);
    }

    /// The peer was heard.
    pub(super) fn handle_reached(&self, now: Instant) {
        *self.heard_at.lock() = Some(now);
    }

    /// The peer asked for less.
    pub(super) fn handle_push_back(&self) {
        self.connections().limit.handle_push_back(Instant::now());
    }

    /// A try that began at `began` could not reach the peer. Unless it was heard since, no idle connection is good any more, and
    /// nobody needs to wait for one in use.
    pub(super) fn handle_unreachable(&self, began: Instant) {
        let heard_at = *self.heard_at.lock();
        if heard_at.is_none_or(|heard_at| heard_at < began) {
            self.clear();
            self.unreachable.notify_waiters();
        }
    }

    /// Leaves all connections that nobody uses, and lets nobody join those in use: the path that one of them died with was theirs.
    pub(super) fn clear(&self) {
        let now = Instant::now();
        let leaving: Vec<_> = {
            let mut connections = self.connections();
            let leaving = connections.open.extract_if(.., |connection| connection.idle(now).is_some()).collect();
            for connection in &connections.open {
                connection.retire();
            }
            leaving
        };
        quit_all(&leaving);
    }

    /// A place, if there is one: on a connection that nobody uses, else on a new one, as long as there are fewer in use than are worth
    /// having; else on the one with fewest messages.
    fn find(&self, now: Instant) -> Option<Candidate> {
        let mut connections = self.connections();
        let leaving = connections.take_unfit(now);
        let in_use = connections.open.iter().filter(|connection| connection.under_way() > 0 && connection.is_fit(now)).count();
        let found = if in_use + connections.opening < connections.limit.allowed() {
            // The last one used is the surest to be alive.
            let idle = connections
                .open
                .iter()
                .filter_map(|connection| Some((connection.idle(now)?, connection)))
                .min_by_key(|(idle, _)| *idle);
            match idle {
                Some((idle, connection)) => Some(Candidate::Connection(Arc::clone(connection), idle)),
                None if connections.open.len() + connections.opening < connections.limit.most() => Some(Candidate::Connect),
                None => None,
            }
        } else {
            connections.limit.handle_shortage();
            let roomy = connections
                .open
                .iter()
                .filter(|connection| (1..connection.window()).contains(&connection.under_way()) && connection.is_fit(now));
            roomy
                .min_by_key(|connection| connection.under_way())
                .map(|connection| Candidate::Connection(Arc::clone(connection), Duration::ZERO))
        };
        match &found {
            Some(Candidate::Connection(connection, _)) => connection.enter(),
            Some(Candidate::Connect) => connections.opening += 1,
            None => {}
        }
        drop(connections);
        quit_all(&leaving);
        found
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock()
    }
}

impl Connections {
    /// Those that nobody uses, and nobody shall.
    fn take_unfit(&mut self, now: Instant) -> Vec<Arc<SharedConnection>> {
        let unfit = |connection: &mut Arc<SharedConnection>| {
            connection.idle(now).is_some() && !(connection.is_fit(now) && connection.is_quiet())
        };
        self.open.extract_if(.., unfit).collect()
    }
}

/// A place that was found.
enum Candidate {
    Connection(Arc<SharedConnection>, Duration),
    Connect,
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.clear();
    }
}

impl<'a> ConnectPermit<'a> {
    /// The connection is made: others may join it from now on.
    pub(super) fn opened(mut self, connection: SharedConnection) -> MessageSlot<'a> {
        let connection = Arc::new(connection);
        {
            let mut connections = self.pool.connections();
            if connection.extensions().once {
                connections.limit.handle_once();
            }
            connections.open.push(Arc::clone(&connection));
        }
        let permit = self.permit.take().expect("it is taken only here, by value");
        MessageSlot { connection, pool: self.pool, _permit: permit }
    }
}

impl Drop for ConnectPermit<'_> {
    fn drop(&mut self) {
        self.pool.connections().opening -= 1;
        self.pool.changed.notify_waiters();
    }
}

impl Drop for MessageSlot<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        self.connection.leave(now);
        let leaving = if self.connection.is_fit(now) { Vec::new() } else { self.pool.connections().take_unfit(now) };
        quit_all(&leaving);
        self.pool.changed.notify_waiters();
    }
}

fn quit_all(connections: &[Arc<SharedConnection>]) {
    for connection in connections {
        connection.quit();
    }
}

/// As many messages as one connection takes at once.
const MESSAGES_PER_CONNECTION: usize = 32;
const MOST_CONNECTIONS: usize = 1024;
