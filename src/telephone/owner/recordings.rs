//! The part of the dialogue in which an owner records greetings, introductions and answers.

use super::super::{Digit, GreetingKind, Place, Prompt, Recorded};
use super::{
    GreetingOutcome, MAX_ENTERED, MIN_RECORDING, MessageList, OwnerAction, OwnerDialogue, OwnerState, RecordingPurpose,
    SendOutcome, Stage, menu,
};

impl OwnerDialogue {
    pub(super) fn address_digit(&mut self, messages: MessageList, mut entered: String, digit: Digit) -> OwnerState {
        if let Some(number) = digit.number() {
            if entered.len() < MAX_ENTERED {
                entered.push(char::from(b'0' + number));
            }
            return OwnerState::Address { messages, entered };
        }
        match digit {
            Digit::Star => {
                self.say(vec![menu(Place::Played)]);
                OwnerState::AtMessage(messages, Stage::Played)
            }
            _ => match (entered.parse(), messages.current().map(|entry| entry.head.id)) {
                (Ok(to), Some(id)) => self.announce(RecordingPurpose::Introduction { id, to }, Some(messages)),
                (Err(_), _) | (_, None) => {
                    self.say(vec![Prompt::NoSuchMailbox, Prompt::EnterMailbox]);
                    OwnerState::Address { messages, entered: String::new() }
                }
            },
        }
    }

    pub(super) fn greeting_digit(&mut self, digit: Digit) -> OwnerState {
        let greeting = match digit {
            Digit::One => GreetingKind::Normal,
            Digit::Two => GreetingKind::Busy,
            Digit::Three => GreetingKind::Temporary,
            Digit::Four => {
                self.act(OwnerAction::RemoveGreeting(GreetingKind::Temporary));
                return OwnerState::RemovingGreeting;
            }
            Digit::Star => {
                self.say(vec![menu(Place::Main)]);
                return OwnerState::Main;
            }
            _ => {
                self.say(vec![Prompt::NotUnderstood, menu(Place::Greetings)]);
                return OwnerState::Greetings;
            }
        };
        self.announce(RecordingPurpose::Greeting(greeting), None)
    }

    pub(super) fn announce(&mut self, purpose: RecordingPurpose, messages: Option<MessageList>) -> OwnerState {
        self.say(vec![Prompt::RecordNow(purpose.kind()), Prompt::Tone]);
        OwnerState::Announcing(purpose, messages)
    }

    pub(super) fn begin_recording(&mut self, purpose: RecordingPurpose, messages: Option<MessageList>) -> OwnerState {
        self.act(OwnerAction::Record(purpose.clone()));
        OwnerState::Recording(purpose, messages)
    }

    pub(super) fn recorded(&mut self, state: OwnerState, recorded: Recorded) -> OwnerState {
        let OwnerState::Recording(purpose, messages) = state else { return state };
        if recorded.length >= MIN_RECORDING {
            self.say(vec![menu(Place::OwnerReview)]);
            return OwnerState::Reviewing(purpose, messages);
        }
        self.act(OwnerAction::Discard);
        match (purpose, messages) {
            // An owner who says nothing passes the message on without an introduction.
            (RecordingPurpose::Introduction { id, to }, Some(messages)) => {
                self.act(OwnerAction::PassOn { id, to, introduced: false });
                OwnerState::Sending(None, messages)
            }
            (_, messages) => self.return_to(messages, Prompt::TooShort),
        }
    }

    pub(super) fn not_recorded(&mut self, state: OwnerState) -> OwnerState {
        let OwnerState::Recording(_, messages) = state else { return state };
        self.return_to(messages, Prompt::NotRecorded)
    }

    pub(super) fn review_digit(&mut self, purpose: RecordingPurpose, messages: Option<MessageList>, digit: Digit) -> OwnerState {
        match digit {
            Digit::One | Digit::Pound => match (purpose, messages) {
                (RecordingPurpose::Greeting(greeting), _) => {
                    self.act(OwnerAction::SaveGreeting(greeting));
                    OwnerState::SavingGreeting(greeting)
                }
                (RecordingPurpose::Introduction { id, to }, messages) => {
                    self.act(OwnerAction::PassOn { id, to: to.clone(), introduced: true });
                    OwnerState::Sending(Some(RecordingPurpose::Introduction { id, to }), messages.unwrap_or_default())
                }
                (RecordingPurpose::Answer(id), messages) => {
                    self.act(OwnerAction::Answer(id));
                    OwnerState::Sending(Some(RecordingPurpose::Answer(id)), messages.unwrap_or_default())
                }
            },
            Digit::Two => {
                self.say(vec![Prompt::PlayRecording, menu(Place::OwnerReview)]);
                OwnerState::Reviewing(purpose, messages)
            }
            Digit::Three => {
                self.act(OwnerAction::Discard);
                self.announce(purpose, messages)
            }
            Digit::Star => {
                self.act(OwnerAction::Discard);
                self.return_to(messages, Prompt::Removed)
            }
            _ => {
                self.say(vec![Prompt::NotUnderstood, menu(Place::OwnerReview)]);
                OwnerState::Reviewing(purpose, messages)
            }
        }
    }

    pub(super) fn greeting_set(&mut self, state: OwnerState, set: GreetingOutcome) -> OwnerState {
        match (state, set) {
            (OwnerState::SavingGreeting(_), GreetingOutcome::Done) => self.return_to(None, Prompt::GreetingSaved),
            (OwnerState::SavingGreeting(greeting), GreetingOutcome::Failed) => {
                self.review_again(RecordingPurpose::Greeting(greeting), None, Prompt::GreetingNotSaved)
            }
            (OwnerState::RemovingGreeting, GreetingOutcome::Done) => self.return_to(None, Prompt::Removed),
            (OwnerState::RemovingGreeting, GreetingOutcome::Failed) => self.return_to(None, Prompt::ChangeFailed),
            (other, _) => other,
        }
    }

    pub(super) fn sent(&mut self, state: OwnerState, sent: SendOutcome) -> OwnerState {
        let OwnerState::Sending(purpose, messages) = state else { return state };
        match (sent, purpose) {
            (SendOutcome::Delivered, _) => self.return_to(Some(messages), Prompt::Sent),
            (SendOutcome::Failed, Some(purpose)) => self.review_again(purpose, Some(messages), Prompt::NotSent),
            (SendOutcome::Failed, None) => self.return_to(Some(messages), Prompt::NotSent),
            (SendOutcome::NoSuchMailbox, purpose) => {
                if purpose.is_some() {
                    self.act(OwnerAction::Discard);
                }
                self.return_to(Some(messages), Prompt::NoSuchMailbox)
            }
        }
    }

    /// Returns to the review of a recording that could not be used, so that the owner can try again.
    fn review_again(&mut self, purpose: RecordingPurpose, messages: Option<MessageList>, said: Prompt) -> OwnerState {
        self.say(vec![said, menu(Place::OwnerReview)]);
        OwnerState::Reviewing(purpose, messages)
    }

    /// Returns to the message at which the recording began, or to the greetings.
    pub(super) fn return_to(&mut self, messages: Option<MessageList>, said: Prompt) -> OwnerState {
        if let Some(messages) = messages {
            self.say(vec![said, menu(Place::Played)]);
            return OwnerState::AtMessage(messages, Stage::Played);
        }
        self.say(vec![said, menu(Place::Greetings)]);
        OwnerState::Greetings
    }
}
