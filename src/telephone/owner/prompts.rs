//! The prompts after which an owner presses keys: a menu of the functions that work now, or a request for a number.

use super::super::{Function, Menu, Place, Prompt, Say};
use super::OwnerDialogue;
use super::messages::{MessageList, Stage};
use super::own_list::MemberChange;
use super::state::{OwnerRecording, OwnerState};
use crate::message::{Privacy, Status};

impl OwnerDialogue {
    /// The prompts after which the owner presses keys in `state`; none if the dialogue does not wait for keys there.
    pub(super) fn invitation(&self, state: &OwnerState) -> Say {
        vec![match state {
            OwnerState::OwnMailbox(_) => Prompt::EnterOwnMailbox,
            OwnerState::Pin(..) => Prompt::EnterPin,
            OwnerState::Main => Prompt::Menu(self.keys.menu(Place::Main, &chosen(&MAIN, |function| self.offers(*function)))),
            OwnerState::AtMessage(messages, Stage::Played) => Prompt::Menu(self.message_menu(messages)),
            OwnerState::Addressing(addressing, _) if addressing.to.is_empty() => Prompt::EnterMailbox,
            OwnerState::Addressing(..) => Prompt::EnterNextMailbox,
            OwnerState::Greetings => Prompt::Menu(self.keys.menu(Place::Greetings, &GREETINGS)),
            OwnerState::OneGreeting(kind) => {
                let offered = |function: &Function| match function {
                    Function::HearGreeting | Function::RemoveGreeting => self.may_have(*kind),
                    _ => true,
                };
                Prompt::Menu(self.keys.menu(Place::OneGreeting, &chosen(&ONE_GREETING, offered)))
            }
            OwnerState::Announcing(_) => Prompt::Tone,
            OwnerState::Reviewing(recording) => Prompt::Menu(self.review_menu(recording)),
            OwnerState::Days(..) => Prompt::EnterDays,
            OwnerState::NewPin(new, _) if new.first.is_none() => Prompt::EnterNewPin,
            OwnerState::NewPin(..) => Prompt::RepeatNewPin,
            OwnerState::Sent(list) => Prompt::Menu(self.keys.menu(Place::Sent, &list.offered())),
            OwnerState::ListNumber(_) => Prompt::EnterList,
            OwnerState::OneList(list) => Prompt::Menu(self.keys.menu(Place::List, list.offered())),
            OwnerState::ListMember(_, MemberChange::Add, _) => Prompt::EnterNewMember,
            OwnerState::ListMember(_, MemberChange::Remove, _) => Prompt::EnterOldMember,
            OwnerState::AtMessage(_, Stage::Playing | Stage::Paused | Stage::Done)
            | OwnerState::Recording(_)
            | OwnerState::Awaiting(_)
            | OwnerState::Leaving
            | OwnerState::Over => return Vec::new(),
        }]
    }

    /// The menu after a message, or when it was stopped.
    pub(super) fn message_menu(&self, messages: &MessageList) -> Menu {
        let Some(entry) = messages.current() else { return self.keys.menu(Place::Played, &[Function::Back]) };
        let (removed, is_receipt) = (entry.status == Status::Removed, messages.receipt().is_some());
        let has_number = entry.head.caller.number.is_some();
        let offered = |function: &Function| match function {
            Function::Keep | Function::KeepAsNew | Function::Remove => !removed,
            Function::Restore => removed,
            Function::Previous => messages.at > 0,
            Function::PassOn => entry.head.privacy != Privacy::Private && !is_receipt,
            Function::Answer => has_number && !is_receipt,
            Function::CallBack => has_number,
            Function::Envelope => !is_receipt,
            Function::TakeMessage => !removed && self.offers(Function::TakeMessage),
            _ => true,
        };
        self.keys.menu(Place::Played, &chosen(&MESSAGE, offered))
    }

    /// Whether the opened mailbox has this function.
    pub(super) fn offers(&self, function: Function) -> bool {
        match function {
            Function::SentMessages | Function::PrivateLists | Function::TakeMessage => self.functions.contains(&function),
            _ => true,
        }
    }

    /// The keys that control a message while it is played.
    pub(super) fn playback_menu(&self) -> Menu {
        self.keys.menu(Place::Playing, &PLAYBACK)
    }

    fn review_menu(&self, recording: &OwnerRecording) -> Menu {
        let offered = |function: &Function| match function {
            Function::Hear => recording.exists,
            Function::Urgent | Function::Private => recording.is_message(),
            Function::RequestReceipt => recording.is_sent(),
            _ => true,
        };
        self.keys.menu(Place::OwnerReview, &chosen(&REVIEW, offered))
    }
}

fn chosen(functions: &[Function], offered: impl Fn(&Function) -> bool) -> Vec<Function> {
    functions.iter().copied().filter(offered).collect()
}

const MAIN: [Function; 10] = [
    Function::NewMessages,
    Function::OldMessages,
    Function::RemovedMessages,
    Function::Compose,
    Function::SentMessages,
    Function::PrivateLists,
    Function::Greetings,
    Function::RecordName,
    Function::ChangePin,
    Function::Leave,
];

const PLAYBACK: [Function; 7] = [
    Function::Rewind,
    Function::Pause,
    Function::Forward,
    Function::FromStart,
    Function::Slower,
    Function::Faster,
    Function::NormalSpeed,
];

const MESSAGE: [Function; 13] = [
    Function::Again,
    Function::Keep,
    Function::KeepAsNew,
    Function::Remove,
    Function::Restore,
    Function::Previous,
    Function::Next,
    Function::Envelope,
    Function::PassOn,
    Function::Answer,
    Function::CallBack,
    Function::TakeMessage,
    Function::Back,
];

const GREETINGS: [Function; 6] = [
    Function::NormalGreeting,
    Function::BusyGreeting,
    Function::TemporaryGreeting,
    Function::RecordName,
    Function::ChangePin,
    Function::Back,
];

const ONE_GREETING: [Function; 4] = [Function::HearGreeting, Function::RecordGreeting, Function::RemoveGreeting, Function::Back];

const REVIEW: [Function; 7] = [
    Function::Accept,
    Function::Hear,
    Function::RecordAgain,
    Function::Urgent,
    Function::Private,
    Function::RequestReceipt,
    Function::Discard,
];
