//! The events and actions of an [`OwnerDialogue`](super::OwnerDialogue).

use super::super::{Digit, EnteredPin, GreetingKind, Pin, PinVerdict, Recorded, RecordingKind, Say};
use crate::message::{MailboxId, MessageId, Summary};
use crate::store::{Page, Query};

/// An event on an owner's call, or the result of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OwnerEvent {
    /// The last [`OwnerAction::Say`] was played to its end.
    Played,
    /// The message of the last [`OwnerAction::Say`] could not be played, for example because the store failed.
    NotPlayed,
    /// The owner pressed a key.
    Digit(Digit),
    /// The owner pressed nothing for a while after the last prompt.
    Silence,
    /// The owner has hung up.
    HungUp,
    /// The result of [`OwnerAction::CheckPin`].
    Checked(PinVerdict),
    /// The result of [`OwnerAction::Count`].
    Counted(Summary),
    /// [`OwnerAction::Count`] failed.
    NotCounted,
    /// The result of [`OwnerAction::List`].
    Listed(Page),
    /// [`OwnerAction::List`] failed.
    NotListed,
    /// The result of [`OwnerAction::MarkOld`], [`OwnerAction::Remove`] or [`OwnerAction::Restore`].
    Marked(MarkOutcome),
    /// A recording has ended, by [`OwnerAction::StopRecording`] or by itself.
    Recorded(Recorded),
    /// The recording could not begin, or was lost: [`OwnerAction::Record`] failed.
    NotRecorded,
    /// The result of [`OwnerAction::SaveGreeting`] or [`OwnerAction::RemoveGreeting`].
    GreetingSet(GreetingOutcome),
    /// The result of [`OwnerAction::PassOn`] or [`OwnerAction::Answer`].
    Sent(SendOutcome),
    /// The result of [`OwnerAction::SetPin`].
    PinSet(PinChangeOutcome),
}

/// The result of giving a message a new status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MarkOutcome {
    /// The store has marked the message.
    Done,
    /// The mailbox no longer has the message.
    NoSuchMessage,
    /// The store could not mark the message; the same call may succeed later.
    Failed,
}

/// The result of saving or removing a greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GreetingOutcome {
    /// The greeting was saved to stable storage, or removed from it.
    Done,
    /// The greeting is as it was before.
    Failed,
}

/// The result of changing a PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PinChangeOutcome {
    /// The new PIN is on stable storage.
    Kept,
    /// The PIN is as it was before.
    Failed,
}

/// The result of sending a message to a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendOutcome {
    /// The message was stored in the mailbox.
    Delivered,
    /// No mailbox has this number.
    NoSuchMailbox,
    /// The message could not be delivered; the same call may succeed later.
    Failed,
}

/// An action that the driver of an owner's call does next.
///
/// The driver keeps a recording until an event has confirmed the action that uses it, so that the owner can try again after a
/// failure. When the dialogue is over, the driver discards a recording that it still has.
///
/// The enum is exhaustive on purpose: a driver must do every action, and the compiler finds those that it lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnerAction {
    /// Play these prompts until a digit comes. Answer with [`OwnerEvent::Played`] when it was played to its end.
    Say(Say),
    /// Check these digits with [`MemoryPins`](crate::telephone::MemoryPins) or a `PinFolder`. Answer with
    /// [`OwnerEvent::Checked`].
    CheckPin(EnteredPin),
    /// Count the messages. Answer with [`OwnerEvent::Counted`] or [`OwnerEvent::NotCounted`].
    Count,
    /// List this page of messages. Answer with [`OwnerEvent::Listed`] or [`OwnerEvent::NotListed`].
    List(Query),
    /// Mark the message old, because its owner has heard or kept it. Answer with [`OwnerEvent::Marked`].
    MarkOld(MessageId),
    /// Mark the message removed. Answer with [`OwnerEvent::Marked`].
    Remove(MessageId),
    /// Mark the removed message old. Answer with [`OwnerEvent::Marked`].
    Restore(MessageId),
    /// Begin to record; answer with [`OwnerEvent::NotRecorded`] if that fails.
    Record(RecordingPurpose),
    /// End the recording, and answer with [`OwnerEvent::Recorded`].
    StopRecording,
    /// Discard the recording.
    Discard,
    /// Save the recording as this greeting. Answer with [`OwnerEvent::GreetingSet`].
    SaveGreeting(GreetingKind),
    /// Remove this greeting. Answer with [`OwnerEvent::GreetingSet`].
    RemoveGreeting(GreetingKind),
    /// Pass the message on. Answer with [`OwnerEvent::Sent`].
    PassOn {
        /// The message to pass on.
        id: MessageId,
        /// The mailbox that gets it.
        to: MailboxId,
        /// Whether the recording is an introduction, to be put before the message.
        introduced: bool,
    },
    /// Send the recording to the caller who left the message. Answer with [`OwnerEvent::Sent`].
    Answer(MessageId),
    /// Change the PIN of the mailbox to this one. Answer with [`OwnerEvent::PinSet`].
    SetPin(Pin),
    /// Hang up. This dialogue is over.
    HangUp,
}

/// The purpose of an owner's recording. Exhaustive on purpose, like [`OwnerAction`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordingPurpose {
    /// The recording is a greeting.
    Greeting(GreetingKind),
    /// The recording is an introduction to a message that is passed on.
    Introduction {
        /// The message to pass on.
        id: MessageId,
        /// The mailbox that gets it.
        to: MailboxId,
    },
    /// The recording is an answer to this message.
    Answer(MessageId),
}

impl RecordingPurpose {
    /// Returns the kind of the recording that the owner is asked to make.
    pub const fn kind(&self) -> RecordingKind {
        match self {
            Self::Greeting(greeting) => RecordingKind::Greeting(*greeting),
            Self::Introduction { .. } => RecordingKind::Introduction,
            Self::Answer(_) => RecordingKind::Answer,
        }
    }
}
