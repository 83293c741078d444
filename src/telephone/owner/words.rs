//! What an [`OwnerDialogue`](super::OwnerDialogue) is told, and what it asks for.

use super::super::{Digit, GreetingKind, Pin, Recorded, Say, Verdict};
use crate::message::{MailboxId, MessageId, Summary};
use crate::store::{Page, Query};

/// What happened on a call, or what became of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnerEvent {
    /// What was to be said has been said to its end.
    Played,
    /// The owner pressed a key.
    Digit(Digit),
    /// The owner pressed nothing for a while, after all was said.
    Silence,
    /// The owner has hung up.
    HungUp,
    /// What [`OwnerAction::CheckPin`] came to.
    Checked(Verdict),
    /// What [`OwnerAction::Count`] came to.
    Counted(Summary),
    /// What [`OwnerAction::List`] came to.
    Listed(Page),
    /// A recording has ended, by [`OwnerAction::StopRecording`] or by itself.
    Recorded(Recorded),
    /// What [`OwnerAction::PassOn`] or [`OwnerAction::Answer`] came to.
    Sent(Sent),
    /// What [`OwnerAction::SetPin`] came to.
    PinSet(PinSet),
}

/// What became of a PIN that was to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinSet {
    /// It is changed.
    Kept,
    /// It could not be kept.
    Failed,
}

/// What became of a message that was to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It is delivered.
    Delivered,
    /// There is no such mailbox.
    NoSuchMailbox,
    /// It could not be delivered.
    Failed,
}

/// What is to be done on a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnerAction {
    /// Say this, until a digit comes.
    Say(Say),
    /// Ask the [`PinBook`](crate::telephone::PinBook), or a `PinFolder`, about these digits.
    CheckPin(String),
    /// Ask how many messages there are.
    Count,
    /// Ask for this page of messages.
    List(Query),
    /// The message was heard, or is to be kept: mark it old.
    Heard(MessageId),
    /// Mark the message removed.
    Remove(MessageId),
    /// Mark the removed message old.
    Restore(MessageId),
    /// Begin to record.
    Record(Purpose),
    /// End the recording, and tell its length.
    StopRecording,
    /// Throw away what was recorded.
    Discard,
    /// What was recorded is this greeting from now on.
    SaveGreeting(GreetingKind),
    /// This greeting is no longer there.
    DropGreeting(GreetingKind),
    /// Pass the message on.
    PassOn {
        /// Which message.
        id: MessageId,
        /// To whom.
        to: MailboxId,
        /// With what was recorded before it, or by itself.
        introduced: bool,
    },
    /// Send what was recorded to whoever left the message.
    Answer(MessageId),
    /// The PIN is to be this one from now on.
    SetPin(Pin),
    /// Hang up. The dialogue is over.
    HangUp,
}

/// What is recorded for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// A greeting.
    Greeting(GreetingKind),
    /// What is said before a message that is passed on.
    Introduction {
        /// Which message.
        id: MessageId,
        /// To whom.
        to: MailboxId,
    },
    /// An answer to a message.
    Answer(MessageId),
}
