//! The part of the dialogue in which an owner sets up the mailbox: name, greeting, and the new PIN last.
//!
//! The initial PIN opens the mailbox until the new one is set, so a set-up that is interrupted begins again.

use super::super::{GreetingKind, Prompt, Say};
use super::state::{FirstUse, NewPin, OwnerRecording, OwnerState, Return};
use super::{OwnerDialogue, RecordingPurpose};

impl OwnerDialogue {
    pub(super) fn begin_first_use(&mut self) -> OwnerState {
        let name = OwnerRecording::new(RecordingPurpose::Greeting(GreetingKind::Name), Return::FirstUse);
        self.announce(name, vec![Prompt::FirstUse])
    }

    /// Says `said`, and continues with the step after the recording of this purpose.
    pub(super) fn next_of_first_use(&mut self, purpose: &RecordingPurpose, said: Say) -> OwnerState {
        if *purpose == RecordingPurpose::Greeting(GreetingKind::Name) {
            let greeting = OwnerRecording::new(RecordingPurpose::Greeting(GreetingKind::Normal), Return::FirstUse);
            return self.announce(greeting, said);
        }
        self.continue_at(OwnerState::NewPin(NewPin::new(FirstUse::Yes), String::new()), said)
    }
}
