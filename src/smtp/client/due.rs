//! When the next reply of a [`Client`] is due.

use std::time::{Duration, Instant};

use super::expected::Owner;
use super::fault::Fault;
use super::step::Step;
use super::{Client, Condition};

impl Client {
    /// When [`handle_timeout`](Self::handle_timeout) is to be called; `None` while no reply is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let first = self.expected.first().filter(|_| self.condition != Condition::Over)?;
        if self.broken.is_some() {
            return Some(self.expected.due_after(LAST_WORDS));
        }
        let limit = self.limit(first.step);
        let (bytes, sent_at) = match (first.owner, self.under_way.front()) {
            (Owner::Message(_), Some((_, message))) => (message.bytes_before(first.step), message.sent_at()),
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
            let fault = self.broken.take().unwrap_or(Fault::TimedOut(first.step.name()));
            self.fail(fault);
        }
    }

    fn limit(&self, step: Step) -> Duration {
        match step {
            Step::Greeting => self.timeouts.greeting,
            Step::End | Step::EmptyEnd => self.timeouts.end_of_data,
            Step::Noop => SIGN_OF_LIFE,
            _ => self.timeouts.command,
        }
    }
}

/// How long a server that ended the connection while it was sent something has to say why.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long a server may take over a word that costs it nothing.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);
