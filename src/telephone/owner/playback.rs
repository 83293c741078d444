//! The part of the dialogue in which messages are played one after the other.

use super::super::{Function, Prompt, Say};
use super::actions::PlaybackControl;
use super::messages::{MessageList, Stage, StatusChange};
use super::state::{Awaited, OwnerState};
use super::{OwnerAction, OwnerDialogue};
use crate::message::{Privacy, ReceiptReport, Stamp, Urgency};
use crate::store::{Entry, Page};

impl OwnerDialogue {
    /// Asks for the next page of the list.
    pub(super) fn list(&mut self, messages: MessageList) -> OwnerState {
        self.act(OwnerAction::List(messages.query()));
        OwnerState::Awaiting(Awaited::Page(messages))
    }

    pub(super) fn listed(&mut self, state: OwnerState, page: Page) -> OwnerState {
        let OwnerState::Awaiting(Awaited::Page(mut messages)) = state else { return state };
        if messages.entries.is_empty() && page.entries.is_empty() {
            return self.continue_at(OwnerState::Main, vec![Prompt::NoMessages]);
        }
        messages.add(page);
        self.present(messages)
    }

    pub(super) fn not_listed(&mut self, state: OwnerState) -> OwnerState {
        if matches!(state, OwnerState::Awaiting(Awaited::SentMessages)) {
            return self.continue_at(OwnerState::Main, vec![Prompt::MessagesUnavailable]);
        }
        let OwnerState::Awaiting(Awaited::Page(mut messages)) = state else { return state };
        if messages.entries.is_empty() {
            return self.continue_at(OwnerState::Main, vec![Prompt::MessagesUnavailable]);
        }
        // Back to the last message that is listed, from which the owner can try again.
        messages.at = messages.entries.len() - 1;
        self.at_message(messages, vec![Prompt::MessagesUnavailable])
    }

    /// Plays the current message, or says that there is none.
    pub(super) fn present(&mut self, messages: MessageList) -> OwnerState {
        // The first digits of a function that the owner has not chosen yet are not meant for this message.
        self.typed.clear();
        let Some(entry) = messages.current() else {
            return self.continue_at(OwnerState::Main, vec![Prompt::EndOfMessages]);
        };
        let mut say = vec![Prompt::MessageNumber { number: messages.at + 1, of: messages.total }];
        say.extend((entry.head.urgency == Urgency::Urgent).then_some(Prompt::Urgent));
        say.extend((entry.head.privacy == Privacy::Private).then_some(Prompt::Private));
        match messages.receipt() {
            Some(report) => say.push(self.receipt(report, entry)),
            None => say.extend([self.received_at(entry), Prompt::Play(entry.head.id)]),
        }
        self.say(say);
        OwnerState::AtMessage(messages, Stage::Playing)
    }

    pub(super) fn next_message(&mut self, mut messages: MessageList) -> OwnerState {
        messages.at += 1;
        if messages.current().is_none() && messages.more.is_some() {
            return self.list(messages);
        }
        self.present(messages)
    }

    pub(super) fn received_at(&self, entry: &Entry) -> Prompt {
        let stamp = Stamp::new(entry.head.recorded_at.instant, self.zone);
        Prompt::ReceivedAt { stamp, day: stamp.day_at(self.now) }
    }

    /// The prompt of a receipt about a message that the owner has sent.
    fn receipt(&self, report: &ReceiptReport, entry: &Entry) -> Prompt {
        let (recorded, at) = (Stamp::new(report.recorded_at, self.zone), Stamp::new(entry.head.recorded_at.instant, self.zone));
        Prompt::Receipt {
            disposition: report.disposition,
            mailbox: report.mailbox.clone(),
            recorded,
            recorded_day: recorded.day_at(self.now),
            at,
            at_day: at.day_at(self.now),
        }
    }

    /// Says `said` and the menu of the message, and then waits for a digit.
    pub(super) fn at_message(&mut self, messages: MessageList, said: Say) -> OwnerState {
        self.continue_at(OwnerState::AtMessage(messages, Stage::Played), said)
    }

    /// The current message was played to its end.
    pub(super) fn heard(&mut self, messages: MessageList) -> OwnerState {
        match messages.unheard() {
            Some(id) => self.mark(messages, StatusChange::Heard, OwnerAction::MarkOld(id)),
            None => self.at_message(messages, Vec::new()),
        }
    }

    pub(super) fn control(&mut self, messages: MessageList, control: PlaybackControl) -> OwnerState {
        self.act(OwnerAction::Playback(control));
        let stage = if control == PlaybackControl::Pause { Stage::Paused } else { Stage::Playing };
        OwnerState::AtMessage(messages, stage)
    }

    /// Says what the keys do while a message plays and after it, and plays the message once more.
    pub(super) fn playback_help(&mut self, messages: MessageList) -> OwnerState {
        let Some(id) = messages.current().map(|entry| entry.head.id) else { return self.present(messages) };
        self.say(vec![Prompt::Menu(self.playback_menu()), Prompt::Menu(self.message_menu(&messages)), Prompt::Play(id)]);
        OwnerState::AtMessage(messages, Stage::Playing)
    }
}

/// The control of a function at this stage of a message; `None` if the function is no control, or nothing is played.
pub(super) fn control_of(function: Function, stage: Stage) -> Option<PlaybackControl> {
    match (function, stage) {
        (_, Stage::Played | Stage::Done) => None,
        (Function::Pause, Stage::Playing) => Some(PlaybackControl::Pause),
        (Function::Pause, Stage::Paused) => Some(PlaybackControl::Resume),
        (Function::Rewind, _) => Some(PlaybackControl::Rewind),
        (Function::Forward, _) => Some(PlaybackControl::Forward),
        (Function::FromStart, _) => Some(PlaybackControl::FromStart),
        (Function::Slower, _) => Some(PlaybackControl::Slower),
        (Function::Faster, _) => Some(PlaybackControl::Faster),
        (Function::NormalSpeed, _) => Some(PlaybackControl::NormalSpeed),
        _ => None,
    }
}
