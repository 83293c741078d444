//! The part of the dialogue in which a message of an owner is sent: one that is passed on, an answer, or one of its own.

use super::super::Prompt;
use super::actions::RecordingPurpose;
use super::events::SendOutcome;
use super::state::{Awaited, OwnerRecording, OwnerState};
use super::{OwnerAction, OwnerDialogue};
use crate::message::MailboxId;

impl OwnerDialogue {
    /// Sends the message for which the recording was made. A greeting is no message, and is left as it is.
    pub(super) fn send(&mut self, recording: OwnerRecording) -> OwnerState {
        let OwnerRecording { urgency, privacy, receipt, .. } = recording;
        self.act(match &recording.purpose {
            RecordingPurpose::Introduction { id, to } => {
                OwnerAction::PassOn { id: *id, to: to.clone(), introduced: recording.exists, receipt }
            }
            RecordingPurpose::Answer(id) => OwnerAction::Answer { id: *id, urgency, privacy, receipt },
            RecordingPurpose::Message { to } => OwnerAction::Compose { to: to.clone(), urgency, privacy, receipt },
            RecordingPurpose::Greeting(_) => return OwnerState::Reviewing(recording),
        });
        OwnerState::Awaiting(Awaited::Sending(recording))
    }

    pub(super) fn sent(&mut self, state: OwnerState, sent: SendOutcome) -> OwnerState {
        let OwnerState::Awaiting(Awaited::Sending(mut recording)) = state else { return state };
        let said = match sent {
            SendOutcome::Delivered => return self.finish(recording, vec![Prompt::Sent]),
            SendOutcome::NoSuchMailbox => return self.give_up(recording, Prompt::NoSuchMailbox),
            SendOutcome::NotLicensed => return self.give_up(recording, Prompt::NotLicensed),
            SendOutcome::CannotAnswer => return self.give_up(recording, Prompt::CannotAnswer),
            SendOutcome::Failed => vec![Prompt::NotSent],
            SendOutcome::Partly(missing) | SendOutcome::PrivacyNotHonoured(missing) if missing.is_empty() => {
                return self.finish(recording, vec![Prompt::Sent]);
            }
            SendOutcome::Partly(missing) => {
                let said = not_sent_to(&missing).collect();
                set_addressees(&mut recording.purpose, missing);
                said
            }
            SendOutcome::PrivacyNotHonoured(missing) => {
                let said = not_sent_to(&missing).chain([Prompt::PrivacyNotHonoured]).collect();
                set_addressees(&mut recording.purpose, missing);
                said
            }
        };
        // The owner can send it again, to those who have not got it.
        self.continue_at(OwnerState::Reviewing(recording), said)
    }

    /// Ends the sending of a message that can reach nobody.
    fn give_up(&mut self, mut recording: OwnerRecording, said: Prompt) -> OwnerState {
        self.drop_recording(&mut recording);
        self.finish(recording, vec![said])
    }
}

/// Says who has not got a message; of many, some.
fn not_sent_to(missing: &[MailboxId]) -> impl Iterator<Item = Prompt> {
    let more = (missing.len() > MAX_NAMED).then_some(Prompt::NotSent);
    missing.iter().take(MAX_NAMED).cloned().map(Prompt::NotSentTo).chain(more)
}

fn set_addressees(purpose: &mut RecordingPurpose, mailboxes: Vec<MailboxId>) {
    match purpose {
        RecordingPurpose::Introduction { to, .. } | RecordingPurpose::Message { to } => *to = mailboxes,
        RecordingPurpose::Answer(_) | RecordingPurpose::Greeting(_) => {}
    }
}

/// So many mailboxes that did not get a message are named.
const MAX_NAMED: usize = 5;
