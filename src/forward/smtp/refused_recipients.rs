//! [`RefusedRecipients`]: remembers which mailboxes refused their last message.

use std::collections::HashSet;
use std::sync::MutexGuard;

use crate::lock::Lock;
use crate::message::MailboxId;
use crate::smtp::Outcome;
use crate::smtp::client::Pipelining;

/// The mailboxes whose last message was not accepted. The next message for them is sent only after the reply to RCPT.
///
/// A message that is pipelined with its envelope is sent in vain when the mailbox is full or unknown, and messages for a full mailbox are
/// retried many times.
#[derive(Debug, Default)]
pub(super) struct RefusedRecipients {
    mailboxes: Lock<HashSet<MailboxId>>,
}

impl RefusedRecipients {
    /// Returns whether to pipeline a message to `recipients`.
    pub(super) fn pipelining(&self, recipients: &[MailboxId]) -> Pipelining {
        let mailboxes = self.lock();
        if recipients.iter().any(|recipient| mailboxes.contains(recipient)) { Pipelining::Off } else { Pipelining::On }
    }

    /// Remembers the outcomes of a message.
    pub(super) fn learn(&self, recipients: &[MailboxId], outcomes: &[Outcome]) {
        let mut mailboxes = self.lock();
        for (recipient, outcome) in recipients.iter().zip(outcomes) {
            if outcome.is_accepted() {
                mailboxes.remove(recipient);
            } else {
                if mailboxes.len() >= REMEMBERED {
                    mailboxes.clear(); // to forget them costs bandwidth only
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
