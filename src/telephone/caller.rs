//! [`CallerDialogue`]: with who leaves a message.

#[cfg(test)]
mod tests;
mod words;

use std::collections::VecDeque;
use std::time::Duration;

pub use self::words::{CallerAction, CallerEvent, Reason, Recorded};
use super::{Digit, GreetingKind, Greetings, Menu, Prompt, Say};
use crate::message::{MailboxId, Privacy, Urgency};

/// The dialogue with a caller: greeting, tone, recording, review.
///
/// `#` skips the greeting and ends the recording, `0` asks for the operator, where there is one, and `*` during the greeting is for an
/// owner who calls from elsewhere. What was said is kept when the caller hangs up, during the recording or after it.
///
/// ```
/// use voicemail::telephone::{CallerAction, CallerDialogue, CallerEvent, Digit, GreetingKind, Greetings, Prompt, Reason};
///
/// let greetings = Greetings { normal: true, ..Greetings::default() };
/// let mut call = CallerDialogue::new("2041".parse()?, greetings, Reason::NoAnswer);
/// assert_eq!(call.poll_action(), Some(CallerAction::Say(vec![Prompt::Greeting(GreetingKind::Normal), Prompt::Tone])));
/// call.handle(CallerEvent::Played);
/// assert_eq!(call.poll_action(), Some(CallerAction::Record));
/// call.handle(CallerEvent::HungUp);
/// assert!(matches!(call.poll_action(), Some(CallerAction::Send { .. })));
/// # Ok::<(), voicemail::message::InvalidMailboxId>(())
/// ```
#[derive(Debug)]
pub struct CallerDialogue {
    state: State,
    operator: bool,
    min: Duration,
    urgency: Urgency,
    privacy: Privacy,
    tries: u32,
    actions: VecDeque<CallerAction>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Greeting,
    Recording,
    /// A digit ended it; its length is to come, and then what.
    Stopping(Then),
    Review,
    /// Something is being said before the tone.
    Again,
    /// Nothing but a goodbye is left.
    Leaving,
    Over,
}

/// What comes after a recording that a digit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Review,
    Operator,
}

impl CallerDialogue {
    /// A call to `mailbox`, whose owner has recorded `greetings`. There is no operator, and a message has at least a second.
    pub fn new(mailbox: MailboxId, greetings: Greetings, reason: Reason) -> Self {
        let greeting = match (greetings, reason) {
            (Greetings { temporary: true, .. }, _) => Prompt::Greeting(GreetingKind::Temporary),
            (Greetings { busy: true, .. }, Reason::Busy) => Prompt::Greeting(GreetingKind::Busy),
            (Greetings { normal: true, .. }, _) => Prompt::Greeting(GreetingKind::Normal),
            _ => Prompt::NobodyThere(mailbox),
        };
        Self::beginning(State::Greeting, vec![greeting, Prompt::Tone])
    }

    /// A call to a mailbox that takes no message because it is full.
    pub fn full() -> Self {
        Self::beginning(State::Leaving, vec![Prompt::MailboxFull, Prompt::Goodbye])
    }

    fn beginning(state: State, say: Say) -> Self {
        let (urgency, privacy) = (Urgency::Normal, Privacy::Normal);
        let actions = VecDeque::from([CallerAction::Say(say)]);
        Self { state, operator: false, min: Duration::from_secs(1), urgency, privacy, tries: 0, actions }
    }

    /// `0` reaches an operator.
    #[must_use]
    pub fn with_operator(self) -> Self {
        Self { operator: true, ..self }
    }

    /// How long a recording must be to be a message.
    #[must_use]
    pub fn at_least(self, min: Duration) -> Self {
        Self { min, ..self }
    }

    /// What is to be done next; `None` until something happens.
    pub fn poll_action(&mut self) -> Option<CallerAction> {
        self.actions.pop_front()
    }

    /// Whether the dialogue is over.
    pub fn is_over(&self) -> bool {
        self.state == State::Over && self.actions.is_empty()
    }

    /// Something has happened on the call.
    pub fn handle(&mut self, event: CallerEvent) {
        match event {
            CallerEvent::HungUp => self.hung_up(),
            CallerEvent::Digit(digit) => self.digit(digit),
            CallerEvent::Played => self.played(),
            CallerEvent::Recorded(recorded) => self.recorded(recorded),
            CallerEvent::Silence => self.silence(),
        }
    }

    fn hung_up(&mut self) {
        let keeps = match self.state {
            State::Recording | State::Stopping(_) | State::Review => true,
            State::Greeting | State::Again | State::Leaving | State::Over => false,
        };
        self.actions.clear();
        if keeps {
            self.send();
        }
        self.state = State::Over;
    }

    fn digit(&mut self, digit: Digit) {
        match (self.state, digit) {
            (State::Greeting | State::Again | State::Leaving, Digit::Number(0)) if self.operator => {
                self.end_with(CallerAction::Operator);
            }
            (State::Greeting, Digit::Star) => self.end_with(CallerAction::Owner),
            // By `#`, or by mistake: what it cut short is over.
            (State::Greeting | State::Again, _) => self.say_then(vec![Prompt::Tone], State::Again),
            (State::Recording, Digit::Number(0)) if self.operator => self.stop(Then::Operator),
            (State::Recording, Digit::Pound) => self.stop(Then::Review),
            (State::Review, digit) => self.review(digit),
            (State::Leaving, _) => self.end_with(CallerAction::HangUp),
            (State::Recording | State::Stopping(_) | State::Over, _) => {}
        }
    }

    fn played(&mut self) {
        match self.state {
            State::Greeting | State::Again => {
                self.actions.push_back(CallerAction::Record);
                self.state = State::Recording;
            }
            State::Leaving => self.end_with(CallerAction::HangUp),
            State::Recording | State::Stopping(_) | State::Review | State::Over => {}
        }
    }

    fn recorded(&mut self, recorded: Recorded) {
        let then = match self.state {
            State::Recording => Then::Review,
            State::Stopping(then) => then,
            State::Greeting | State::Review | State::Again | State::Leaving | State::Over => return,
        };
        if recorded.length < self.min {
            self.actions.push_back(CallerAction::Discard);
            self.tries += 1;
            match then {
                Then::Operator => self.end_with(CallerAction::Operator),
                Then::Review if self.tries < MAX_TRIES => self.say_then(vec![Prompt::TooShort, Prompt::Tone], State::Again),
                Then::Review => self.say_then(vec![Prompt::TooShort, Prompt::Goodbye], State::Leaving),
            }
            return;
        }
        match then {
            Then::Operator => {
                self.send();
                self.end_with(CallerAction::Operator);
            }
            Then::Review => self.say_then(vec![Prompt::Menu(Menu::Review)], State::Review),
        }
    }

    fn silence(&mut self) {
        match self.state {
            State::Review => {
                self.send();
                self.say_then(vec![Prompt::Sent, Prompt::Goodbye], State::Leaving);
            }
            State::Greeting | State::Recording | State::Stopping(_) | State::Again | State::Leaving | State::Over => {}
        }
    }

    fn review(&mut self, digit: Digit) {
        let menu = Prompt::Menu(Menu::Review);
        match digit {
            Digit::Number(1) | Digit::Pound => {
                self.send();
                self.say_then(vec![Prompt::Sent, Prompt::Goodbye], State::Leaving);
            }
            Digit::Number(2) => self.say_then(vec![Prompt::PlayRecording, menu], State::Review),
            Digit::Number(3) => {
                self.actions.push_back(CallerAction::Discard);
                self.say_then(vec![Prompt::Tone], State::Again);
            }
            Digit::Number(4) => {
                let (urgency, said) = match self.urgency {
                    Urgency::Normal => (Urgency::Urgent, Prompt::MarkedUrgent),
                    Urgency::Urgent => (Urgency::Normal, Prompt::MarkedNormal),
                };
                self.urgency = urgency;
                self.say_then(vec![said, menu], State::Review);
            }
            Digit::Number(5) => {
                let (privacy, said) = match self.privacy {
                    Privacy::Normal => (Privacy::Private, Prompt::MarkedPrivate),
                    Privacy::Private => (Privacy::Normal, Prompt::MarkedOpen),
                };
                self.privacy = privacy;
                self.say_then(vec![said, menu], State::Review);
            }
            Digit::Number(0) if self.operator => {
                self.send();
                self.end_with(CallerAction::Operator);
            }
            Digit::Number(_) | Digit::Star => self.say_then(vec![Prompt::NotUnderstood, menu], State::Review),
        }
    }

    fn stop(&mut self, then: Then) {
        self.actions.push_back(CallerAction::StopRecording);
        self.state = State::Stopping(then);
    }

    fn send(&mut self) {
        self.actions.push_back(CallerAction::Send { urgency: self.urgency, privacy: self.privacy });
    }

    fn say_then(&mut self, say: Say, state: State) {
        self.actions.push_back(CallerAction::Say(say));
        self.state = state;
    }

    fn end_with(&mut self, action: CallerAction) {
        self.actions.push_back(action);
        self.state = State::Over;
    }
}

/// How often a caller may say nothing.
const MAX_TRIES: u32 = 3;
