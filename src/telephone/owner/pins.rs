//! An owner enters their PIN, or a new one.

use super::super::{Digit, Menu, Pin, Prompt, Verdict};
use super::{MAX_ENTERED, OwnerAction, OwnerDialogue, PinSet, State};

impl OwnerDialogue {
    pub(super) fn pin_digit(&mut self, mut entered: String, digit: Digit) -> State {
        match digit {
            Digit::Number(number) if entered.len() < MAX_ENTERED => {
                entered.push(char::from(b'0' + number % 10));
                State::Pin { entered }
            }
            Digit::Number(_) => State::Pin { entered },
            Digit::Star => State::Pin { entered: String::new() },
            Digit::Pound => {
                self.act(OwnerAction::CheckPin(entered.into()));
                State::Checking
            }
        }
    }

    pub(super) fn checked(&mut self, state: State, verdict: Verdict) -> State {
        let State::Checking = state else { return state };
        match verdict {
            Verdict::Right => {
                self.act(OwnerAction::Count);
                State::Counting
            }
            Verdict::Wrong => {
                self.wrong_pins += 1;
                if self.wrong_pins >= MAX_WRONG_PINS {
                    return self.leave(vec![Prompt::WrongPin]);
                }
                self.say(vec![Prompt::WrongPin, Prompt::EnterPin]);
                State::Pin { entered: String::new() }
            }
            Verdict::Locked(wait) => self.leave(vec![Prompt::LockedOut(wait)]),
            Verdict::NoPin => self.leave(vec![Prompt::NoPinSet]),
            Verdict::Unavailable => self.leave(vec![Prompt::PinNotChecked]),
        }
    }

    pub(super) fn new_pin_digit(&mut self, first: Option<Pin>, mut entered: String, digit: Digit) -> State {
        match digit {
            Digit::Number(number) if entered.len() < MAX_ENTERED => {
                entered.push(char::from(b'0' + number % 10));
                State::NewPin { first, entered }
            }
            Digit::Number(_) => State::NewPin { first, entered },
            Digit::Star => {
                self.say(vec![Prompt::Menu(Menu::Main)]);
                State::Main
            }
            Digit::Pound => match (first, entered.parse::<Pin>()) {
                (None, Ok(pin)) => {
                    self.say(vec![Prompt::RepeatNewPin]);
                    State::NewPin { first: Some(pin), entered: String::new() }
                }
                (None, Err(_)) => {
                    self.say(vec![Prompt::PinTooWeak, Prompt::EnterNewPin]);
                    State::NewPin { first: None, entered: String::new() }
                }
                (Some(first), Ok(second)) if first == second => {
                    self.act(OwnerAction::SetPin(first));
                    State::ChangingPin
                }
                (Some(_), _) => {
                    self.say(vec![Prompt::PinsDiffer, Prompt::EnterNewPin]);
                    State::NewPin { first: None, entered: String::new() }
                }
            },
        }
    }

    pub(super) fn pin_set(&mut self, state: State, set: PinSet) -> State {
        let State::ChangingPin = state else { return state };
        let said = match set {
            PinSet::Kept => Prompt::PinChanged,
            PinSet::Failed => Prompt::PinNotChanged,
        };
        self.say(vec![said, Prompt::Menu(Menu::Main)]);
        State::Main
    }
}

const MAX_WRONG_PINS: u32 = 3;
