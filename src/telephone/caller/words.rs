//! What a [`CallerDialogue`](super::CallerDialogue) is told, and what it asks for.

use std::time::Duration;

use super::super::{Digit, Say};
use crate::message::{Privacy, Urgency};

/// Why a caller comes to a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Nobody answered, or all calls come here.
    NoAnswer,
    /// The line is busy.
    Busy,
}

/// What happened on a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallerEvent {
    /// What was to be said has been said to its end.
    Played,
    /// The caller pressed a key.
    Digit(Digit),
    /// The recording has ended: by [`CallerAction::StopRecording`], by silence, or by its longest length.
    Recorded(Recorded),
    /// The caller said and pressed nothing for a while, after all was said.
    Silence,
    /// The caller has hung up.
    HungUp,
}

/// What a recording came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// How long it is.
    pub length: Duration,
}

/// What is to be done on a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallerAction {
    /// Say this, until a digit comes.
    Say(Say),
    /// Begin to record.
    Record,
    /// End the recording, and tell its length.
    StopRecording,
    /// Throw away what was recorded.
    Discard,
    /// Keep what was recorded, ending the recording if it goes on; it is the message.
    Send {
        /// Whether it comes before others.
        urgency: Urgency,
        /// Whether its owner may pass it on.
        privacy: Privacy,
    },
    /// Connect the caller to the operator. The dialogue is over.
    Operator,
    /// Ask for a PIN, with an [`OwnerDialogue`](crate::telephone::OwnerDialogue). This dialogue is over.
    Owner,
    /// Hang up. The dialogue is over.
    HangUp,
}
