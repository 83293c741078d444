//! [`Connection`]: one session with the database, with its prepared statements.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Notification, Row, Statement};

use crate::DatabaseError;

/// One session with the database. When it is dropped, its socket is closed, whatever is under way.
#[derive(Debug)]
pub(crate) struct Connection {
    client: Client,
    statements: Mutex<HashMap<String, Statement>>,
    not_replicated: Arc<AtomicBool>,
    /// Ends with the driver.
    closed: watch::Receiver<()>,
    driver: JoinHandle<()>,
}

/// Takes the notifications that a connection receives.
pub(crate) type OnNotification = Arc<dyn Fn(&Notification) + Send + Sync>;

impl Connection {
    /// Drives `connection` in a task of its own, which `tokio-postgres` requires; the task ends with the connection.
    pub(crate) fn drive<S, T>(
        client: Client,
        mut connection: tokio_postgres::Connection<S, T>,
        on_notification: Option<OnNotification>,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let not_replicated = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&not_replicated);
        let (open, closed) = watch::channel(());
        let driver = tokio::spawn(async move {
            let _open = open;
            while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
                match message {
                    // The routine is not translated, as the text is. The notice comes before the answer of its statement.
                    AsyncMessage::Notice(notice) if notice.routine() == Some(SYNC_REP_WAIT) => {
                        seen.store(true, Ordering::Release);
                    }
                    AsyncMessage::Notification(notification) => {
                        if let Some(on_notification) = &on_notification {
                            on_notification(&notification);
                        }
                    }
                    _ => {}
                }
            }
        });
        Self { client, statements: Mutex::default(), not_replicated, closed, driver }
    }

    /// Runs `sql`, which is prepared once for each connection.
    pub(crate) async fn query(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, DatabaseError> {
        let known = self.statements.lock().unwrap_or_else(PoisonError::into_inner).get(sql).cloned();
        let statement = if let Some(statement) = known {
            statement
        } else {
            let statement = self.client.prepare(sql).await?;
            self.statements.lock().unwrap_or_else(PoisonError::into_inner).insert(sql.to_owned(), statement.clone());
            statement
        };
        let rows = self.client.query(&statement, params).await?;
        // A wait for a standby that somebody has cancelled is answered like success.
        if self.not_replicated.load(Ordering::Acquire) { Err(DatabaseError::NotReplicated) } else { Ok(rows) }
    }

    /// The client itself, for what is not a prepared statement.
    pub(crate) fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Waits until the connection is closed.
    pub(crate) async fn closed(&self) {
        // Nothing is ever sent: this ends when the sender is gone.
        let _ = self.closed.clone().changed().await;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed() || self.driver.is_finished()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// The function of the server that gives up waiting for a standby.
const SYNC_REP_WAIT: &str = "SyncRepWaitForLSN";
