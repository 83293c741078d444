//! [`Payloads`]: samples as the payload of RTP packets.

use std::fmt;
use std::num::NonZeroUsize;

use bytes::Bytes;

use crate::audio::{Codec, encode};

/// An iterator over the RTP payloads that frames of samples make, each of the same number of samples.
///
/// The frames may have any lengths, such as the 20 ms of [`Frames`](crate::audio::Frames) for a call with packets of 30 ms. The last payload is
/// filled up with silence.
///
/// ```
/// use voicemail::audio::rtp::Payloads;
/// use voicemail::audio::{Codec, Frames};
/// use voicemail::message::{Audio, AudioType};
///
/// let sound = Audio::new(AudioType::Basic, vec![0xff; 1000]);
/// let frames = Frames::new(&sound, 8000.try_into()?)?;
/// let payloads = Payloads::new(frames, Codec::Pcma, 240.try_into()?);
/// assert_eq!(payloads.map(|payload| payload.len()).collect::<Vec<_>>(), [240; 5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Payloads<I> {
    frames: I,
    codec: Codec,
    samples: NonZeroUsize,
    /// The frame, or the rest of one and what follows it, from which the next payload is taken.
    pending: Vec<i16>,
    /// How many samples of `pending` were taken. They are removed when another frame is needed, not with each payload of a long frame.
    taken: usize,
}

impl<I: Iterator<Item = Vec<i16>>> Payloads<I> {
    /// Returns the payloads of `frames`, in `codec`, with `samples` samples each: 160 for 20 ms at 8 kHz.
    pub const fn new(frames: I, codec: Codec, samples: NonZeroUsize) -> Self {
        Self { frames, codec, samples, pending: Vec::new(), taken: 0 }
    }
}

impl<I: Iterator<Item = Vec<i16>>> Iterator for Payloads<I> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let wanted = self.samples.get();
        while self.pending.len() - self.taken < wanted {
            self.pending.drain(..std::mem::take(&mut self.taken));
            match self.frames.next() {
                Some(frame) if self.pending.is_empty() => self.pending = frame,
                Some(frame) => self.pending.extend(frame),
                None if self.pending.is_empty() => return None,
                None => self.pending.resize(wanted, 0),
            }
        }
        let payload = encode(self.codec, &self.pending[self.taken..][..wanted]);
        self.taken += wanted;
        Some(payload)
    }
}

/// Prints no samples, which may be what a caller said.
impl<I> fmt::Debug for Payloads<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (codec, samples) = (&self.codec, &self.samples);
        f.debug_struct("Payloads").field("codec", codec).field("samples", samples).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payloads(frames: &[&[i16]], samples: usize) -> Vec<Bytes> {
        let frames: Vec<_> = frames.iter().map(|frame| frame.to_vec()).collect();
        Payloads::new(frames.into_iter(), Codec::L8, samples.try_into().unwrap()).collect()
    }

    #[test]
    fn frames_of_any_length_become_payloads_of_one_length() {
        let (a, b, c, d) = (0x0100, 0x0200, 0x0300, 0x0400);
        let expected: [&[u8]; 2] = [&[0x81, 0x82], &[0x83, 0x84]];
        assert_eq!(payloads(&[&[a, b], &[c, d]], 2), expected);
        assert_eq!(payloads(&[&[a, b, c, d]], 2), expected);
        assert_eq!(payloads(&[&[a, b, c], &[d]], 2), expected);
        assert_eq!(payloads(&[&[a], &[], &[b, c], &[d]], 2), expected);
    }

    #[test]
    fn the_last_payload_ends_in_silence_and_nothing_follows() {
        assert_eq!(payloads(&[&[0x0100, 0x0200], &[0x0300]], 2), [&[0x81, 0x82][..], &[0x83, 0x80]]);
        assert_eq!(payloads(&[], 2), Vec::<Bytes>::new());
        assert_eq!(payloads(&[&[], &[]], 2), Vec::<Bytes>::new());
    }
}
