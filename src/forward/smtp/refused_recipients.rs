//! [`RefusedRecipients`]: which mailboxes refused their last message.

use std::collections::HashSet;
use std::sync::MutexGuard;

use crate::lock::Lock;
use crate::message::MailboxId;
use crate::smtp::Outcome;
use crate::smtp::client::Pipelining;

/// The mailboxes whose last message was not accepted, so that the next one is sent only after they say yes.
///
/// A message sent together with its envelope is sent for nothing when the mailbox is full or unknown, and a full mailbox is tried
/// again and again.
#[derive(Debug, Default)]
pub(super) struct RefusedRecipients {
    mailboxes: Lock<HashSet<MailboxId>>,
}

impl RefusedRecipients {
    /// How to send to `recipients`.
    pub(super) fn pipelining(&self, recipients: &[MailboxId]) -> Pipelining {
        let mailboxes = self.lock();
        if recipients.iter().any(|recipient| mailboxes.contains(recipient)) { Pipelining::Off } else { Pipelining::On }
    }

    /// Notes what became of a message.
    pub(super) fn learn(&self, recipients: &[MailboxId], outcomes: &[Outcome]) {
        let mut mailboxes = self.lock();
        for (recipient, outcome) in recipients.iter().zip(outcomes) {
            if *outcome == Outcome::Accepted {
                mailboxes.remove(recipient);
            } else {
                if mailboxes.len() >= REMEMBERED {
                    mailboxes.clear(); // to forget costs bandwidth and nothing else
                }
                mailboxes.insert(recipient.clone());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<MailboxId>> {
        self.mailboxes.lock()
    }
}

const REMEMBERED: usize = 1024;
