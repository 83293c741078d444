//! Recordings to send.

use bytes::Bytes;
use voicemail::audio::{Format, Wav};

/// A WAV file of noise, which no compression could shorten.
pub(crate) fn sound(format: Format, seconds: u32) -> Bytes {
    let len = u32::try_from(format.bytes_per_second()).expect("a rate") * seconds;
    let mut state = 1u32;
    let mut wav = Wav::header(format, len);
    wav.extend((0..len).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    }));
    wav.into()
}
