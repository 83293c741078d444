//! [`CallerDialogue`]: with who leaves a message.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Digit, Greeting, Greetings, Menu, Prompt, Say};
use crate::message::{MailboxId, Privacy, Urgency};

/// The dialogue with a caller: greeting, tone, recording, review.
///
/// `#` skips the greeting and ends the recording, `0` asks for the operator, where there is one, and `*` during the greeting is for an
/// owner who calls from elsewhere. What was said is kept when the caller hangs up, during the recording or after it.
///
/// ```
/// use voicemail::telephone::{CallerAction, CallerDialogue, CallerEvent, Digit, Greeting, Greetings, Prompt, Reason};
///
/// let greetings = Greetings { normal: true, ..Greetings::default() };
/// let mut call = CallerDialogue::new("2041".parse()?, greetings, Reason::NoAnswer);
/// assert_eq!(call.poll_action(), Some(CallerAction::Say(vec![Prompt::Greeting(Greeting::Normal), Prompt::Tone])));
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

/// Why a caller comes to a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Nobody answered, or all calls come here.
    NoAnswer,
    /// The line is busy.
    Busy,
}

/// What happened on a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallerEvent {
    /// What was to be said has been said to its end.
    Played,
    /// The caller pressed a key.
    Digit(Digit),
    /// The recording has ended: by [`CallerAction::StopRecording`], by silence, or by its longest length.
    Recorded(Recorded),
    /// The caller said and pressed nothing for a while, after all was said.
    Silence,
    /// The caller has hung up.
    HungUp,
}

/// What a recording came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// How long it is.
    pub length: Duration,
}

/// What is to be done on a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallerAction {
    /// Say this, until a digit comes.
    Say(Say),
    /// Begin to record.
    Record,
    /// End the recording, and tell its length.
    StopRecording,
    /// Throw away what was recorded.
    Discard,
    /// Keep what was recorded, ending the recording if it goes on; it is the message.
    Send {
        /// Whether it comes before others.
        urgency: Urgency,
        /// Whether its owner may pass it on.
        privacy: Privacy,
    },
    /// Connect the caller to the operator. The dialogue is over.
    Operator,
    /// Ask for a PIN, with an [`OwnerDialogue`](super::OwnerDialogue). This dialogue is over.
    Owner,
    /// Hang up. The dialogue is over.
    HangUp,
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
            (Greetings { temporary: true, .. }, _) => Prompt::Greeting(Greeting::Temporary),
            (Greetings { busy: true, .. }, Reason::Busy) => Prompt::Greeting(Greeting::Busy),
            (Greetings { normal: true, .. }, _) => Prompt::Greeting(Greeting::Normal),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn call(greetings: Greetings, reason: Reason) -> CallerDialogue {
        CallerDialogue::new("2041".parse().unwrap(), greetings, reason)
    }

    /// All that is to be done after `event`.
    fn after(call: &mut CallerDialogue, event: CallerEvent) -> Vec<CallerAction> {
        call.handle(event);
        std::iter::from_fn(|| call.poll_action()).collect()
    }

    fn digit(c: char) -> CallerEvent {
        CallerEvent::Digit(Digit::from_char(c).unwrap())
    }

    fn recorded(secs: u64) -> CallerEvent {
        CallerEvent::Recorded(Recorded { length: Duration::from_secs(secs) })
    }

    fn say(prompts: &[Prompt]) -> CallerAction {
        CallerAction::Say(prompts.to_vec())
    }

    fn sent(urgency: Urgency, privacy: Privacy) -> CallerAction {
        CallerAction::Send { urgency, privacy }
    }

    #[test]
    fn the_greeting_is_the_one_for_the_occasion() {
        let nobody = Prompt::NobodyThere("2041".parse().unwrap());
        let of = |normal, busy, temporary| Greetings { normal, busy, temporary };
        for (greetings, reason, greeting) in [
            (of(true, true, true), Reason::Busy, Prompt::Greeting(Greeting::Temporary)),
            (of(true, true, false), Reason::Busy, Prompt::Greeting(Greeting::Busy)),
            (of(true, true, false), Reason::NoAnswer, Prompt::Greeting(Greeting::Normal)),
            (of(true, false, false), Reason::Busy, Prompt::Greeting(Greeting::Normal)),
            (of(false, true, false), Reason::NoAnswer, nobody.clone()),
            (of(false, false, false), Reason::Busy, nobody),
        ] {
            assert_eq!(call(greetings, reason).poll_action(), Some(say(&[greeting, Prompt::Tone])));
        }
    }

    #[test]
    fn a_caller_reviews_records_again_and_marks_before_sending() {
        let mut call = call(Greetings::default(), Reason::NoAnswer);
        call.poll_action();
        assert_eq!(after(&mut call, digit('#')), [say(&[Prompt::Tone])]);
        assert_eq!(after(&mut call, CallerEvent::Played), [CallerAction::Record]);
        assert_eq!(after(&mut call, digit('5')), [], "a digit in a recording is part of it");
        assert_eq!(after(&mut call, digit('#')), [CallerAction::StopRecording]);
        let menu = Prompt::Menu(Menu::Review);
        assert_eq!(after(&mut call, recorded(5)), [say(std::slice::from_ref(&menu))]);
        assert_eq!(after(&mut call, digit('2')), [say(&[Prompt::PlayRecording, menu.clone()])]);
        assert_eq!(after(&mut call, digit('3')), [CallerAction::Discard, say(&[Prompt::Tone])]);
        assert_eq!(after(&mut call, CallerEvent::Played), [CallerAction::Record]);
        assert_eq!(after(&mut call, recorded(7)), [say(std::slice::from_ref(&menu))], "ended by silence or length");
        assert_eq!(after(&mut call, digit('4')), [say(&[Prompt::MarkedUrgent, menu.clone()])]);
        assert_eq!(after(&mut call, digit('5')), [say(&[Prompt::MarkedPrivate, menu])]);
        assert_eq!(
            after(&mut call, digit('1')),
            [sent(Urgency::Urgent, Privacy::Private), say(&[Prompt::Sent, Prompt::Goodbye])]
        );
        assert_eq!(after(&mut call, CallerEvent::Played), [CallerAction::HangUp]);
        assert!(call.is_over());
    }

    #[test]
    fn whoever_says_nothing_is_asked_three_times() {
        let mut call = call(Greetings::default(), Reason::NoAnswer);
        call.poll_action();
        for again in [true, true, false] {
            assert_eq!(after(&mut call, CallerEvent::Played), [CallerAction::Record]);
            let next = if again { Prompt::Tone } else { Prompt::Goodbye };
            assert_eq!(after(&mut call, recorded(0)), [CallerAction::Discard, say(&[Prompt::TooShort, next])]);
        }
        assert_eq!(after(&mut call, CallerEvent::Played), [CallerAction::HangUp]);
    }

    #[test]
    fn the_operator_is_reached_where_there_is_one_and_what_was_said_is_kept() {
        let mut none = call(Greetings::default(), Reason::NoAnswer);
        none.poll_action();
        assert_eq!(after(&mut none, digit('0')), [say(&[Prompt::Tone])]);
        let mut call = call(Greetings::default(), Reason::NoAnswer).with_operator();
        call.poll_action();
        after(&mut call, CallerEvent::Played);
        assert_eq!(after(&mut call, digit('0')), [CallerAction::StopRecording]);
        assert_eq!(after(&mut call, recorded(5)), [sent(Urgency::Normal, Privacy::Normal), CallerAction::Operator]);
        assert!(call.is_over());
    }

    #[test]
    fn a_full_mailbox_is_said_and_no_more() {
        let mut call = CallerDialogue::full();
        assert_eq!(call.poll_action(), Some(say(&[Prompt::MailboxFull, Prompt::Goodbye])));
        assert_eq!(after(&mut call, CallerEvent::Played), [CallerAction::HangUp]);
    }

    fn events() -> impl Strategy<Value = CallerEvent> {
        prop_oneof![
            3 => Just(CallerEvent::Played),
            6 => "[0-9*#]".prop_map(|key| digit(key.chars().next().unwrap())),
            3 => (0..10_u64).prop_map(recorded),
            1 => Just(CallerEvent::Silence),
        ]
    }

    proptest! {
        #[test]
        fn whatever_happens_a_recording_is_sent_or_discarded_once_and_the_call_ends(
            events in proptest::collection::vec(events(), 0..60), operator: bool
        ) {
            let mut call = call(Greetings::default(), Reason::NoAnswer);
            if operator {
                call = call.with_operator();
            }
            let mut held = false;
            for event in events.into_iter().chain([CallerEvent::HungUp, CallerEvent::Played, digit('1'), recorded(3)]) {
                for action in after(&mut call, event) {
                    match action {
                        CallerAction::Record => {
                            prop_assert!(!held, "a recording before the last one is settled");
                            held = true;
                        }
                        CallerAction::Send { .. } | CallerAction::Discard => {
                            prop_assert!(held, "sent or discarded twice");
                            held = false;
                        }
                        CallerAction::Operator => prop_assert!(operator),
                        CallerAction::Say(_) | CallerAction::StopRecording | CallerAction::Owner | CallerAction::HangUp => {}
                    }
                }
            }
            prop_assert!(!held && call.is_over());
        }
    }
}
