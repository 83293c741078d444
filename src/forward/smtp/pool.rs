//! [`Pool`]: a bounded number of connections, kept open between messages, and the messages on each.

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use super::connection_limit::ConnectionLimit;
use super::shared_connection::SharedConnection;
use crate::lock::Lock;
use crate::smtp::client::ClientError;

/// The connections to the peer; it assigns each message to one of them.
#[derive(Debug)]
pub(super) struct Pool {
    /// The calls that wait for a connection, first come, first served.
    queue: Semaphore,
    connections: Lock<Connections>,
    /// Notified when a slot may be free.
    changed: Notify,
    /// Notified when the peer could not be reached, so that waiting calls fail at once.
    unreachable: Notify,
    /// When a reply of the peer was last received.
    heard_at: Lock<Option<Instant>>,
}

#[derive(Debug)]
struct Connections {
    open: Vec<Arc<SharedConnection>>,
    /// The number of connections that are being made.
    opening: usize,
    limit: ConnectionLimit,
}

/// The result of [`Pool::acquire`]: a slot for a message, or the permission to make a connection.
#[derive(Debug)]
pub(super) enum Acquired<'a> {
    /// A slot on a connection, and for how long that connection was idle.
    Connection(MessageSlot<'a>, Duration),
    /// A permit to make a connection.
    Connect(ConnectPermit<'a>),
}

/// A message's slot on a connection, until it is dropped.
#[derive(Debug)]
pub(super) struct MessageSlot<'a> {
    pub(super) connection: Arc<SharedConnection>,
    pool: &'a Pool,
    _permit: SemaphorePermit<'a>,
}

/// A permit to make a connection.
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

    /// Waits for a slot, first come, first served.
    pub(super) async fn acquire(&self, limit: Duration) -> Result<Acquired<'_>, ClientError> {
        let deadline = Instant::now() + limit;
        let candidate = async {
            let permit = self.queue.acquire().await.expect("the semaphore is never closed");
            loop {
                let mut changed = std::pin::pin!(self.changed.notified());
                // Registered before the search, so that no change is missed.
                changed.as_mut().enable();
                if let Some(found) = self.find(Instant::now()) {
                    break (found, permit);
                }
                changed.await;
            }
        };
        let (found, permit) = tokio::select! {
            biased;
            // First, because the connection that could not be made has given its slot back.
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

    /// Handles that a message of this size was accepted.
    pub(super) fn handle_arrival(&self, bytes: usize) {
        let now = Instant::now();
        self.handle_reached(now);
        self.connections().limit.handle_arrival(bytes, now);
    }

    /// Handles that a reply of the peer was received.
    pub(super) fn handle_reached(&self, now: Instant) {
        *self.heard_at.lock() = Some(now);
    }

    /// Handles a reply by which the peer asks for less load.
    pub(super) fn handle_push_back(&self) {
        self.connections().limit.handle_push_back(Instant::now());
    }

    /// Handles that an attempt that began at `began` could not reach the peer.
    ///
    /// Unless a reply was received since, the idle connections are closed, and calls that wait for a connection in use fail.
    pub(super) fn handle_unreachable(&self, began: Instant) {
        let heard_at = *self.heard_at.lock();
        if heard_at.is_none_or(|heard_at| heard_at < began) {
            self.clear();
            self.unreachable.notify_waiters();
        }
    }

    /// Closes all idle connections, and starts no new message on those in use: they share the path on which one of them died.
    pub(super) fn clear(&self) {
        let now = Instant::now();
        let closing: Vec<_> = {
            let mut connections = self.connections();
            let closing = connections.open.extract_if(.., |connection| connection.idle(now).is_some()).collect();
            for connection in &connections.open {
                connection.retire();
            }
            closing
        };
        quit_all(&closing);
    }

    /// Finds a slot, if there is one.
    ///
    /// While fewer connections are in use than are worth having, it is on an idle connection, else on a new one. Otherwise it is on the
    /// connection with the fewest messages.
    fn find(&self, now: Instant) -> Option<Candidate> {
        let mut connections = self.connections();
        let closing = connections.take_unfit(now);
        let in_use = connections.open.iter().filter(|connection| connection.under_way() > 0 && connection.is_fit(now)).count();
        let found = if in_use + connections.opening < connections.limit.allowed() {
            // The connection that was used last is the most likely to be alive.
            let idle = connections
                .open
                .iter()
                .filter_map(|connection| Some((connection.idle(now)?, connection)))
                .min_by_key(|(idle, _)| *idle);
            match idle {
                Some((idle, connection)) => Some(Candidate::Connection(Arc::clone(connection), idle)),
                None if connections.open.len() + connections.opening < connections.limit.max() => Some(Candidate::Connect),
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
        quit_all(&closing);
        found
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock()
    }
}

impl Connections {
    /// Removes the idle connections that must not be used again.
    fn take_unfit(&mut self, now: Instant) -> Vec<Arc<SharedConnection>> {
        let unfit = |connection: &mut Arc<SharedConnection>| {
            connection.idle(now).is_some() && !(connection.is_fit(now) && connection.is_quiet())
        };
        self.open.extract_if(.., unfit).collect()
    }
}

/// A slot that was found: on an existing connection, with its idle time, or on one to be made.
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
    /// Adds the new connection to the pool; other messages may use it from now on.
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
        let closing = if self.connection.is_fit(now) { Vec::new() } else { self.pool.connections().take_unfit(now) };
        quit_all(&closing);
        self.pool.changed.notify_waiters();
    }
}

fn quit_all(connections: &[Arc<SharedConnection>]) {
    for connection in connections {
        connection.quit();
    }
}

/// The most messages that are under way on one connection.
const MESSAGES_PER_CONNECTION: usize = 32;
const MOST_CONNECTIONS: usize = 1024;
