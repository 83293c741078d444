//! The part of the dialogue in which an owner enters the numbers of the mailboxes and lists that are to get a message.

use std::collections::HashSet;

use super::super::{Function, Prompt, Say};
use super::actions::RecordingPurpose;
use super::events::Addressee;
use super::state::{Addressing, Awaited, OwnerRecording, OwnerState, Return};
use super::{OwnerAction, OwnerDialogue};
use crate::message::MailboxId;

impl OwnerDialogue {
    pub(super) fn address_function(&mut self, addressing: Addressing, entered: &str, function: Function) -> OwnerState {
        match (function, entered.parse::<MailboxId>()) {
            (Function::EndEntry, Ok(number)) => {
                self.act(OwnerAction::FindAddressee(number));
                OwnerState::Awaiting(Awaited::Addressee(addressing))
            }
            (Function::EndEntry, Err(_)) if entered.is_empty() && !addressing.to.is_empty() => {
                self.addressed(addressing, Vec::new())
            }
            (Function::EndEntry, Err(_)) => self.address(addressing, vec![Prompt::NoSuchMailbox]),
            (_, _) if !entered.is_empty() => self.address(addressing, Vec::new()),
            (_, _) => match addressing.passed_on {
                Some(messages) => self.at_message(messages, Vec::new()),
                None => self.continue_at(OwnerState::Main, Vec::new()),
            },
        }
    }

    /// Says `said` and asks for a number.
    fn address(&mut self, addressing: Addressing, said: Say) -> OwnerState {
        self.continue_at(OwnerState::Addressing(addressing, String::new()), said)
    }

    pub(super) fn addressee(&mut self, state: OwnerState, addressee: Addressee) -> OwnerState {
        let OwnerState::Awaiting(Awaited::Addressee(mut addressing)) = state else { return state };
        let said = match addressee {
            Addressee::Mailbox(mailbox) => {
                addressing.to.push(mailbox.clone());
                Prompt::Addressee(mailbox)
            }
            Addressee::List { list, members } if !members.is_empty() => {
                let said = Prompt::AddresseeList { list, members: members.len() };
                addressing.to.extend(members);
                said
            }
            Addressee::List { .. } | Addressee::Unknown => return self.address(addressing, vec![Prompt::NoSuchMailbox]),
            Addressee::ListTooLarge => return self.address(addressing, vec![Prompt::ListTooLarge]),
            Addressee::NotLicensed => return self.address(addressing, vec![Prompt::NotLicensed]),
            Addressee::Unavailable => return self.address(addressing, vec![Prompt::NotAvailable]),
        };
        addressing.numbers += 1;
        let mut seen = HashSet::new();
        addressing.to.retain(|mailbox| seen.insert(mailbox.clone()));
        if addressing.numbers >= MAX_NUMBERS {
            return self.addressed(addressing, vec![said, Prompt::AddressesFull]);
        }
        self.address(addressing, vec![said])
    }

    /// Says `said`, and asks for the introduction or the message.
    fn addressed(&mut self, addressing: Addressing, said: Say) -> OwnerState {
        let Addressing { passed_on, to, .. } = addressing;
        let recording = match passed_on {
            None => OwnerRecording::new(RecordingPurpose::Message { to }, Return::Main),
            Some(messages) => match messages.current().map(|entry| entry.head.id) {
                Some(id) => OwnerRecording::new(RecordingPurpose::Introduction { id, to }, Return::Message(messages)),
                None => return self.present(messages),
            },
        };
        self.announce(recording, said)
    }
}

/// How many numbers of mailboxes and lists one message can have.
pub(super) const MAX_NUMBERS: usize = 16;
