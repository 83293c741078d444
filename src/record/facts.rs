//! [`CallFacts`]: the facts of a call that is recorded.

use crate::message::{CallDetails, Caller, Language, MailboxId, Privacy, Urgency};

/// The facts of a call that a PBX starts to record: the mailboxes that the message is for, the caller, and what the message says of its call.
///
/// ```
/// use voicemail::message::{CallDetails, Caller, CallerName};
/// use voicemail::record::CallFacts;
///
/// let caller = Caller::new("+442079460112".parse().ok(), CallerName::cleaned("Anna Whitfield"));
/// let details = CallDetails::default().call_id("a84b4c76e66710@pc33.example.com".parse().unwrap());
/// let facts = CallFacts::to("2041".parse().unwrap()).caller(caller).call_details(details).urgent();
/// assert_eq!(facts.mailboxes.len(), 1);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallFacts {
    /// The mailboxes that the message is for: at least one, at most 16, whose numbers and names have at most 256 characters together.
    pub mailboxes: Vec<MailboxId>,
    /// The number and the name of the caller, as far as they are known.
    pub caller: Caller,
    /// Whether the message is urgent, and so goes before others.
    pub urgency: Urgency,
    /// Whether the message is private: its owner may not pass it on.
    pub privacy: Privacy,
    /// Details of the call that left the message, beside the caller.
    pub call_details: CallDetails,
    /// The language in which the mail of the message is written to people. `None` is that of the owners of all mailboxes, if they have one
    /// language.
    pub language: Option<Language>,
}

impl CallFacts {
    /// The facts of a message for `mailbox`, whose caller is unknown.
    pub fn to(mailbox: MailboxId) -> Self {
        Self {
            mailboxes: vec![mailbox],
            caller: Caller::default(),
            urgency: Urgency::Normal,
            privacy: Privacy::Normal,
            call_details: CallDetails::default(),
            language: None,
        }
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

    /// Sets what the message says of its call, beside the caller.
    #[must_use]
    pub fn call_details(self, call_details: CallDetails) -> Self {
        Self { call_details, ..self }
    }

    /// Sets the language in which the mail of the message is written to people.
    #[must_use]
    pub fn language(self, language: Language) -> Self {
        Self { language: Some(language), ..self }
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

    /// Whether there are mailboxes, and no more than the head of a spool file has space for, also when the recording is finished.
    pub(super) fn mailboxes_fit(&self) -> bool {
        let chars: usize = self.mailboxes.iter().map(|mailbox| mailbox.as_str().len()).sum();
        (1..=MAX_MAILBOXES).contains(&self.mailboxes.len()) && chars <= MAX_MAILBOX_CHARS
    }
}

/// How many mailboxes one message may be for.
const MAX_MAILBOXES: usize = 16;
/// How many characters their numbers and names may have together: as many as 16 numbers of 15 digits with a `+`.
const MAX_MAILBOX_CHARS: usize = MAX_MAILBOXES * 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_for_16_numbers_or_8_long_names_at_most() {
        let facts = |mailboxes: Vec<String>| {
            let mailboxes = mailboxes.iter().map(|text| text.parse().unwrap()).collect();
            CallFacts { mailboxes, ..CallFacts::to("1".parse().unwrap()) }
        };
        let numbers = |count: u64| facts((0..count).map(|number| format!("+{number:015}")).collect());
        let names = |count: u64| facts((0..count).map(|number| format!("n{number:031}")).collect());
        for fits in [numbers(1), numbers(16), names(8)] {
            assert!(fits.mailboxes_fit(), "{fits:?}");
        }
        for does_not in [numbers(0), numbers(17), names(9)] {
            assert!(!does_not.mailboxes_fit(), "{does_not:?}");
        }
    }
}
