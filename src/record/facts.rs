//! [`CallFacts`]: what a PBX knows when it starts to record.

use crate::message::{Caller, MailboxId, Privacy, Urgency};

/// What a PBX knows of a call when it starts to record: for whom the message is, and who calls.
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
pub struct CallFacts {
    /// For whom the message is; at least one, at most 16.
    pub mailboxes: Vec<MailboxId>,
    /// Who calls.
    pub caller: Caller,
    /// Whether the message comes before others.
    pub urgency: Urgency,
    /// Whether its owner may pass it on.
    pub privacy: Privacy,
}

impl CallFacts {
    /// A message for `mailbox`, from somebody of whom nothing is known.
    pub fn to(mailbox: MailboxId) -> Self {
        let (caller, urgency, privacy) = (Caller::default(), Urgency::Normal, Privacy::Normal);
        Self { mailboxes: vec![mailbox], caller, urgency, privacy }
    }

    /// The message is for `mailbox` too.
    #[must_use]
    pub fn and_to(mut self, mailbox: MailboxId) -> Self {
        if !self.mailboxes.contains(&mailbox) {
            self.mailboxes.push(mailbox);
        }
        self
    }

    /// Who calls.
    #[must_use]
    pub fn caller(self, caller: Caller) -> Self {
        Self { caller, ..self }
    }

    /// The message comes before those that are not urgent.
    #[must_use]
    pub fn urgent(self) -> Self {
        Self { urgency: Urgency::Urgent, ..self }
    }

    /// The message's owner may not pass it on.
    #[must_use]
    pub fn private(self) -> Self {
        Self { privacy: Privacy::Private, ..self }
    }
}

/// How many mailboxes one message may be for.
pub(super) const MAX_MAILBOXES: usize = 16;
