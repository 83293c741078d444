//! The part of the dialogue in which an owner keeps private lists: one is chosen by its number, and its members are heard, added and removed.

use super::super::{Function, Prompt, Say};
use super::events::ListOutcome;
use super::own_list::{ListStep, MemberChange, OwnList};
use super::state::{Awaited, OwnerState};
use super::{OwnerAction, OwnerDialogue};
use crate::directory::ListNumber;
use crate::message::MailboxId;

impl OwnerDialogue {
    /// Asks for the number of a list.
    pub(super) fn private_lists(&mut self) -> OwnerState {
        if !self.offers(Function::PrivateLists) {
            return self.continue_at(OwnerState::Main, vec![Prompt::NotAvailable]);
        }
        self.enter_list(Vec::new())
    }

    fn enter_list(&mut self, said: Say) -> OwnerState {
        self.continue_at(OwnerState::ListNumber(String::new()), said)
    }

    pub(super) fn list_number_function(&mut self, entered: &str, function: Function) -> OwnerState {
        let number = entered.parse::<u8>().ok().and_then(|number| ListNumber::try_from(number).ok());
        match (function, number) {
            (Function::EndEntry, Some(number)) => {
                self.act(OwnerAction::OpenList(number));
                OwnerState::Awaiting(Awaited::List(OwnList::new(number), ListStep::Open))
            }
            (Function::EndEntry, None) => self.enter_list(vec![Prompt::NoSuchList]),
            _ if entered.is_empty() => self.continue_at(OwnerState::Main, Vec::new()),
            _ => self.enter_list(Vec::new()),
        }
    }

    pub(super) fn list_function(&mut self, mut list: OwnList, function: Function) -> OwnerState {
        match function {
            Function::HearMembers if list.members.is_empty() => self.at_list(list, vec![Prompt::ListEmpty]),
            Function::HearMembers => {
                let said = list.next_members();
                self.at_list(list, said)
            }
            Function::AddMember => self.enter_member(list, MemberChange::Add, Vec::new()),
            Function::RemoveMember | Function::DeleteList if list.members.is_empty() => {
                self.at_list(list, vec![Prompt::ListEmpty])
            }
            Function::RemoveMember => self.enter_member(list, MemberChange::Remove, Vec::new()),
            Function::DeleteList => {
                self.act(OwnerAction::DeleteList(list.number));
                OwnerState::Awaiting(Awaited::List(list, ListStep::Delete))
            }
            Function::Back => self.enter_list(Vec::new()),
            // A key map has no other functions here.
            _ => self.not_understood(OwnerState::OneList(list)),
        }
    }

    /// Says `said` and what can be done with the list.
    fn at_list(&mut self, list: OwnList, said: Say) -> OwnerState {
        self.continue_at(OwnerState::OneList(list), said)
    }

    fn enter_member(&mut self, list: OwnList, change: MemberChange, said: Say) -> OwnerState {
        self.continue_at(OwnerState::ListMember(list, change, String::new()), said)
    }

    pub(super) fn list_member_function(
        &mut self,
        list: OwnList,
        change: MemberChange,
        entered: &str,
        function: Function,
    ) -> OwnerState {
        match (function, entered.parse::<MailboxId>()) {
            (Function::EndEntry, Ok(member)) => {
                let (number, changed) = (list.number, member.clone());
                self.act(match change {
                    MemberChange::Add => OwnerAction::AddToList { list: number, member },
                    MemberChange::Remove => OwnerAction::RemoveFromList { list: number, member },
                });
                OwnerState::Awaiting(Awaited::List(list, ListStep::Change(change, changed)))
            }
            (_, _) if entered.is_empty() => self.at_list(list, Vec::new()),
            (Function::EndEntry, Err(_)) => self.enter_member(list, change, vec![Prompt::NoSuchMailbox]),
            (_, _) => self.enter_member(list, change, Vec::new()),
        }
    }

    /// Takes in the result of an action on a list.
    pub(super) fn list_changed(&mut self, state: OwnerState, outcome: ListOutcome) -> OwnerState {
        let OwnerState::Awaiting(Awaited::List(mut list, step)) = state else { return state };
        match (step, outcome) {
            (ListStep::Delete, ListOutcome::Members(_)) => self.enter_list(vec![Prompt::ListDeleted]),
            (ListStep::Open, ListOutcome::Members(members)) => {
                list.members = members;
                let said = list.said_back();
                self.at_list(list, vec![said])
            }
            (ListStep::Open, _) => self.enter_list(vec![Prompt::NotAvailable]),
            (ListStep::Change(change, member), ListOutcome::Members(members)) => {
                (list.members, list.said) = (members, 0);
                let done = match change {
                    MemberChange::Add => Prompt::MemberAdded(member),
                    MemberChange::Remove => Prompt::MemberRemoved(member),
                };
                if list.members.is_empty() {
                    return self.at_list(list, vec![done, Prompt::ListEmpty]);
                }
                self.enter_member(list, change, vec![done])
            }
            (ListStep::Change(change, _), ListOutcome::NoSuchMailbox) => {
                self.enter_member(list, change, vec![Prompt::NoSuchMailbox])
            }
            (ListStep::Change(change, _), ListOutcome::NotLicensed) => self.enter_member(list, change, vec![Prompt::NotLicensed]),
            (ListStep::Change(change, _), ListOutcome::NotAMember) => self.enter_member(list, change, vec![Prompt::NotAMember]),
            (ListStep::Change(change, _), ListOutcome::TooLarge) => self.enter_member(list, change, vec![Prompt::ListTooLarge]),
            (ListStep::Change(..), ListOutcome::Full) => self.at_list(list, vec![Prompt::ListFull]),
            (ListStep::Change(..) | ListStep::Delete, _) => self.at_list(list, vec![Prompt::ChangeFailed]),
        }
    }
}
