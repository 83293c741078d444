//! The events and actions of an [`OwnerDialogue`](super::OwnerDialogue).

use super::super::{Digit, EnteredPin, GreetingKind, Pin, PinVerdict, Recorded, Say};
use crate::message::{MailboxId, MessageId, Summary};
use crate::store::{Page, Query};

/// An event on an owner's call, or the result of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnerEvent {
    /// The last [`OwnerAction::Say`] was played to its end.
    Played,
    /// The message of the last [`OwnerAction::Say`] could not be played: the store did not give its sound, say.
    NotPlayed,
    /// The owner pressed a key.
    Digit(Digit),
    /// The owner pressed nothing for a while, after all was said.
    Silence,
    /// The owner has hung up.
    HungUp,
    /// The result of [`OwnerAction::CheckPin`].
    Checked(PinVerdict),
    /// The result of [`OwnerAction::Count`].
    Counted(Summary),
    /// [`OwnerAction::Count`] has failed.
    NotCounted,
    /// The result of [`OwnerAction::List`].
    Listed(Page),
    /// [`OwnerAction::List`] has failed.
    NotListed,
    /// The result of [`OwnerAction::MarkOld`], [`OwnerAction::Remove`] or [`OwnerAction::Restore`].
    Marked(MarkOutcome),
    /// A recording has ended, by [`OwnerAction::StopRecording`] or by itself.
    Recorded(Recorded),
    /// The recording could not begin, or was lost: [`OwnerAction::Record`] has failed.
    NotRecorded,
    /// The result of [`OwnerAction::SaveGreeting`] or [`OwnerAction::RemoveGreeting`].
    GreetingSet(GreetingOutcome),
    /// The result of [`OwnerAction::PassOn`] or [`OwnerAction::Answer`].
    Sent(SendOutcome),
    /// The result of [`OwnerAction::SetPin`].
    PinSet(PinChangeOutcome),
}

/// Whether a message has got its new status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MarkOutcome {
    /// The store has marked the message.
    Done,
    /// The mailbox has no such message any more.
    NoSuchMessage,
    /// The store could not mark the message; the same call may succeed later.
    Failed,
}

/// Whether a greeting was saved, or dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GreetingOutcome {
    /// The greeting is on stable storage, or is removed there.
    Done,
    /// The greeting is as it was before.
    Failed,
}

/// Whether a PIN was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinChangeOutcome {
    /// The new PIN is on stable storage.
    Kept,
    /// The PIN is as it was before.
    Failed,
}

/// Whether a message was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendOutcome {
    /// The message is in the mailbox.
    Delivered,
    /// There is no such mailbox.
    NoSuchMailbox,
    /// The message could not be delivered; the same call may succeed later.
    Failed,
}

/// An action that the driver of an owner's call does next.
///
/// An action that uses a recording leaves it with the driver until its event says that it is done, so that the owner can try again
/// after a failure. When the dialogue is over, the driver throws away what it still has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnerAction {
    /// Play this until a digit comes. Answer with [`OwnerEvent::Played`] when it was played to its end.
    Say(Say),
    /// Check these digits with the [`MemoryPins`](crate::telephone::MemoryPins), or a `PinFolder`. Answer with [`OwnerEvent::Checked`].
    CheckPin(EnteredPin),
    /// Count the messages. Answer with [`OwnerEvent::Counted`] or [`OwnerEvent::NotCounted`].
    Count,
    /// List this page of messages. Answer with [`OwnerEvent::Listed`] or [`OwnerEvent::NotListed`].
    List(Query),
    /// Mark the message old: its owner has heard it, or keeps it. Answer with [`OwnerEvent::Marked`].
    MarkOld(MessageId),
    /// Mark the message removed. Answer with [`OwnerEvent::Marked`].
    Remove(MessageId),
    /// Mark the removed message old. Answer with [`OwnerEvent::Marked`].
    Restore(MessageId),
    /// Begin to record; answer with [`OwnerEvent::NotRecorded`] if that fails.
    Record(RecordingPurpose),
    /// End the recording, and answer with [`OwnerEvent::Recorded`].
    StopRecording,
    /// Throw away what was recorded.
    Discard,
    /// Save what was recorded as this greeting. Answer with [`OwnerEvent::GreetingSet`].
    SaveGreeting(GreetingKind),
    /// Remove this greeting. Answer with [`OwnerEvent::GreetingSet`].
    RemoveGreeting(GreetingKind),
    /// Pass the message on. Answer with [`OwnerEvent::Sent`].
    PassOn {
        /// Which message.
        id: MessageId,
        /// The mailbox that gets it.
        to: MailboxId,
        /// Whether what was recorded comes before it.
        introduced: bool,
    },
    /// Send what was recorded to the caller who left the message. Answer with [`OwnerEvent::Sent`].
    Answer(MessageId),
    /// Change the PIN to this one. Answer with [`OwnerEvent::PinSet`].
    SetPin(Pin),
    /// Hang up. The dialogue is over.
    HangUp,
}

/// What an owner records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordingPurpose {
    /// A greeting.
    Greeting(GreetingKind),
    /// An introduction to a message that is passed on.
    Introduction {
        /// Which message.
        id: MessageId,
        /// The mailbox that gets it.
        to: MailboxId,
    },
    /// An answer to a message.
    Answer(MessageId),
}
