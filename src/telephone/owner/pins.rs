//! The part of the dialogue in which an owner enters the PIN, or a new one.

use super::super::{Digit, Pin, PinVerdict, Place, Prompt};
use super::{MAX_ENTERED, OwnerAction, OwnerDialogue, OwnerState, PinChangeOutcome, menu};

impl OwnerDialogue {
    pub(super) fn pin_digit(&mut self, mut entered: String, digit: Digit) -> OwnerState {
        if let Some(number) = digit.number() {
            if entered.len() < MAX_ENTERED {
                entered.push(char::from(b'0' + number));
            }
            return OwnerState::Pin { entered };
        }
        match digit {
            Digit::Star => OwnerState::Pin { entered: String::new() },
            _ => {
                self.act(OwnerAction::CheckPin(entered.into()));
                OwnerState::Checking
            }
        }
    }

    pub(super) fn checked(&mut self, state: OwnerState, verdict: PinVerdict) -> OwnerState {
        let OwnerState::Checking = state else { return state };
        match verdict {
            PinVerdict::Right | PinVerdict::Initial => {
                self.act(OwnerAction::Count);
                OwnerState::Counting
            }
            PinVerdict::Wrong => {
                self.wrong_pins += 1;
                if self.wrong_pins >= MAX_WRONG_PINS {
                    return self.leave(vec![Prompt::WrongPin]);
                }
                self.say(vec![Prompt::WrongPin, Prompt::EnterPin]);
                OwnerState::Pin { entered: String::new() }
            }
            PinVerdict::Locked(wait) => self.leave(vec![Prompt::LockedOut(wait)]),
            PinVerdict::NoPin => self.leave(vec![Prompt::NoPinSet]),
            PinVerdict::Unavailable => self.leave(vec![Prompt::PinNotChecked]),
        }
    }

    pub(super) fn new_pin_digit(&mut self, first: Option<Pin>, mut entered: String, digit: Digit) -> OwnerState {
        if let Some(number) = digit.number() {
            if entered.len() < MAX_ENTERED {
                entered.push(char::from(b'0' + number));
            }
            return OwnerState::NewPin { first, entered };
        }
        match digit {
            Digit::Star => {
                self.say(vec![menu(Place::Main)]);
                OwnerState::Main
            }
            _ => match (first, entered.parse::<Pin>()) {
                (None, Ok(pin)) => {
                    self.say(vec![Prompt::RepeatNewPin]);
                    OwnerState::NewPin { first: Some(pin), entered: String::new() }
                }
                (None, Err(_)) => {
                    self.say(vec![Prompt::PinTooWeak, Prompt::EnterNewPin]);
                    OwnerState::NewPin { first: None, entered: String::new() }
                }
                (Some(first), Ok(second)) if first == second => {
                    self.act(OwnerAction::SetPin(first));
                    OwnerState::ChangingPin
                }
                (Some(_), _) => {
                    self.say(vec![Prompt::PinsDiffer, Prompt::EnterNewPin]);
                    OwnerState::NewPin { first: None, entered: String::new() }
                }
            },
        }
    }

    pub(super) fn pin_set(&mut self, state: OwnerState, set: PinChangeOutcome) -> OwnerState {
        let OwnerState::ChangingPin = state else { return state };
        let said = match set {
            PinChangeOutcome::Kept => Prompt::PinChanged,
            PinChangeOutcome::Failed => Prompt::PinNotChanged,
        };
        self.say(vec![said, menu(Place::Main)]);
        OwnerState::Main
    }
}

const MAX_WRONG_PINS: u32 = 3;
