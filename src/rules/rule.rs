//! [`ArrivalRule`]: one rule of an owner.

use std::time::Duration;

use super::{Content, MessageFilter, PrivateMessages, RuleId, RuleRecipient, SoundForm, Then, Timetable};
use crate::message::{Head, Privacy, Urgency};

/// One rule of an owner: for which messages a mail is sent, when, to whom, and what becomes of the message then.
///
/// ```
/// use std::time::Duration;
/// use voicemail::rules::{ArrivalRule, Content, Then};
///
/// let rule = ArrivalRule::new("office".parse().unwrap(), Content::Copy)
///     .to("anna@example.com".parse().unwrap())
///     .with_delay(Duration::from_secs(600))
///     .then(Then::Heard);
/// assert_eq!(rule.id.as_str(), "office");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ArrivalRule {
    /// The name of the rule, unique in its mailbox.
    pub id: RuleId,
    /// The content of the mail.
    pub content: Content,
    /// The address that the mail goes to.
    pub to: RuleRecipient,
    /// The messages that the rule is for.
    pub messages: MessageFilter,
    /// The hours in which the mail may be sent, by the clock of the owner's zone. Outside of them it waits.
    pub timetable: Timetable,
    /// How long the mail waits after the arrival, 7 days at most.
    pub delay: Duration,
    /// The fate of the message when the mail server has accepted the mail.
    pub then: Then,
    /// Whether the rule is for private messages, too.
    pub private: PrivateMessages,
    /// The form of the sound, in a mail that has it.
    pub sound: SoundForm,
}

impl ArrivalRule {
    /// A rule that sends a mail to the owner at once, for each message that is not private. The message stays new, and a sound is a WAV.
    pub fn new(id: RuleId, content: Content) -> Self {
        Self {
            id,
            content,
            to: RuleRecipient::default(),
            messages: MessageFilter::default(),
            timetable: Timetable::default(),
            delay: Duration::ZERO,
            then: Then::default(),
            private: PrivateMessages::default(),
            sound: SoundForm::default(),
        }
    }

    /// The same rule with mails to this address.
    #[must_use]
    pub fn to(self, address: crate::message::MailAddress) -> Self {
        Self { to: RuleRecipient::Address(address), ..self }
    }

    /// The same rule for these messages.
    #[must_use]
    pub fn with_messages(self, messages: MessageFilter) -> Self {
        Self { messages, ..self }
    }

    /// The same rule with these hours.
    #[must_use]
    pub fn with_timetable(self, timetable: Timetable) -> Self {
        Self { timetable, ..self }
    }

    /// The same rule with this delay.
    #[must_use]
    pub fn with_delay(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// The same rule, after whose mail this becomes of the message.
    #[must_use]
    pub fn then(self, then: Then) -> Self {
        Self { then, ..self }
    }

    /// The same rule, which treats private messages like this.
    #[must_use]
    pub fn with_private(self, private: PrivateMessages) -> Self {
        Self { private, ..self }
    }

    /// The same rule with sounds of this form.
    #[must_use]
    pub fn with_sound(self, sound: SoundForm) -> Self {
        Self { sound, ..self }
    }

    /// Returns whether the rule is for a message with this head.
    pub fn is_for(&self, head: &Head) -> bool {
        let urgent = self.messages == MessageFilter::All || head.urgency == Urgency::Urgent;
        urgent && (self.private == PrivateMessages::Send || head.privacy == Privacy::Normal)
    }
}
