//! [`Limits`]: the resource limits for one peer and for all peers together.

use std::time::Duration;

use crate::wire::DecodeLimits;

/// The resource limits of an intake. The defaults suit a node of some thousand mailboxes.
///
/// ```
/// use voicemail::intake::Limits;
///
/// let mut limits = Limits::default();
/// limits.recipients = 10;
/// assert_eq!(limits.message, 25 * 1024 * 1024);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest command, in bytes with its line end. Default 2048.
    pub command_line: usize,
    /// The longest line of a message sent with DATA, in bytes without its line end; BDAT has no lines. Default 4096.
    pub text_line: usize,
    /// The largest message, in bytes as SIZE counts them. Default 25 MiB; values above 64 MiB count as 64 MiB.
    pub message: usize,
    /// The maximum number of recipients of a message. Default 100.
    pub recipients: usize,
    /// The maximum number of commands from one stored message to the next. Default 1000.
    pub commands: usize,
    /// The number of refused commands that ends a session. Default 20.
    pub errors: usize,
    /// The pause before the greeting, in which the peer must send nothing; attack tools do not wait. Default zero: greet at once.
    pub greet_pause: Duration,
    /// The time limit for a TLS handshake. Default 30 seconds.
    pub handshake_time: Duration,
    /// The time limit for the next command, for a pause in a message, and for the peer to take a reply. Default 5 minutes.
    pub command_time: Duration,
    /// The time limit for one command line, from its first byte to its last. Default 1 minute.
    pub command_line_time: Duration,
    /// The maximum number of recently failed login attempts from one IPv4 address or one IPv6 /64 network; an attempt in progress counts.
    /// Default 20.
    pub failed_logins: u32,
    /// The time after which one failed login attempt is forgotten. Default 1 minute.
    pub failed_login_time: Duration,
    /// The minimum rate of a message in bytes per second, on average after its first minute. Default 256.
    pub least_rate: u32,
    /// The maximum duration of a session; a peer with more messages connects again. Default 1 hour.
    pub session_time: Duration,
    /// The time limit for the directory and the store; after it, the peer gets a reply that asks it to try again. Default 4 minutes.
    pub answer_time: Duration,
    /// The time limit for a shutdown. Sessions with a mail transaction may continue until shortly before its end. Default 8 seconds.
    pub shutdown_timeout: Duration,
    /// The maximum number of connections; at the limit, a new one replaces the one that has been unproductive the longest. Default 512. If
    /// the process may open fewer than 1056 files, 32 of them are for other uses, and the limit is half of the rest.
    pub connections: usize,
    /// The maximum number of connections from one IPv4 address or one IPv6 /64 network; at the limit, a new one replaces one of these.
    /// Default 64. At most half of all connections if the process may open too few files.
    pub connections_per_address: usize,
    /// The maximum number of bytes of message bodies in memory, over all connections, counted in steps of 256 KiB. Default 64 MiB:
    /// a message needs about twice its size while it is read and stored. A message of more than 1 MiB counts as one step if the store
    /// [stages](crate::store::MessageStore::stage) it, and needs a quarter of that.
    pub bodies_in_flight: usize,
    /// The limits on a mail's structure: the bytes and fields of its header section, the depth of multiparts, the number of parts. The trace
    /// that the intake adds counts. Default [`DecodeLimits::default`]; higher values count as the default.
    pub form: DecodeLimits,
    /// How long a message waits for memory among [`bodies_in_flight`](Self::bodies_in_flight) before it is deferred. Default 20 seconds.
    pub memory_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            command_line: 2048,
            text_line: 4096,
            message: 25 * MIB,
            recipients: 100,
            commands: 1000,
            errors: 20,
            greet_pause: Duration::ZERO,
            handshake_time: Duration::from_secs(30),
            command_time: Duration::from_secs(5 * 60),
            command_line_time: Duration::from_secs(60),
            failed_logins: 20,
            failed_login_time: Duration::from_secs(60),
            least_rate: 256,
            session_time: Duration::from_secs(60 * 60),
            answer_time: Duration::from_secs(4 * 60),
            shutdown_timeout: Duration::from_secs(8),
            connections: 512,
            connections_per_address: 64,
            bodies_in_flight: 64 * MIB,
            form: DecodeLimits::default(),
            memory_timeout: Duration::from_secs(20),
        }
    }
}

impl Limits {
    /// Returns the same limits, at most as high as an intake supports.
    pub(crate) fn bounded(self) -> Self {
        Self { message: self.message.min(MAX_MESSAGE), form: self.form.and(DecodeLimits::default()), ..self }
    }
}

const MIB: usize = 1024 * 1024;
const MAX_MESSAGE: usize = 64 * MIB;
