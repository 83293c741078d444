//! Random numbers that a seed repeats.

use std::time::Duration;

/// A sequence of random numbers, the same for the same seed.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    pub fn with_seed(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }

    pub fn millis_below(&mut self, end: u64) -> Duration {
        Duration::from_millis(self.below(end))
    }
}

/// A seed that no run had before; the test prints it.
pub fn new_seed() -> u64 {
    let id = voicemail::message::MessageId::random();
    id.as_bytes().iter().take(6).fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}
