//! The part of the dialogue in which an owner logs in: the number of the mailbox, the PIN, and the mailbox that is opened.

use super::super::{EnteredPin, Function, PinVerdict, Prompt, Say};
use super::events::OpenedMailbox;
use super::state::{Awaited, Chosen, FirstUse, Login, OwnerState};
use super::{OwnerAction, OwnerDialogue};
use crate::message::MailboxId;

impl OwnerDialogue {
    /// The state in which the call begins.
    pub(super) fn first_state(own: Option<&MailboxId>) -> OwnerState {
        match own {
            Some(mailbox) => OwnerState::Pin(Login { mailbox: mailbox.clone(), chosen: Chosen::ByTelephone }, String::new()),
            None => OwnerState::OwnMailbox(String::new()),
        }
    }

    pub(super) fn own_mailbox_function(&mut self, entered: &str, function: Function) -> OwnerState {
        let again = OwnerState::OwnMailbox(String::new());
        match (function, entered.parse()) {
            (Function::EndEntry, Ok(mailbox)) => {
                let login = Login { mailbox, chosen: Chosen::ByNumber };
                self.continue_at(OwnerState::Pin(login, String::new()), Vec::new())
            }
            (Function::EndEntry, Err(_)) => self.not_understood(again),
            (_, _) if entered.is_empty() => {
                let first = Self::first_state(self.own.as_ref());
                self.continue_at(first, Vec::new())
            }
            (_, _) => self.continue_at(again, Vec::new()),
        }
    }

    pub(super) fn pin_function(&mut self, login: Login, entered: String, function: Function) -> OwnerState {
        if function == Function::EndEntry {
            let pin = EnteredPin::from(entered);
            self.initial_pin = Some(pin.clone());
            self.act(OwnerAction::CheckPin { mailbox: login.mailbox.clone(), pin });
            return OwnerState::Awaiting(Awaited::PinCheck(login));
        }
        // The key that leads to another mailbox first takes back what was entered.
        let next = if entered.is_empty() { OwnerState::OwnMailbox(entered) } else { OwnerState::Pin(login, String::new()) };
        self.continue_at(next, Vec::new())
    }

    pub(super) fn checked(&mut self, state: OwnerState, verdict: PinVerdict) -> OwnerState {
        let OwnerState::Awaiting(Awaited::PinCheck(login)) = state else { return state };
        if verdict != PinVerdict::Initial {
            self.initial_pin = None;
        }
        match (verdict, login.chosen) {
            (PinVerdict::Right, _) => self.open(login, FirstUse::No),
            (PinVerdict::Initial, _) => self.open(login, FirstUse::Yes),
            (PinVerdict::Unavailable, _) => self.leave(vec![Prompt::PinNotChecked]),
            (PinVerdict::Locked(wait), Chosen::ByTelephone) => self.leave(vec![Prompt::LockedOut(wait)]),
            (PinVerdict::NoPin, Chosen::ByTelephone) => self.leave(vec![Prompt::NoPinSet]),
            // Only a mailbox that exists can be locked or have no PIN, which somebody who tries numbers must not hear.
            (PinVerdict::Wrong, _) | (PinVerdict::Locked(_) | PinVerdict::NoPin, Chosen::ByNumber) => self.wrong_pin(login),
        }
    }

    fn wrong_pin(&mut self, login: Login) -> OwnerState {
        self.wrong_pins += 1;
        if self.wrong_pins >= MAX_WRONG_PINS {
            return self.leave(vec![Prompt::WrongPin]);
        }
        let again = match login.chosen {
            Chosen::ByTelephone => OwnerState::Pin(login, String::new()),
            Chosen::ByNumber => OwnerState::OwnMailbox(String::new()),
        };
        self.continue_at(again, vec![Prompt::WrongPin])
    }

    fn open(&mut self, login: Login, first_use: FirstUse) -> OwnerState {
        self.act(OwnerAction::Open(login.mailbox));
        OwnerState::Awaiting(Awaited::Opening(first_use))
    }

    pub(super) fn opened(&mut self, state: OwnerState, opened: &OpenedMailbox) -> OwnerState {
        let OwnerState::Awaiting(Awaited::Opening(first_use)) = state else { return state };
        (self.zone, self.greetings, self.summary) = (opened.zone, Some(opened.greetings), Some(opened.summary));
        self.functions.clone_from(&opened.functions);
        match first_use {
            FirstUse::Yes => self.begin_first_use(),
            FirstUse::No => self.at_main_menu(opened.warnings.clone()),
        }
    }

    pub(super) fn not_opened(&mut self, state: OwnerState) -> OwnerState {
        match state {
            OwnerState::Awaiting(Awaited::Opening(FirstUse::No)) => {
                self.continue_at(OwnerState::Main, vec![Prompt::MessagesUnavailable])
            }
            // No mailbox is used before it is set up.
            OwnerState::Awaiting(Awaited::Opening(FirstUse::Yes)) => self.leave(vec![Prompt::MessagesUnavailable]),
            other => other,
        }
    }

    /// Says `said`, the numbers of messages and the main menu.
    pub(super) fn at_main_menu(&mut self, mut said: Say) -> OwnerState {
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        said.extend(self.summary.map(|summary| Prompt::MessageCounts {
            new: count(summary.new),
            urgent: count(summary.urgent_new),
            old: count(summary.old),
        }));
        self.continue_at(OwnerState::Main, said)
    }
}

const MAX_WRONG_PINS: u32 = 3;
