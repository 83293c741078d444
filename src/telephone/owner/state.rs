//! [`OwnerState`]: the state of an owner's dialogue.

use chrono::{DateTime, Utc};

use super::super::{GreetingKind, Pin, Place};
use super::actions::RecordingPurpose;
use super::messages::{MessageList, Stage, StatusChange};
use super::own_list::{ListStep, MemberChange, OwnList};
use super::sent_list::SentList;
use crate::message::{MailboxId, Privacy, ReceiptChoice, Urgency};

/// The state of the dialogue. The text in a state is the number that was entered so far.
pub(super) enum OwnerState {
    /// The owner enters the number of the mailbox.
    OwnMailbox(String),
    /// The owner enters the PIN.
    Pin(Login, String),
    Main,
    AtMessage(MessageList, Stage),
    /// The owner enters the number of a mailbox that is to get a message.
    Addressing(Addressing, String),
    /// The owner chooses a greeting.
    Greetings,
    OneGreeting(GreetingKind),
    /// The prompts before the tone of a recording are played.
    Announcing(OwnerRecording),
    Recording(OwnerRecording),
    Reviewing(OwnerRecording),
    /// The owner enters for how many days the temporary greeting that was recorded is valid.
    Days(OwnerRecording, String),
    NewPin(NewPin, String),
    /// The owner has heard what became of a sent message.
    Sent(SentList),
    /// The owner enters the number of a private list.
    ListNumber(String),
    OneList(OwnList),
    /// The owner enters the number of a member of a private list.
    ListMember(OwnList, MemberChange, String),
    /// The dialogue waits for the result of an action.
    Awaiting(Awaited),
    /// The last prompts are played.
    Leaving,
    Over,
}

/// A result that the dialogue waits for, with what it needs to continue.
pub(super) enum Awaited {
    PinCheck(Login),
    Opening(FirstUse),
    Page(MessageList),
    Marking(MessageList, StatusChange),
    CallBack(MessageList),
    Addressee(Addressing),
    /// The owner has ended the recording.
    Recording(OwnerRecording),
    /// A greeting is being saved, with this end.
    Saving(OwnerRecording, GreetingKind, Option<DateTime<Utc>>),
    RemovingGreeting(GreetingKind),
    Sending(OwnerRecording),
    SettingPin(FirstUse),
    SentMessages,
    List(OwnList, ListStep),
    Taking(MessageList),
}

/// Whether the mailbox is set up in this call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FirstUse {
    Yes,
    No,
}

impl OwnerState {
    /// The place in the key map whose functions the keys have now; `None` if keys have none.
    pub(super) fn place(&self) -> Option<Place> {
        Some(match self {
            Self::OwnMailbox(_) | Self::Pin(..) => Place::Login,
            Self::Main => Place::Main,
            // A receipt is said, and has no sound that keys could control.
            Self::AtMessage(messages, Stage::Playing | Stage::Paused) if messages.receipt().is_none() => Place::Playing,
            Self::AtMessage(..) => Place::Played,
            Self::Addressing(..) | Self::Days(..) | Self::NewPin(..) | Self::ListNumber(_) | Self::ListMember(..) => Place::Entry,
            Self::Sent(_) => Place::Sent,
            Self::OneList(_) => Place::List,
            Self::Greetings => Place::Greetings,
            Self::OneGreeting(_) => Place::OneGreeting,
            Self::Announcing(_) | Self::Recording(_) => Place::OwnerRecording,
            Self::Reviewing(_) => Place::OwnerReview,
            Self::Awaiting(_) | Self::Leaving | Self::Over => return None,
        })
    }

    /// The digits that were entered so far, where a number is entered.
    pub(super) fn entered(&mut self) -> Option<&mut String> {
        match self {
            Self::OwnMailbox(entered)
            | Self::Pin(_, entered)
            | Self::Addressing(_, entered)
            | Self::Days(_, entered)
            | Self::NewPin(_, entered)
            | Self::ListNumber(entered)
            | Self::ListMember(_, _, entered) => Some(entered),
            Self::Main
            | Self::Sent(_)
            | Self::OneList(_)
            | Self::AtMessage(..)
            | Self::Greetings
            | Self::OneGreeting(_)
            | Self::Announcing(_)
            | Self::Recording(_)
            | Self::Reviewing(_)
            | Self::Awaiting(_)
            | Self::Leaving
            | Self::Over => None,
        }
    }

    /// Whether the driver has a recording that nothing else has been done with.
    pub(super) fn has_recording(&self) -> bool {
        match self {
            Self::Recording(_) | Self::Awaiting(Awaited::Recording(_)) => true,
            Self::Reviewing(recording) | Self::Days(recording, _) => recording.exists,
            Self::OwnMailbox(_)
            | Self::Pin(..)
            | Self::Main
            | Self::AtMessage(..)
            | Self::Addressing(..)
            | Self::Greetings
            | Self::OneGreeting(_)
            | Self::Announcing(_)
            | Self::NewPin(..)
            | Self::Sent(_)
            | Self::ListNumber(_)
            | Self::OneList(_)
            | Self::ListMember(..)
            | Self::Awaiting(_)
            | Self::Leaving
            | Self::Over => false,
        }
    }
}

/// The mailbox whose PIN is asked for.
pub(super) struct Login {
    pub(super) mailbox: MailboxId,
    pub(super) chosen: Chosen,
}

/// How the mailbox was chosen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Chosen {
    /// By the telephone that calls.
    ByTelephone,
    /// By a number that somebody has entered. No answer may show whether a mailbox has this number.
    ByNumber,
}

/// The mailboxes that are to get a message, while their numbers are entered.
pub(super) struct Addressing {
    /// The list of messages whose current one is passed on; `None` for a message of the owner's own.
    pub(super) passed_on: Option<MessageList>,
    pub(super) to: Vec<MailboxId>,
    /// How many numbers were entered, of mailboxes and of lists.
    pub(super) numbers: usize,
}

impl Addressing {
    pub(super) fn new(passed_on: Option<MessageList>) -> Self {
        Self { passed_on, to: Vec::new(), numbers: 0 }
    }
}

/// A recording that the owner makes, from the prompts before it to its use.
pub(super) struct OwnerRecording {
    pub(super) purpose: RecordingPurpose,
    pub(super) then: Return,
    /// Whether the driver has the recording.
    pub(super) exists: bool,
    /// How often the recording was too short or without speech.
    pub(super) failures: u32,
    pub(super) urgency: Urgency,
    pub(super) privacy: Privacy,
    pub(super) receipt: ReceiptChoice,
}

impl OwnerRecording {
    pub(super) fn new(purpose: RecordingPurpose, then: Return) -> Self {
        let (urgency, privacy, receipt) = (Urgency::Normal, Privacy::Normal, ReceiptChoice::NotRequested);
        Self { purpose, then, exists: false, failures: 0, urgency, privacy, receipt }
    }

    /// Whether the recording becomes a message, which can be urgent or private.
    pub(super) fn is_message(&self) -> bool {
        match self.purpose {
            RecordingPurpose::Answer(_) | RecordingPurpose::Message { .. } => true,
            RecordingPurpose::Greeting(_) | RecordingPurpose::Introduction { .. } => false,
        }
    }

    /// Whether the recording is sent, alone or before a message that is passed on, so that a receipt can be requested.
    pub(super) fn is_sent(&self) -> bool {
        self.is_message() || matches!(self.purpose, RecordingPurpose::Introduction { .. })
    }

    /// Whether the owner may leave the recording out.
    pub(super) fn is_optional(&self) -> bool {
        matches!(self.purpose, RecordingPurpose::Introduction { .. }) || matches!(self.then, Return::FirstUse)
    }
}

/// Where the dialogue continues after a recording.
pub(super) enum Return {
    Main,
    Message(MessageList),
    Greeting(GreetingKind),
    FirstUse,
}

/// A new PIN that is being entered.
pub(super) struct NewPin {
    /// The PIN that was entered first; `None` before that.
    pub(super) first: Option<Pin>,
    pub(super) first_use: FirstUse,
}

impl NewPin {
    pub(super) fn new(first_use: FirstUse) -> Self {
        Self { first: None, first_use }
    }
}
