//! [`Coded`]: a sound whose samples depend on all before them, decoded as far as it is played.

use bytes::Bytes;

use super::coding::GsmPacking;
use super::{g726, gsm};

/// A sound whose samples depend on all before them, and the samples that were decoded of it so far.
///
/// Playing a later sample decodes all before it; an earlier one is at hand.
#[derive(Debug, Clone)]
pub(super) struct Coded {
    blocks: Bytes,
    /// Where the first block begins that is not decoded yet.
    next: usize,
    samples: Vec<i16>,
    decoder: Decoder,
}

#[derive(Debug, Clone)]
enum Decoder {
    Adpcm32(g726::Decoder),
    Gsm(Box<gsm::Decoder>, GsmPacking),
}

impl Coded {
    pub(super) fn adpcm32(blocks: Bytes) -> Self {
        Self::new(blocks, Decoder::Adpcm32(g726::Decoder::new()))
    }

    pub(super) fn gsm(blocks: Bytes, packing: GsmPacking) -> Self {
        Self::new(blocks, Decoder::Gsm(Box::new(gsm::Decoder::new()), packing))
    }

    fn new(blocks: Bytes, decoder: Decoder) -> Self {
        Self { blocks, next: 0, samples: Vec::new(), decoder }
    }

    /// The sample `number`; silence past the end.
    pub(super) fn at(&mut self, number: usize) -> i16 {
        while self.samples.len() <= number {
            if !self.decode_block() {
                return 0;
            }
        }
        self.samples[number]
    }

    /// Decodes one more block, if there is a whole one.
    fn decode_block(&mut self) -> bool {
        let len = match self.decoder {
            Decoder::Adpcm32(_) => 1,
            Decoder::Gsm(_, packing) => packing.block_len(),
        };
        let Some(block) = self.blocks.get(self.next..self.next + len) else { return false };
        match &mut self.decoder {
            Decoder::Adpcm32(decoder) => decoder.decode_block(block, &mut self.samples),
            Decoder::Gsm(decoder, packing) => decoder.decode_block(block, *packing, &mut self.samples),
        }
        self.next += len;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_sample_is_the_same_again_and_past_the_end_is_silence() {
        let blocks: Bytes = (0..=255).collect();
        for (mut sound, len) in [
            (Coded::adpcm32(blocks.clone()), 512),
            (Coded::gsm(blocks.clone(), GsmPacking::Rtp), 7 * 160),
            (Coded::gsm(blocks.clone(), GsmPacking::Wav49), 3 * 320),
        ] {
            let (last, first) = (sound.at(len - 1), sound.at(3));
            assert_eq!((sound.at(len - 1), sound.at(3), sound.at(len), sound.at(usize::MAX)), (last, first, 0, 0), "{len}");
            assert_ne!(last, 0, "{len}");
        }
    }
}
