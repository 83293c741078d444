//! [`OwnerDialogue`]: the dialogue with an owner who listens to messages.

mod events;
mod messages;
mod pins;
mod playback;
mod recordings;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

pub use self::events::{GreetingOutcome, MarkOutcome, OwnerAction, OwnerEvent, PinChangeOutcome, RecordingPurpose, SendOutcome};
use self::messages::{MessageList, Stage, StatusChange};
use super::{Digit, GreetingKind, KeyMap, Pin, Place, Prompt, Say};
use crate::message::{Status, Summary};

/// The dialogue with an owner: PIN, messages, greetings.
///
/// Nothing about the mailbox is said before the right PIN was entered. A message becomes old when it was played to its end, or
/// when its owner keeps it.
///
/// ```
/// use voicemail::telephone::{Digit, OwnerAction, OwnerDialogue, OwnerEvent, Prompt, PinVerdict};
///
/// let now = "2026-11-22T18:00:00Z".parse()?;
/// let mut call = OwnerDialogue::new(chrono_tz::Europe::London);
/// assert_eq!(call.poll_action(), Some(OwnerAction::Say(vec![Prompt::EnterPin])));
/// for key in "480913#".chars().filter_map(Digit::from_char) {
///     call.handle(OwnerEvent::Digit(key), now);
/// }
/// assert_eq!(call.poll_action(), Some(OwnerAction::CheckPin("480913".into())));
/// call.handle(OwnerEvent::Checked(PinVerdict::Right), now);
/// assert_eq!(call.poll_action(), Some(OwnerAction::Count));
/// # Ok::<(), chrono::ParseError>(())
/// ```
pub struct OwnerDialogue {
    state: OwnerState,
    zone: Tz,
    wrong_pins: u32,
    silences: u32,
    actions: VecDeque<OwnerAction>,
}

impl fmt::Debug for OwnerDialogue {
    /// Does not show the digits that were typed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnerDialogue").field("is_over", &self.is_over()).finish_non_exhaustive()
    }
}

enum OwnerState {
    Pin {
        entered: String,
    },
    Checking,
    Counting,
    Main,
    Listing(MessageList),
    AtMessage(MessageList, Stage),
    /// The store changes the current message's status. A digit that comes meanwhile takes effect afterwards.
    Marking(MessageList, StatusChange, Option<Digit>),
    Address {
        messages: MessageList,
        entered: String,
    },
    Greetings,
    /// The prompts before the tone of a recording are played.
    Announcing(RecordingPurpose, Option<MessageList>),
    Recording(RecordingPurpose, Option<MessageList>),
    Reviewing(RecordingPurpose, Option<MessageList>),
    /// The greeting that was recorded is being saved.
    SavingGreeting(GreetingKind),
    RemovingGreeting,
    /// A message is being sent, with the recording of this purpose if there is one.
    Sending(Option<RecordingPurpose>, MessageList),
    NewPin {
        first: Option<Pin>,
        entered: String,
    },
    ChangingPin,
    Leaving,
    Over,
}

impl OwnerDialogue {
    /// Begins a call to a mailbox whose owner hears times in `zone`. The first prompt asks for the PIN.
    pub fn new(zone: Tz) -> Self {
        let actions = VecDeque::from([OwnerAction::Say(vec![Prompt::EnterPin])]);
        Self { state: OwnerState::Pin { entered: String::new() }, zone, wrong_pins: 0, silences: 0, actions }
    }

    /// Returns the next action; `None` until there is another event.
    pub fn poll_action(&mut self) -> Option<OwnerAction> {
        self.actions.pop_front()
    }

    /// Whether the dialogue is over.
    pub fn is_over(&self) -> bool {
        matches!(self.state, OwnerState::Over) && self.actions.is_empty()
    }

    /// Takes in an event of the call at the time `now`, from which days are named ("today").
    pub fn handle(&mut self, event: OwnerEvent, now: DateTime<Utc>) {
        // Every arm that does not end the call puts a state back.
        let state = std::mem::replace(&mut self.state, OwnerState::Over);
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

    fn hung_up(&mut self, state: &OwnerState) {
        self.actions.clear();
        match state {
            OwnerState::Recording(..) | OwnerState::Reviewing(..) => self.act(OwnerAction::Discard),
            OwnerState::Pin { .. }
            | OwnerState::Checking
            | OwnerState::Counting
            | OwnerState::Main
            | OwnerState::Listing(_)
            | OwnerState::AtMessage(..)
            | OwnerState::Marking(..)
            | OwnerState::Address { .. }
            | OwnerState::Greetings
            | OwnerState::Announcing(..)
            | OwnerState::SavingGreeting(_)
            | OwnerState::RemovingGreeting
            | OwnerState::Sending(..)
            | OwnerState::NewPin { .. }
            | OwnerState::ChangingPin
            | OwnerState::Leaving
            | OwnerState::Over => {}
        }
    }

    fn digit(&mut self, state: OwnerState, digit: Digit, now: DateTime<Utc>) -> OwnerState {
        match state {
            OwnerState::Pin { entered } => self.pin_digit(entered, digit),
            OwnerState::Main => self.main_digit(digit),
            OwnerState::AtMessage(messages, _) => self.message_digit(messages, digit, now),
            OwnerState::Marking(messages, change, _) => OwnerState::Marking(messages, change, Some(digit)),
            OwnerState::Address { messages, entered } => self.address_digit(messages, entered, digit),
            OwnerState::Greetings => self.greeting_digit(digit),
            // A digit cuts the prompts before the tone short.
            OwnerState::Announcing(purpose, messages) => self.begin_recording(purpose, messages),
            OwnerState::Recording(purpose, messages) => {
                if digit == Digit::Pound {
                    self.act(OwnerAction::StopRecording);
                }
                OwnerState::Recording(purpose, messages)
            }
            OwnerState::Reviewing(purpose, messages) => self.review_digit(purpose, messages, digit),
            OwnerState::NewPin { first, entered } => self.new_pin_digit(first, entered, digit),
            OwnerState::Leaving => self.hang_up(),
            waiting @ (OwnerState::Checking
            | OwnerState::Counting
            | OwnerState::Listing(_)
            | OwnerState::SavingGreeting(_)
            | OwnerState::RemovingGreeting
            | OwnerState::Sending(..)
            | OwnerState::ChangingPin
            | OwnerState::Over) => waiting,
        }
    }

    fn played(&mut self, state: OwnerState, now: DateTime<Utc>) -> OwnerState {
        match state {
            OwnerState::AtMessage(messages, Stage::Playing) => match messages.unheard() {
                Some(id) => self.mark(messages, StatusChange::Heard, OwnerAction::MarkOld(id)),
                None => self.at_message(messages, Vec::new()),
            },
            OwnerState::AtMessage(messages, Stage::Done) => self.next_message(messages, now),
            OwnerState::Announcing(purpose, messages) => self.begin_recording(purpose, messages),
            OwnerState::Leaving => self.hang_up(),
            other => other,
        }
    }

    fn not_played(&mut self, state: OwnerState, now: DateTime<Utc>) -> OwnerState {
        match state {
            OwnerState::AtMessage(messages, Stage::Playing) => self.at_message(messages, vec![Prompt::MessagesUnavailable]),
            other => self.played(other, now),
        }
    }

    fn silence(&mut self, state: OwnerState) -> OwnerState {
        self.silences += 1;
        if self.silences >= MAX_SILENCES {
            return self.hang_up_after_silence(state);
        }
        match &state {
            OwnerState::Pin { .. } => self.say(vec![Prompt::EnterPin]),
            OwnerState::Main => self.say(vec![menu(Place::Main)]),
            OwnerState::AtMessage(..) => self.say(vec![menu(Place::Played)]),
            OwnerState::Greetings => self.say(vec![menu(Place::Greetings)]),
            OwnerState::Reviewing(..) => self.say(vec![menu(Place::OwnerReview)]),
            OwnerState::Address { .. } => self.say(vec![Prompt::EnterMailbox]),
            OwnerState::NewPin { first, .. } => {
                self.say(vec![if first.is_none() { Prompt::EnterNewPin } else { Prompt::RepeatNewPin }]);
            }
            OwnerState::Checking
            | OwnerState::Counting
            | OwnerState::Listing(_)
            | OwnerState::Marking(..)
            | OwnerState::Announcing(..)
            | OwnerState::Recording(..)
            | OwnerState::SavingGreeting(_)
            | OwnerState::RemovingGreeting
            | OwnerState::Sending(..)
            | OwnerState::ChangingPin
            | OwnerState::Leaving
            | OwnerState::Over => {}
        }
        // Playback that the menu has interrupted does not continue.
        match state {
            OwnerState::AtMessage(messages, Stage::Playing) => OwnerState::AtMessage(messages, Stage::Played),
            other => other,
        }
    }

    /// Ends a call in which the owner has pressed nothing for too long. The result of an action is awaited first.
    fn hang_up_after_silence(&mut self, state: OwnerState) -> OwnerState {
        match state {
            waiting @ (OwnerState::Checking
            | OwnerState::Counting
            | OwnerState::Listing(_)
            | OwnerState::Marking(..)
            | OwnerState::SavingGreeting(_)
            | OwnerState::RemovingGreeting
            | OwnerState::Sending(..)
            | OwnerState::ChangingPin
            | OwnerState::Recording(..)
            | OwnerState::Over) => waiting,
            OwnerState::Reviewing(..) => {
                self.act(OwnerAction::Discard);
                self.leave(Vec::new())
            }
            OwnerState::Pin { .. }
            | OwnerState::Main
            | OwnerState::AtMessage(..)
            | OwnerState::Address { .. }
            | OwnerState::Greetings
            | OwnerState::Announcing(..)
            | OwnerState::NewPin { .. }
            | OwnerState::Leaving => self.leave(Vec::new()),
        }
    }

    fn counted(&mut self, state: OwnerState, summary: Option<Summary>) -> OwnerState {
        let OwnerState::Counting = state else { return state };
        let Some(summary) = summary else {
            self.say(vec![Prompt::MessagesUnavailable, menu(Place::Main)]);
            return OwnerState::Main;
        };
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let have = Prompt::MessageCounts { new: count(summary.new), urgent: count(summary.urgent_new), old: count(summary.old) };
        self.say(vec![have, menu(Place::Main)]);
        OwnerState::Main
    }

    fn main_digit(&mut self, digit: Digit) -> OwnerState {
        let status = match digit {
            Digit::One => Status::New,
            Digit::Two => Status::Old,
            Digit::Three => Status::Removed,
            Digit::Four => {
                self.say(vec![menu(Place::Greetings)]);
                return OwnerState::Greetings;
            }
            Digit::Five => {
                self.say(vec![Prompt::EnterNewPin]);
                return OwnerState::NewPin { first: None, entered: String::new() };
            }
            Digit::Star => return self.leave(Vec::new()),
            _ => {
                self.say(vec![Prompt::NotUnderstood, menu(Place::Main)]);
                return OwnerState::Main;
            }
        };
        let messages = MessageList { status: Some(status), ..MessageList::default() };
        self.act(OwnerAction::List(messages.query()));
        OwnerState::Listing(messages)
    }

    fn leave(&mut self, mut say: Say) -> OwnerState {
        say.push(Prompt::Goodbye);
        self.say(say);
        OwnerState::Leaving
    }

    fn hang_up(&mut self) -> OwnerState {
        self.act(OwnerAction::HangUp);
        OwnerState::Over
    }

    /// Joins all prompts since the last event into one action, so that `Played` always means the end of all of them.
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

fn menu(place: Place) -> Prompt {
    Prompt::Menu(KeyMap::default().menu(place, place.functions()))
}

const MAX_ENTERED: usize = 20;
const MAX_SILENCES: u32 = 3;
/// The length below which a recording counts as none.
const MIN_RECORDING: Duration = Duration::from_secs(1);
