//! The part of the dialogue in which an owner decides what to do with a message.

use super::super::{Function, Prompt};
use super::actions::RecordingPurpose;
use super::events::{MarkOutcome, TakeOutcome};
use super::messages::{MessageList, Stage, StatusChange};
use super::playback::control_of;
use super::state::{Addressing, Awaited, OwnerRecording, OwnerState, Return};
use super::{OwnerAction, OwnerDialogue};
use crate::message::{Privacy, Status};

impl OwnerDialogue {
    pub(super) fn message_function(&mut self, mut messages: MessageList, stage: Stage, function: Function) -> OwnerState {
        if let Some(control) = control_of(function, stage) {
            return self.control(messages, control);
        }
        let Some(entry) = messages.current() else { return self.present(messages) };
        let (id, removed) = (entry.head.id, entry.status == Status::Removed);
        match function {
            Function::Again => self.present(messages),
            Function::Keep if messages.unheard().is_some() => self.mark(messages, StatusChange::Keep, OwnerAction::MarkOld(id)),
            Function::Keep if !removed => {
                self.say(vec![Prompt::Kept]);
                OwnerState::AtMessage(messages, Stage::Done)
            }
            Function::KeepAsNew if !removed => self.mark(messages, StatusChange::KeepAsNew, OwnerAction::MarkNew(id)),
            Function::Remove if !removed => self.mark(messages, StatusChange::Remove, OwnerAction::Remove(id)),
            Function::Keep | Function::Restore if removed => self.mark(messages, StatusChange::Restore, OwnerAction::Restore(id)),
            Function::KeepAsNew | Function::Remove | Function::Restore => self.at_message(messages, vec![Prompt::NotAvailable]),
            Function::Envelope | Function::PassOn | Function::Answer if messages.receipt().is_some() => {
                self.at_message(messages, vec![Prompt::NotAvailable])
            }
            Function::Previous => {
                messages.at = messages.at.saturating_sub(1);
                self.present(messages)
            }
            Function::Next => self.next_message(messages),
            Function::Envelope => {
                let said =
                    vec![self.received_at(entry), Prompt::From(entry.head.caller.clone()), Prompt::Length(entry.head.length)];
                self.at_message(messages, said)
            }
            Function::PassOn if entry.head.privacy == Privacy::Private => self.at_message(messages, vec![Prompt::CannotPassOn]),
            Function::PassOn => {
                self.continue_at(OwnerState::Addressing(Addressing::new(Some(messages)), String::new()), Vec::new())
            }
            // Without a number, there is no mailbox that could have it.
            Function::Answer if entry.head.caller.number.is_none() => self.at_message(messages, vec![Prompt::CannotAnswer]),
            Function::Answer => {
                self.announce(OwnerRecording::new(RecordingPurpose::Answer(id), Return::Message(messages)), Vec::new())
            }
            Function::CallBack => match entry.head.caller.number.clone() {
                Some(number) => {
                    self.act(OwnerAction::CallBack(number));
                    OwnerState::Awaiting(Awaited::CallBack(messages))
                }
                None => self.at_message(messages, vec![Prompt::NoNumber]),
            },
            Function::TakeMessage if removed || !self.offers(Function::TakeMessage) => {
                self.at_message(messages, vec![Prompt::NotAvailable])
            }
            Function::TakeMessage => {
                self.act(OwnerAction::Take(id));
                OwnerState::Awaiting(Awaited::Taking(messages))
            }
            Function::Back => self.continue_at(OwnerState::Main, Vec::new()),
            // A key map has no other functions here.
            _ => self.not_understood(OwnerState::AtMessage(messages, stage)),
        }
    }

    /// Requests a change of the current message's status.
    pub(super) fn mark(&mut self, messages: MessageList, change: StatusChange, action: OwnerAction) -> OwnerState {
        self.act(action);
        OwnerState::Awaiting(Awaited::Marking(messages, change))
    }

    /// Takes in the result of a change of status.
    pub(super) fn marked(&mut self, state: OwnerState, marked: MarkOutcome) -> OwnerState {
        let OwnerState::Awaiting(Awaited::Marking(mut messages, change)) = state else { return state };
        if marked == MarkOutcome::Done {
            messages.set_status(match change {
                StatusChange::Heard | StatusChange::Keep | StatusChange::Restore => Status::Old,
                StatusChange::KeepAsNew => Status::New,
                StatusChange::Remove => Status::Removed,
            });
        }
        let said = match (change, marked) {
            // The owner did not ask for this change, so a failure is not mentioned: the message stays new.
            (StatusChange::Heard, _) => return self.at_message(messages, Vec::new()),
            (_, MarkOutcome::Failed) => return self.at_message(messages, vec![Prompt::ChangeFailed]),
            (StatusChange::Restore, MarkOutcome::Done) => return self.at_message(messages, vec![Prompt::Restored]),
            (_, MarkOutcome::NoSuchMessage) => Prompt::MessageGone,
            (StatusChange::Keep, MarkOutcome::Done) => Prompt::Kept,
            (StatusChange::KeepAsNew, MarkOutcome::Done) => Prompt::KeptAsNew,
            (StatusChange::Remove, MarkOutcome::Done) => Prompt::Removed,
        };
        self.say(vec![said]);
        OwnerState::AtMessage(messages, Stage::Done)
    }

    /// Takes in whose the message of a group is now. It is no longer in the group's mailbox if it is somebody's.
    pub(super) fn taken(&mut self, state: OwnerState, taken: TakeOutcome) -> OwnerState {
        let OwnerState::Awaiting(Awaited::Taking(mut messages)) = state else { return state };
        let said = match taken {
            TakeOutcome::Yours => Prompt::MessageIsYours,
            TakeOutcome::Taken(Some(mailbox)) => Prompt::TakenBy(mailbox),
            TakeOutcome::Taken(None) => Prompt::MessageGone,
            TakeOutcome::NoRoom => return self.at_message(messages, vec![Prompt::NoRoomToTake]),
            TakeOutcome::Failed => return self.at_message(messages, vec![Prompt::ChangeFailed]),
        };
        messages.set_status(Status::Removed);
        self.say(vec![said]);
        OwnerState::AtMessage(messages, Stage::Done)
    }

    pub(super) fn not_connected(&mut self, state: OwnerState) -> OwnerState {
        match state {
            OwnerState::Awaiting(Awaited::CallBack(messages)) => self.at_message(messages, vec![Prompt::NotConnected]),
            other => other,
        }
    }
}
