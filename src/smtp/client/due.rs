//! The time limit for the next reply to a [`Client`].

use std::time::{Duration, Instant};

use super::error::ClientError;
use super::expected::ReplyOwner;
use super::step::ProtocolStep;
use super::{Client, ConnectionState};

impl Client {
    /// Returns when to call [`handle_timeout`](Self::handle_timeout); `None` while no reply is expected.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let first = self.expected.first().filter(|_| self.state != ConnectionState::Closed)?;
        if self.broken.is_some() {
            return Some(self.expected.due_after(CLOSING_REPLY_TIME));
        }
        let limit = self.limit(first.step);
        let (bytes, sent_at) = match (first.owner, self.in_progress.front()) {
            (ReplyOwner::Message(_), Some((_, message))) => (message.bytes_before(first.step), message.sent_at()),
            _ => (0, None),
        };
        let mut limits = self.timeouts.body(bytes, limit);
        if bytes == 0 {
            limits.block = limit; // a command alone
        }
        Some(self.expected.due(limits, sent_at))
    }

    /// Ends the connection if a reply did not arrive in time.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|due| due <= now)
            && let Some(first) = self.expected.first()
        {
            let error = self.broken.take().unwrap_or(ClientError::TimedOut(first.step.name()));
            self.fail(error);
        }
    }

    fn limit(&self, step: ProtocolStep) -> Duration {
        match step {
            ProtocolStep::Greeting => self.timeouts.greeting,
            ProtocolStep::End | ProtocolStep::EmptyEnd => self.timeouts.end_of_data,
            ProtocolStep::Noop => NOOP_TIME,
            _ => self.timeouts.command,
        }
    }
}

/// The time in which a server that closed the connection while it was sent something may give the reason.
pub(super) const CLOSING_REPLY_TIME: Duration = Duration::from_secs(1);
/// The time limit for the reply to NOOP, which needs no work of the server.
const NOOP_TIME: Duration = Duration::from_secs(2);
