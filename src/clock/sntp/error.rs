//! [`SntpError`]: the error type of time servers.

use std::io;
use std::time::Duration;

use chrono::{DateTime, Utc};

/// The reason why a time server gave no time, or is not followed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SntpError {
    /// The clock was given no server.
    #[error("no time server is named")]
    NoServer,
    /// The server's name has no address, or there is no route to it.
    #[error("the time server {server} cannot be reached")]
    Unreachable {
        /// The server, as host and port.
        server: String,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
    /// No answer came: the server is down, or limits how often it answers this client.
    #[error("the time server {server} did not answer")]
    NoAnswer {
        /// The server, as host and port.
        server: String,
    },
    /// The server has asked for fewer requests, by the kiss code RATE. Each such answer at least doubles the polling interval.
    #[error("the time server {server} asks to be polled less often")]
    RateLimited {
        /// The server, as host and port.
        server: String,
        /// The polling interval that the server names.
        interval: Duration,
    },
    /// The server denies this client access, by the kiss code DENY or RSTR. It is not polled again.
    #[error("the time server {server} denies this client access; name another one")]
    Denied {
        /// The server, as host and port.
        server: String,
    },
    /// The server does not know the time itself.
    #[error("the time server {server} does not know the time")]
    NotSynchronized {
        /// The server, as host and port.
        server: String,
    },
    /// The server's times contradict each other.
    #[error("the time server {server} answers with times that contradict each other")]
    Inconsistent {
        /// The server, as host and port.
        server: String,
    },
    /// The server's time is before the year in which this program's zone data was published, so it is wrong.
    #[error("the time server {server} says {time}, which is before this program was built; it is not followed")]
    BeforeRelease {
        /// The server, as host and port.
        server: String,
        /// The server's time.
        time: DateTime<Utc>,
    },
    /// The server's time is off by a multiple of 1024 weeks, as a GPS receiver's is that counts weeks in 10 bits.
    #[error("the time server {server} says {time}, which is {weeks} weeks off, as after a GPS week rollover; it is not followed")]
    WeekRollover {
        /// The server, as host and port.
        server: String,
        /// The server's time.
        time: DateTime<Utc>,
        /// By how many weeks it is off; a multiple of 1024, negative when it is behind.
        weeks: i64,
    },
}

impl SntpError {
    /// Returns whether the same call, unchanged, may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::NoAnswer { .. }
            | Self::RateLimited { .. }
            | Self::NotSynchronized { .. }
            | Self::Inconsistent { .. }
            | Self::BeforeRelease { .. }
            | Self::WeekRollover { .. } => true,
            Self::NoServer | Self::Denied { .. } => false,
        }
    }
}
