//! [`DatabaseError`]: why the database could not be used.

use std::error::Error as StdError;
use std::time::Duration;

use tokio_postgres::error::SqlState;
use voicemail::store::StoreError;

/// Why the database could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// The address of the database cannot be read, or two choices contradict each other.
    #[error("the address of the database cannot be used: {0}")]
    Address(String),
    /// No host accepted a connection; the reason of each is in the text.
    #[error("no database server takes writes now: {0}")]
    Away(String),
    /// A host was reached, and refused the login: the password or the database is wrong, or the role may not connect. An operator has to mend it; the
    /// reason of each host is in the text.
    #[error("no database server lets this role log in: {0}")]
    LoginRefused(String),
    /// The database belongs to another engine than the one that was [named](crate::DatabaseBuilder::engine).
    #[error("the database belongs to the engine {found}, and this node to {wanted}")]
    OtherEngine {
        /// The name that the builder was given.
        wanted: String,
        /// The name in the database.
        found: String,
    },
    /// All connections are in use, and none became free in time.
    #[error("no connection to the database became free within {0:?}")]
    Busy(Duration),
    /// The database did not answer in time. The statement may still be executed.
    #[error("the database did not answer within {0:?}")]
    NoAnswer(Duration),
    /// The connection broke, or the server is shutting down or no longer takes writes. The statement may have been executed.
    #[error("the connection to the database was lost")]
    Lost(#[source] tokio_postgres::Error),
    /// Somebody cancelled the wait for a standby: what was asked is done on one server, and perhaps on no other.
    #[error("the wait for a standby was cancelled, so the change may be on one server only")]
    NotReplicated,
    /// The transaction was given up because of others; the same again may succeed.
    #[error("the database gave up the transaction because of others")]
    Conflict(#[source] tokio_postgres::Error),
    /// The database has no space left.
    #[error("the database has no space left")]
    NoSpace(#[source] tokio_postgres::Error),
    /// The role may not do what was asked; its owner has to grant it.
    #[error("the role of this node lacks a right in the database")]
    NotAllowed(#[source] tokio_postgres::Error),
    /// The schema in the database was made by a version of this crate that is too new, or by something else.
    #[error("the schema in the database does not fit: {0}")]
    Schema(String),
    /// The database answered something that this version does not understand.
    #[error("the database answered something unexpected")]
    Unexpected(#[source] Box<dyn StdError + Send + Sync>),
}

impl DatabaseError {
    /// Whether the same call, unchanged, may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Away(_)
            | Self::LoginRefused(_)
            | Self::Busy(_)
            | Self::NoAnswer(_)
            | Self::Lost(_)
            | Self::NotReplicated
            | Self::Conflict(_)
            | Self::NoSpace(_)
            | Self::NotAllowed(_) => true,
            Self::Address(_) | Self::OtherEngine { .. } | Self::Schema(_) | Self::Unexpected(_) => false,
        }
    }

    /// Whether waiting does not help: somebody has to change a setting.
    pub(crate) fn needs_an_operator(&self) -> bool {
        match self {
            Self::Address(_)
            | Self::LoginRefused(_)
            | Self::OtherEngine { .. }
            | Self::NotAllowed(_)
            | Self::Schema(_)
            | Self::Unexpected(_) => true,
            Self::Away(_)
            | Self::Busy(_)
            | Self::NoAnswer(_)
            | Self::Lost(_)
            | Self::NotReplicated
            | Self::Conflict(_)
            | Self::NoSpace(_) => false,
        }
    }

    /// Whether the connection must not be used again: it is broken, or its server is not the one that takes writes.
    pub(crate) fn ends_connection(&self) -> bool {
        match self {
            Self::Away(_) | Self::LoginRefused(_) | Self::NoAnswer(_) | Self::Lost(_) | Self::NotReplicated => true,
            Self::Address(_)
            | Self::OtherEngine { .. }
            | Self::Busy(_)
            | Self::Conflict(_)
            | Self::NoSpace(_)
            | Self::NotAllowed(_)
            | Self::Schema(_)
            | Self::Unexpected(_) => false,
        }
    }

    /// The error for an answer that cannot be read.
    pub(crate) fn unexpected(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Unexpected(error.into())
    }
}

impl From<tokio_postgres::Error> for DatabaseError {
    /// Sorts the errors of the server by their SQLSTATE. An error without one is a broken connection, or a value that cannot be converted.
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(state) = error.code() else {
            let broken = error.is_closed() || error.source().is_some_and(<dyn StdError>::is::<std::io::Error>);
            return if broken { Self::Lost(error) } else { Self::unexpected(error) };
        };
        match Kind::of(state) {
            Kind::Lost => Self::Lost(error),
            Kind::Conflict => Self::Conflict(error),
            Kind::NoSpace => Self::NoSpace(error),
            Kind::NotAllowed => Self::NotAllowed(error),
            Kind::Unexpected => Self::unexpected(error),
        }
    }
}

impl From<DatabaseError> for StoreError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::NoSpace(_) => Self::NoSpace(error.into()),
            DatabaseError::NotAllowed(_) => Self::NotWritable(error.into()),
            DatabaseError::Unexpected(_)
            | DatabaseError::Schema(_)
            | DatabaseError::Address(_)
            | DatabaseError::OtherEngine { .. } => {
                // A fault of this crate or of its operator. The sender keeps the message: it is not the message's fault.
                tracing::error!(error = &error as &dyn StdError, "the database answered something unexpected");
                Self::Unavailable(error.into())
            }
            DatabaseError::Away(_)
            | DatabaseError::LoginRefused(_)
            | DatabaseError::Busy(_)
            | DatabaseError::NoAnswer(_)
            | DatabaseError::Lost(_)
            | DatabaseError::NotReplicated
            | DatabaseError::Conflict(_) => Self::Unavailable(error.into()),
        }
    }
}

/// Whether a server refused a login with this error for a reason that an operator has to mend: a wrong password, an unknown role or database, or no
/// right to connect.
pub(crate) fn refuses_login(error: &tokio_postgres::Error) -> bool {
    let refuses = |state: &SqlState| state.code().starts_with("28") || matches!(state.code(), "3D000" | "42501");
    error.code().is_some_and(refuses)
}

/// The meaning of an SQLSTATE for a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Lost,
    Conflict,
    NoSpace,
    NotAllowed,
    Unexpected,
}

impl Kind {
    fn of(state: &SqlState) -> Self {
        let code = state.code();
        match code {
            // Shut down, crashed, starting, dropped; read-only, because another server takes the writes now; too many connections.
            "57P01" | "57P02" | "57P03" | "57P04" | "25006" | "53300" => Self::Lost,
            // Serialization, deadlock, lock time-out, statement time-out.
            "40001" | "40P01" | "55P03" | "57014" => Self::Conflict,
            "53100" | "53200" => Self::NoSpace,
            "42501" => Self::NotAllowed,
            _ if code.starts_with("08") || code.starts_with("58") => Self::Lost,
            _ => Self::Unexpected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_sqlstate_has_its_meaning() {
        for (code, kind) in [
            ("53100", Kind::NoSpace),
            ("57P01", Kind::Lost),
            ("57P03", Kind::Lost),
            ("08006", Kind::Lost),
            ("25006", Kind::Lost),
            ("40001", Kind::Conflict),
            ("40P01", Kind::Conflict),
            ("55P03", Kind::Conflict),
            ("57014", Kind::Conflict),
            ("42501", Kind::NotAllowed),
            ("42883", Kind::Unexpected),
            ("22003", Kind::Unexpected),
        ] {
            assert_eq!(Kind::of(&SqlState::from_code(code)), kind, "{code}");
        }
    }

    #[test]
    fn a_full_database_refuses_and_an_absent_one_is_unavailable() {
        let away = StoreError::from(DatabaseError::Away("nobody".into()));
        assert!(matches!(away, StoreError::Unavailable(_)) && away.is_transient());
        assert!(!DatabaseError::Schema("too new".into()).is_transient());
    }
}
