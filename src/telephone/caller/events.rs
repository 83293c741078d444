//! The events and actions of a [`CallerDialogue`](super::CallerDialogue).

use std::time::Duration;

use super::super::{Digit, Say};
use crate::message::{Privacy, Urgency};

/// The reason why a call was diverted to a mailbox, as RFC 5806 names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DiversionReason {
    /// Nobody answered, or all calls are diverted.
    NoAnswer,
    /// The line is busy.
    Busy,
}

/// An event on a caller's call, or the result of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallerEvent {
    /// The last [`CallerAction::Say`] was played to its end.
    Played,
    /// The caller pressed a key.
    Digit(Digit),
    /// The recording has ended: by [`CallerAction::StopRecording`], by silence, or at the maximum length.
    Recorded(Recorded),
    /// The recording could not begin: [`CallerAction::Record`] or [`CallerAction::RecordAgain`] failed.
    NotRecorded,
    /// The message of [`CallerAction::Send`] is on stable storage.
    Sent,
    /// The recording of [`CallerAction::Send`] was too short for a message, and was discarded.
    TooShort,
    /// The message of [`CallerAction::Send`] is not on stable storage, for example because the disk failed.
    NotKept,
    /// [`CallerAction::ConnectOperator`] failed, or an owner could not be connected to a mailbox elsewhere after
    /// [`CallerAction::StartOwnerDialogue`]: the call was not transferred, and the caller is still here.
    NotConnected,
    /// [`CallerAction::StartOwnerDialogue`] cannot be done here, and the caller is still here.
    NotAvailable,
    /// The caller said and pressed nothing for a while after the last prompt or the last key.
    Silence,
    /// The caller has hung up.
    HungUp,
}

/// A recording that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recorded {
    /// The length of the recording.
    pub length: Duration,
    /// Whether somebody spoke in the recording.
    pub speech: bool,
}

impl Recorded {
    /// A recording of this length in which somebody spoke.
    pub const fn new(length: Duration) -> Self {
        Self { length, speech: true }
    }

    /// A recording of this length in which nobody spoke.
    pub const fn without_speech(length: Duration) -> Self {
        Self { length, speech: false }
    }
}

/// An action that the driver of a caller's call does next.
///
/// The enum is exhaustive on purpose: a driver must do every action, and the compiler finds those that it lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallerAction {
    /// Play these prompts until a digit comes. Answer with [`CallerEvent::Played`] when it was played to its end.
    Say(Say),
    /// Begin to record; answer with [`CallerEvent::NotRecorded`] if that fails.
    Record,
    /// Discard the recording, and begin another one on the same port, as `Recording::restart` does. Answer with
    /// [`CallerEvent::NotRecorded`] if that fails; then there is no recording.
    RecordAgain,
    /// End the recording, and answer with [`CallerEvent::Recorded`].
    StopRecording,
    /// Discard the recording.
    Discard,
    /// End the recording if it still runs, and send it as the message. Answer with [`CallerEvent::Sent`],
    /// [`CallerEvent::TooShort`] or [`CallerEvent::NotKept`]; in each case, the driver has no recording afterwards.
    Send {
        /// The urgency of the message: urgent messages are played before others.
        urgency: Urgency,
        /// The privacy of the message: a private message cannot be passed on.
        privacy: Privacy,
    },
    /// Connect the caller to the operator. This dialogue is over, unless the driver answers with
    /// [`CallerEvent::NotConnected`].
    ConnectOperator,
    /// Start an [`OwnerDialogue`](crate::telephone::OwnerDialogue), which asks for the PIN. This dialogue is over, unless the driver
    /// answers with [`CallerEvent::NotAvailable`] or [`CallerEvent::NotConnected`].
    StartOwnerDialogue,
    /// Hang up. This dialogue is over.
    HangUp,
}
