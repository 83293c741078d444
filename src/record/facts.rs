//! [`CallFacts`]: the facts of a call that is recorded.

use crate::message::{Caller, MailboxId, Privacy, Urgency};

/// The facts of a call that a PBX starts to record: the mailboxes that the message is for, and the caller.
///
/// ```
/// use voicemail::message::{Caller, CallerName};
/// use voicemail::record::CallFacts;
///
/// let caller = Caller::new("+442079460112".parse().ok(), CallerName::cleaned("Anna Whitfield"));
/// let facts = CallFacts::to("2041".parse().unwrap()).caller(caller).urgent();
/// assert_eq!(facts.mailboxes.len(), 1);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallFacts {
    /// The mailboxes that the message is for: at least one, at most 16.
    pub mailboxes: Vec<MailboxId>,
    /// The number and the name of the caller, as far as they are known.
    pub caller: Caller,
    /// Whether the message is urgent, and so goes before others.
    pub urgency: Urgency,
    /// Whether the message is private: its owner may not pass it on.
    pub privacy: Privacy,
}

impl CallFacts {
    /// The facts of a message for `mailbox`, whose caller is unknown.
    pub fn to(mailbox: MailboxId) -> Self {
        let (caller, urgency, privacy) = (Caller::default(), Urgency::Normal, Privacy::Normal);
        Self { mailboxes: vec![mailbox], caller, urgency, privacy }
    }

    /// Adds a mailbox that the message is for.
    #[must_use]
    pub fn and_to(mut self, mailbox: MailboxId) -> Self {
        if !self.mailboxes.contains(&mailbox) {
            self.mailboxes.push(mailbox);
        }
        self
    }

    /// Sets the caller.
    #[must_use]
    pub fn caller(self, caller: Caller) -> Self {
        Self { caller, ..self }
    }

    /// Makes the message urgent: it goes before those that are not.
    #[must_use]
    pub fn urgent(self) -> Self {
        Self { urgency: Urgency::Urgent, ..self }
    }

    /// Makes the message private: its owner may not pass it on.
    #[must_use]
    pub fn private(self) -> Self {
        Self { privacy: Privacy::Private, ..self }
    }
}

/// How many mailboxes one message may be for.
pub(super) const MAX_MAILBOXES: usize = 16;
