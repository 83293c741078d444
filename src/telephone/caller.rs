//! [`CallerDialogue`]: the dialogue with a caller who leaves a message.

#[cfg(test)]
mod tests;
mod words;

use std::collections::VecDeque;

pub use self::words::{CallerAction, CallerEvent, Reason, Recorded};
use super::{Digit, GreetingKind, Greetings, Menu, Prompt, Say};
use crate::directory::RecordingLimits;
use crate::message::{MailboxId, Privacy, Urgency};

/// The dialogue with a caller: greeting, tone, recording, review.
///
/// `#` skips the greeting and ends the recording, `0` asks for the operator, where there is one, and `*` during the greeting is for an
/// owner who calls from elsewhere. The recording is kept when the caller hangs up, while it goes on or after it.
///
/// ```
/// use voicemail::directory::RecordingLimits;
/// use voicemail::telephone::{CallerAction, CallerDialogue, CallerEvent, Digit, GreetingKind, Greetings, Prompt, Reason, Recorded};
///
/// let greetings = Greetings { normal: true, ..Greetings::default() };
/// let limits = RecordingLimits::default(); // `Owner::recording` of the mailbox
/// let mut call = CallerDialogue::new("2041".parse()?, limits, greetings, Reason::NoAnswer);
/// assert_eq!(call.poll_action(), Some(CallerAction::Say(vec![Prompt::Greeting(GreetingKind::Normal), Prompt::Tone])));
/// call.handle(CallerEvent::Played);
/// assert_eq!(call.poll_action(), Some(CallerAction::Record));
/// call.handle(CallerEvent::Recorded(Recorded { length: limits.min }));
/// call.poll_action(); // the menu: `#` sends
/// call.handle(CallerEvent::Digit(Digit::Pound));
/// assert!(matches!(call.poll_action(), Some(CallerAction::Send { .. })));
/// assert_eq!(call.poll_action(), None); // it is not said to be sent before it is
/// call.handle(CallerEvent::Sent);
/// assert_eq!(call.poll_action(), Some(CallerAction::Say(vec![Prompt::Sent, Prompt::Goodbye])));
/// # Ok::<(), voicemail::message::InvalidMailboxId>(())
/// ```
#[derive(Debug)]
pub struct CallerDialogue {
    state: State,
    operator: bool,
    limits: RecordingLimits,
    urgency: Urgency,
    privacy: Privacy,
    tries: u32,
    actions: VecDeque<CallerAction>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Greeting,
    Recording,
    /// A digit ended the recording; its length is awaited.
    Stopping(Then),
    Review,
    /// The message is handed over; whether it is kept is awaited.
    Sending(Then),
    /// Something is being said before the tone.
    Again(Before),
    /// Nothing but these words are left to say.
    Leaving(Then),
    Over,
}

/// What follows a recording, or the last words of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// The dialogue goes on; at its end the call is hung up.
    Dialogue,
    Operator,
}

/// Whether the driver still has the recording before the one that begins after the tone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    Held,
    Gone,
}

impl CallerDialogue {
    /// A call to `mailbox`, which takes messages within `limits` and whose owner has recorded `greetings`. There is no operator.
    pub fn new(mailbox: MailboxId, limits: RecordingLimits, greetings: Greetings, reason: Reason) -> Self {
        let greeting = match (greetings, reason) {
            (Greetings { temporary: true, .. }, _) => Prompt::Greeting(GreetingKind::Temporary),
            (Greetings { busy: true, .. }, Reason::Busy) => Prompt::Greeting(GreetingKind::Busy),
            (Greetings { normal: true, .. }, _) => Prompt::Greeting(GreetingKind::Normal),
            _ => Prompt::NobodyThere(mailbox),
        };
        Self::beginning(State::Greeting, limits, vec![greeting, Prompt::Tone])
    }

    /// A call to a mailbox that takes no message because it is full.
    pub fn full() -> Self {
        let say = vec![Prompt::MailboxFull, Prompt::Goodbye];
        Self::beginning(State::Leaving(Then::Dialogue), RecordingLimits::default(), say)
    }

    fn beginning(state: State, limits: RecordingLimits, say: Say) -> Self {
        let (urgency, privacy) = (Urgency::Normal, Privacy::Normal);
        let actions = VecDeque::from([CallerAction::Say(say)]);
        Self { state, operator: false, limits, urgency, privacy, tries: 0, actions }
    }

    /// Lets `0` reach an operator.
    #[must_use]
    pub fn with_operator(self) -> Self {
        Self { operator: true, ..self }
    }

    /// Returns the next action; `None` until something happens.
    pub fn poll_action(&mut self) -> Option<CallerAction> {
        self.actions.pop_front()
    }

    /// Whether the dialogue is over.
    pub fn is_over(&self) -> bool {
        self.state == State::Over && self.actions.is_empty()
    }

    /// Takes in an event of the call.
    pub fn handle(&mut self, event: CallerEvent) {
        match event {
            CallerEvent::HungUp => self.hung_up(),
            CallerEvent::Digit(digit) => self.digit(digit),
            CallerEvent::Played => self.played(),
            CallerEvent::Recorded(recorded) => self.recorded(recorded),
            CallerEvent::NotRecorded => self.not_recorded(),
            CallerEvent::Sent => self.sent(),
            CallerEvent::TooShort => self.was_too_short(),
            CallerEvent::NotKept => self.not_kept(),
            CallerEvent::Silence => self.silence(),
        }
    }

    fn hung_up(&mut self) {
        self.actions.clear();
        match self.state {
            State::Recording | State::Stopping(_) | State::Review => self.send(),
            State::Again(Before::Held) => self.actions.push_back(CallerAction::Discard),
            State::Greeting | State::Sending(_) | State::Again(Before::Gone) | State::Leaving(_) | State::Over => {}
        }
        self.state = State::Over;
    }

    fn digit(&mut self, digit: Digit) {
        match (self.state, digit) {
            (State::Greeting | State::Again(_) | State::Leaving(_), Digit::Number(0)) if self.operator => {
                if self.state == State::Again(Before::Held) {
                    self.actions.push_back(CallerAction::Discard);
                }
                self.end_with(CallerAction::Operator);
            }
            (State::Greeting, Digit::Star) => self.end_with(CallerAction::Owner),
            // By `#`, or by mistake: what it cut short is over.
            (State::Greeting, _) => self.say_then(vec![Prompt::Tone], State::Again(Before::Gone)),
            (State::Again(before), _) => self.say_then(vec![Prompt::Tone], State::Again(before)),
            (State::Recording, Digit::Number(0)) if self.operator => self.stop(Then::Operator),
            (State::Recording, Digit::Pound) => self.stop(Then::Dialogue),
            (State::Review, digit) => self.review(digit),
            (State::Leaving(then), _) => self.leave(then),
            (State::Recording | State::Stopping(_) | State::Sending(_) | State::Over, _) => {}
        }
    }

    fn played(&mut self) {
        match self.state {
            State::Greeting | State::Again(Before::Gone) => self.record(CallerAction::Record),
            State::Again(Before::Held) => self.record(CallerAction::RecordAgain),
            State::Leaving(then) => self.leave(then),
            State::Recording | State::Stopping(_) | State::Review | State::Sending(_) | State::Over => {}
        }
    }

    fn recorded(&mut self, recorded: Recorded) {
        let then = match self.state {
            State::Recording => Then::Dialogue,
            State::Stopping(then) => then,
            State::Greeting | State::Review | State::Sending(_) | State::Again(_) | State::Leaving(_) | State::Over => return,
        };
        if recorded.length < self.limits.min {
            return self.too_short(then, Before::Held);
        }
        match then {
            Then::Operator => self.send_then(Then::Operator),
            Then::Dialogue if recorded.length >= self.limits.max => {
                self.say_then(vec![Prompt::LongestReached, Prompt::Menu(Menu::Review)], State::Review);
            }
            Then::Dialogue => self.say_then(vec![Prompt::Menu(Menu::Review)], State::Review),
        }
    }

    /// The recording is no message; the caller may try again a few times.
    fn too_short(&mut self, then: Then, before: Before) {
        self.tries += 1;
        if then == Then::Dialogue && self.tries < MAX_TRIES {
            return self.say_then(vec![Prompt::TooShort, Prompt::Tone], State::Again(before));
        }
        if before == Before::Held {
            self.actions.push_back(CallerAction::Discard);
        }
        match then {
            Then::Operator => self.end_with(CallerAction::Operator),
            Then::Dialogue => self.say_then(vec![Prompt::TooShort, Prompt::Goodbye], State::Leaving(then)),
        }
    }

    fn not_recorded(&mut self) {
        match self.state {
            State::Stopping(Then::Operator) => self.say_then(vec![Prompt::NotRecorded], State::Leaving(Then::Operator)),
            State::Recording | State::Stopping(Then::Dialogue) => {
                self.say_then(vec![Prompt::NotRecorded, Prompt::Goodbye], State::Leaving(Then::Dialogue));
            }
            _ => {}
        }
    }

    fn sent(&mut self) {
        match self.state {
            State::Sending(Then::Operator) => self.end_with(CallerAction::Operator),
            State::Sending(Then::Dialogue) => {
                self.say_then(vec![Prompt::Sent, Prompt::Goodbye], State::Leaving(Then::Dialogue));
            }
            _ => {}
        }
    }

    fn was_too_short(&mut self) {
        if let State::Sending(then) = self.state {
            self.too_short(then, Before::Gone);
        }
    }

    fn not_kept(&mut self) {
        match self.state {
            State::Sending(Then::Operator) => self.say_then(vec![Prompt::NotSent], State::Leaving(Then::Operator)),
            State::Sending(Then::Dialogue) => {
                self.say_then(vec![Prompt::NotSent, Prompt::Goodbye], State::Leaving(Then::Dialogue));
            }
            _ => {}
        }
    }

    fn silence(&mut self) {
        if self.state == State::Review {
            self.send_then(Then::Dialogue);
        }
    }

    fn review(&mut self, digit: Digit) {
        let menu = Prompt::Menu(Menu::Review);
        match digit {
            Digit::Number(1) | Digit::Pound => self.send_then(Then::Dialogue),
            Digit::Number(2) => self.say_then(vec![Prompt::PlayRecording, menu], State::Review),
            Digit::Number(3) => self.say_then(vec![Prompt::Tone], State::Again(Before::Held)),
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
            Digit::Number(0) if self.operator => self.send_then(Then::Operator),
            Digit::Number(_) | Digit::Star => self.say_then(vec![Prompt::NotUnderstood, menu], State::Review),
        }
    }

    fn record(&mut self, action: CallerAction) {
        self.actions.push_back(action);
        self.state = State::Recording;
    }

    fn stop(&mut self, then: Then) {
        self.actions.push_back(CallerAction::StopRecording);
        self.state = State::Stopping(then);
    }

    fn send(&mut self) {
        self.actions.push_back(CallerAction::Send { urgency: self.urgency, privacy: self.privacy });
    }

    fn send_then(&mut self, then: Then) {
        self.send();
        self.state = State::Sending(then);
    }

    fn say_then(&mut self, say: Say, state: State) {
        self.actions.push_back(CallerAction::Say(say));
        self.state = state;
    }

    fn leave(&mut self, then: Then) {
        match then {
            Then::Dialogue => self.end_with(CallerAction::HangUp),
            Then::Operator => self.end_with(CallerAction::Operator),
        }
    }

    fn end_with(&mut self, action: CallerAction) {
        self.actions.push_back(action);
        self.state = State::Over;
    }
}

/// How many recordings of a call may be too short.
const MAX_TRIES: u32 = 3;
