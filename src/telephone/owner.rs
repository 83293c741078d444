//! [`OwnerDialogue`]: the dialogue with an owner who hears messages.

mod hearing;
mod messages;
mod pins;
mod recordings;
#[cfg(test)]
mod tests;
mod words;

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use self::messages::{Change, Messages, Stage};
pub use self::words::{GreetingSet, Marked, OwnerAction, OwnerEvent, PinSet, Purpose, Sent};
use super::{Digit, GreetingKind, Menu, Pin, Prompt, Say};
use crate::message::{Status, Summary};

/// The dialogue with an owner: PIN, messages, greetings.
///
/// Nothing is said of the mailbox before the PIN was right. A message becomes old when it was played to its end, or when its owner
/// keeps it.
///
/// ```
/// use voicemail::telephone::{Digit, OwnerAction, OwnerDialogue, OwnerEvent, Prompt, Verdict};
///
/// let now = "2026-11-22T18:00:00Z".parse()?;
/// let mut call = OwnerDialogue::new(chrono_tz::Europe::London);
/// assert_eq!(call.poll_action(), Some(OwnerAction::Say(vec![Prompt::EnterPin])));
/// for key in "480913#".chars().filter_map(Digit::from_char) {
///     call.handle(OwnerEvent::Digit(key), now);
/// }
/// assert_eq!(call.poll_action(), Some(OwnerAction::CheckPin("480913".into())));
/// call.handle(OwnerEvent::Checked(Verdict::Right), now);
/// assert_eq!(call.poll_action(), Some(OwnerAction::Count));
/// # Ok::<(), chrono::ParseError>(())
/// ```
pub struct OwnerDialogue {
    state: State,
    zone: Tz,
    wrong_pins: u32,
    silences: u32,
    actions: VecDeque<OwnerAction>,
}

impl fmt::Debug for OwnerDialogue {
    /// Shows nothing of what was typed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnerDialogue").field("is_over", &self.is_over()).finish_non_exhaustive()
    }
}

enum State {
    Pin {
        entered: String,
    },
    Checking,
    Counting,
    Main,
    Listing(Messages),
    Messages(Messages, Stage),
    /// The store is asked to change the current message's status. A digit that comes meanwhile counts afterwards.
    Marking(Messages, Change, Option<Digit>),
    Address {
        messages: Messages,
        entered: String,
    },
    Greetings,
    /// The words before the tone.
    Announcing(Purpose, Option<Messages>),
    Recording(Purpose, Option<Messages>),
    Reviewing(Purpose, Option<Messages>),
    /// The greeting that was recorded is being saved.
    SavingGreeting(GreetingKind),
    DroppingGreeting,
    /// A message is being sent, with what was recorded for the purpose if there is one.
    Sending(Option<Purpose>, Messages),
    NewPin {
        first: Option<Pin>,
        entered: String,
    },
    ChangingPin,
    Leaving,
    Over,
}

impl OwnerDialogue {
    /// A call to a mailbox whose owner reads times in `zone`. It begins with the PIN.
    pub fn new(zone: Tz) -> Self {
        let actions = VecDeque::from([OwnerAction::Say(vec![Prompt::EnterPin])]);
        Self { state: State::Pin { entered: String::new() }, zone, wrong_pins: 0, silences: 0, actions }
    }

    /// Returns the next action; `None` until something happens.
    pub fn poll_action(&mut self) -> Option<OwnerAction> {
        self.actions.pop_front()
    }

    /// Whether the dialogue is over.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over) && self.actions.is_empty()
    }

    /// Takes in an event of the call at `now`, by which days are named.
    pub fn handle(&mut self, event: OwnerEvent, now: DateTime<Utc>) {
        // Every arm that goes on puts a state back.
        let state = std::mem::replace(&mut self.state, State::Over);
        match event {
            OwnerEvent::HungUp => self.hung_up(&state),
            OwnerEvent::Digit(digit) => {
                self.silences = 0;
                self.state = self.digit(state, digit, now);
            }
            OwnerEvent::Played => self.state = self.played(state, now),
            OwnerEvent::NotPlayed => self.state = self.not_played(state, now),
            OwnerEvent::Silence => self.state = self.silence(state),
            OwnerEvent::Checked(verdict) => self.state = self.checked(state, verdict),
            OwnerEvent::Counted(summary) => self.state = self.counted(state, Some(summary)),
            OwnerEvent::NotCounted => self.state = self.counted(state, None),
            OwnerEvent::Listed(page) => self.state = self.listed(state, page, now),
            OwnerEvent::NotListed => self.state = self.not_listed(state),
            OwnerEvent::Marked(marked) => self.state = self.marked(state, marked, now),
            OwnerEvent::Recorded(recorded) => self.state = self.recorded(state, recorded),
            OwnerEvent::NotRecorded => self.state = self.not_recorded(state),
            OwnerEvent::GreetingSet(set) => self.state = self.greeting_set(state, set),
            OwnerEvent::Sent(sent) => self.state = self.sent(state, sent),
            OwnerEvent::PinSet(set) => self.state = self.pin_set(state, set),
        }
    }

    fn hung_up(&mut self, state: &State) {
        self.actions.clear();
        match state {
            State::Recording(..) | State::Reviewing(..) => self.act(OwnerAction::Discard),
            State::Pin { .. }
            | State::Checking
            | State::Counting
            | State::Main
            | State::Listing(_)
            | State::Messages(..)
            | State::Marking(..)
            | State::Address { .. }
            | State::Greetings
            | State::Announcing(..)
            | State::SavingGreeting(_)
            | State::DroppingGreeting
            | State::Sending(..)
            | State::NewPin { .. }
            | State::ChangingPin
            | State::Leaving
            | State::Over => {}
        }
    }

    fn digit(&mut self, state: State, digit: Digit, now: DateTime<Utc>) -> State {
        match state {
            State::Pin { entered } => self.pin_digit(entered, digit),
            State::Main => self.main_digit(digit),
            State::Messages(messages, _) => self.message_digit(messages, digit, now),
            State::Marking(messages, change, _) => State::Marking(messages, change, Some(digit)),
            State::Address { messages, entered } => self.address_digit(messages, entered, digit),
            State::Greetings => self.greeting_digit(digit),
            // The words before the tone are cut short.
            State::Announcing(purpose, messages) => self.begin_recording(purpose, messages),
            State::Recording(purpose, messages) => {
                if digit == Digit::Pound {
                    self.act(OwnerAction::StopRecording);
                }
                State::Recording(purpose, messages)
            }
            State::Reviewing(purpose, messages) => self.review_digit(purpose, messages, digit),
            State::NewPin { first, entered } => self.new_pin_digit(first, entered, digit),
            State::Leaving => self.hang_up(),
            waiting @ (State::Checking
            | State::Counting
            | State::Listing(_)
            | State::SavingGreeting(_)
            | State::DroppingGreeting
            | State::Sending(..)
            | State::ChangingPin
            | State::Over) => waiting,
        }
    }

    fn played(&mut self, state: State, now: DateTime<Utc>) -> State {
        match state {
            State::Messages(messages, Stage::Playing) => match messages.unheard() {
                Some(id) => self.mark(messages, Change::Hear, OwnerAction::Heard(id)),
                None => self.at_message(messages, Vec::new()),
            },
            State::Messages(messages, Stage::Done) => self.go_on(messages, now),
            State::Announcing(purpose, messages) => self.begin_recording(purpose, messages),
            State::Leaving => self.hang_up(),
            other => other,
        }
    }

    fn not_played(&mut self, state: State, now: DateTime<Utc>) -> State {
        match state {
            State::Messages(messages, Stage::Playing) => self.at_message(messages, vec![Prompt::MessagesUnavailable]),
            other => self.played(other, now),
        }
    }

    fn silence(&mut self, state: State) -> State {
        self.silences += 1;
        if self.silences >= MAX_SILENCES {
            if matches!(state, State::Reviewing(..)) {
                self.act(OwnerAction::Discard);
            }
            return match state {
                // What is under way is awaited.
                waiting @ (State::Checking
                | State::Counting
                | State::Listing(_)
                | State::Marking(..)
                | State::SavingGreeting(_)
                | State::DroppingGreeting
                | State::Sending(..)
                | State::ChangingPin
                | State::Recording(..)) => waiting,
                State::Over => State::Over,
                _ => self.leave(Vec::new()),
            };
        }
        match &state {
            State::Pin { .. } => self.say(vec![Prompt::EnterPin]),
            State::Main => self.say(vec![Prompt::Menu(Menu::Main)]),
            State::Messages(..) => self.say(vec![Prompt::Menu(Menu::Message)]),
            State::Greetings => self.say(vec![Prompt::Menu(Menu::Greetings)]),
            State::Reviewing(..) => self.say(vec![Prompt::Menu(Menu::Recording)]),
            State::Address { .. } => self.say(vec![Prompt::EnterMailbox]),
            State::NewPin { first, .. } => {
                self.say(vec![if first.is_none() { Prompt::EnterNewPin } else { Prompt::RepeatNewPin }]);
            }
            State::Checking
            | State::Counting
            | State::Listing(_)
            | State::Marking(..)
            | State::Announcing(..)
            | State::Recording(..)
            | State::SavingGreeting(_)
            | State::DroppingGreeting
            | State::Sending(..)
            | State::ChangingPin
            | State::Leaving
            | State::Over => {}
        }
        // A message that was cut short is not played on.
        match state {
            State::Messages(messages, Stage::Playing) => State::Messages(messages, Stage::Played),
            other => other,
        }
    }

    fn counted(&mut self, state: State, summary: Option<Summary>) -> State {
        let State::Counting = state else { return state };
        let Some(summary) = summary else {
            self.say(vec![Prompt::MessagesUnavailable, Prompt::Menu(Menu::Main)]);
            return State::Main;
        };
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let have = Prompt::YouHave { new: count(summary.new), urgent: count(summary.urgent_new), old: count(summary.old) };
        self.say(vec![have, Prompt::Menu(Menu::Main)]);
        State::Main
    }

    fn main_digit(&mut self, digit: Digit) -> State {
        let status = match digit {
            Digit::Number(1) => Status::New,
            Digit::Number(2) => Status::Old,
            Digit::Number(3) => Status::Removed,
            Digit::Number(4) => {
                self.say(vec![Prompt::Menu(Menu::Greetings)]);
                return State::Greetings;
            }
            Digit::Number(5) => {
                self.say(vec![Prompt::EnterNewPin]);
                return State::NewPin { first: None, entered: String::new() };
            }
            Digit::Star => return self.leave(Vec::new()),
            Digit::Number(_) | Digit::Pound => {
                self.say(vec![Prompt::NotUnderstood, Prompt::Menu(Menu::Main)]);
                return State::Main;
            }
        };
        let messages = Messages { status: Some(status), ..Messages::default() };
        self.act(OwnerAction::List(messages.query()));
        State::Listing(messages)
    }

    fn leave(&mut self, mut say: Say) -> State {
        say.push(Prompt::Goodbye);
        self.say(say);
        State::Leaving
    }

    fn hang_up(&mut self) -> State {
        self.act(OwnerAction::HangUp);
        State::Over
    }

    /// Says one thing after the other in one action: `Played` always means the end of all.
    fn say(&mut self, say: Say) {
        match self.actions.back_mut() {
            Some(OwnerAction::Say(before)) => before.extend(say),
            _ if say.is_empty() => {}
            _ => self.act(OwnerAction::Say(say)),
        }
    }

    fn act(&mut self, action: OwnerAction) {
        self.actions.push_back(action);
    }
}

const MAX_ENTERED: usize = 20;
const MAX_SILENCES: u32 = 3;
/// A shorter recording counts as none.
const MIN_RECORDING: Duration = Duration::from_secs(1);
