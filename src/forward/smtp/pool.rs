//! [`Pool`]: a bounded number of connections, kept open between messages.

use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

use super::connection::Connection;
use super::fault::Fault;

/// Who may have a connection, and those that nobody uses.
///
/// A connection in use belongs to the call that uses it, and comes back only when that says it is fit: a dropped call drops its
/// connection with it.
#[derive(Debug)]
pub(super) struct Pool {
    free: Semaphore,
    /// Told when the peer could not be reached, to those who wait to be free to find it out for themselves.
    unreachable: Notify,
    /// When the peer was last heard.
    heard_at: Mutex<Option<Instant>>,
    idle: Mutex<Vec<Idle>>,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

impl Pool {
    /// A pool of at most `size` connections, in use and idle together.
    pub(super) fn new(size: usize) -> Self {
        Self {
            free: Semaphore::new(size.clamp(1, Semaphore::MAX_PERMITS)),
            unreachable: Notify::new(),
            heard_at: Mutex::default(),
            idle: Mutex::new(Vec::new()),
        }
    }

    /// Waits for the right to have a connection, first come first served.
    pub(super) async fn enter(&self, limit: Duration) -> Result<SemaphorePermit<'_>, Fault> {
        tokio::select! {
            biased;
            permit = timeout(limit, self.free.acquire()) => match permit {
                Ok(permit) => Ok(permit.expect("the semaphore is never closed")),
                Err(_) => Err(Fault::TimedOut("free connection")),
            },
            () = self.unreachable.notified() => Err(Fault::Lost("another call found it unreachable just now".into())),
        }
    }

    /// The peer was heard.
    pub(super) fn handle_reached(&self, now: Instant) {
        *self.heard_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    /// A try that began at `began` could not reach the peer. Unless it was heard since, no idle connection is good any more, and
    /// nobody needs to wait for one in use.
    pub(super) fn handle_unreachable(&self, began: Instant) {
        let heard_at = *self.heard_at.lock().unwrap_or_else(PoisonError::into_inner);
        if heard_at.is_none_or(|heard_at| heard_at < began) {
            self.clear();
            self.unreachable.notify_waiters();
        }
    }

    /// The connection that was used last, if it is fit to be used again, and how long nobody used it. Those that are not fit go.
    pub(super) fn take(&self, now: Instant) -> Option<(Connection, Duration)> {
        let mut leaving = Vec::new();
        let found = {
            let mut idle = self.idle();
            leaving.extend(idle.extract_if(.., |idle| !idle.is_fresh(now)));
            loop {
                match idle.pop() {
                    Some(last) if last.connection.is_quiet() => {
                        break Some((last.connection, now.saturating_duration_since(last.since)));
                    }
                    Some(_) => {}
                    None => break None,
                }
            }
        };
        for idle in leaving {
            idle.connection.farewell();
        }
        found
    }

    /// Keeps `connection` for the next message.
    pub(super) fn put(&self, connection: Connection, now: Instant) {
        if connection.messages() < MAX_MESSAGES {
            self.idle().push(Idle { connection, since: now });
        } else {
            connection.farewell();
        }
    }

    /// Leaves all connections that nobody uses.
    pub(super) fn clear(&self) {
        let leaving = mem::take(&mut *self.idle());
        for idle in leaving {
            idle.connection.farewell();
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Idle {
    fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < MAX_IDLE
            && now.saturating_duration_since(self.connection.opened_at()) < MAX_AGE
    }
}

/// Shorter than any server's patience, so that a connection seldom ends while idle.
const MAX_IDLE: Duration = Duration::from_secs(30);
/// So that a peer that moved to another address, or has a new certificate, is noticed.
const MAX_AGE: Duration = Duration::from_secs(300);
/// Some servers end a connection after a hundred.
const MAX_MESSAGES: u32 = 100;
