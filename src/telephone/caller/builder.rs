//! [`CallerDialogueBuilder`]: the settings of a call.

use std::collections::VecDeque;

use super::{CallerAction, CallerDialogue, CallerState, Continuation, DiversionReason};
use crate::directory::RecordingLimits;
use crate::message::{MailboxId, Privacy, Urgency};
use crate::telephone::{GreetingKind, Greetings, KeyMap, Prompt};

/// Builds a [`CallerDialogue`]; made by [`CallerDialogue::builder`].
#[derive(Debug, Clone)]
#[must_use]
pub struct CallerDialogueBuilder {
    mailbox: MailboxId,
    limits: RecordingLimits,
    greetings: Greetings,
    reason: DiversionReason,
    keys: KeyMap,
    operator: bool,
    full: bool,
}

impl CallerDialogueBuilder {
    pub(super) fn new(mailbox: MailboxId) -> Self {
        Self {
            mailbox,
            limits: RecordingLimits::default(),
            greetings: Greetings::default(),
            reason: DiversionReason::NoAnswer,
            keys: KeyMap::default(),
            operator: false,
            full: false,
        }
    }

    /// Sets the minimum and maximum length of a message for the mailbox. The default is [`RecordingLimits::default`].
    pub fn limits(self, limits: RecordingLimits) -> Self {
        Self { limits, ..self }
    }

    /// Sets which greetings the owner has recorded. The default is none, so the caller hears the standard greeting.
    pub fn greetings(self, greetings: Greetings) -> Self {
        Self { greetings, ..self }
    }

    /// Sets the reason why the call was diverted, which chooses the greeting. The default is [`DiversionReason::NoAnswer`].
    pub fn reason(self, reason: DiversionReason) -> Self {
        Self { reason, ..self }
    }

    /// Sets the keys. The default is [`KeyMap::voicemail`].
    pub fn keys(self, keys: KeyMap) -> Self {
        Self { keys, ..self }
    }

    /// Offers an operator. By default there is none, and the keys for the operator have no function.
    pub fn operator(self) -> Self {
        Self { operator: true, ..self }
    }

    /// States that the mailbox is full: the caller hears that, and can leave no message. The owner can log in.
    pub fn full(self) -> Self {
        Self { full: true, ..self }
    }

    /// Begins the call. The first action greets the caller.
    pub fn build(self) -> CallerDialogue {
        let greeting = self.greeting();
        let (state, say) = if self.full {
            (CallerState::Leaving(Continuation::Dialogue), vec![Prompt::MailboxFull, Prompt::Goodbye])
        } else {
            (CallerState::Greeting, vec![greeting.clone(), Prompt::Tone])
        };
        CallerDialogue {
            state,
            greeting,
            keys: self.keys,
            typed: Vec::new(),
            operator: self.operator,
            limits: self.limits,
            urgency: Urgency::Normal,
            privacy: Privacy::Normal,
            tries: 0,
            actions: VecDeque::from([CallerAction::Say(say)]),
        }
    }

    fn greeting(&self) -> Prompt {
        match (self.greetings, self.reason) {
            (Greetings { temporary: true, .. }, _) => Prompt::Greeting(GreetingKind::Temporary),
            (Greetings { busy: true, .. }, DiversionReason::Busy) => Prompt::Greeting(GreetingKind::Busy),
            (Greetings { normal: true, .. }, _) => Prompt::Greeting(GreetingKind::Normal),
            (Greetings { normal: false, .. }, reason) => {
                Prompt::DefaultGreeting { mailbox: self.mailbox.clone(), busy: reason == DiversionReason::Busy }
            }
        }
    }
}
