//! Sounds: codec, sample rate, position of the samples and duration, read from the bytes of a sound.
//!
//! Nothing here does I/O. Samples are decoded only to be played, as [`Frames`]; a sound that is stored or sent is never transcoded.
//! The module [`rtp`] reads and writes the packets of a call.

mod au;
mod coding;
mod error;
mod format;
mod frames;
mod g726;
mod gsm;
mod join;
mod layout;
mod lazy_decoder;
mod length;
mod pcm;
mod riff;
pub mod rtp;
mod speech;
mod stretched;
#[cfg(feature = "node")]
mod timeline;
mod tone;
mod types;
mod wav;

pub use self::error::AudioError;
pub use self::format::{Codec, Format};
#[cfg(feature = "node")]
pub(crate) use self::frames::wav_len;
pub use self::frames::{Frames, FramesError, to_adpcm32, to_wav};
pub use self::g726::G726Encoder;
pub use self::join::join;
#[cfg(feature = "wire")]
pub(crate) use self::join::{join_all, joined_length, length_with_gaps};
#[cfg(feature = "wire")]
pub(crate) use self::layout::may_be_read;
#[cfg(feature = "wire")]
pub(crate) use self::length::length_within;
pub use self::length::{announced_length, length_of};
pub use self::pcm::{encode, from_a_law, from_mu_law, to_a_law, to_mu_law};
pub use self::speech::SpeechMeter;
pub use self::stretched::Stretched;
#[cfg(feature = "node")]
pub(crate) use self::timeline::Timeline;
pub use self::tone::tone;
pub use self::wav::Wav;
