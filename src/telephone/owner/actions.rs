//! The actions of an [`OwnerDialogue`](super::OwnerDialogue).

use chrono::{DateTime, Utc};

use super::super::{EnteredPin, GreetingKind, Pin, RecordingKind, Say};
use crate::directory::ListNumber;
use crate::message::{CallerNumber, MailboxId, MessageId, Privacy, ReceiptChoice, Urgency};
use crate::store::Query;

/// An action that the driver of an owner's call does next.
///
/// The driver keeps a recording until an event has confirmed the action that uses it, so that the owner can try again after a
/// failure. When the dialogue is over, the driver discards a recording that it still has.
///
/// The enum is exhaustive on purpose: a driver must do every action, and the compiler finds those that it lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnerAction {
    /// Play these prompts. Answer with [`OwnerEvent::Played`](super::OwnerEvent::Played) when they were played to their end, or
    /// with [`OwnerEvent::NotPlayed`](super::OwnerEvent::NotPlayed) if a sound among them could not be played.
    ///
    /// A digit stops the prompts. If a [`Prompt::Play`](crate::telephone::Prompt::Play) is among them, a digit stops nothing by
    /// itself: they go on until the next action other than [`Playback`](Self::Playback).
    Say(Say),
    /// Check these digits with a PIN store. Answer with [`OwnerEvent::Checked`](super::OwnerEvent::Checked).
    ///
    /// The mailbox may not exist, because the owner has entered its number; [`PinVerdict::NoPin`](crate::telephone::PinVerdict::NoPin)
    /// or [`PinVerdict::Wrong`](crate::telephone::PinVerdict::Wrong) is the answer then.
    CheckPin {
        /// The mailbox that the owner wants to open.
        mailbox: MailboxId,
        /// The digits that the owner has entered.
        pin: EnteredPin,
    },
    /// Open this mailbox, whose PIN was right. Answer with [`OwnerEvent::Opened`](super::OwnerEvent::Opened) or
    /// [`OwnerEvent::NotOpened`](super::OwnerEvent::NotOpened).
    Open(MailboxId),
    /// List this page of messages. Answer with [`OwnerEvent::Listed`](super::OwnerEvent::Listed) or
    /// [`OwnerEvent::NotListed`](super::OwnerEvent::NotListed).
    List(Query),
    /// Mark the message old, because its owner has heard or kept it. Answer with [`OwnerEvent::Marked`](super::OwnerEvent::Marked).
    MarkOld(MessageId),
    /// Mark the message new, because its owner keeps it as new. Answer with [`OwnerEvent::Marked`](super::OwnerEvent::Marked).
    MarkNew(MessageId),
    /// Mark the message removed. Answer with [`OwnerEvent::Marked`](super::OwnerEvent::Marked).
    Remove(MessageId),
    /// Mark the removed message old. Answer with [`OwnerEvent::Marked`](super::OwnerEvent::Marked).
    Restore(MessageId),
    /// Control the message that is played. It has no answer; [`OwnerEvent::Played`](super::OwnerEvent::Played) still means that the
    /// message was played to its end.
    ///
    /// During the prompts before the message, the control makes the message begin at once.
    Playback(PlaybackControl),
    /// Begin to record; answer with [`OwnerEvent::NotRecorded`](super::OwnerEvent::NotRecorded) if that fails.
    Record(RecordingPurpose),
    /// End the recording, and answer with [`OwnerEvent::Recorded`](super::OwnerEvent::Recorded).
    StopRecording,
    /// Discard the recording.
    Discard,
    /// Save the recording as this greeting. Answer with [`OwnerEvent::GreetingSet`](super::OwnerEvent::GreetingSet).
    SaveGreeting {
        /// The kind of greeting.
        kind: GreetingKind,
        /// The end of a temporary greeting: from this moment on, callers hear the others again. `None` for no end.
        until: Option<DateTime<Utc>>,
    },
    /// Remove this greeting. Answer with [`OwnerEvent::GreetingSet`](super::OwnerEvent::GreetingSet).
    RemoveGreeting(GreetingKind),
    /// Find the mailbox or the distribution list that has this number. Answer with
    /// [`OwnerEvent::Addressee`](super::OwnerEvent::Addressee).
    FindAddressee(MailboxId),
    /// Pass the message on. Answer with [`OwnerEvent::Sent`](super::OwnerEvent::Sent).
    PassOn {
        /// The message to pass on.
        id: MessageId,
        /// The mailboxes that get it, each once.
        to: Vec<MailboxId>,
        /// Whether the recording is an introduction, to be put before the message.
        introduced: bool,
        /// Whether the owner requests a receipt.
        receipt: ReceiptChoice,
    },
    /// Send the recording to the caller who left the message. Answer with [`OwnerEvent::Sent`](super::OwnerEvent::Sent).
    Answer {
        /// The message to answer.
        id: MessageId,
        /// The urgency of the answer.
        urgency: Urgency,
        /// The privacy of the answer.
        privacy: Privacy,
        /// Whether the owner requests a receipt.
        receipt: ReceiptChoice,
    },
    /// Send the recording as a message of its own. Answer with [`OwnerEvent::Sent`](super::OwnerEvent::Sent).
    Compose {
        /// The mailboxes that get it, each once.
        to: Vec<MailboxId>,
        /// The urgency of the message.
        urgency: Urgency,
        /// The privacy of the message.
        privacy: Privacy,
        /// Whether the owner requests a receipt.
        receipt: ReceiptChoice,
    },
    /// List the messages that the owner has sent with a request for a receipt, the newest first. Answer with
    /// [`OwnerEvent::SentListed`](super::OwnerEvent::SentListed) or [`OwnerEvent::NotListed`](super::OwnerEvent::NotListed).
    ListSent,
    /// Read this private list of the owner. Answer with [`OwnerEvent::ListChanged`](super::OwnerEvent::ListChanged).
    OpenList(ListNumber),
    /// Add this mailbox or distribution list to a private list, which is created if there is none. Answer with
    /// [`OwnerEvent::ListChanged`](super::OwnerEvent::ListChanged).
    AddToList {
        /// The number of the private list.
        list: ListNumber,
        /// The mailbox or the distribution list to add.
        member: MailboxId,
    },
    /// Remove this member from a private list, which is deleted with its last one. Answer with
    /// [`OwnerEvent::ListChanged`](super::OwnerEvent::ListChanged).
    RemoveFromList {
        /// The number of the private list.
        list: ListNumber,
        /// The member to remove.
        member: MailboxId,
    },
    /// Delete this private list. Answer with [`OwnerEvent::ListChanged`](super::OwnerEvent::ListChanged).
    DeleteList(ListNumber),
    /// Give the message of the opened group to the mailbox of the telephone that calls. Answer with
    /// [`OwnerEvent::Taken`](super::OwnerEvent::Taken).
    Take(MessageId),
    /// Transfer the call to this number. If that succeeds, the call is over and the driver ends it. If it fails, answer with
    /// [`OwnerEvent::NotConnected`](super::OwnerEvent::NotConnected).
    CallBack(CallerNumber),
    /// Change the PIN of the mailbox to this one. Answer with [`OwnerEvent::PinSet`](super::OwnerEvent::PinSet).
    SetPin(Pin),
    /// Hang up. This dialogue is over.
    HangUp,
}

/// A control of a message while it is played. Exhaustive on purpose, like [`OwnerAction`].
///
/// Every control except [`Pause`](Self::Pause) continues a message that is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlaybackControl {
    /// Go some seconds back.
    Rewind,
    /// Go some seconds forward. Beyond the end, the message has been played to its end.
    Forward,
    /// Begin the message again.
    FromStart,
    /// Stop here until the next control.
    Pause,
    /// Continue where the message was paused.
    Resume,
    /// Play more slowly, with the same pitch.
    Slower,
    /// Play faster, with the same pitch.
    Faster,
    /// Play at the speed at which the caller spoke.
    NormalSpeed,
}

/// The purpose of an owner's recording. Exhaustive on purpose, like [`OwnerAction`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordingPurpose {
    /// The recording is a greeting, or the owner's name.
    Greeting(GreetingKind),
    /// The recording is an introduction to a message that is passed on.
    Introduction {
        /// The message to pass on.
        id: MessageId,
        /// The mailboxes that get it.
        to: Vec<MailboxId>,
    },
    /// The recording is an answer to this message.
    Answer(MessageId),
    /// The recording is a message of its own.
    Message {
        /// The mailboxes that get it.
        to: Vec<MailboxId>,
    },
}

impl RecordingPurpose {
    /// Returns the kind of the recording that the owner is asked to make.
    pub const fn kind(&self) -> RecordingKind {
        match self {
            Self::Greeting(greeting) => RecordingKind::Greeting(*greeting),
            Self::Introduction { .. } => RecordingKind::Introduction,
            Self::Answer(_) => RecordingKind::Answer,
            Self::Message { .. } => RecordingKind::Message,
        }
    }
}
