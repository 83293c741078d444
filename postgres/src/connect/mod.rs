//! [`Database`]: the connections to one PostgreSQL database, shared by everything that is stored there.

mod address;
mod connection;
mod connector;
mod encryption;
mod gate;
mod pool;
mod readiness;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use self::address::Address;
pub(crate) use self::connection::{Connection, OnNotification};
use self::connector::{Connector, TimeLimits};
pub use self::encryption::Encryption;
pub(crate) use self::pool::Pool;
use self::readiness::FirstContact;
use crate::DatabaseError;

/// The connections to one PostgreSQL database, shared by everything that is stored there. A clone uses the same connections.
///
/// # Servers
///
/// The address may name several servers, `postgres://role@one:5432,two:5432/mail`. The one that takes writes is used, for reading too; the others
/// are tried in turn when it is gone, each with a time limit, so that a frozen server does not hold up the next one. While no server takes
/// writes, calls fail at once, one caller tries every quarter of a second, and the others follow when it succeeds.
///
/// [`connect`](Self::connect) fails when the database is away, which suits a tool that ends then. A node [opens](DatabaseBuilder::open) its database: it
/// starts without it, and finds it within a second of its return.
///
/// # Sessions
///
/// Up to [`connections`](DatabaseBuilder::connections) sessions are opened as they are needed. Each sets time limits for its statements and for
/// locks, and turns `synchronous_commit` on if it is off. A pooler between node and database must keep sessions together (`pool_mode =
/// session`).
///
/// Each connection is driven by a task of its own, because `tokio-postgres` needs it; the task ends with the connection.
///
/// # Rights
///
/// The role needs `CONNECT` on the database, and `CREATE` on it for the first start, which makes the schema `voicemail` and owns it. For a
/// role that owns nothing, another role calls [`connect`](Self::connect) once, and grants to the first one `USAGE` on the schema, `SELECT`,
/// `INSERT`, `UPDATE` and `DELETE` on its tables, and `EXECUTE` on its functions.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    /// Only if the database was away at first.
    _first_contact: Option<Arc<FirstContact>>,
}

impl Database {
    /// Connects to the database at `address`, and brings its schema up to date; for all choices, see [`builder`](Self::builder).
    ///
    /// # Errors
    ///
    /// As for [`DatabaseBuilder::connect`].
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O and time.
    ///
    /// # Cancel safety
    ///
    /// As for [`DatabaseBuilder::connect`].
    pub async fn connect(address: &str) -> Result<Self, DatabaseError> {
        Self::builder(address).connect().await
    }

    /// Builds the connections to the database at `address`: `postgres://ROLE:PASSWORD@HOST:PORT,HOST:PORT/DATABASE`, or `name=value` pairs.
    pub fn builder(address: &str) -> DatabaseBuilder {
        DatabaseBuilder {
            address: address.to_owned(),
            password: None,
            engine: None,
            encryption: Encryption::default(),
            connections: CONNECTIONS,
            limits: TimeLimits { connect: CONNECT, statement: STATEMENT, checkout: CHECKOUT },
        }
    }

    /// Returns the name that this engine had when the database was first reached, if it was given one by [`DatabaseBuilder::engine`].
    pub fn engine(&self) -> Option<&str> {
        self.pool.connector().readiness().engine()
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}

/// Connects to a [`Database`]; made by [`Database::builder`].
#[must_use]
pub struct DatabaseBuilder {
    address: String,
    password: Option<String>,
    engine: Option<String>,
    encryption: Encryption,
    connections: usize,
    limits: TimeLimits,
}

impl DatabaseBuilder {
    /// Sets the password of the role, so that it need not be in the address.
    pub fn password(self, password: impl Into<String>) -> Self {
        Self { password: Some(password.into()), ..self }
    }

    /// Names the engine as the network description does, if it has no name yet. A node does not open a store of an engine with another name than the
    /// one in its description; if the database is away then, it is not used when it comes back with another name, and an error is logged.
    pub fn engine(self, name: impl Into<String>) -> Self {
        Self { engine: Some(name.into()), ..self }
    }

    /// Sets how connections are protected; without it, [`Encryption::PlainTextLocally`].
    pub fn encryption(self, encryption: Encryption) -> Self {
        Self { encryption, ..self }
    }

    /// Sets how many connections there are at most, besides one for notifications; 16 without it. With 8 to 16, the server flushes several
    /// deposits at once.
    pub fn connections(self, connections: usize) -> Self {
        Self { connections, ..self }
    }

    /// Sets how long one server may take to accept a connection before the next one is tried; two seconds without it.
    pub fn connect_limit(mut self, limit: Duration) -> Self {
        self.limits.connect = limit;
        self
    }

    /// Sets how long a statement may take; ten seconds without it. A call that takes longer is answered as unavailable, although the database may still
    /// finish it.
    ///
    /// With synchronous standbys, this is also how long a deposit waits for one. The versions of all mailboxes must be visible to others
    /// within 30 seconds, so more than 20 seconds are taken as 20.
    pub fn statement_limit(mut self, limit: Duration) -> Self {
        self.limits.statement = limit.min(LONGEST_STATEMENT);
        self
    }

    /// Sets how long a call waits for a free connection; five seconds without it.
    pub fn checkout_limit(mut self, limit: Duration) -> Self {
        self.limits.checkout = limit;
        self
    }

    /// Connects, and brings the schema up to date: missing steps are applied, each in its own transaction. Several nodes may do so at the same
    /// time, and nodes of the version before go on working on the new schema.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Address`] if the address cannot be read, or contradicts the encryption; [`DatabaseError::Schema`] if the schema is more
    /// than one step newer than this version, or its steps are not those of this crate; [`DatabaseError::NotAllowed`] if the role may not
    /// create the schema; [`DatabaseError::LoginRefused`] if no server lets the role in; [`DatabaseError::Away`], and the others that may
    /// pass, if no server takes writes now.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O and time.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has applied some of the steps, each whole. The same call again applies the rest.
    pub async fn connect(self) -> Result<Database, DatabaseError> {
        let (name, size) = (self.engine.clone(), self.connections);
        let connector = self.connector()?;
        let engine = connector.prepare(name.as_deref()).await?;
        connector.readiness().handle_ready(engine);
        Ok(Database { pool: Pool::new(connector, size), _first_contact: None })
    }

    /// As [`connect`](Self::connect), but also returns a database that is away now: a node starts without it.
    ///
    /// Until the database was reached, all calls fail at once, as they do when it is away later. A task tries to reach it every quarter of a second, brings
    /// its schema up to date then, and ends. A login that is refused, as for a wrong password, is tried every second and logged as an error, and so is
    /// a right that is missing: both can be mended at the server while the node runs.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Address`]; and [`DatabaseError::Schema`] if the database is there, and its schema does not fit.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O and time.
    ///
    /// # Cancel safety
    ///
    /// As for [`connect`](Self::connect).
    pub async fn open(self) -> Result<Database, DatabaseError> {
        let (name, size) = (self.engine.clone(), self.connections);
        let connector = self.connector()?;
        let first_contact = match connector.prepare(name.as_deref()).await {
            Ok(engine) => {
                connector.readiness().handle_ready(engine);
                None
            }
            Err(error) if error.is_transient() => Some(Arc::new(FirstContact::begin(Arc::clone(&connector), name, error))),
            Err(error) => return Err(error),
        };
        Ok(Database { pool: Pool::new(connector, size), _first_contact: first_contact })
    }

    fn connector(self) -> Result<Arc<Connector>, DatabaseError> {
        let mut address = Address::read(&self.address)?;
        if let Some(password) = &self.password {
            address.set_password(password);
        }
        Connector::new(address, self.encryption, self.limits).map(Arc::new)
    }
}

impl fmt::Debug for DatabaseBuilder {
    /// Shows neither the address nor the password, as the address may contain a password, too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseBuilder")
            .field("encryption", &self.encryption)
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}

const CONNECTIONS: usize = 16;
const CONNECT: Duration = Duration::from_secs(2);
const STATEMENT: Duration = Duration::from_secs(10);
const CHECKOUT: Duration = Duration::from_secs(5);
/// Less than the overlap with which changes are polled.
const LONGEST_STATEMENT: Duration = Duration::from_secs(20);
