//! An owner goes from message to message: what is said of each, and what their digits do with it.

use chrono::{DateTime, Utc};

use super::super::{Digit, Menu, Prompt};
use super::messages::{Messages, Stage};
use super::{OwnerAction, OwnerDialogue, Purpose, State};
use crate::message::{Privacy, Stamp, Status, Urgency};
use crate::store::{Entry, Page};

impl OwnerDialogue {
    pub(super) fn listed(&mut self, state: State, page: Page, now: DateTime<Utc>) -> State {
        let State::Listing(mut messages) = state else { return state };
        if messages.entries.is_empty() && page.entries.is_empty() {
            self.say(vec![Prompt::NoMessages, Prompt::Menu(Menu::Main)]);
            return State::Main;
        }
        messages.entries.extend(page.entries);
        messages.more = page.next;
        self.present(messages, now)
    }

    /// Plays the message it is at, or says that there is none.
    fn present(&mut self, messages: Messages, now: DateTime<Utc>) -> State {
        let Some(entry) = messages.current() else {
            self.say(vec![Prompt::EndOfMessages, Prompt::Menu(Menu::Main)]);
            return State::Main;
        };
        let mut say = vec![Prompt::MessageNumber { number: messages.at + 1, of: messages.entries.len() }];
        say.extend((entry.head.urgency == Urgency::Urgent).then_some(Prompt::Urgent));
        say.extend((entry.head.privacy == Privacy::Private).then_some(Prompt::Private));
        say.push(self.received_at(entry, now));
        say.push(Prompt::Play(entry.head.id));
        self.say(say);
        State::Messages(messages, Stage::Playing)
    }

    pub(super) fn go_on(&mut self, mut messages: Messages, now: DateTime<Utc>) -> State {
        messages.at += 1;
        if messages.current().is_none() && messages.more.is_some() {
            self.act(OwnerAction::List(messages.query()));
            return State::Listing(messages);
        }
        self.present(messages, now)
    }

    fn received_at(&self, entry: &Entry, now: DateTime<Utc>) -> Prompt {
        let stamp = Stamp::new(entry.head.recorded_at.instant, self.zone);
        Prompt::ReceivedAt { stamp, day: stamp.day_at(now) }
    }

    /// The message it is at has been heard.
    pub(super) fn heard(&mut self, mut messages: Messages) -> Messages {
        if let Some(entry) = messages.entries.get_mut(messages.at)
            && entry.status == Status::New
        {
            entry.status = Status::Old;
            let id = entry.head.id;
            self.act(OwnerAction::Heard(id));
        }
        messages
    }

    pub(super) fn message_digit(&mut self, mut messages: Messages, digit: Digit, now: DateTime<Utc>) -> State {
        let Some(entry) = messages.current() else { return self.present(messages, now) };
        let (id, private, removed) = (entry.head.id, entry.head.privacy == Privacy::Private, entry.status == Status::Removed);
        match digit {
            Digit::Number(1) => return self.present(messages, now),
            Digit::Number(2) if !removed => {
                let messages = self.heard(messages);
                self.say(vec![Prompt::Kept]);
                return State::Messages(messages, Stage::Done);
            }
            Digit::Number(3) if !removed => {
                messages.set_status(Status::Removed);
                self.act(OwnerAction::Remove(id));
                self.say(vec![Prompt::Removed]);
                return State::Messages(messages, Stage::Done);
            }
            Digit::Number(4) => {
                messages.at = messages.at.saturating_sub(1);
                return self.present(messages, now);
            }
            Digit::Number(5) => {
                let said =
                    [self.received_at(entry, now), Prompt::From(entry.head.caller.clone()), Prompt::Lasts(entry.head.length)];
                self.say([&said[..], &[Prompt::Menu(Menu::Message)]].concat());
            }
            Digit::Number(6) | Digit::Pound => return self.go_on(messages, now),
            Digit::Number(2 | 7) if removed => {
                messages.set_status(Status::Old);
                self.act(OwnerAction::Restore(id));
                self.say(vec![Prompt::Restored, Prompt::Menu(Menu::Message)]);
            }
            Digit::Number(8) if private => self.say(vec![Prompt::CannotPassOn, Prompt::Menu(Menu::Message)]),
            Digit::Number(8) => {
                self.say(vec![Prompt::EnterMailbox]);
                return State::Address { messages, entered: String::new() };
            }
            Digit::Number(9) => return self.announce(Purpose::Answer(id), Some(messages)),
            Digit::Star => {
                self.say(vec![Prompt::Menu(Menu::Main)]);
                return State::Main;
            }
            Digit::Number(_) => self.say(vec![Prompt::NotUnderstood, Prompt::Menu(Menu::Message)]),
        }
        // After the menu was said, nothing comes by itself.
        State::Messages(messages, Stage::Played)
    }
}
