//! [`RememberFull`]: remembers which mailboxes the other node reported as full.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::{Acceptance, ForwardError, Forwarder, Outcome};
use crate::lock::Lock;
use crate::message::{MailboxId, Message, MessageId};

/// A set of mailboxes that another node reported as full, so that no caller records a message that will not be delivered.
///
/// A mailbox is remembered for 15 minutes after the last such report, or until a message for it is accepted. After that the next caller
/// may record a message, and its delivery shows whether the mailbox is still full.
#[derive(Debug, Default)]
pub struct FullMailboxes(Lock<HashMap<MailboxId, Instant>>);

impl FullMailboxes {
    /// Whether `mailbox` was reported as full within the last 15 minutes.
    pub fn contains(&self, mailbox: &MailboxId) -> bool {
        let mut said = self.said();
        let recent = said.get(mailbox).is_some_and(|at| at.elapsed() < REMEMBERED);
        if !recent {
            said.remove(mailbox);
        }
        recent
    }

    fn learn(&self, mailbox: &MailboxId, outcome: &Outcome) {
        let mut said = self.said();
        match outcome {
            Outcome::Deferred(reply) if reply.says_mailbox_full() => {
                if said.len() >= MAX_REMEMBERED {
                    said.retain(|_, at| at.elapsed() < REMEMBERED);
                }
                if said.len() < MAX_REMEMBERED {
                    said.insert(mailbox.clone(), Instant::now());
                }
            }
            Outcome::Relayed => {} // The relay does not know.
            Outcome::Accepted | Outcome::Deferred(_) | Outcome::Refused(_) => drop(said.remove(mailbox)),
        }
    }

    fn said(&self) -> MutexGuard<'_, HashMap<MailboxId, Instant>> {
        self.0.lock()
    }
}

/// A forwarder that remembers which mailboxes the other node reports as full.
#[derive(Debug)]
pub struct RememberFull<F> {
    forwarder: F,
    full: Arc<FullMailboxes>,
}

impl<F: Forwarder> RememberFull<F> {
    /// Wraps `forwarder`; full mailboxes are remembered in `full`.
    pub fn new(forwarder: F, full: Arc<FullMailboxes>) -> Self {
        Self { forwarder, full }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<F: Forwarder> Forwarder for RememberFull<F> {
    async fn forward(&self, message: &Message, recipients: &[MailboxId]) -> Result<Acceptance, ForwardError> {
        let acceptance = self.forwarder.forward(message, recipients).await?;
        for (mailbox, outcome) in recipients.iter().zip(&acceptance.outcomes) {
            self.full.learn(mailbox, outcome);
        }
        Ok(acceptance)
    }

    async fn probe_return_path(&self, probe: MessageId) -> Result<Option<Outcome>, ForwardError> {
        self.forwarder.probe_return_path(probe).await
    }

    fn reads_sounds(&self) -> bool {
        self.forwarder.reads_sounds()
    }
}

const REMEMBERED: Duration = Duration::from_secs(15 * 60);
const MAX_REMEMBERED: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::Reply;

    #[tokio::test(start_paused = true)]
    async fn full_is_remembered_for_15_minutes_or_until_an_acceptance() {
        let (full, mailbox) = (FullMailboxes::default(), "2041".parse().unwrap());
        let says = |text: &str| Outcome::Deferred(Reply::new(if text.starts_with('5') { 552 } else { 452 }, text));
        full.learn(&mailbox, &says("4.2.2 full"));
        assert!(full.contains(&mailbox) && !full.contains(&"2042".parse().unwrap()));
        full.learn(&mailbox, &Outcome::Accepted);
        assert!(!full.contains(&mailbox));
        full.learn(&mailbox, &says("4.3.1 disk full"));
        assert!(!full.contains(&mailbox), "a disk is no mailbox");
        full.learn(&mailbox, &says("5.2.2 full"));
        tokio::time::advance(REMEMBERED * 9 / 10).await;
        assert!(full.contains(&mailbox));
        tokio::time::advance(REMEMBERED / 10).await;
        assert!(!full.contains(&mailbox));
    }
}
