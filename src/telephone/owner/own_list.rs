//! [`OwnList`]: the private list that an owner has chosen.

use super::super::{Function, Prompt, Say};
use crate::directory::ListNumber;
use crate::message::MailboxId;

/// The private list that the owner has chosen. One without members is not kept anywhere.
pub(super) struct OwnList {
    pub(super) number: ListNumber,
    pub(super) members: Vec<MailboxId>,
    /// How many members were said, of those that the owner hears a part at a time.
    pub(super) said: usize,
}

/// Whether a member is added or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MemberChange {
    Add,
    Remove,
}

/// A result that is awaited for a private list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ListStep {
    Open,
    Change(MemberChange, MailboxId),
    Delete,
}

impl OwnList {
    pub(super) fn new(number: ListNumber) -> Self {
        Self { number, members: Vec::new(), said: 0 }
    }

    /// The number of the list, and of its members.
    pub(super) fn said_back(&self) -> Prompt {
        match self.number.to_string().parse() {
            Ok(list) if !self.members.is_empty() => Prompt::AddresseeList { list, members: self.members.len() },
            _ => Prompt::ListEmpty,
        }
    }

    /// The names of the next members, and again the first ones after the last.
    pub(super) fn next_members(&mut self) -> Say {
        if self.said >= self.members.len() {
            self.said = 0;
        }
        let next: Say = self.members.iter().skip(self.said).take(AT_A_TIME).cloned().map(Prompt::Name).collect();
        self.said += next.len();
        next
    }

    /// The functions that are offered for the list.
    pub(super) fn offered(&self) -> &'static [Function] {
        if self.members.is_empty() { &[Function::AddMember, Function::Back] } else { &LIST }
    }
}

const LIST: [Function; 5] =
    [Function::HearMembers, Function::AddMember, Function::RemoveMember, Function::DeleteList, Function::Back];
/// So many members are said at a time.
const AT_A_TIME: usize = 20;
