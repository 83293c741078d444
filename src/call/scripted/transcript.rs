//! [`CallTranscript`]: what the driver did with a [`ScriptedLeg`](super::ScriptedLeg).

use std::sync::Arc;

use crate::call::{CallRefusal, TransferTarget};
use crate::lock::Lock;
use crate::telephone::Prompt;

/// The actions of the driver on a [`ScriptedLeg`](super::ScriptedLeg), so far; clones show the same call.
#[derive(Debug, Clone, Default)]
pub struct CallTranscript {
    state: Arc<Lock<State>>,
}

#[derive(Debug, Default)]
struct State {
    entries: Vec<TranscriptEntry>,
    samples: Vec<i16>,
}

/// Something that the driver did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TranscriptEntry {
    /// The call was answered.
    Answered,
    /// The call was refused.
    Refused(CallRefusal),
    /// These prompts were said: the whole of them, or a part until they were stopped or replaced. While they are said, they are not whole yet.
    Said {
        /// The prompts of one playback.
        prompts: Vec<Prompt>,
        /// Whether the playback was played to its end.
        whole: bool,
    },
    /// The call was to be transferred.
    Transferred {
        /// Where to.
        to: TransferTarget,
        /// Whether it was.
        succeeded: bool,
    },
    /// The driver hung up.
    HungUp,
}

impl CallTranscript {
    /// Returns everything that was done, in order.
    pub fn entries(&self) -> Vec<TranscriptEntry> {
        self.state.lock().entries.clone()
    }

    /// Returns all prompts that were said at least in part, in order.
    pub fn prompts(&self) -> Vec<Prompt> {
        let state = self.state.lock();
        let said = state.entries.iter().filter_map(|entry| match entry {
            TranscriptEntry::Said { prompts, .. } => Some(prompts),
            _ => None,
        });
        said.flatten().cloned().collect()
    }

    /// Returns the samples that were played, at the rate of the leg: at most the first ten minutes at 8 kHz.
    pub fn sound(&self) -> Vec<i16> {
        self.state.lock().samples.clone()
    }
}

/// Writes a transcript.
#[derive(Debug)]
pub(super) struct Recorder {
    state: Arc<Lock<State>>,
    /// The entry of what is said now, and how many entries the script has looked at.
    current: Option<usize>,
    seen_begun: usize,
    seen_ended: usize,
}

impl Recorder {
    pub(super) fn new() -> (Self, CallTranscript) {
        let transcript = CallTranscript::default();
        let state = Arc::clone(&transcript.state);
        (Self { state, current: None, seen_begun: 0, seen_ended: 0 }, transcript)
    }

    pub(super) fn push(&mut self, entry: TranscriptEntry) {
        self.state.lock().entries.push(entry);
    }

    /// Notes that a playback begins, in place of another one if `replaces`.
    pub(super) fn handle_begin(&mut self, prompts: &[Prompt], replaces: bool) {
        if replaces {
            self.handle_end(false);
        }
        let mut state = self.state.lock();
        state.entries.push(TranscriptEntry::Said { prompts: prompts.to_vec(), whole: false });
        self.current = Some(state.entries.len() - 1);
    }

    /// Notes the end of the playback.
    pub(super) fn handle_end(&mut self, is_whole: bool) {
        let Some(current) = self.current.take() else { return };
        if let Some(TranscriptEntry::Said { whole, .. }) = self.state.lock().entries.get_mut(current) {
            *whole = is_whole;
        }
    }

    pub(super) fn handle_frame(&mut self, frame: &[i16]) {
        let mut state = self.state.lock();
        let room = MAX_SAMPLES.saturating_sub(state.samples.len());
        state.samples.extend_from_slice(&frame[..frame.len().min(room)]);
    }

    /// Whether a prompt that `is_meant` accepts has begun since the last one that a step waited for.
    pub(super) fn has_begun(&mut self, is_meant: impl Fn(&Prompt) -> bool) -> bool {
        let found = self.find(self.seen_begun, is_meant);
        if let Some(found) = found {
            self.seen_begun = found + 1;
            self.seen_ended = self.seen_ended.max(found);
        }
        found.is_some()
    }

    /// Whether the playback of a prompt that `is_meant` accepts has ended since the last one that a step waited for.
    pub(super) fn has_ended(&mut self, is_meant: impl Fn(&Prompt) -> bool) -> bool {
        let found = self.find(self.seen_ended, is_meant).filter(|found| self.current != Some(*found));
        if let Some(found) = found {
            self.seen_ended = found + 1;
            self.seen_begun = self.seen_begun.max(found + 1);
        }
        found.is_some()
    }

    fn find(&self, from: usize, is_meant: impl Fn(&Prompt) -> bool) -> Option<usize> {
        let state = self.state.lock();
        let said = state.entries.iter().enumerate().skip(from);
        let mut meant = said.filter(|(_, entry)| match entry {
            TranscriptEntry::Said { prompts, .. } => prompts.iter().any(&is_meant),
            _ => false,
        });
        meant.next().map(|(place, _)| place)
    }
}

/// Ten minutes at 8 kHz.
const MAX_SAMPLES: usize = 4_800_000;
