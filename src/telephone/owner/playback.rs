//! The part of the dialogue in which an owner goes from message to message: the prompts before each, and the digits after it.

use chrono::{DateTime, Utc};

use super::super::{Digit, Place, Prompt, Say};
use super::messages::{MessageList, Stage, StatusChange};
use super::{MarkOutcome, OwnerAction, OwnerDialogue, OwnerState, RecordingPurpose, menu};
use crate::message::{Privacy, Stamp, Status, Urgency};
use crate::store::{Entry, Page};

impl OwnerDialogue {
    pub(super) fn listed(&mut self, state: OwnerState, page: Page, now: DateTime<Utc>) -> OwnerState {
        let OwnerState::Listing(mut messages) = state else { return state };
        if messages.entries.is_empty() && page.entries.is_empty() {
            self.say(vec![Prompt::NoMessages, menu(Place::Main)]);
            return OwnerState::Main;
        }
        messages.add(page);
        self.present(messages, now)
    }

    pub(super) fn not_listed(&mut self, state: OwnerState) -> OwnerState {
        let OwnerState::Listing(mut messages) = state else { return state };
        if messages.entries.is_empty() {
            self.say(vec![Prompt::MessagesUnavailable, menu(Place::Main)]);
            return OwnerState::Main;
        }
        // Back to the last message that is listed, from which the owner can try again.
        messages.at = messages.entries.len() - 1;
        self.at_message(messages, vec![Prompt::MessagesUnavailable])
    }

    /// Says `said` and the menu, and then waits for a digit.
    pub(super) fn at_message(&mut self, messages: MessageList, mut said: Say) -> OwnerState {
        said.push(menu(Place::Played));
        self.say(said);
        OwnerState::AtMessage(messages, Stage::Played)
    }

    /// Plays the current message, or says that there is none.
    fn present(&mut self, messages: MessageList, now: DateTime<Utc>) -> OwnerState {
        let Some(entry) = messages.current() else {
            self.say(vec![Prompt::EndOfMessages, menu(Place::Main)]);
            return OwnerState::Main;
        };
        let mut say = vec![Prompt::MessageNumber { number: messages.at + 1, of: messages.total }];
        say.extend((entry.head.urgency == Urgency::Urgent).then_some(Prompt::Urgent));
        say.extend((entry.head.privacy == Privacy::Private).then_some(Prompt::Private));
        say.push(self.received_at(entry, now));
        say.push(Prompt::Play(entry.head.id));
        self.say(say);
        OwnerState::AtMessage(messages, Stage::Playing)
    }

    pub(super) fn next_message(&mut self, mut messages: MessageList, now: DateTime<Utc>) -> OwnerState {
        messages.at += 1;
        if messages.current().is_none() && messages.more.is_some() {
            self.act(OwnerAction::List(messages.query()));
            return OwnerState::Listing(messages);
        }
        self.present(messages, now)
    }

    fn received_at(&self, entry: &Entry, now: DateTime<Utc>) -> Prompt {
        let stamp = Stamp::new(entry.head.recorded_at.instant, self.zone);
        Prompt::ReceivedAt { stamp, day: stamp.day_at(now) }
    }

    /// Requests a change of the current message's status.
    pub(super) fn mark(&mut self, messages: MessageList, change: StatusChange, action: OwnerAction) -> OwnerState {
        self.act(action);
        OwnerState::Marking(messages, change, None)
    }

    /// Takes in the result of a change of status.
    pub(super) fn marked(&mut self, state: OwnerState, marked: MarkOutcome, now: DateTime<Utc>) -> OwnerState {
        let OwnerState::Marking(mut messages, change, digit) = state else { return state };
        if marked == MarkOutcome::Done {
            messages.set_status(match change {
                StatusChange::Heard | StatusChange::Keep | StatusChange::Restore => Status::Old,
                StatusChange::Remove => Status::Removed,
            });
        }
        let (said, next) = match (change, marked) {
            // The owner did not ask for this change, so a failure is not mentioned: the message stays new.
            (StatusChange::Heard, _) => (None, Stage::Played),
            (_, MarkOutcome::Failed) => (Some(Prompt::ChangeFailed), Stage::Played),
            (StatusChange::Restore, MarkOutcome::Done) => (Some(Prompt::Restored), Stage::Played),
            (_, MarkOutcome::NoSuchMessage) => (Some(Prompt::MessageGone), Stage::Done),
            (StatusChange::Keep, MarkOutcome::Done) => (Some(Prompt::Kept), Stage::Done),
            (StatusChange::Remove, MarkOutcome::Done) => (Some(Prompt::Removed), Stage::Done),
        };
        let Some(digit) = digit else {
            let menu = (next == Stage::Played).then_some(menu(Place::Played));
            self.say(said.into_iter().chain(menu).collect());
            return OwnerState::AtMessage(messages, next);
        };
        // The owner has already chosen, so the menu is not needed.
        self.say(said.into_iter().collect());
        self.message_digit(messages, digit, now)
    }

    pub(super) fn message_digit(&mut self, mut messages: MessageList, digit: Digit, now: DateTime<Utc>) -> OwnerState {
        let Some(entry) = messages.current() else { return self.present(messages, now) };
        let (id, private, removed) = (entry.head.id, entry.head.privacy == Privacy::Private, entry.status == Status::Removed);
        match digit {
            Digit::One => return self.present(messages, now),
            Digit::Two if messages.unheard().is_some() => {
                return self.mark(messages, StatusChange::Keep, OwnerAction::MarkOld(id));
            }
            Digit::Two if !removed => {
                self.say(vec![Prompt::Kept]);
                return OwnerState::AtMessage(messages, Stage::Done);
            }
            Digit::Three if !removed => return self.mark(messages, StatusChange::Remove, OwnerAction::Remove(id)),
            Digit::Four => {
                messages.at = messages.at.saturating_sub(1);
                return self.present(messages, now);
            }
            Digit::Five => {
                let said =
                    [self.received_at(entry, now), Prompt::From(entry.head.caller.clone()), Prompt::Length(entry.head.length)];
                self.say([&said[..], &[menu(Place::Played)]].concat());
            }
            Digit::Six | Digit::Pound => return self.next_message(messages, now),
            Digit::Two | Digit::Seven if removed => return self.mark(messages, StatusChange::Restore, OwnerAction::Restore(id)),
            Digit::Eight if private => self.say(vec![Prompt::CannotPassOn, menu(Place::Played)]),
            Digit::Eight => {
                self.say(vec![Prompt::EnterMailbox]);
                return OwnerState::Address { messages, entered: String::new() };
            }
            Digit::Nine => return self.announce(RecordingPurpose::Answer(id), Some(messages)),
            Digit::Star => {
                self.say(vec![menu(Place::Main)]);
                return OwnerState::Main;
            }
            _ => self.say(vec![Prompt::NotUnderstood, menu(Place::Played)]),
        }
        OwnerState::AtMessage(messages, Stage::Played)
    }
}
