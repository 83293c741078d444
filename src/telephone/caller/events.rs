//! The events and actions of a [`CallerDialogue`](super::CallerDialogue).

use std::time::Duration;

use super::super::{Digit, Say};
use crate::message::{Privacy, Urgency};

/// Why a caller comes to a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DiversionReason {
    /// Nobody answered, or all calls come here.
    NoAnswer,
    /// The line is busy.
    Busy,
}

/// An event on a caller's call, or the result of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallerEvent {
    /// The last [`CallerAction::Say`] was played to its end.
    Played,
    /// The caller pressed a key.
    Digit(Digit),
    /// The recording has ended: by [`CallerAction::StopRecording`], by silence, or by its longest length.
    Recorded(Recorded),
    /// The recording could not begin: [`CallerAction::Record`] or [`CallerAction::RecordAgain`] has failed.
    NotRecorded,
    /// The message of [`CallerAction::Send`] is on stable storage.
    Sent,
    /// The recording of [`CallerAction::Send`] was shorter than a message, and is thrown away.
    TooShort,
    /// The message of [`CallerAction::Send`] is not on stable storage: the disk failed, say.
    NotKept,
    /// The caller said and pressed nothing for a while, after all was said.
    Silence,
    /// The caller has hung up.
    HungUp,
}

/// The result of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// Its length.
    pub length: Duration,
}

/// An action that the driver of a caller's call does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallerAction {
    /// Play this until a digit comes. Answer with [`CallerEvent::Played`] when it was played to its end.
    Say(Say),
    /// Begin to record; answer with [`CallerEvent::NotRecorded`] if that fails.
    Record,
    /// Throw away what was recorded, and begin to record again on the same port, as `Recording::restart` does. Answer with
    /// [`CallerEvent::NotRecorded`] if that fails; nothing is recorded then.
    RecordAgain,
    /// End the recording, and answer with [`CallerEvent::Recorded`].
    StopRecording,
    /// Throw away what was recorded.
    Discard,
    /// Keep what was recorded as the message, ending the recording if it goes on. Answer with [`CallerEvent::Sent`],
    /// [`CallerEvent::TooShort`] or [`CallerEvent::NotKept`]; the recording is the driver's no longer, whichever it is.
    Send {
        /// Whether the message comes before others.
        urgency: Urgency,
        /// Whether its owner may pass it on.
        privacy: Privacy,
    },
    /// Connect the caller to the operator. The dialogue is over.
    ConnectOperator,
    /// Ask for a PIN, with an [`OwnerDialogue`](crate::telephone::OwnerDialogue). This dialogue is over.
    StartOwnerDialogue,
    /// Hang up. The dialogue is over.
    HangUp,
}
