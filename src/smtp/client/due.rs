//! When the next reply of a [`Client`] is due.

use std::time::{Duration, Instant};

use super::error::ClientError;
use super::expected::ReplyOwner;
use super::step::ProtocolStep;
use super::{Client, ConnectionState};

impl Client {
    /// When [`handle_timeout`](Self::handle_timeout) is to be called; `None` while no reply is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let first = self.expected.first().filter(|_| self.condition != ConnectionState::Closed)?;
        if self.broken.is_some() {
            return Some(self.expected.due_after(CLOSING_REPLY_TIME));
        }
        let limit = self.limit(first.step);
        let (bytes, sent_at) = match (first.owner, self.in_progress.front()) {
            (ReplyOwner::Message(_), Some((_, message))) => (message.bytes_before(first.step), message.sent_at()),
            _ => (0, None),
        };
        let mut patience = self.timeouts.body(bytes, limit);
        if bytes == 0 {
            patience.block = limit; // a command alone
        }
        Some(self.expected.due(patience, sent_at))
    }

    /// Fails the connection if a reply did not come in time.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|due| due <= now)
            && let Some(first) = self.expected.first()
        {
            let fault = self.broken.take().unwrap_or(ClientError::TimedOut(first.step.name()));
            self.fail(fault);
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

/// How long a server that ended the connection while it was sent something has to say why.
pub(super) const CLOSING_REPLY_TIME: Duration = Duration::from_secs(1);
/// How long a server may take over a word that costs it nothing.
const NOOP_TIME: Duration = Duration::from_secs(2);
