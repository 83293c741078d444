//! The part of the dialogue in which an owner presses keys, or none.

use super::super::{Digit, Function, KeyMatch, Place, Prompt};
use super::messages::Stage;
use super::state::OwnerState;
use super::{OwnerAction, OwnerDialogue};

impl OwnerDialogue {
    pub(super) fn digit(&mut self, mut state: OwnerState, digit: Digit) -> OwnerState {
        self.silences = 0;
        let Some(place) = state.place() else {
            return match state {
                OwnerState::Leaving => self.hang_up(),
                waiting => {
                    self.type_ahead(&waiting, digit);
                    waiting
                }
            };
        };
        if let (Some(entered), true) = (state.entered(), self.typed.is_empty() && digit.number().is_some()) {
            if entered.len() < MAX_ENTERED {
                entered.push(digit.to_char());
            }
            return state;
        }
        self.typed.push(digit);
        match self.lookup(place) {
            KeyMatch::Partial => state,
            KeyMatch::Function(function) => {
                self.typed.clear();
                self.function(state, function)
            }
            KeyMatch::None => {
                self.typed.clear();
                self.not_understood(state)
            }
        }
    }

    fn lookup(&mut self, place: Place) -> KeyMatch {
        loop {
            match self.keys.lookup(place, &self.typed) {
                // A recording goes on: the keys before may have been pressed by mistake.
                KeyMatch::None if place == Place::OwnerRecording && self.typed.len() > 1 => {
                    self.typed.remove(0);
                }
                found => return found,
            }
        }
    }

    fn function(&mut self, state: OwnerState, function: Function) -> OwnerState {
        match (state, function) {
            (OwnerState::AtMessage(messages, Stage::Playing | Stage::Paused), Function::Help) if messages.receipt().is_none() => {
                self.playback_help(messages)
            }
            (OwnerState::AtMessage(messages, _), Function::Help) => self.at_message(messages, Vec::new()),
            (state, Function::Help) => self.continue_at(state, Vec::new()),
            (OwnerState::OwnMailbox(entered), _) => self.own_mailbox_function(&entered, function),
            (OwnerState::Pin(login, entered), _) => self.pin_function(login, entered, function),
            (OwnerState::Main, _) => self.main_function(function),
            (OwnerState::AtMessage(messages, at), _) => self.message_function(messages, at, function),
            (OwnerState::Addressing(addressing, entered), _) => self.address_function(addressing, &entered, function),
            (OwnerState::Greetings, _) => self.greetings_function(function),
            (OwnerState::OneGreeting(kind), _) => self.greeting_function(kind, function),
            (OwnerState::Announcing(recording), _) => self.announcing_function(recording, function),
            (OwnerState::Recording(recording), _) => self.recording_function(recording, function),
            (OwnerState::Reviewing(recording), _) => self.review_function(recording, function),
            (OwnerState::Days(recording, entered), _) => self.days_function(recording, &entered, function),
            (OwnerState::NewPin(new, entered), _) => self.new_pin_function(new, &entered, function),
            (OwnerState::Sent(list), _) => self.sent_function(list, function),
            (OwnerState::ListNumber(entered), _) => self.list_number_function(&entered, function),
            (OwnerState::OneList(list), _) => self.list_function(list, function),
            (OwnerState::ListMember(list, change, entered), _) => self.list_member_function(list, change, &entered, function),
            (state @ (OwnerState::Awaiting(_) | OwnerState::Leaving | OwnerState::Over), _) => state,
        }
    }

    pub(super) fn not_understood(&mut self, mut state: OwnerState) -> OwnerState {
        if let Some(entered) = state.entered() {
            entered.clear();
        }
        match state {
            // Any key cuts the prompts before the tone short, and none but the last one matters during the recording.
            OwnerState::Announcing(_) | OwnerState::Recording(_) => self.continue_at(state, Vec::new()),
            OwnerState::AtMessage(messages, _) => self.at_message(messages, vec![Prompt::NotUnderstood]),
            state => self.continue_at(state, vec![Prompt::NotUnderstood]),
        }
    }

    pub(super) fn silence(&mut self, mut state: OwnerState) -> OwnerState {
        let unfinished = !std::mem::take(&mut self.typed).is_empty();
        if matches!(state, OwnerState::Awaiting(_) | OwnerState::Recording(_) | OwnerState::Over) {
            return state;
        }
        self.silences += 1;
        if self.silences >= MAX_SILENCES {
            if state.has_recording() {
                self.act(OwnerAction::Discard);
            }
            return self.leave(Vec::new());
        }
        if unfinished {
            return self.not_understood(state);
        }
        if let Some(entered) = state.entered() {
            entered.clear();
        }
        match state {
            // The owner wanted the pause.
            OwnerState::AtMessage(_, Stage::Paused) => state,
            OwnerState::AtMessage(messages, _) => self.at_message(messages, Vec::new()),
            state => self.continue_at(state, Vec::new()),
        }
    }
}

/// So many digits of a number are kept.
const MAX_ENTERED: usize = 20;
/// After so many silences in a row, the call ends.
const MAX_SILENCES: u32 = 3;
