//! The part of the dialogue in which an owner hears what became of the messages that were sent with a request for a receipt.

use super::super::{Function, Prompt};
use super::sent_list::SentList;
use super::state::{Awaited, OwnerState};
use super::{OwnerAction, OwnerDialogue};
use crate::message::{Disposition, Stamp};
use crate::sent::{SentCopy, SentMessage, SentState};

impl OwnerDialogue {
    /// Asks for the sent messages.
    pub(super) fn list_sent(&mut self) -> OwnerState {
        if !self.offers(Function::SentMessages) {
            return self.continue_at(OwnerState::Main, vec![Prompt::NotAvailable]);
        }
        self.act(OwnerAction::ListSent);
        OwnerState::Awaiting(Awaited::SentMessages)
    }

    pub(super) fn sent_listed(&mut self, state: OwnerState, messages: Vec<SentMessage>) -> OwnerState {
        match state {
            OwnerState::Awaiting(Awaited::SentMessages) if messages.is_empty() => {
                self.continue_at(OwnerState::Main, vec![Prompt::NoSentMessages])
            }
            OwnerState::Awaiting(Awaited::SentMessages) => self.present_sent(SentList { messages, at: 0 }),
            other => other,
        }
    }

    pub(super) fn sent_function(&mut self, mut list: SentList, function: Function) -> OwnerState {
        match function {
            Function::Again => {}
            Function::Previous => list.at = list.at.saturating_sub(1),
            Function::Next => list.at += 1,
            Function::Back => return self.continue_at(OwnerState::Main, Vec::new()),
            // A key map has no other functions here.
            _ => return self.not_understood(OwnerState::Sent(list)),
        }
        self.present_sent(list)
    }

    /// Says what became of the current message, or that there is none.
    fn present_sent(&mut self, list: SentList) -> OwnerState {
        let Some(message) = list.messages.get(list.at) else {
            return self.continue_at(OwnerState::Main, vec![Prompt::EndOfMessages]);
        };
        let sent = Stamp::new(message.sent_at, self.zone);
        let number = Prompt::MessageNumber { number: list.at + 1, of: list.messages.len() };
        let mut say = vec![number, Prompt::SentAt { stamp: sent, day: sent.day_at(self.now) }];
        if message.copies.len() > MAX_NAMED {
            say.push(counts(message));
        } else {
            say.extend(message.copies.iter().map(|copy| self.copy(copy)));
        }
        self.continue_at(OwnerState::Sent(list), say)
    }

    fn copy(&self, copy: &SentCopy) -> Prompt {
        let mailbox = copy.mailbox.clone();
        match copy.state {
            SentState::NotDelivered | SentState::Returned => Prompt::NotSentTo(mailbox),
            SentState::Sending | SentState::Delivered => Prompt::NotHeardBy(mailbox),
            SentState::Ended { disposition, at } => {
                let at = Stamp::new(at, self.zone);
                Prompt::EndedFor { mailbox, disposition, at, day: at.day_at(self.now) }
            }
        }
    }
}

/// How many mailboxes have heard the message, and how many have not.
fn counts(message: &SentMessage) -> Prompt {
    let count = |is: fn(SentState) -> bool| message.copies.iter().filter(|copy| is(copy.state)).count();
    let played = |state| matches!(state, SentState::Ended { disposition: Disposition::Played, .. });
    let unheard = |state| matches!(state, SentState::Sending | SentState::Delivered);
    let removed =
        |state| matches!(state, SentState::Ended { disposition: Disposition::RemovedUnheard | Disposition::Expired, .. });
    let not_delivered = |state| {
        matches!(
            state,
            SentState::NotDelivered | SentState::Returned | SentState::Ended { disposition: Disposition::NotDelivered(_), .. }
        )
    };
    Prompt::SentCounts { heard: count(played), unheard: count(unheard), removed: count(removed), not_sent: count(not_delivered) }
}

/// Of a message to more mailboxes than these, only their numbers are said.
const MAX_NAMED: usize = 5;
