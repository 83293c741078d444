//! [`Caution`]: which mailboxes said no lately, so that no message is sent to them before they say yes.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::transaction::Eagerness;
use crate::forward::Outcome;
use crate::message::MailboxId;

/// The mailboxes whose last message was not accepted.
///
/// A message sent together with its envelope is sent for nothing when the mailbox is full or unknown, and a full mailbox is tried
/// again and again.
#[derive(Debug, Default)]
pub(super) struct Caution {
    unwilling: Mutex<HashSet<MailboxId>>,
}

impl Caution {
    /// How to send to `recipients`.
    pub(super) fn towards(&self, recipients: &[MailboxId]) -> Eagerness {
        let unwilling = self.unwilling();
        let wary = recipients.iter().any(|recipient| unwilling.contains(recipient));
        if wary { Eagerness::Wary } else { Eagerness::Eager }
    }

    /// Learns what became of a message.
    pub(super) fn learn(&self, recipients: &[MailboxId], outcomes: &[Outcome]) {
        let mut unwilling = self.unwilling();
        for (recipient, outcome) in recipients.iter().zip(outcomes) {
            if *outcome == Outcome::Accepted {
                unwilling.remove(recipient);
            } else {
                if unwilling.len() >= REMEMBERED {
                    unwilling.clear(); // to forget costs bandwidth and nothing else
                }
                unwilling.insert(recipient.clone());
            }
        }
    }

    fn unwilling(&self) -> MutexGuard<'_, HashSet<MailboxId>> {
        self.unwilling.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const REMEMBERED: usize = 1024;
