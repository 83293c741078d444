//! [`LazyDecoder`]: decodes a sound in blocks as far as it is played.

use bytes::Bytes;

use super::coding::{BlockDecoder, Blocks};

/// A sound in blocks, with the samples that are decoded so far.
///
/// A later sample needs all samples before it to be decoded; an earlier one is in memory.
#[derive(Debug)]
pub(super) struct LazyDecoder {
    bytes: Bytes,
    block_len: usize,
    /// The position of the first block that is not decoded yet.
    next: usize,
    samples: Vec<i16>,
    decoder: Box<dyn BlockDecoder>,
}

impl LazyDecoder {
    pub(super) fn new(bytes: Bytes, blocks: Blocks) -> Self {
        Self { bytes, block_len: blocks.len.into(), next: 0, samples: Vec::new(), decoder: (blocks.decoder)() }
    }

    /// Returns the sample `number`; silence past the end.
    pub(super) fn at(&mut self, number: usize) -> i16 {
        while self.samples.len() <= number {
            let Some(block) = self.bytes.get(self.next..self.next + self.block_len) else { return 0 };
            self.decoder.decode_block(block, &mut self.samples);
            self.next += self.block_len;
        }
        self.samples[number]
    }
}

impl Clone for LazyDecoder {
    fn clone(&self) -> Self {
        let Self { bytes, block_len, next, samples, decoder } = self;
        Self {
            bytes: bytes.clone(),
            block_len: *block_len,
            next: *next,
            samples: samples.clone(),
            decoder: decoder.boxed_clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{g726, gsm};
    use super::*;

    #[test]
    fn an_earlier_sample_is_the_same_and_past_the_end_is_silence() {
        let bytes: Bytes = (0..=255).collect();
        for (blocks, len) in [(g726::BLOCKS, 512), (gsm::FRAMES, 7 * 160), (gsm::in_wav(8000), 3 * 320)] {
            let mut sound = LazyDecoder::new(bytes.clone(), blocks);
            let (middle, first) = (sound.at(len / 2), sound.at(3));
            let mut copy = sound.clone();
            let last = sound.at(len - 1);
            assert_eq!((sound.at(len / 2), sound.at(3), sound.at(len), sound.at(usize::MAX)), (middle, first, 0, 0), "{len}");
            assert_eq!((copy.at(3), copy.at(len - 1)), (first, last), "a copy goes on by itself");
            assert_ne!(last, 0, "{len}");
        }
    }
}
