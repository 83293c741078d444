//! [`Pool`]: the sessions that all calls share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::connection::Connection;
use super::connector::Connector;
use super::gate::{Admission, Gate};
use crate::DatabaseError;

/// The sessions that all calls share, up to a number; each is used by one call at a time.
///
/// A session whose answer did not come, because its call was dropped or took too long, is closed and not used again. After a sign that the
/// server is gone, all idle sessions are closed.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    connector: Arc<Connector>,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
    gate: Mutex<Gate>,
}

impl Pool {
    pub(crate) fn new(connector: Arc<Connector>, size: usize) -> Self {
        let permits = Arc::new(Semaphore::new(size.max(1)));
        Self { shared: Arc::new(Shared { connector, permits, idle: Mutex::default(), gate: Mutex::default() }) }
    }

    /// Another pool of sessions with the same database, for calls that must not wait for those of this one.
    pub(crate) fn apart(&self, size: usize) -> Self {
        Self::new(Arc::clone(&self.shared.connector), size)
    }

    pub(crate) fn connector(&self) -> &Connector {
        &self.shared.connector
    }

    /// Runs one statement in a session of its own, in its own transaction.
    ///
    /// # Errors
    ///
    /// See [`DatabaseError`]. After [`Lost`](DatabaseError::Lost), [`NoAnswer`](DatabaseError::NoAnswer) and
    /// [`NotReplicated`](DatabaseError::NotReplicated) the statement may have been executed.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has executed the whole statement or nothing.
    pub(crate) async fn query(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, DatabaseError> {
        let mut session = self.checkout().await?;
        session.query(sql, params).await
    }

    /// As [`query`](Self::query), for a statement that answers one row.
    pub(crate) async fn query_one(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Row, DatabaseError> {
        let rows = self.query(sql, params).await?;
        rows.into_iter().next().ok_or_else(|| DatabaseError::unexpected("no row where one was expected"))
    }

    /// As [`query`](Self::query), for a statement that only reads: it is sent again, once, if its connection broke.
    pub(crate) async fn read(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, DatabaseError> {
        match self.query(sql, params).await {
            Err(DatabaseError::Lost(_) | DatabaseError::Conflict(_)) => self.query(sql, params).await,
            answer => answer,
        }
    }

    /// A session for several statements of one caller.
    pub(crate) async fn checkout(&self) -> Result<Session, DatabaseError> {
        let shared = &self.shared;
        let limit = shared.connector.limits().checkout;
        let permit = timeout(limit, Arc::clone(&shared.permits).acquire_owned()).await.map_err(|_| DatabaseError::Busy(limit))?;
        let permit = permit.map_err(DatabaseError::unexpected)?;
        let idle = {
            let mut idle = shared.idle();
            std::iter::from_fn(|| idle.pop()).find(|connection| !connection.is_closed())
        };
        let connection = match idle {
            Some(connection) => connection,
            None => shared.connect().await?,
        };
        Ok(Session { shared: Arc::clone(shared), connection: Some(connection), answered: true, _permit: permit })
    }
}

impl Shared {
    async fn connect(&self) -> Result<Connection, DatabaseError> {
        // The task of the first contact tries and logs.
        self.connector.readiness().check()?;
        let admission = self.gate().poll_admission(Instant::now());
        if admission == Admission::GiveUp {
            return Err(DatabaseError::Away("it was away a moment ago".into()));
        }
        let mut attempt = Attempt { shared: self, is_settled: false };
        let connected = self.connector.connect().await;
        attempt.is_settled = true;
        match &connected {
            Ok(_) => self.gate().handle_success(),
            Err(error) => {
                let failure = error as &dyn std::error::Error;
                if error.needs_an_operator() {
                    tracing::error!(error = failure, "the database cannot be used until an operator mends this");
                } else {
                    tracing::warn!(error = failure, "the database is away");
                }
                self.gate().handle_failure(Instant::now());
            }
        }
        connected
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A try to connect; reported to the gate also if its caller gives it up.
struct Attempt<'a> {
    shared: &'a Shared,
    is_settled: bool,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.is_settled {
            self.shared.gate().handle_abandoned();
        }
    }
}

/// A session that one caller has for itself. It goes back to its pool when it is dropped, if all its statements were answered.
#[derive(Debug)]
pub(crate) struct Session {
    shared: Arc<Shared>,
    connection: Option<Connection>,
    answered: bool,
    /// Dropped after the connection went back.
    _permit: OwnedSemaphorePermit,
}

impl Session {
    /// Runs one statement, within the time limit.
    pub(crate) async fn query(&mut self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, DatabaseError> {
        let Some(connection) = &self.connection else { return Err(DatabaseError::Away("the session was closed".into())) };
        self.answered = false;
        let limit = self.shared.connector.limits().statement;
        let answer = timeout(limit, connection.query(sql, params)).await.unwrap_or(Err(DatabaseError::NoAnswer(limit)));
        match &answer {
            Err(error) if error.ends_connection() => {
                self.connection = None;
                // The others lead to the same server.
                self.shared.idle().clear();
            }
            Ok(_) | Err(_) => self.answered = true,
        }
        answer
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && self.answered
            && !connection.is_closed()
        {
            self.shared.idle().push(connection);
        }
    }
}
