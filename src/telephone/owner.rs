//! [`OwnerDialogue`]: the dialogue with an owner who listens to messages.

mod actions;
mod addressing;
mod builder;
mod events;
mod first_use;
mod greetings;
mod keys;
mod lists;
mod login;
mod main_menu;
mod message_functions;
mod messages;
mod new_pin;
mod own_list;
mod playback;
mod prompts;
mod recording;
mod sending;
mod sent;
mod sent_list;
mod state;
#[cfg(test)]
mod tests;
mod typed_ahead;

use std::collections::VecDeque;
use std::fmt;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

pub use self::actions::{OwnerAction, PlaybackControl, RecordingPurpose};
pub use self::builder::OwnerDialogueBuilder;
pub use self::events::{
    Addressee, GreetingOutcome, ListOutcome, MarkOutcome, OpenedMailbox, OwnerEvent, PinChangeOutcome, SendOutcome, TakeOutcome,
};
use self::messages::Stage;
use self::state::OwnerState;
use super::{Digit, EnteredPin, Function, Greetings, KeyMap, Prompt, Say};
use crate::message::{MailboxId, Summary};

/// The dialogue with an owner: log-in, messages, greetings, PIN.
///
/// Nothing about the mailbox is said before the right PIN was entered, and an owner who has entered the number of a mailbox hears
/// the same whether the PIN is wrong or no mailbox has the number. A mailbox that is opened with its initial PIN is set up first:
/// name, greeting, and a new PIN.
///
/// A message becomes old when it was played to its end, or when its owner keeps it. The keys are those of a [`KeyMap`]; a menu
/// offers only what works where it is said. An owner who presses nothing three times in a row hears goodbye.
///
/// ```
/// use voicemail::telephone::{
///     Digit, Greetings, OpenedMailbox, OwnerAction, OwnerDialogue, OwnerEvent, PinVerdict, Prompt,
/// };
///
/// let now = "2026-11-22T18:00:00Z".parse()?;
/// let mailbox: voicemail::message::MailboxId = "2041".parse()?;
/// let mut call = OwnerDialogue::builder().mailbox(mailbox.clone()).build();
/// assert_eq!(call.poll_action(), Some(OwnerAction::Say(vec![Prompt::EnterPin])));
/// for key in "480913#".chars().filter_map(Digit::from_char) {
///     call.handle(OwnerEvent::Digit(key), now);
/// }
/// assert_eq!(call.poll_action(), Some(OwnerAction::CheckPin { mailbox: mailbox.clone(), pin: "480913".into() }));
/// call.handle(OwnerEvent::Checked(PinVerdict::Right), now);
/// assert_eq!(call.poll_action(), Some(OwnerAction::Open(mailbox.clone())));
/// let opened = OpenedMailbox::new(mailbox, chrono_tz::Europe::London, Default::default(), Greetings::default());
/// call.handle(OwnerEvent::Opened(opened), now);
/// assert!(matches!(call.poll_action(), Some(OwnerAction::Say(_)))); // the numbers of messages, and the main menu
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct OwnerDialogue {
    state: OwnerState,
    /// The mailbox of the telephone that calls.
    own: Option<MailboxId>,
    keys: KeyMap,
    /// The keys that were pressed since the last function.
    typed: Vec<Digit>,
    /// The keys that were pressed while a result is awaited.
    ahead: VecDeque<Digit>,
    /// Whether the prompts that were said last end at a key that was typed ahead.
    cuts: bool,
    zone: Tz,
    /// The facts of the opened mailbox, as far as they are known.
    greetings: Option<Greetings>,
    summary: Option<Summary>,
    /// The functions that the opened mailbox has beside those of each mailbox.
    functions: Vec<Function>,
    wrong_pins: u32,
    /// The initial PIN that opened the mailbox, which the new one must not be.
    initial_pin: Option<EnteredPin>,
    silences: u32,
    /// The time of the event that is handled.
    now: DateTime<Utc>,
    actions: VecDeque<OwnerAction>,
}

impl fmt::Debug for OwnerDialogue {
    /// Does not show the digits that were typed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnerDialogue").field("is_over", &self.is_over()).finish_non_exhaustive()
    }
}

impl OwnerDialogue {
    /// Begins to describe an owner's call.
    pub fn builder() -> OwnerDialogueBuilder {
        OwnerDialogueBuilder::new()
    }

    fn new(own: Option<MailboxId>, keys: KeyMap, zone: Tz) -> Self {
        let mut dialogue = Self {
            state: Self::first_state(own.as_ref()),
            own,
            keys,
            typed: Vec::new(),
            ahead: VecDeque::new(),
            cuts: false,
            zone,
            greetings: None,
            summary: None,
            functions: Vec::new(),
            wrong_pins: 0,
            initial_pin: None,
            silences: 0,
            now: DateTime::UNIX_EPOCH,
            actions: VecDeque::new(),
        };
        dialogue.say(dialogue.invitation(&dialogue.state));
        dialogue
    }

    /// Returns the next action; `None` until there is another event.
    pub fn poll_action(&mut self) -> Option<OwnerAction> {
        self.actions.pop_front()
    }

    /// Whether the dialogue is over.
    pub fn is_over(&self) -> bool {
        matches!(self.state, OwnerState::Over) && self.actions.is_empty()
    }

    /// Takes in an event of the call at the time `now`, from which days are named ("today"). An event that is not expected changes
    /// nothing.
    pub fn handle(&mut self, event: OwnerEvent, now: DateTime<Utc>) {
        self.now = now;
        self.forget_ahead_of_failure(&event);
        // Every arm that does not end the call puts a state back.
        let state = std::mem::replace(&mut self.state, OwnerState::Over);
        self.state = match event {
            OwnerEvent::HungUp => self.hung_up(&state),
            OwnerEvent::Digit(digit) => self.digit(state, digit),
            OwnerEvent::Played => self.played(state),
            OwnerEvent::NotPlayed => self.not_played(state),
            OwnerEvent::Silence => self.silence(state),
            OwnerEvent::Checked(verdict) => self.checked(state, verdict),
            OwnerEvent::Opened(opened) => self.opened(state, &opened),
            OwnerEvent::NotOpened => self.not_opened(state),
            OwnerEvent::Listed(page) => self.listed(state, page),
            OwnerEvent::NotListed => self.not_listed(state),
            OwnerEvent::Marked(marked) => self.marked(state, marked),
            OwnerEvent::Recorded(recorded) => self.recorded(state, recorded),
            OwnerEvent::NotRecorded => self.not_recorded(state),
            OwnerEvent::GreetingSet(set) => self.greeting_set(state, set),
            OwnerEvent::Addressee(addressee) => self.addressee(state, addressee),
            OwnerEvent::Sent(sent) => self.sent(state, sent),
            OwnerEvent::NotConnected => self.not_connected(state),
            OwnerEvent::PinSet(set) => self.pin_set(state, set),
            OwnerEvent::SentListed(messages) => self.sent_listed(state, messages),
            OwnerEvent::ListChanged(list) => self.list_changed(state, list),
            OwnerEvent::Taken(taken) => self.taken(state, taken),
        };
        self.handle_typed_ahead();
    }

    fn hung_up(&mut self, state: &OwnerState) -> OwnerState {
        self.actions.clear();
        if state.has_recording() {
            self.act(OwnerAction::Discard);
        }
        OwnerState::Over
    }

    fn played(&mut self, state: OwnerState) -> OwnerState {
        match state {
            OwnerState::AtMessage(messages, Stage::Playing) => self.heard(messages),
            OwnerState::AtMessage(messages, Stage::Done) => self.next_message(messages),
            OwnerState::Announcing(recording) => self.begin_recording(recording),
            OwnerState::Leaving => self.hang_up(),
            other => other,
        }
    }

    fn not_played(&mut self, state: OwnerState) -> OwnerState {
        match state {
            OwnerState::AtMessage(messages, Stage::Playing | Stage::Paused) => {
                self.at_message(messages, vec![Prompt::MessagesUnavailable])
            }
            state @ (OwnerState::OneGreeting(_) | OwnerState::Reviewing(_)) => {
                self.continue_at(state, vec![Prompt::NotAvailable])
            }
            other => self.played(other),
        }
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

    /// Says `said`, and then the menu or the request of `state`, which is the next one.
    fn continue_at(&mut self, state: OwnerState, mut said: Say) -> OwnerState {
        said.extend(self.invitation(&state));
        self.say(said);
        state
    }

    /// Joins all prompts since the last event into one action, so that `Played` always means the end of all of them.
    fn say(&mut self, say: Say) {
        if say.is_empty() {
            return;
        }
        self.cut_prompts();
        match self.actions.back_mut() {
            Some(OwnerAction::Say(before)) => before.extend(say),
            _ => self.actions.push_back(OwnerAction::Say(say)),
        }
    }

    fn act(&mut self, action: OwnerAction) {
        if !matches!(action, OwnerAction::Playback(_)) {
            self.cut_prompts();
        }
        self.actions.push_back(action);
    }
}
