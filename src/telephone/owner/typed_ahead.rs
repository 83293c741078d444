//! Keys that an owner presses while the result of an action is awaited.

use super::super::{Digit, PinVerdict, Prompt};
use super::events::{
    Addressee, GreetingOutcome, ListOutcome, MarkOutcome, OwnerEvent, PinChangeOutcome, SendOutcome, TakeOutcome,
};
use super::state::OwnerState;
use super::{OwnerAction, OwnerDialogue};

impl OwnerDialogue {
    /// Keeps a key for the time after the result, if `state` waits for one.
    pub(super) fn type_ahead(&mut self, state: &OwnerState, digit: Digit) {
        if matches!(state, OwnerState::Awaiting(_)) && self.ahead.len() < MAX_AHEAD {
            self.ahead.push_back(digit);
        }
    }

    /// Handles the keys that were typed ahead, until another result is awaited.
    pub(super) fn handle_typed_ahead(&mut self) {
        while !matches!(self.state, OwnerState::Awaiting(_)) {
            let Some(digit) = self.ahead.pop_front() else { break };
            let state = std::mem::replace(&mut self.state, OwnerState::Over);
            self.cuts = true;
            self.state = self.digit(state, digit);
        }
        self.cuts = false;
    }

    /// Forgets the keys that were typed ahead of a result, because their owner did not know that the action would fail.
    pub(super) fn forget_ahead_of_failure(&mut self, event: &OwnerEvent) {
        let failed = match event {
            OwnerEvent::Checked(verdict) => !matches!(verdict, PinVerdict::Right | PinVerdict::Initial),
            OwnerEvent::Marked(marked) => *marked != MarkOutcome::Done,
            OwnerEvent::GreetingSet(set) => *set != GreetingOutcome::Done,
            OwnerEvent::Addressee(addressee) => match addressee {
                Addressee::Mailbox(_) => false,
                Addressee::List { members, .. } => members.is_empty(),
                Addressee::ListTooLarge | Addressee::Unknown | Addressee::NotLicensed | Addressee::Unavailable => true,
            },
            OwnerEvent::Sent(sent) => *sent != SendOutcome::Delivered,
            OwnerEvent::PinSet(set) => *set != PinChangeOutcome::Kept,
            OwnerEvent::ListChanged(list) => !matches!(list, ListOutcome::Members(_)),
            OwnerEvent::Taken(taken) => *taken != TakeOutcome::Yours,
            OwnerEvent::NotOpened | OwnerEvent::NotListed | OwnerEvent::NotRecorded | OwnerEvent::NotConnected => true,
            OwnerEvent::Played
            | OwnerEvent::NotPlayed
            | OwnerEvent::Digit(_)
            | OwnerEvent::Silence
            | OwnerEvent::HungUp
            | OwnerEvent::Opened(_)
            | OwnerEvent::Listed(_)
            | OwnerEvent::SentListed(_)
            | OwnerEvent::Recorded(_) => false,
        };
        if failed {
            self.forget_ahead();
        }
    }

    pub(super) fn forget_ahead(&mut self) {
        self.ahead.clear();
    }

    /// Leaves out the prompts that a key typed ahead ends before they begin. The result of an action is said all the same.
    pub(super) fn cut_prompts(&mut self) {
        if !std::mem::take(&mut self.cuts) {
            return;
        }
        while let Some(OwnerAction::Playback(_)) = self.actions.back() {
            self.actions.pop_back();
        }
        if let Some(OwnerAction::Say(said)) = self.actions.back_mut() {
            said.retain(is_result);
            if said.is_empty() {
                self.actions.pop_back();
            }
        }
    }
}

/// Whether the prompt says that an action has succeeded.
fn is_result(prompt: &Prompt) -> bool {
    matches!(
        prompt,
        Prompt::Removed
            | Prompt::Restored
            | Prompt::Kept
            | Prompt::KeptAsNew
            | Prompt::Sent
            | Prompt::Addressee(_)
            | Prompt::AddresseeList { .. }
            | Prompt::GreetingSaved
            | Prompt::GreetingUntil(_)
            | Prompt::GreetingRemoved
            | Prompt::NameSaved
            | Prompt::PinChanged
            | Prompt::MemberAdded(_)
            | Prompt::MemberRemoved(_)
            | Prompt::ListDeleted
            | Prompt::MessageIsYours
    )
}

/// So many keys are kept.
const MAX_AHEAD: usize = 32;
