//! What an owner records, and for whom: greetings, introductions, answers.

use super::super::{Digit, GreetingKind, Menu, Prompt, Recorded};
use super::{MAX_ENTERED, MIN_RECORDING, Messages, OwnerAction, OwnerDialogue, Purpose, Sent, Stage, State};

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
                self.say(vec![Prompt::Removed, Prompt::Menu(Menu::Greetings)]);
                return State::Greetings;
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
            // Whoever says nothing passes the message on by itself.
            (Purpose::Introduction { id, to }, Some(messages)) => {
                self.act(OwnerAction::PassOn { id, to, introduced: false });
                State::Sending(messages)
            }
            (_, messages) => self.back_to(messages, Prompt::TooShort),
        }
    }

    pub(super) fn review_digit(&mut self, purpose: Purpose, messages: Option<Messages>, digit: Digit) -> State {
        match digit {
            Digit::Number(1) | Digit::Pound => match (purpose, messages) {
                (Purpose::Greeting(greeting), _) => {
                    self.act(OwnerAction::SaveGreeting(greeting));
                    self.back_to(None, Prompt::GreetingSaved)
                }
                (Purpose::Introduction { id, to }, messages) => {
                    self.act(OwnerAction::PassOn { id, to, introduced: true });
                    State::Sending(messages.unwrap_or_default())
                }
                (Purpose::Answer(id), messages) => {
                    self.act(OwnerAction::Answer(id));
                    State::Sending(messages.unwrap_or_default())
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

    pub(super) fn sent(&mut self, state: State, sent: Sent) -> State {
        let State::Sending(messages) = state else { return state };
        let said = match sent {
            Sent::Delivered => Prompt::Sent,
            Sent::NoSuchMailbox => Prompt::NoSuchMailbox,
            Sent::Failed => Prompt::NotSent,
        };
        self.back_to(Some(messages), said)
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
