//! The part of the dialogue in which an owner changes the PIN, which is entered twice.

use super::super::{Function, Pin, Prompt};
use super::events::PinChangeOutcome;
use super::state::{Awaited, FirstUse, NewPin, OwnerState};
use super::{OwnerAction, OwnerDialogue};

impl OwnerDialogue {
    pub(super) fn new_pin_function(&mut self, new: NewPin, entered: &str, function: Function) -> OwnerState {
        let again = NewPin::new(new.first_use);
        if function != Function::EndEntry {
            return match new.first_use {
                FirstUse::No if entered.is_empty() => self.continue_at(OwnerState::Main, Vec::new()),
                // The set-up does not end without a new PIN.
                FirstUse::No | FirstUse::Yes => self.continue_at(OwnerState::NewPin(again, String::new()), Vec::new()),
            };
        }
        let is_initial = self.initial_pin.as_ref().is_some_and(|initial| initial.as_str() == entered);
        let (next, said) = match (new.first, entered.parse::<Pin>()) {
            // An operator has set the initial PIN, and knows it.
            (None, Ok(_)) if is_initial => (again, vec![Prompt::PinTooWeak]),
            (None, Ok(pin)) => (NewPin { first: Some(pin), ..again }, Vec::new()),
            (None, Err(_)) => (again, vec![Prompt::PinTooWeak]),
            (Some(first), Ok(second)) if first == second => {
                self.act(OwnerAction::SetPin(second));
                return OwnerState::Awaiting(Awaited::SettingPin(new.first_use));
            }
            (Some(_), _) => (again, vec![Prompt::PinsDiffer]),
        };
        self.continue_at(OwnerState::NewPin(next, String::new()), said)
    }

    pub(super) fn pin_set(&mut self, state: OwnerState, set: PinChangeOutcome) -> OwnerState {
        let OwnerState::Awaiting(Awaited::SettingPin(first_use)) = state else { return state };
        match (set, first_use) {
            (PinChangeOutcome::Kept, FirstUse::Yes) => self.at_main_menu(vec![Prompt::PinChanged]),
            (PinChangeOutcome::Kept, FirstUse::No) => self.continue_at(OwnerState::Main, vec![Prompt::PinChanged]),
            (PinChangeOutcome::Failed, FirstUse::No) => self.continue_at(OwnerState::Main, vec![Prompt::PinNotChanged]),
            (PinChangeOutcome::Failed, FirstUse::Yes) => {
                let again = OwnerState::NewPin(NewPin::new(first_use), String::new());
                self.continue_at(again, vec![Prompt::PinNotChanged])
            }
        }
    }
}
