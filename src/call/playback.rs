//! [`Playback`]: the frames that a leg plays.

use std::fmt;

use crate::telephone::Prompt;

/// The sound that a leg plays next: an iterator of frames, which the leg takes one by one when they are due.
///
/// A frame has 20 ms of 16-bit samples of one channel, at the rate of the leg's [`format`](super::CallLeg::format). Taking a frame never
/// waits: all sounds are in memory. A leg that drops the playback before its end stops it there.
///
/// ```
/// use voicemail::call::{Playback, PlaybackId};
/// use voicemail::telephone::Prompt;
///
/// let silence = std::iter::repeat_n(vec![0_i16; 160], 50); // one second at 8 kHz
/// let playback = Playback::new(PlaybackId::new(1), vec![Prompt::Tone], silence);
/// assert_eq!(playback.prompts(), [Prompt::Tone]);
/// assert_eq!(playback.count(), 50);
/// ```
pub struct Playback {
    id: PlaybackId,
    prompts: Vec<Prompt>,
    frames: Box<dyn Iterator<Item = Vec<i16>> + Send>,
}

impl Playback {
    /// Returns the playback `id` of these frames, in which `prompts` are said.
    pub fn new(id: PlaybackId, prompts: Vec<Prompt>, frames: impl Iterator<Item = Vec<i16>> + Send + 'static) -> Self {
        Self { id, prompts, frames: Box::new(frames) }
    }

    /// Returns the id, which [`LegEvent::Ended`](super::LegEvent::Ended) names.
    pub fn id(&self) -> PlaybackId {
        self.id
    }

    /// Returns the prompts that the frames say, for a transcript or a leg with a voice of its own.
    ///
    /// It is empty where a playback continues at another position or speed.
    pub fn prompts(&self) -> &[Prompt] {
        &self.prompts
    }
}

impl Iterator for Playback {
    type Item = Vec<i16>;

    fn next(&mut self) -> Option<Vec<i16>> {
        self.frames.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.frames.size_hint()
    }
}

impl fmt::Debug for Playback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Playback").field("id", &self.id).field("prompts", &self.prompts).finish_non_exhaustive()
    }
}

/// The number of a playback, unique within its call.
///
/// It keeps the end of one playback from being taken for the end of the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlaybackId(u64);

impl PlaybackId {
    /// Returns the id with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Returns the number.
    pub const fn get(self) -> u64 {
        self.0
    }
}
