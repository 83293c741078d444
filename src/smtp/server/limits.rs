//! [`Limits`]: how much one peer, and all of them together, may take of this node.

use std::time::Duration;

use crate::wire::DecodeLimits;

/// What an intake lets its peers use. The defaults suit a node of some thousand mailboxes.
///
/// ```
/// use voicemail::intake::Limits;
///
/// let limits = Limits { recipients: 10, ..Limits::default() };
/// assert_eq!(limits.message, 25 * 1024 * 1024);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The longest command, in bytes with its line end. Default 2048.
    pub command_line: usize,
    /// The longest line of a message sent with DATA, in bytes without its line end; BDAT has no lines. Default 4096.
    pub text_line: usize,
    /// The largest message, in bytes as SIZE counts them. Default 25 MiB; an intake takes no more than 64 MiB whatever it is set to.
    pub message: usize,
    /// The most mailboxes that one message may be for. Default 100.
    pub recipients: usize,
    /// The most commands from one stored message to the next. Default 1000.
    pub commands: usize,
    /// The refused command of a session that ends it. Default 20.
    pub errors: usize,
    /// How long a peer must stay silent before it is greeted. Attack tools do not wait. Default zero: greet at once.
    pub greet_pause: Duration,
    /// How long a peer may take over a TLS handshake. Default 30 seconds.
    pub handshake_time: Duration,
    /// How long a peer may take over a command, over a pause in a message, or over taking in a reply. Default 5 minutes.
    pub command_time: Duration,
    /// How long one line of a command may take, from its first byte to its last. Default 1 minute.
    pub command_line_time: Duration,
    /// How many tries to log in from one IPv4 address or one IPv6 /64 network may have failed lately; one under way counts. Default 20.
    pub failed_logins: u32,
    /// How long until one of them is forgotten. Default 1 minute.
    pub failed_login_time: Duration,
    /// How many bytes a second a message must come in with, on average once its first minute is over. Default 256.
    pub least_rate: u32,
    /// How long a session may last. A peer that has more to say connects again. Default 1 hour.
    pub session_time: Duration,
    /// How long the directory or the store may take to answer before the peer is told to try again. Default 4 minutes.
    pub answer_time: Duration,
    /// How long a stop may take. Sessions with a message under way may go on until shortly before its end. Default 8 seconds.
    pub shutdown_timeout: Duration,
    /// The most connections at once; a newcomer then gets the place of the one that has said nothing useful for longest. Default 512. Fewer
    /// where the process may have fewer than 1056 files open: half of what is left of them after 32.
    pub connections: usize,
    /// The most connections at once from one IPv4 address or one IPv6 /64 network; a newcomer then gets the place of one of these. Default
    /// 64. At most half of all where the process may have too few files open.
    pub connections_per_address: usize,
    /// The most bytes of message bodies held in memory at once, over all connections; counted in steps of 256 KiB. Default 64 MiB:
    /// a message takes about twice its size while it is read and stored. One of more than 1 MiB counts with one step where the store
    /// [stages](crate::store::MessageStore::stage) it, and takes a quarter of that.
    pub bodies_in_flight: usize,
    /// How much of a mail's form is read: its header block in bytes and fields, how deep multiparts lie, how many parts. Our own trace
    /// counts. Default, and the most that an intake takes whatever it is set to: [`DecodeLimits::default`].
    pub form: DecodeLimits,
    /// How long a message waits for room among [`bodies_in_flight`](Self::bodies_in_flight) before it is put off. Default 20 seconds.
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
    /// The same limits, brought within what an intake can keep.
    pub(crate) fn bounded(self) -> Self {
        Self { message: self.message.min(MAX_MESSAGE), form: self.form.and(DecodeLimits::default()), ..self }
    }
}

const MIB: usize = 1024 * 1024;
const MAX_MESSAGE: usize = 64 * MIB;
