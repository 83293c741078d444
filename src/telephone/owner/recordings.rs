//! The recordings of an owner: greetings, introductions, answers.

use super::super::{Digit, GreetingKind, Menu, Prompt, Recorded};
use super::{GreetingSet, MAX_ENTERED, MIN_RECORDING, Messages, OwnerAction, OwnerDialogue, Purpose, Sent, Stage, State};

impl OwnerDialogue {
    pub(super) fn address_digit(&mut self, messages: Messages, mut entered: String, digit: Digit) -> State {
        match digit {
            Digit::Number(number) if entered.len() < MAX_ENTERED => {
                entered.push(char::from(b'0' + number % 10));
                State::Address { messages, entered }
            }
            Digit::Number(_) => State::Address { messages, entered },
            Digit::Star => {
                self.say(vec![Prompt::Menu(Menu::Message)]);
                State::Messages(messages, Stage::Played)
            }
            Digit::Pound => match (entered.parse(), messages.current().map(|entry| entry.head.id)) {
                (Ok(to), Some(id)) => self.announce(Purpose::Introduction { id, to }, Some(messages)),
                (Err(_), _) | (_, None) => {
                    self.say(vec![Prompt::NoSuchMailbox, Prompt::EnterMailbox]);
                    State::Address { messages, entered: String::new() }
                }
            },
        }
    }

    pub(super) fn greeting_digit(&mut self, digit: Digit) -> State {
        let greeting = match digit {
            Digit::Number(1) => GreetingKind::Normal,
            Digit::Number(2) => GreetingKind::Busy,
            Digit::Number(3) => GreetingKind::Temporary,
            Digit::Number(4) => {
                self.act(OwnerAction::DropGreeting(GreetingKind::Temporary));
                return State::DroppingGreeting;
            }
            Digit::Star => {
                self.say(vec![Prompt::Menu(Menu::Main)]);
                return State::Main;
            }
            Digit::Number(_) | Digit::Pound => {
                self.say(vec![Prompt::NotUnderstood, Prompt::Menu(Menu::Greetings)]);
                return State::Greetings;
            }
        };
        self.announce(Purpose::Greeting(greeting), None)
    }

    pub(super) fn announce(&mut self, purpose: Purpose, messages: Option<Messages>) -> State {
        self.say(vec![Prompt::RecordNow, Prompt::Tone]);
        State::Announcing(purpose, messages)
    }

    pub(super) fn begin_recording(&mut self, purpose: Purpose, messages: Option<Messages>) -> State {
        self.act(OwnerAction::Record(purpose.clone()));
        State::Recording(purpose, messages)
    }

    pub(super) fn recorded(&mut self, state: State, recorded: Recorded) -> State {
        let State::Recording(purpose, messages) = state else { return state };
        if recorded.length >= MIN_RECORDING {
            self.say(vec![Prompt::Menu(Menu::Recording)]);
            return State::Reviewing(purpose, messages);
        }
        self.act(OwnerAction::Discard);
        match (purpose, messages) {
            // An owner who says nothing passes the message on without an introduction.
            (Purpose::Introduction { id, to }, Some(messages)) => {
                self.act(OwnerAction::PassOn { id, to, introduced: false });
                State::Sending(None, messages)
            }
            (_, messages) => self.back_to(messages, Prompt::TooShort),
        }
    }

    pub(super) fn not_recorded(&mut self, state: State) -> State {
        let State::Recording(_, messages) = state else { return state };
        self.back_to(messages, Prompt::NotRecorded)
    }

    pub(super) fn review_digit(&mut self, purpose: Purpose, messages: Option<Messages>, digit: Digit) -> State {
        match digit {
            Digit::Number(1) | Digit::Pound => match (purpose, messages) {
                (Purpose::Greeting(greeting), _) => {
                    self.act(OwnerAction::SaveGreeting(greeting));
                    State::SavingGreeting(greeting)
                }
                (Purpose::Introduction { id, to }, messages) => {
                    self.act(OwnerAction::PassOn { id, to: to.clone(), introduced: true });
                    State::Sending(Some(Purpose::Introduction { id, to }), messages.unwrap_or_default())
                }
                (Purpose::Answer(id), messages) => {
                    self.act(OwnerAction::Answer(id));
                    State::Sending(Some(Purpose::Answer(id)), messages.unwrap_or_default())
                }
            },
            Digit::Number(2) => {
                self.say(vec![Prompt::PlayRecording, Prompt::Menu(Menu::Recording)]);
                State::Reviewing(purpose, messages)
            }
            Digit::Number(3) => {
                self.act(OwnerAction::Discard);
                self.announce(purpose, messages)
            }
            Digit::Star => {
                self.act(OwnerAction::Discard);
                self.back_to(messages, Prompt::Removed)
            }
            Digit::Number(_) => {
                self.say(vec![Prompt::NotUnderstood, Prompt::Menu(Menu::Recording)]);
                State::Reviewing(purpose, messages)
            }
        }
    }

    pub(super) fn greeting_set(&mut self, state: State, set: GreetingSet) -> State {
        match (state, set) {
            (State::SavingGreeting(_), GreetingSet::Done) => self.back_to(None, Prompt::GreetingSaved),
            (State::SavingGreeting(greeting), GreetingSet::Failed) => {
                self.review_again(Purpose::Greeting(greeting), None, Prompt::GreetingNotSaved)
            }
            (State::DroppingGreeting, GreetingSet::Done) => self.back_to(None, Prompt::Removed),
            (State::DroppingGreeting, GreetingSet::Failed) => self.back_to(None, Prompt::NotDone),
            (other, _) => other,
        }
    }

    pub(super) fn sent(&mut self, state: State, sent: Sent) -> State {
        let State::Sending(purpose, messages) = state else { return state };
        match (sent, purpose) {
            (Sent::Delivered, _) => self.back_to(Some(messages), Prompt::Sent),
            (Sent::Failed, Some(purpose)) => self.review_again(purpose, Some(messages), Prompt::NotSent),
            (Sent::Failed, None) => self.back_to(Some(messages), Prompt::NotSent),
            (Sent::NoSuchMailbox, purpose) => {
                if purpose.is_some() {
                    self.act(OwnerAction::Discard);
                }
                self.back_to(Some(messages), Prompt::NoSuchMailbox)
            }
        }
    }

    /// What was recorded could not be used; the owner may try again.
    fn review_again(&mut self, purpose: Purpose, messages: Option<Messages>, said: Prompt) -> State {
        self.say(vec![said, Prompt::Menu(Menu::Recording)]);
        State::Reviewing(purpose, messages)
    }

    /// Back to the message from which something was recorded, or to the greetings.
    pub(super) fn back_to(&mut self, messages: Option<Messages>, said: Prompt) -> State {
        if let Some(messages) = messages {
            self.say(vec![said, Prompt::Menu(Menu::Message)]);
            return State::Messages(messages, Stage::Played);
        }
        self.say(vec![said, Prompt::Menu(Menu::Greetings)]);
        State::Greetings
    }
}
