//! What a sound's bytes say of themselves: codec, rate, where the samples are, how long they last.
//!
//! Bytes in, values out: nothing here does I/O, and nothing decodes a sample. The crate never transcodes.

mod au;
mod error;
mod format;
mod length;
mod wav;

pub use self::error::WavError;
pub use self::format::{Codec, Format};
pub use self::length::{announced_length, length_of};
pub use self::wav::Wav;
