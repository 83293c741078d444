//! The part of the dialogue in which an owner chooses from the main menu.

use super::super::{Function, GreetingKind};
use super::OwnerDialogue;
use super::messages::MessageList;
use super::state::{Addressing, FirstUse, NewPin, OwnerState};
use crate::message::Status;

impl OwnerDialogue {
    pub(super) fn main_function(&mut self, function: Function) -> OwnerState {
        let next = match function {
            Function::NewMessages => return self.list(MessageList::of(Status::New)),
            Function::OldMessages => return self.list(MessageList::of(Status::Old)),
            Function::RemovedMessages => return self.list(MessageList::of(Status::Removed)),
            Function::SentMessages => return self.list_sent(),
            Function::PrivateLists => return self.private_lists(),
            Function::Leave => return self.leave(Vec::new()),
            Function::Compose => OwnerState::Addressing(Addressing::new(None), String::new()),
            Function::Greetings => OwnerState::Greetings,
            Function::RecordName => OwnerState::OneGreeting(GreetingKind::Name),
            Function::ChangePin => OwnerState::NewPin(NewPin::new(FirstUse::No), String::new()),
            // A key map has no other functions here.
            _ => return self.not_understood(OwnerState::Main),
        };
        self.continue_at(next, Vec::new())
    }
}
