//! [`Timeouts`].

use std::time::Duration;

/// How long the other node may take over each step; at the end of each, the call answers
/// [`TimedOut`](crate::forward::ForwardError::TimedOut) with the step's name.
///
/// The defaults are far below what the standard allows a mail server: a node has another try within seconds, and a caller's
/// message should not wait for a peer that is gone.
///
/// Together they bound what an outage costs a message that was half sent when it began. Over TCP, a dead path is noticed within
/// 20 seconds, whatever is set here. Over a transport that tells nothing, it takes [`block`](Self::block) while bytes are not
/// taken, and otherwise the wait for a reply: with the defaults, at most 70 seconds. Reuse that the message is tried again with
/// all others, every 3 seconds, and no wait here is added to the outage.
///
/// ```
/// use std::time::Duration;
/// use voicemail::forward::smtp::Timeouts;
///
/// let timeouts = Timeouts { connect: Duration::from_secs(1), ..Timeouts::default() };
/// assert_eq!(timeouts.command, Duration::from_secs(30));
/// ```
///
/// # Source
///
/// RFC 5321 §4.5.3.2 gives the upper values: 5 minutes for the greeting, MAIL and RCPT, 2 for DATA, 3 for a block, 10 for its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Waiting for one of the connections to be free, when all are in use. 2 minutes.
    pub queue: Duration,
    /// Finding the address and connecting, for all addresses of the name together. 4 seconds, in which TCP asks three times. A
    /// try that began just before a path healed may last this long after it.
    pub connect: Duration,
    /// The TLS handshake. 5 seconds.
    pub handshake: Duration,
    /// The first line after connecting. 30 seconds.
    pub greeting: Duration,
    /// The reply to each command. 30 seconds.
    pub command: Duration,
    /// How much longer a message may take for each 64 KiB of it, or part of that; and the longest time in which not one byte is
    /// taken. 10 seconds.
    pub block: Duration,
    /// The last reply, after the end of the message, while the other node puts it on its storage. 30 seconds, which suits an
    /// [`Intake`](crate::intake::Intake): it takes a message once, so that another try is harmless, and finishes one that it has
    /// begun. A mail server that takes every copy should be given the 10 minutes of the standard.
    pub end_of_data: Duration,
}

impl Timeouts {
    /// How long handing over `bytes` may take, and then a reply that may take `limit` once they have arrived.
    pub(crate) fn body(&self, bytes: usize, limit: Duration) -> ReplyTimeouts {
        let blocks = u32::try_from(bytes.div_ceil(BLOCK)).unwrap_or(u32::MAX);
        let reply = self.reply(limit, bytes);
        ReplyTimeouts { total: reply.saturating_add(self.block.saturating_mul(blocks)), block: self.block, reply }
    }

    /// How long a reply may take once `bytes` before it were taken by the transport, which may have some of them still, if it may
    /// take `limit` once they have arrived.
    pub(crate) fn reply(&self, limit: Duration, bytes: usize) -> Duration {
        let blocks = u32::try_from(bytes.div_ceil(BLOCK)).unwrap_or(u32::MAX).min(BLOCKS_BUFFERED);
        limit.saturating_add(self.block.saturating_mul(blocks))
    }
}

/// How long a command and its reply may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReplyTimeouts {
    /// In all.
    pub(crate) total: Duration,
    /// Without one byte taken, while there is something to take.
    pub(crate) block: Duration,
    /// Once all is taken.
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
/// What a TCP connection holds back at most: its send buffer.
const BLOCKS_BUFFERED: u32 = 4;
