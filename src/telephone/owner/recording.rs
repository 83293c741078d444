//! The part of the dialogue in which an owner records a greeting, an introduction, an answer or a message, and reviews it.

use std::time::Duration;

use super::super::{Function, GreetingKind, Prompt, Recorded, Say};
use super::actions::RecordingPurpose;
use super::state::{Awaited, OwnerRecording, OwnerState, Return};
use super::{OwnerAction, OwnerDialogue};
use crate::message::{Privacy, ReceiptChoice, Urgency};

impl OwnerDialogue {
    /// Says `said` and what is recorded after the tone.
    pub(super) fn announce(&mut self, recording: OwnerRecording, mut said: Say) -> OwnerState {
        said.extend([Prompt::RecordNow(recording.purpose.kind()), Prompt::Tone]);
        self.say(said);
        OwnerState::Announcing(recording)
    }

    /// A key before the tone: the one that ends a recording leaves out a recording that may be left out.
    pub(super) fn announcing_function(&mut self, recording: OwnerRecording, function: Function) -> OwnerState {
        if function == Function::EndRecording && recording.is_optional() {
            return self.leave_out(recording, Vec::new());
        }
        self.continue_at(OwnerState::Announcing(recording), Vec::new())
    }

    fn leave_out(&mut self, recording: OwnerRecording, said: Say) -> OwnerState {
        match recording.purpose {
            RecordingPurpose::Introduction { .. } => self.send(recording),
            RecordingPurpose::Greeting(_) | RecordingPurpose::Answer(_) | RecordingPurpose::Message { .. } => {
                self.finish(recording, said)
            }
        }
    }

    pub(super) fn begin_recording(&mut self, recording: OwnerRecording) -> OwnerState {
        self.act(OwnerAction::Record(recording.purpose.clone()));
        OwnerState::Recording(recording)
    }

    pub(super) fn recording_function(&mut self, recording: OwnerRecording, function: Function) -> OwnerState {
        if function != Function::EndRecording {
            return OwnerState::Recording(recording);
        }
        self.act(OwnerAction::StopRecording);
        OwnerState::Awaiting(Awaited::Recording(recording))
    }

    pub(super) fn recorded(&mut self, state: OwnerState, recorded: Recorded) -> OwnerState {
        let (OwnerState::Recording(mut recording) | OwnerState::Awaiting(Awaited::Recording(mut recording))) = state else {
            return state;
        };
        let fault = if !recorded.speech {
            Prompt::NoSpeech
        } else if recorded.length < MIN_RECORDING {
            Prompt::TooShort
        } else {
            recording.exists = true;
            return self.continue_at(OwnerState::Reviewing(recording), Vec::new());
        };
        self.forget_ahead();
        self.act(OwnerAction::Discard);
        recording.failures += 1;
        if recording.is_optional() {
            self.leave_out(recording, vec![fault])
        } else if recording.failures < MAX_FAILURES {
            self.announce(recording, vec![fault])
        } else {
            self.finish(recording, vec![fault])
        }
    }

    pub(super) fn not_recorded(&mut self, state: OwnerState) -> OwnerState {
        match state {
            OwnerState::Recording(recording) | OwnerState::Awaiting(Awaited::Recording(recording)) => {
                self.finish(recording, vec![Prompt::NotRecorded])
            }
            other => other,
        }
    }

    pub(super) fn review_function(&mut self, mut recording: OwnerRecording, function: Function) -> OwnerState {
        let said = match function {
            Function::Accept => return self.accept(recording),
            Function::Discard => return self.discard(recording),
            Function::RecordAgain => {
                self.drop_recording(&mut recording);
                return self.announce(recording, Vec::new());
            }
            Function::Hear if recording.exists => Prompt::PlayRecording,
            Function::Urgent if recording.is_message() => match recording.urgency {
                Urgency::Normal => {
                    recording.urgency = Urgency::Urgent;
                    Prompt::MarkedUrgent
                }
                Urgency::Urgent => {
                    recording.urgency = Urgency::Normal;
                    Prompt::MarkedNotUrgent
                }
            },
            Function::Private if recording.is_message() => match recording.privacy {
                Privacy::Normal => {
                    recording.privacy = Privacy::Private;
                    Prompt::MarkedPrivate
                }
                Privacy::Private => {
                    recording.privacy = Privacy::Normal;
                    Prompt::MarkedNotPrivate
                }
            },
            Function::RequestReceipt if recording.is_sent() => match recording.receipt {
                ReceiptChoice::NotRequested => {
                    recording.receipt = ReceiptChoice::Requested;
                    Prompt::ReceiptRequested
                }
                ReceiptChoice::Requested => {
                    recording.receipt = ReceiptChoice::NotRequested;
                    Prompt::ReceiptNotRequested
                }
            },
            Function::Hear | Function::Urgent | Function::Private | Function::RequestReceipt => Prompt::NotAvailable,
            // A key map has no other functions here.
            _ => Prompt::NotUnderstood,
        };
        self.continue_at(OwnerState::Reviewing(recording), vec![said])
    }

    fn accept(&mut self, recording: OwnerRecording) -> OwnerState {
        match recording.purpose {
            RecordingPurpose::Greeting(GreetingKind::Temporary) => {
                self.continue_at(OwnerState::Days(recording, String::new()), Vec::new())
            }
            RecordingPurpose::Greeting(kind) => self.save_greeting(recording, kind, None),
            RecordingPurpose::Introduction { .. } | RecordingPurpose::Answer(_) | RecordingPurpose::Message { .. } => {
                self.send(recording)
            }
        }
    }

    fn discard(&mut self, mut recording: OwnerRecording) -> OwnerState {
        let said = if recording.exists { vec![Prompt::RecordingDiscarded] } else { Vec::new() };
        self.drop_recording(&mut recording);
        self.finish(recording, said)
    }

    /// Has the driver discard the recording, if it has one.
    pub(super) fn drop_recording(&mut self, recording: &mut OwnerRecording) {
        if std::mem::take(&mut recording.exists) {
            self.act(OwnerAction::Discard);
        }
    }

    /// Says `said`, and continues where the recording was begun.
    pub(super) fn finish(&mut self, recording: OwnerRecording, said: Say) -> OwnerState {
        match recording.then {
            Return::Main => self.continue_at(OwnerState::Main, said),
            Return::Message(messages) => self.at_message(messages, said),
            Return::Greeting(kind) => self.continue_at(OwnerState::OneGreeting(kind), said),
            Return::FirstUse => self.next_of_first_use(&recording.purpose, said),
        }
    }
}

/// The length below which a recording counts as none.
const MIN_RECORDING: Duration = Duration::from_secs(1);
/// After so many recordings that are too short or without speech, the owner is not asked for another.
const MAX_FAILURES: u32 = 3;
