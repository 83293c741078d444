//! [`RememberFull`]: which mailboxes another node said were full.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::{Acceptance, ForwardError, Forwarder, Outcome};
use crate::lock::Lock;
use crate::message::{MailboxId, Message};

/// Mailboxes that another node said were full, so that a caller need not speak to one in vain.
///
/// It is remembered for 15 minutes after it was said last, or until a message is accepted: the next caller after that may speak, and
/// what is left then asks again.
#[derive(Debug, Default)]
pub struct FullMailboxes(Lock<HashMap<MailboxId, Instant>>);

impl FullMailboxes {
    /// Whether `mailbox` was said to be full a short time ago.
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
            Outcome::Accepted | Outcome::Deferred(_) | Outcome::Refused(_) => drop(said.remove(mailbox)),
        }
    }

    fn said(&self) -> MutexGuard<'_, HashMap<MailboxId, Instant>> {
        self.0.lock()
    }
}

/// A forwarder that notes which mailboxes the other node says are full.
#[derive(Debug)]
pub struct RememberFull<F> {
    forwarder: F,
    full: Arc<FullMailboxes>,
}

impl<F: Forwarder> RememberFull<F> {
    /// `forwarder`, whose answers are noted in `full`.
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
    async fn a_full_mailbox_is_remembered_until_a_message_is_accepted_or_a_quarter_of_an_hour_has_passed() {
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
