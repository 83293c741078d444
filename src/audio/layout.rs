//! [`Layout`]: where the samples of a sound are, and how they are coded.

use std::ops::Range;
use std::time::Duration;

use super::AudioError;
use super::coding::Coding;
use super::error::{HIGHEST_RATE, LOWEST_RATE};
use crate::message::AudioType;

/// Where the samples of a sound are, and how they are coded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) coding: Coding,
    /// The position of the first sample, in bytes.
    pub(super) start: u64,
    /// How many bytes of samples the header announces, which may be wrong; `None` if they go on to the end.
    pub(super) announced: Option<u64>,
}

impl Layout {
    /// Returns the layout of a sound without a header.
    pub(super) const fn headerless(coding: Coding) -> Self {
        Self { coding, start: 0, announced: None }
    }

    /// Reads the layout of a sound of `len` bytes, of which `beginning` holds at least all before the samples.
    pub(super) fn of(media: AudioType, beginning: &[u8], len: u64) -> Result<Self, AudioError> {
        let layout = (media.info().layout)(beginning, len)?;
        let rate = layout.coding.format().rate;
        if (LOWEST_RATE..=HIGHEST_RATE).contains(&rate) { Ok(layout) } else { Err(AudioError::Rate(rate)) }
    }

    /// Returns the positions of the samples in a sound of `len` bytes, in whole blocks.
    pub(super) fn samples(&self, len: u64) -> Range<u64> {
        let start = self.start.min(len);
        let present = len - start;
        let samples = self.announced.map_or(present, |announced| announced.min(present));
        start..start + (samples - samples % self.coding.block_len())
    }

    /// Returns the duration of a sound of `len` bytes.
    pub(super) fn duration(&self, len: u64) -> Duration {
        let samples = self.samples(len);
        self.coding.duration_of(samples.end - samples.start)
    }
}

/// Returns whether a sound can be read, judged by its beginning; `is_whole` if this is the complete sound.
#[cfg(feature = "wire")]
pub(crate) fn may_be_read(media: AudioType, beginning: &[u8], is_whole: bool) -> bool {
    let len = if is_whole { beginning.len() as u64 } else { u64::MAX };
    match Layout::of(media, beginning, len) {
        Ok(_) => true,
        // A missing chunk may come later.
        Err(AudioError::NoFormat | AudioError::NoData) => !is_whole,
        Err(_) => false,
    }
}
