//! [`Timeouts`]: the time limits of a client.

use std::time::Duration;

/// The time limits for each step of a session. When one expires, the call returns
/// [`TimedOut`](crate::forward::ForwardError::TimedOut) with the step's name.
///
/// The defaults are far below those that the standard recommends: a node tries again within seconds, and a caller's
/// message should not wait for a peer that is gone.
///
/// Together they limit how long a message that was half sent when an outage began is delayed. TCP notices a dead path within
/// 20 seconds, independently of these limits. A transport that notices nothing takes [`block`](Self::block) while no bytes are
/// taken, and otherwise the limit for a reply: with the defaults, at most 70 seconds. After that the message is tried again with
/// all others, every 3 seconds by default, so that no limit here prolongs the outage.
///
/// ```
/// use std::time::Duration;
/// use voicemail::forward::smtp::Timeouts;
///
/// let mut timeouts = Timeouts::default();
/// timeouts.connect = Duration::from_secs(1);
/// assert_eq!(timeouts.command, Duration::from_secs(30));
/// ```
///
/// # Source
///
/// RFC 5321 §4.5.3.2 gives the upper values: 5 minutes for the greeting, MAIL and RCPT, 2 for DATA, 3 for a block, 10 for its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// Waiting for a free connection while all are in use. Default 2 minutes.
    pub queue: Duration,
    /// Resolving the name and connecting, for all addresses of the name together. Default 4 seconds, in which TCP sends three SYN. An
    /// attempt that began just before an outage ended may last this long after it.
    pub connect: Duration,
    /// The TLS handshake. Default 5 seconds.
    pub handshake: Duration,
    /// The greeting after connecting. Default 30 seconds.
    pub greeting: Duration,
    /// The reply to each command. Default 30 seconds.
    pub command: Duration,
    /// The additional time for each 64 KiB of a message, or part of them; and the longest time in which the transport takes no
    /// byte. Default 10 seconds.
    pub block: Duration,
    /// The reply after the end of a message, while the server stores it. Default 30 seconds, which suits an
    /// [`Intake`](crate::intake::Intake): it stores a message once, so that another attempt is harmless, and completes one that it has
    /// begun. For a mail server that stores every copy, set the 10 minutes of the standard.
    pub end_of_data: Duration,
}

impl Timeouts {
    /// Returns the limits for sending `bytes` and for the reply to them, which may take `limit` once they have arrived.
    pub(crate) fn body(&self, bytes: usize, limit: Duration) -> ReplyTimeouts {
        let blocks = u32::try_from(bytes.div_ceil(BLOCK)).unwrap_or(u32::MAX);
        let reply = self.reply(limit, bytes);
        ReplyTimeouts { total: reply.saturating_add(self.block.saturating_mul(blocks)), block: self.block, reply }
    }

    /// Returns how long a reply may take after the transport has taken `bytes`, of which it may still have some, if the reply may take
    /// `limit` once they have arrived.
    pub(crate) fn reply(&self, limit: Duration, bytes: usize) -> Duration {
        let blocks = u32::try_from(bytes.div_ceil(BLOCK)).unwrap_or(u32::MAX).min(BLOCKS_BUFFERED);
        limit.saturating_add(self.block.saturating_mul(blocks))
    }
}

/// The time limits for a command and its reply.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReplyTimeouts {
    /// The limit for both together.
    pub(crate) total: Duration,
    /// The longest time in which the transport takes no byte, while it has bytes to take.
    pub(crate) block: Duration,
    /// The limit for the reply, once the transport has taken all bytes.
    pub(crate) reply: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            queue: Duration::from_secs(120),
            connect: Duration::from_secs(4),
            handshake: Duration::from_secs(5),
            greeting: Duration::from_secs(30),
            command: Duration::from_secs(30),
            block: Duration::from_secs(10),
            end_of_data: Duration::from_secs(30),
        }
    }
}

const BLOCK: usize = 64 * 1024;
/// The most that the send buffer of a TCP connection may hold.
const BLOCKS_BUFFERED: u32 = 4;
