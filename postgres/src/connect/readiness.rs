//! [`Readiness`]: whether the schema of the database has been brought up to date, so that sessions may be used.

use std::error::Error as StdError;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::connector::Connector;
use crate::DatabaseError;

/// Whether the schema of the database has been brought up to date, so that sessions may be used; and the name of the engine, which is known from
/// then on.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    engine: OnceLock<Option<Arc<str>>>,
    /// Why it is not ready yet.
    reason: Mutex<String>,
}

impl Readiness {
    /// From now on, sessions may be used.
    pub(super) fn handle_ready(&self, engine: Option<Arc<str>>) {
        // The first answer stays.
        self.engine.get_or_init(|| engine);
    }

    /// The name of the engine; `None` if it has none, or if the database was not reached yet.
    pub(super) fn engine(&self) -> Option<&str> {
        self.engine.get().and_then(Option::as_deref)
    }

    /// Fails while sessions may not be used yet, with the reason.
    pub(super) fn check(&self) -> Result<(), DatabaseError> {
        if self.engine.get().is_some() { Ok(()) } else { Err(DatabaseError::Away(self.reason().clone())) }
    }

    fn reason(&self) -> MutexGuard<'_, String> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task that tries to reach a database for the first time. It ends when the database was reached, or when this value is dropped.
#[derive(Debug)]
pub(super) struct FirstContact(JoinHandle<()>);

impl FirstContact {
    /// Goes on after a first try that failed with `error`. The engine must have the name `wanted`, if that is given.
    pub(super) fn begin(connector: Arc<Connector>, wanted: Option<String>, error: DatabaseError) -> Self {
        Self(tokio::spawn(async move {
            let mut log = FailureLog::default();
            let mut failed = error;
            loop {
                log.report(&failed);
                let pause = if failed.needs_an_operator() { PAUSE_FOR_OPERATOR } else { PAUSE };
                *connector.readiness().reason() = failed.to_string();
                tokio::time::sleep(pause).await;
                let error = match connector.prepare(wanted.as_deref()).await {
                    Ok(engine) => match (&wanted, &engine) {
                        (Some(wanted), Some(found)) if **wanted != **found => {
                            DatabaseError::OtherEngine { wanted: wanted.clone(), found: found.to_string() }
                        }
                        _ => {
                            connector.readiness().handle_ready(engine);
                            tracing::info!("the database is there");
                            return;
                        }
                    },
                    Err(error) => error,
                };
                failed = error;
            }
        }))
    }
}

impl Drop for FirstContact {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Logs each new reason, and the same one again after a minute.
#[derive(Debug, Default)]
struct FailureLog(Option<(String, Instant)>);

impl FailureLog {
    fn report(&mut self, error: &DatabaseError) {
        let (text, now) = (error.to_string(), Instant::now());
        if self.0.as_ref().is_some_and(|(last, at)| *last == text && now.duration_since(*at) < LOG_AGAIN) {
            return;
        }
        let failure = error as &dyn StdError;
        if error.needs_an_operator() {
            tracing::error!(error = failure, "the database cannot be used until an operator mends this; it is tried again");
        } else {
            tracing::warn!(error = failure, "the database is away; it is tried again");
        }
        self.0 = Some((text, now));
    }
}

/// As short as the pause of the gate: a database that is there is found well within two seconds.
const PAUSE: Duration = Duration::from_millis(250);
/// The pause after what only an operator can mend, such as a wrong password.
const PAUSE_FOR_OPERATOR: Duration = Duration::from_secs(1);
const LOG_AGAIN: Duration = Duration::from_secs(60);
