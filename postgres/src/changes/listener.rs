//! The task that announces changes and listens for those of others, on a connection of its own.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout};
use voicemail::message::MailboxId;

use super::{Shared, payload};
use crate::DatabaseError;
use crate::connect::{Connection, OnNotification, Pool};

/// Announces and listens, for ever; after a failure, on a new connection.
pub(super) async fn run(pool: Pool, shared: Arc<Shared>) {
    loop {
        while !shared.log().listens() && !shared.log().has_announcements() {
            shared.for_task.notified().await;
        }
        if let Err(error) = serve(&pool, &shared).await {
            tracing::warn!(error = &error as &dyn StdError, "changes are not announced or noticed until the database is back");
        }
        sleep(RECONNECT).await;
    }
}

/// Works on one connection until it fails.
async fn serve(pool: &Pool, shared: &Arc<Shared>) -> Result<(), DatabaseError> {
    let limit = pool.connector().limits().statement;
    let connection = pool.connector().connect_listening(reporting_to(shared)).await?;
    within(limit, connection.query("SELECT set_config('synchronous_commit', 'off', false)", &[])).await?;
    let mut listening = false;
    let mut next_look = Instant::now();
    loop {
        if !listening && shared.log().listens() {
            // First listen, then look: the other way round, what comes between would be lost.
            within(limit, connection.query("LISTEN voicemail", &[])).await?;
            (listening, next_look) = (true, Instant::now());
        }
        tokio::select! {
            () = connection.closed() => return Err(DatabaseError::Away("the connection was closed".into())),
            () = sleep_until(next_look), if listening => {
                let started = Instant::now();
                within(limit, look(&connection, shared)).await?;
                // A look at very many mailboxes takes at most a tenth of the time.
                next_look = started + LOOK.max(10 * started.elapsed());
            }
            () = announcements(shared) => {
                sleep(BATCH).await;
                let texts = shared.log().poll_announcements();
                if !texts.is_empty() {
                    within(limit, connection.query(ANNOUNCE, &[&texts])).await?;
                }
            }
        }
    }
}

/// Waits until there is something to announce, or somebody listens now.
async fn announcements(shared: &Shared) {
    // Looked at first: the wake-up may have come before the connection did.
    if !shared.log().has_announcements() {
        shared.for_task.notified().await;
    }
}

/// Notes the changes that notifications name.
fn reporting_to(shared: &Arc<Shared>) -> OnNotification {
    let shared = Arc::clone(shared);
    Arc::new(move |notification| {
        let mut log = shared.log();
        payload::read(notification.payload()).for_each(|(mailbox, version)| log.handle_seen(mailbox, version));
        drop(log);
        shared.for_caller.notify_one();
    })
}

/// Looks which mailboxes have changed.
async fn look(connection: &Connection, shared: &Shared) -> Result<(), DatabaseError> {
    let clock = connection.query(CLOCK, &[]).await?;
    let clock: i64 = clock.first().ok_or_else(|| DatabaseError::unexpected("the clock was not answered"))?.try_get(0)?;
    let since = shared.log().poll_since(clock);
    let rows = connection.query(CHANGED, &[&since]).await?;
    let mut log = shared.log();
    for row in &rows {
        let (mailbox, version): (&str, i64) = (row.try_get(0)?, row.try_get(1)?);
        if let Ok(mailbox) = mailbox.parse::<MailboxId>() {
            log.handle_seen(mailbox, version);
        }
    }
    log.handle_looked(clock);
    drop(log);
    shared.for_caller.notify_one();
    Ok(())
}

async fn within<T>(limit: Duration, call: impl Future<Output = Result<T, DatabaseError>>) -> Result<T, DatabaseError> {
    timeout(limit, call).await.unwrap_or(Err(DatabaseError::NoAnswer(limit)))
}

const ANNOUNCE: &str = "SELECT pg_notify('voicemail', change) FROM unnest($1::text[]) AS change";
const CLOCK: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
/// The version is a parameter: with an expression of the time in its place, the same scan takes six times as long.
const CHANGED: &str = "SELECT number, version FROM voicemail.mailbox WHERE version > $1";

/// How long changes are collected before they are announced together.
const BATCH: Duration = Duration::from_millis(5);
/// How often to look for changes that were not announced.
const LOOK: Duration = Duration::from_secs(2);
const RECONNECT: Duration = Duration::from_millis(500);
