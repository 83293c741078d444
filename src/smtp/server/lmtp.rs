//! The rules of LMTP, the protocol by which a mail server hands messages to the store of their recipients.

use super::{Dialogue, Protocol, replies};
use crate::smtp::Reply;

impl Dialogue {
    /// Refuses a message at its end, with one error however many recipients it has.
    pub(super) fn refuse_message(&mut self, refusal: &Reply) {
        self.repeat_for_recipients(refusal);
        self.send_reply(refusal);
    }

    /// Sends a refusal to all recipients of the message but the last.
    pub(super) fn repeat_for_recipients(&mut self, refusal: &Reply) {
        let due = self.transaction.as_ref().map_or(0, |transaction| transaction.replies_due.len());
        (1..due).for_each(|_| refusal.write_to(self.replies()));
    }

    /// Refuses the greeting of the other protocol. RFC 2033 §4.1.
    pub(super) fn refuse_greeting(&mut self) {
        let refusal = match self.policy.protocol {
            Protocol::Smtp => replies::SPEAKS_SMTP,
            Protocol::Lmtp => replies::SPEAKS_LMTP,
        };
        self.send_reply(&refusal);
    }

    /// Returns the reply to a command that needs a greeting first.
    pub(super) fn greeting_first(&self) -> Reply {
        match self.policy.protocol {
            Protocol::Smtp => replies::EHLO_FIRST,
            Protocol::Lmtp => replies::LHLO_FIRST,
        }
    }

    /// Returns the reply to a message without recipients. RFC 2033 §4.2 and §4.3 require 503.
    pub(super) fn no_recipients(&self) -> Reply {
        match self.policy.protocol {
            Protocol::Smtp => replies::NO_RECIPIENTS,
            Protocol::Lmtp => replies::NO_RECIPIENTS_LMTP,
        }
    }
}
