//! [`Connector`]: finds the server that takes writes, and opens sessions with it.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::net::lookup_host;
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, NoTls, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::{Address, Server, Ssl};
use super::connection::{Connection, OnNotification};
use super::encryption::Encryption;
use super::readiness::Readiness;
use crate::error::refuses_login;
use crate::{DatabaseError, schema};

/// Finds the server that takes writes, and opens sessions with it.
///
/// It walks the hosts by itself, each with a time limit: `tokio-postgres` would wait for ever for a host whose server is frozen.
#[derive(Debug)]
pub(crate) struct Connector {
    address: Address,
    encryption: Encryption,
    /// The host that took the last connection; it is tried first.
    last: AtomicUsize,
    limits: TimeLimits,
    readiness: Readiness,
}

/// How long anything may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeLimits {
    /// One host, from the look-up of its name until its session is ready.
    pub connect: Duration,
    /// One statement, from its sending until its answer.
    pub statement: Duration,
    /// The wait for a free connection.
    pub checkout: Duration,
}

impl Connector {
    pub(crate) fn new(address: Address, encryption: Encryption, limits: TimeLimits) -> Result<Self, DatabaseError> {
        let encryption = match (address.ssl, encryption) {
            (Ssl::Required, Encryption::PlainTextLocally | Encryption::PlainTextEverywhere) => {
                return Err(DatabaseError::Address("it requires TLS, and no TLS configuration was given".into()));
            }
            (Ssl::Disabled, Encryption::Tls(_)) => {
                return Err(DatabaseError::Address("it disables TLS, and a TLS configuration was given".into()));
            }
            (Ssl::Disabled, _) => Encryption::PlainTextEverywhere,
            (Ssl::Unsaid | Ssl::Required, encryption) => encryption,
        };
        Ok(Self { address, encryption, last: AtomicUsize::new(0), limits, readiness: Readiness::default() })
    }

    pub(crate) fn limits(&self) -> TimeLimits {
        self.limits
    }

    pub(super) fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// Connects, and brings the schema up to date; returns the name of the engine, which is set to `name` if it had none. The caller decides whether
    /// the [readiness](Self::readiness) follows.
    pub(super) async fn prepare(&self, name: Option<&str>) -> Result<Option<Arc<str>>, DatabaseError> {
        let mut connection = self.connect_with(None).await?;
        schema::bring_up_to_date(connection.client()).await?;
        Ok(schema::engine(connection.client(), name).await?.map(Arc::from))
    }

    /// A session with the server that takes writes.
    pub(crate) async fn connect(&self) -> Result<Connection, DatabaseError> {
        self.readiness.check()?;
        self.connect_with(None).await
    }

    /// The same, where notifications are handed to `on_notification`.
    pub(crate) async fn connect_listening(&self, on_notification: OnNotification) -> Result<Connection, DatabaseError> {
        self.readiness.check()?;
        self.connect_with(Some(on_notification)).await
    }

    async fn connect_with(&self, on_notification: Option<OnNotification>) -> Result<Connection, DatabaseError> {
        let (hosts, first) = (&self.address.hosts, self.last.load(Ordering::Relaxed));
        let mut reasons = Reasons::default();
        for at in (first..first + hosts.len()).map(|at| at % hosts.len()) {
            let tried = timeout(self.limits.connect, self.connect_to(&hosts[at], on_notification.as_ref(), &mut reasons)).await;
            match tried {
                Ok(Some(connection)) => {
                    self.last.store(at, Ordering::Relaxed);
                    return Ok(connection);
                }
                Ok(None) => {}
                Err(_) => reasons.note(&hosts[at], &format!("no answer within {:?}", self.limits.connect)),
            }
        }
        Err(reasons.into_error())
    }

    /// A session with one of the addresses of `server`; or `None`, with the reasons noted.
    async fn connect_to(
        &self,
        server: &Server,
        on_notification: Option<&OnNotification>,
        reasons: &mut Reasons,
    ) -> Option<Connection> {
        let addresses: Vec<Option<IpAddr>> = match server {
            Server::Socket { .. } => vec![None],
            Server::Tcp { host, port } => match lookup_host((host.as_str(), *port)).await {
                Ok(found) => found.map(|address| Some(address.ip())).collect(),
                Err(error) => {
                    reasons.note(server, &error.to_string());
                    return None;
                }
            },
        };
        for address in addresses {
            match self.open(server, address, on_notification.map(Arc::clone)).await {
                Ok(connection) => return Some(connection),
                Err(refusal) => {
                    reasons.note(server, &refusal.reason);
                    reasons.login_refused |= refusal.of_login;
                }
            }
        }
        None
    }

    /// A session with `server`, set up; or the reason why not.
    async fn open(
        &self,
        server: &Server,
        address: Option<IpAddr>,
        on_notification: Option<OnNotification>,
    ) -> Result<Connection, Refusal> {
        let mut config = self.address.config(server, address);
        let is_local = address.is_none_or(|address| address.is_loopback());
        let connected = match (&self.encryption, address) {
            (Encryption::Tls(tls), Some(_)) => {
                config.ssl_mode(SslMode::Require);
                over_tls(config, MakeRustlsConnect::new((**tls).clone()), on_notification).await
            }
            (Encryption::PlainTextLocally, _) if !is_local => {
                return Err("it is reached over a network, and no TLS configuration was given".into());
            }
            (Encryption::Tls(_) | Encryption::PlainTextLocally | Encryption::PlainTextEverywhere, _) => {
                config.ssl_mode(SslMode::Disable);
                in_plain_text(config, on_notification).await
            }
        };
        let mut connection = connected.map_err(|error| Refusal::by(&error))?;
        let session = connection.client().simple_query(&self.session()).await.map_err(|error| Refusal::by(&error))?;
        let answers = session.iter().rev().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some((row.get(0) == Some("on"), row.get(1).and_then(|version| version.parse().ok()))),
            _ => None,
        });
        match answers {
            Some((true, _)) => Err("it does not take writes".into()),
            Some((false, Some(OLDEST_VERSION..))) => Ok(connection),
            _ => Err("it is older than PostgreSQL 13".into()),
        }
    }

    /// The settings of each session. The time limits of the server end statements that nobody waits for any more.
    fn session(&self) -> String {
        let millis = self.limits.statement.as_millis();
        format!(
            "SET statement_timeout = {millis}; SET lock_timeout = {millis}; SET idle_in_transaction_session_timeout = {millis}; \
             SET default_transaction_isolation = 'read committed'; SET client_min_messages = warning; SET jit = off; \
             SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'; \
             SELECT current_setting('transaction_read_only'), current_setting('server_version_num')"
        )
    }
}

/// Boxed, so that the futures of the callers do not contain two whole handshakes.
fn over_tls(
    config: Config,
    tls: MakeRustlsConnect,
    on_notification: Option<OnNotification>,
) -> BoxFuture<'static, Result<Connection, tokio_postgres::Error>> {
    Box::pin(async move {
        let (client, connection) = config.connect(tls).await?;
        Ok(Connection::drive(client, connection, on_notification))
    })
}

fn in_plain_text(
    config: Config,
    on_notification: Option<OnNotification>,
) -> BoxFuture<'static, Result<Connection, tokio_postgres::Error>> {
    Box::pin(async move {
        let (client, connection) = config.connect(NoTls).await?;
        Ok(Connection::drive(client, connection, on_notification))
    })
}

/// Why no host gave a session.
#[derive(Debug, Default)]
struct Reasons {
    text: String,
    /// Whether a host refused the login.
    login_refused: bool,
}

impl Reasons {
    fn note(&mut self, server: &Server, reason: &str) {
        let separator = if self.text.is_empty() { "" } else { "; " };
        // Writing into a string cannot fail.
        let _ = write!(self.text, "{separator}{server}: {reason}");
    }

    fn into_error(self) -> DatabaseError {
        if self.login_refused { DatabaseError::LoginRefused(self.text) } else { DatabaseError::Away(self.text) }
    }
}

/// Why one host gave no session.
struct Refusal {
    reason: String,
    of_login: bool,
}

impl Refusal {
    fn by(error: &tokio_postgres::Error) -> Self {
        Self { reason: described(error), of_login: refuses_login(error) }
    }
}

impl From<&str> for Refusal {
    fn from(reason: &str) -> Self {
        Self { reason: reason.into(), of_login: false }
    }
}

fn described(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

const OLDEST_VERSION: u32 = 130_000;
